//! Ganymede, the control plane: people, organizations, tokens, the gateway pool and the durable document store. Decides
//! nothing about documents.

pub mod clock;
pub mod data;
pub mod database;
pub mod dns;
pub mod orgs;
pub mod people;
pub mod pool;
pub mod private_file;
pub mod state_key;
pub mod store;
pub mod tokens;
pub mod visits;
