//! Ganymede, the control plane: today its tokens and its durable document store. Decides nothing about documents.

pub mod private_file;
pub mod store;
pub mod tokens;
