//! Sans-IO core.
pub mod id;
pub mod limits;
