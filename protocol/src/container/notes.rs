//! What a gateway knows of a project's containers beside the document, and must not lose with itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Containers, Desired, Entry, Listening, SecretId, SecretText, ServiceName, VariableName, VariableValue};
use crate::id::ContainerId;

/// What is kept for a project. Holds secrets: whoever stores it seals it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectNotes {
    /// Where services listen that containers named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<ContainerId, BTreeMap<ServiceName, u16>>,
    /// Those that report.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub reporting: BTreeSet<ContainerId>,
    /// Where containers listen of whose image there is no definition that says so.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub listening: BTreeMap<ContainerId, Listening>,
    /// Values of variables that are secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<ContainerId, BTreeMap<SecretId, SecretText>>,
}

impl ProjectNotes {
    /// Takes over where services listen now and who reports, and forgets what belongs to no container that shall be.
    pub fn follow(&mut self, containers: &Containers) {
        let named = containers.iter().filter(|entry| !entry.vitals.ports.is_empty());
        self.ports = named.map(|entry| (entry.container.id, entry.vitals.ports.clone())).collect();
        let reports = containers.iter().filter(|entry| entry.vitals.watchdog_at_ms.is_some());
        self.reporting = reports.map(|entry| entry.container.id).collect();
        let listening = |entry: &Entry| Some((entry.container.id, entry.vitals.listening.clone()?));
        self.listening = containers.iter().filter_map(listening).collect();
        let shall_be =
            |id: ContainerId| containers.get(id).is_some_and(|entry| entry.container.spec.desired != Desired::Deleted);
        self.secrets.retain(|id, _| shall_be(*id));
    }

    /// The variables of a container that are secrets, with their values as far as they are known.
    pub fn secrets_of(&self, containers: &Containers, id: ContainerId) -> BTreeMap<VariableName, SecretText> {
        let (Some(entry), Some(values)) = (containers.get(id), self.secrets.get(&id)) else { return BTreeMap::new() };
        let secret = |(name, value): (&VariableName, &VariableValue)| match value {
            VariableValue::Secret(secret) => Some((name.clone(), values.get(secret)?.clone())),
            VariableValue::Plain(_) => None,
        };
        entry.container.spec.env.iter().filter_map(secret).collect()
    }
}
