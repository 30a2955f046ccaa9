//! Makes a container engine equal to what an organization wants of it. Owns the way to the engine; decides nothing: what to
//! do is planned in [`orrery_protocol::container::plan`].

mod world;

pub use world::{Blueprint, Credentials, Live, Porch, Probe, Reports, Sightings, World};
