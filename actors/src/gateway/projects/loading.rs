//! How projects come: a few at a time, and again until it works. Documents are made anew under each epoch; those that nobody
//! has needed yet, when somebody does.

use std::time::Duration;

use orrery_protocol::{
    container::ProjectNotes,
    document::merge,
    id::{ClientId, ProjectId},
    project::Project,
    record::StoredDocument,
};
use rand::Rng as _;

use super::{Notes, Outcome, Projects, Slot, State};
use crate::gateway::{GatewayMessage, OpenError};

/// Most projects that are being loaded at once.
const LOADING_MAX: usize = 4;
/// A project that could not be loaded is tried again after this long.
const RETRY: Duration = Duration::from_secs(2);

/// What was found of a project.
pub(crate) type Found = Result<(StoredDocument, ProjectNotes), String>;

impl Projects {
    pub(super) fn load_next(&mut self) {
        while self.loading < LOADING_MAX {
            let Some(id) = self.queue.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.state = State::Loading;
            self.loading += 1;
            let (journal, key, gateway) = (self.journal.clone(), slot.key.clone(), self.gateway.clone());
            let (control_plane, tenure) = (self.config.control_plane.clone(), self.tenure.clone());
            tokio::spawn(async move {
                let (stored, notes) = tokio::join!(journal.load(&key), control_plane.notes(&tenure, id));
                let found = match (stored, notes) {
                    // Read in part it would lack containers, and those that run would have to go; and it is made anew of
                    // what was read.
                    (Ok(stored), Ok(notes)) => match merge(stored.snapshot.as_deref(), &stored.updates) {
                        Ok(_) => Ok((stored, notes)),
                        Err(error) => Err(error.to_string()),
                    },
                    (Err(error), _) => Err(error.to_string()),
                    (_, Err(error)) => Err(error.to_string()),
                };
                drop(gateway.cast(GatewayMessage::ProjectFound(id, found)));
            });
        }
    }

    /// A project was loaded, or could not be.
    pub(in crate::gateway) fn found(&mut self, id: ProjectId, found: Found, outcomes: &mut Vec<Outcome>) {
        self.loading -= 1;
        self.dirty = true;
        self.load_next();
        let Some(slot) = self.slots.get_mut(&id) else { return };
        match found {
            Ok((stored, notes)) => {
                let (project, unreadable) = Project::read(&stored);
                for fault in &unreadable {
                    tracing::error!(org = %slot.key.org, project = %id, %fault, "a container cannot be read; it stays as it is");
                }
                slot.unreadable = unreadable.iter().filter_map(|fault| fault.container()).collect();
                let is_needed = !project.is_blank() || slot.wanted || !slot.waiting.is_empty();
                slot.notes = Notes { now: notes, ..Notes::default() };
                slot.state = State::Loaded(project);
                slot.tell_readers();
                if is_needed {
                    self.make_anew(id, outcomes);
                }
            }
            Err(error) => {
                tracing::error!(org = %slot.key.org, project = %id, error, "cannot load the project; trying again");
                let failure = OpenError::Storage(error.clone());
                slot.waiting.drain(..).for_each(|order| order.fail(id, &failure, outcomes));
                slot.state = State::Failed(error);
                slot.tell_readers();
                if std::mem::take(&mut slot.wanted) {
                    outcomes.push(Outcome::Ready(slot.key.clone()));
                }
                drop(self.gateway.send_after(RETRY, move || GatewayMessage::ProjectRetry(id)));
            }
        }
    }

    pub(in crate::gateway) fn retry(&mut self, id: ProjectId) {
        if self.slots.get(&id).is_some_and(|slot| matches!(slot.state, State::Failed(_))) {
            self.queue.push_back(id);
            self.load_next();
        }
    }

    /// Somebody needs a document that is not there because nobody ever did.
    pub(super) fn open_blank(&mut self, id: ProjectId, outcomes: &mut Vec<Outcome>) {
        if self.slots.get(&id).and_then(Slot::loaded).is_some_and(Project::is_blank) {
            self.make_anew(id, outcomes);
        }
    }

    /// Makes a document that no older replica is taken for.
    pub(super) fn make_anew(&mut self, id: ProjectId, outcomes: &mut Vec<Outcome>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let State::Loaded(project) = &mut slot.state else { return };
        outcomes.push(Outcome::Close(slot.key.clone()));
        let mut effects = Vec::new();
        project.make_anew(any_client(), self.tenure.epoch(), &self.rules.images, &mut effects);
        self.perform(id, effects, outcomes);
    }
}

/// One that has never written anything, as far as chance allows: browsers draw theirs from 32 bits, these are from beyond.
fn any_client() -> ClientId {
    ClientId::new(rand::rng().random_range(1 << 32..=ClientId::MAX)).expect("within 53 bits")
}
