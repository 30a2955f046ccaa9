//! Sans-IO core.
pub mod access;
pub mod id;
pub mod limits;
pub mod record;
