//! What others were last told of the containers of a project, so that only what became of it since is worked out and told.

use std::{collections::BTreeMap, sync::Arc};

use orrery_protocol::{
    container::Entry,
    id::{ContainerId, ProjectId},
    route::Address,
};

use super::Slot;

/// What was told of one project.
#[derive(Default)]
pub(super) struct Told {
    loaded: bool,
    held: bool,
    entries: BTreeMap<ContainerId, Arc<Entry>>,
    unreadable: Vec<ContainerId>,
    /// Where those of them were that were reached.
    addresses: BTreeMap<ContainerId, Address>,
}

/// What became of one project since it was told of.
pub(super) struct News {
    pub(super) project: ProjectId,
    /// Containers that differ.
    pub(super) containers: Vec<Turn>,
}

/// A container as it was, and as it is.
pub(super) struct Turn {
    pub(super) id: ContainerId,
    pub(super) before: Option<Arc<Entry>>,
    pub(super) now: Option<Arc<Entry>>,
}

impl Told {
    /// Takes over how a project is now; `None` if that is how it was. What is gone has no `slot`.
    pub(super) fn follow(
        &mut self,
        project: ProjectId,
        slot: Option<&Slot>,
        addresses: &BTreeMap<ContainerId, Address>,
    ) -> Option<News> {
        let none = BTreeMap::new();
        let loaded = slot.and_then(Slot::loaded);
        let entries = loaded.map_or(&none, |project| project.durable_containers().shared());
        let unreadable = slot.map_or(&[][..], |slot| &slot.unreadable);
        let held = slot.is_some_and(Slot::is_held);
        let mut containers = Vec::new();
        for (id, entry) in entries {
            let known = self.entries.get(id);
            // An entry that was not changed is the very same one.
            let same = known.is_some_and(|known| Arc::ptr_eq(known, entry));
            if !same || self.addresses.get(id) != addresses.get(id) {
                containers.push(Turn { id: *id, before: known.cloned(), now: Some(entry.clone()) });
            }
        }
        for (id, known) in &self.entries {
            if !entries.contains_key(id) {
                containers.push(Turn { id: *id, before: Some(known.clone()), now: None });
            }
        }
        let same = (self.loaded, self.held) == (loaded.is_some(), held) && self.unreadable == unreadable;
        if containers.is_empty() && same {
            return None;
        }
        (self.loaded, self.held) = (loaded.is_some(), held);
        unreadable.clone_into(&mut self.unreadable);
        for Turn { id, now, .. } in &containers {
            match now {
                Some(entry) => drop(self.entries.insert(*id, entry.clone())),
                None => drop(self.entries.remove(id)),
            }
            match addresses.get(id).filter(|_| now.is_some()) {
                Some(address) => drop(self.addresses.insert(*id, address.clone())),
                None => drop(self.addresses.remove(id)),
            }
        }
        Some(News { project, containers })
    }
}
