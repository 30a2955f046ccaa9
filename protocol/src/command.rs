//! Commands: what members ask of server-owned state, `POST /collab/event`. Owns how they are written, who may give them,
//! and that one given twice under one key is done once; knows neither HTTP nor what carries them out.

mod container;
mod desk;

use serde_json::{Map, Value};

use crate::{access::Permission, container::Rejection, id::ContainerId};
pub use container::{Authority, ContainerCommand, NewContainer, NewLimits};
pub use desk::{Admission, Answer, Desk, IdempotencyKey, InvalidIdempotencyKey, Ticket};

/// One command, of a closed set.
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to the gateway that carries it out")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `gateway:disable-shutdown`: the gateway serves on however long nobody does anything, or does not.
    DisableShutdown {
        /// Whether it serves on.
        disabled: bool,
    },
    /// Something about a user container.
    Container(ContainerCommand),
}

/// Why a command is not carried out. The sender's fault: nothing has changed, and giving it again unchanged is in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A type that this gateway does not know.
    #[error("there is no command {0:?}")]
    Unknown(String),
    /// A field that is not what it should be.
    #[error("{field} {problem}")]
    Invalid {
        /// The field of the event.
        field: String,
        /// What is wrong with it, to follow the field's name.
        problem: &'static str,
    },
    /// The member's role in the project is not enough.
    #[error("your role in this project does not allow {0:?}")]
    Forbidden(&'static str),
    /// Only containers give it, of themselves.
    #[error("{0:?} is for containers to give")]
    NotForMembers(&'static str),
    /// A container speaks of another one.
    #[error("the token is not that of container {0}")]
    Foreign(ContainerId),
    /// A container that is not there any more, or one of its earlier generations.
    #[error("the container of this token is not there any more")]
    Gone,
    /// It is understood, and not what can be done.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The idempotency key was used for another command.
    #[error("the idempotency key was used for another command")]
    KeyReused,
    /// More commands of the project are being carried out than are kept track of.
    #[error("too many commands of this project are under way")]
    Busy,
}

impl Refusal {
    fn unknown(kind: &str) -> Self {
        Self::Unknown(kind.chars().take(80).collect())
    }

    fn invalid(field: &str, problem: &'static str) -> Self {
        // A field's name may be the peer's own, and long.
        Self::Invalid { field: field.chars().take(80).collect(), problem }
    }
}

impl Command {
    /// Reads an event `{type, ...}`.
    ///
    /// # Errors
    /// It is no event, of no known type, or a field is missing, wrong or unknown.
    pub fn parse(event: &Value) -> Result<Self, Refusal> {
        let (kind, event) = kind_of(event)?;
        match kind {
            "gateway:disable-shutdown" => {
                let [disabled] = fields(event, ["disabled"])?;
                let disabled = disabled.as_bool().ok_or(Refusal::invalid("disabled", "must be true or false"))?;
                Ok(Self::DisableShutdown { disabled })
            }
            _ => ContainerCommand::read(kind, event).map(Self::Container),
        }
    }

    /// Its type, as written in an event.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::DisableShutdown { .. } => "gateway:disable-shutdown",
            Self::Container(command) => command.kind(),
        }
    }

    /// Who may give it.
    pub const fn authority(&self) -> Authority {
        match self {
            Self::DisableShutdown { .. } => Authority::Member(Permission::ControlGateway),
            Self::Container(command) => command.authority(),
        }
    }
}

/// An event's type, and its fields.
fn kind_of(event: &Value) -> Result<(&str, &Map<String, Value>), Refusal> {
    let event = event.as_object().ok_or(Refusal::invalid("event", "must be an object"))?;
    let kind = event.get("type").ok_or(Refusal::invalid("type", "is missing"))?;
    Ok((kind.as_str().ok_or(Refusal::invalid("type", "must be a string"))?, event))
}

/// The fields that an event of a type has beside `type`: all of them, and no others, so that a misspelt one is never
/// silently ignored.
fn fields<'a, const N: usize>(event: &'a Map<String, Value>, names: [&str; N]) -> Result<[&'a Value; N], Refusal> {
    optional_fields(event, names, []).map(|(found, [])| found)
}

/// What of an event was asked for: fields that it must have, and fields that it may.
type Found<'a, const N: usize, const M: usize> = ([&'a Value; N], [Option<&'a Value>; M]);

/// The same with fields that may be missing or null.
fn optional_fields<'a, const N: usize, const M: usize>(
    event: &'a Map<String, Value>,
    names: [&str; N],
    optional: [&str; M],
) -> Result<Found<'a, N, M>, Refusal> {
    let known = |key: &str| key == "type" || names.contains(&key) || optional.contains(&key);
    if let Some(other) = event.keys().find(|key| !known(key)) {
        return Err(Refusal::invalid(other, "is unknown"));
    }
    let mut found = [&Value::Null; N];
    for (slot, name) in found.iter_mut().zip(names) {
        *slot = event.get(name).ok_or(Refusal::invalid(name, "is missing"))?;
    }
    Ok((found, optional.map(|name| event.get(name).filter(|value| !value.is_null()))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_strictly() {
        let check = |event: Value, expect: Result<Command, &str>| {
            let read = Command::parse(&event).map_err(|refusal| refusal.to_string());
            assert_eq!(read, expect.map_err(str::to_owned), "{event}");
        };
        let disable = json!({"type": "gateway:disable-shutdown", "disabled": true});
        check(disable, Ok(Command::DisableShutdown { disabled: true }));
        check(json!({"type": "gateway:disable-shutdown"}), Err("disabled is missing"));
        check(json!({"type": "gateway:disable-shutdown", "disabled": 1}), Err("disabled must be true or false"));
        let misspelt = json!({"type": "gateway:disable-shutdown", "disabled": true, "for": 3});
        check(misspelt, Err("for is unknown"));
        check(json!({"type": "gateway:enable"}), Err("there is no command \"gateway:enable\""));
        check(json!({"type": 7}), Err("type must be a string"));
        check(json!({}), Err("type is missing"));
        check(json!([]), Err("event must be an object"));
    }

    #[test]
    fn a_command_of_a_container_is_one_of_the_set() {
        let event = json!({"type": "user-container:stop", "user_container_id": "uc_7000000000000000"});
        let command = Command::parse(&event).unwrap();
        assert_eq!(command.kind(), "user-container:stop");
        assert_eq!(command.authority(), Authority::Member(Permission::ManageContainers));
    }

    #[test]
    fn the_page_for_clients_has_every_command() {
        let page = include_str!("../../docs/clients.md");
        let named = page.split('`').filter(|text| text.starts_with("user-container") || text.starts_with("gateway:"));
        let mut named: Vec<_> = named.collect();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), 10);
        for kind in named {
            let read = Command::parse(&json!({"type": kind}));
            assert!(!matches!(read, Err(Refusal::Unknown(_))), "docs/clients.md has a command that is none: {kind}");
        }
    }

    #[test]
    fn what_is_quoted_back_is_bounded() {
        let long = "x".repeat(10_000);
        for event in
            [json!({"type": long}), json!({"type": "gateway:disable-shutdown", "disabled": true, long.clone(): 1})]
        {
            let text = Command::parse(&event).unwrap_err().to_string();
            assert!(text.len() < 200, "{}", text.len());
        }
    }
}
