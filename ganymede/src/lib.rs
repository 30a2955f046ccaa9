//! Ganymede, the control plane: people, organizations, tokens, the gateway pool and the durable document store. Decides
//! nothing about documents.

pub mod database;
pub mod orgs;
pub mod people;
pub mod private_file;
pub mod store;
pub mod tokens;
