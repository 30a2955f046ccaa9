//! All containers of a project, and what one input changes of them.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    Container, ContainerClocks, Entry, ProjectNotes, ResourceBounds, SecretId, SecretText, ServiceName, ServiceState,
    Site, Unreadable, Vitals,
    environment::secret_bytes,
    values::{self, ROOT},
};
use crate::{
    document::system::{self, Fields},
    id::ContainerId,
    image::ImageRegistry,
};

/// The containers of one project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Containers {
    /// Shared with what was before: a change costs what it changes.
    entries: BTreeMap<ContainerId, Arc<Entry>>,
    /// Their host names are not known to the world yet.
    pub(super) unnamed: bool,
}

/// What containers of a project live under.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What they can be made from.
    pub images: ImageRegistry,
    /// Where they are reached.
    pub site: Site,
    /// How long what may last.
    pub clocks: ContainerClocks,
    /// What one of them may have.
    pub bounds: ResourceBounds,
    /// Most containers of one project, those that are being deleted among them.
    pub containers_max: usize,
    /// Most bytes of names and values of variables of all these together, those of secrets among them.
    pub variables_bytes_max: usize,
}

/// One service that can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// Whose it is.
    pub container: &'a Container,
    /// Which.
    pub service: &'a ServiceName,
    /// Where it listens in the container.
    pub port: u16,
}

/// What one input changes: data, to be applied to the state it was decided on and to no other.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Change {
    /// Containers as they are from now on; `None` for one that is forgotten.
    entries: BTreeMap<ContainerId, Option<Entry>>,
    /// What the sender is answered.
    pub result: Value,
    /// What a container said of its host: for whoever looks, never for a document.
    pub live: Option<(ContainerId, Value)>,
    /// Values of secrets that were given with the command: for whoever keeps them, never for a document.
    pub secrets: BTreeMap<ContainerId, BTreeMap<SecretId, SecretText>>,
}

impl Containers {
    /// The containers in a `system` document, and what of it cannot be read. That stays in the document as it is.
    pub fn read(values: &Fields) -> (Self, Vec<Unreadable>) {
        let (containers, unreadable) = values::read_all(values);
        let entry = |(id, container)| (id, Arc::new(Entry { container, vitals: Vitals::default() }));
        (Self { entries: containers.into_iter().map(entry).collect(), unnamed: false }, unreadable)
    }

    /// One container, with what is known of it beside the document.
    pub fn get(&self, id: ContainerId) -> Option<&Entry> {
        self.entries.get(&id).map(|entry| &**entry)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values().map(|entry| &**entry)
    }

    /// The same, to be kept: an entry that was not changed stays the very same one.
    pub fn shared(&self) -> &BTreeMap<ContainerId, Arc<Entry>> {
        &self.entries
    }

    /// Takes up again where services listen and who reports, as far as a gateway of before has left that behind. What it does
    /// not say is withdrawn until its container does; who reported has as long again to do so.
    pub fn recall(&self, notes: &ProjectNotes, now_ms: u64) -> Change {
        let mut change = Change::default();
        for (id, known) in &self.entries {
            let mut entry = Entry::clone(known);
            if entry.container.status.phase.is_up() {
                entry.vitals.ports = notes.ports.get(id).cloned().unwrap_or_default();
                entry.vitals.watchdog_at_ms = notes.reporting.contains(id).then_some(now_ms);
            }
            entry.vitals.listening = notes.listening.get(id).cloned();
            entry.vitals.secret_bytes = notes.secrets.get(id).map_or(0, secret_bytes);
            entry.route();
            change.put(Some(known), entry);
        }
        change
    }

    /// From now on host names of containers are known to the world, or are not: services say so.
    pub fn rename(&mut self, named: bool) -> Change {
        self.unnamed = !named;
        let mut change = Change::default();
        for known in self.entries.values() {
            let mut entry = Entry::clone(known);
            entry.vitals.unnamed = self.unnamed;
            entry.route();
            change.put(Some(known), entry);
        }
        change
    }

    /// Where requests go: every service that is up, with its port in its container. The first of a container is what its
    /// plain URL and its alias lead to.
    pub fn routes<'a>(&'a self, rules: &'a Rules) -> impl Iterator<Item = Route<'a>> {
        self.iter().flat_map(move |entry| entry.routes(rules))
    }

    /// Whether a change writes anything.
    pub fn is_written_by(&self, change: &Change) -> bool {
        let differs = |(id, entry): (&ContainerId, &Option<Entry>)| {
            let known = self.entries.get(id).map(|entry| &entry.container);
            known != entry.as_ref().map(|entry| &entry.container)
        };
        change.entries.iter().any(differs)
    }

    /// Takes a change over and returns what it writes: what the system document does in one transaction.
    pub fn apply(&mut self, change: Change) -> Vec<system::Change> {
        let mut writes = Vec::new();
        for (id, entry) in change.entries {
            let known = self.entries.get(&id).map(|entry| &entry.container);
            let wanted = entry.as_ref().map(|entry| &entry.container);
            if known != wanted {
                let path = vec![ROOT.to_owned(), id.to_string()];
                writes.push(system::Change { path, value: wanted.map(values::value_of) });
            }
            match entry {
                Some(entry) => drop(self.entries.insert(id, Arc::new(entry))),
                None => drop(self.entries.remove(&id)),
            }
        }
        writes
    }
}

impl Entry {
    /// The same of one container.
    pub(crate) fn routes<'a>(&'a self, rules: &'a Rules) -> impl Iterator<Item = Route<'a>> {
        let Container { spec, status, .. } = &self.container;
        let declared = spec.services_declared.iter();
        let mapped = status.services.keys().filter(|name| !spec.services_declared.contains(name));
        let up = |name: &&ServiceName| {
            status.services.get(*name).is_some_and(|service| service.state != ServiceState::Withdrawn)
        };
        let route =
            move |service| Some(Route { container: &self.container, service, port: self.port(rules, service)? });
        declared.chain(mapped).filter(up).filter_map(route)
    }
}

impl Change {
    /// Whether nothing is written and nothing is known that was not.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The containers that it leaves, and how.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.entries.values().flatten().map(|entry| &entry.container)
    }

    pub(super) fn answering(result: Value) -> Self {
        Self { result, ..Self::default() }
    }

    pub(super) fn put(&mut self, before: Option<&Entry>, after: Entry) {
        if before != Some(&after) {
            self.entries.insert(after.container.id, Some(after));
        }
    }

    pub(super) fn forget(&mut self, id: ContainerId) {
        self.entries.insert(id, None);
    }
}
