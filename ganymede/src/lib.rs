//! Skeleton.

pub mod private_file;
pub mod tokens;
