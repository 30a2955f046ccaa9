//! Images of user containers: what a module says about one, and what there is to choose from. Knows no engine and pulls
//! nothing.

mod definition;
mod reference;
mod registry;
#[cfg(test)]
mod tests;
mod values;

pub use definition::{
    Capability, Category, ContainerImage, ContainerType, ImageOptions, InvalidDefinition, ServiceDefinition,
    VariableDefinition,
};
pub use reference::{Digest, ImageChoice, ImageId, ImageUri, InvalidName, Reference, Tag};
pub use registry::{AlreadyRegistered, ImageFilter, ImageRegistry, Unavailable};
pub use values::{ROOT, values_of};
