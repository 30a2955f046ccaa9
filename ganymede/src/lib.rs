//! Skeleton.

pub mod private_file;
pub mod store;
pub mod tokens;
