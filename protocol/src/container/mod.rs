//! User containers: what is wanted of them, what is seen of them, and what follows from both.
//!
//! [`Containers`] are those of one project. Commands, observations of engines and time go in, a [`Change`] comes out: what
//! the `system` document writes in one transaction, and what only the gateway knows. [`plan`] says what an engine has to do
//! for it all to become true. Must not know engines, sockets, tokens or clocks.
//!
//! ```text
//! command ----> reduce  \
//! engine -----> observe  > Change --> system document, vitals --> wanted --> plan --> actions of an engine
//! time -------> tick    /
//! ```

mod clocks;
mod definition;
mod environment;
mod host;
mod listening;
mod notes;
mod observe;
mod phase;
pub mod plan;
mod reduce;
mod resources;
mod state;
mod values;
mod vitals;
mod word;

pub use clocks::ContainerClocks;
pub use definition::{Container, ContainerName, InvalidName, RunnerName, Spec, Status};
pub use environment::{InvalidVariable, SecretId, SecretText, VARIABLES_MAX, VariableName, VariableValue};
pub use host::{
    Domain, HostName, InvalidHost, SERVICE_NAME_BYTES_MAX, Service, ServiceName, ServiceState, Site, Target,
};
pub use listening::Listening;
pub use notes::ProjectNotes;
pub use observe::Observation;
pub use phase::{Desired, Phase, Reason, ReasonCode};
pub use reduce::{Caller, Rejection};
pub use resources::{OutOfBounds, ResourceBounds, Resources};
pub use state::{Change, Containers, Route, Rules};
pub use values::{ROOT, Unreadable, json_of, time_of, time_text, value_of};
pub use vitals::{Entry, Run, Vitals};
pub use word::UnknownWord;
