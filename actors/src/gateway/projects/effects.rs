//! The way from a project's effects to journal, store, notes and timer, and back.

use std::time::Duration;

use bytes::Bytes;
use orrery_protocol::{container::ProjectNotes, id::ProjectId, project::Effect};

use super::{Outcome, Projects, Slot, State, Then};
use crate::{
    control_plane::ControlError,
    gateway::GatewayMessage,
    journal::{Append, JournalError},
};

/// What could not be stored rests this long before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// The longest sleep: the clock that people set may jump.
const SLEEP_MS_MAX: u64 = 60_000;

impl Projects {
    pub(super) fn perform(&mut self, id: ProjectId, effects: Vec<Effect<Then>>, outcomes: &mut Vec<Outcome>) {
        for effect in effects {
            let Some(slot) = self.slots.get(&id) else { return };
            match effect {
                Effect::Append(seq, update) => self.append(id, seq, update),
                Effect::Publish(updates) => outcomes.push(Outcome::Publish(slot.key.clone(), updates)),
                Effect::Snapshot(covers_seq, state) => self.store(id, covers_seq, state),
                Effect::Settled(Then::Member(ticket, result)) => {
                    outcomes.push(Outcome::Settled(id, ticket, Ok(Ok(result))));
                }
                Effect::Settled(Then::Pass(pass)) => self.passed(pass),
                Effect::Settled(Then::Container(reply, result)) => drop(reply.send(Ok(Ok(result)))),
                Effect::Outgrown => self.make_anew(id, outcomes),
            }
        }
    }

    /// What needs notes to be stored first waits for them, and whatever follows it behind it.
    pub(super) fn gate(&mut self, id: ProjectId, gated: bool, effects: Vec<Effect<Then>>, outcomes: &mut Vec<Outcome>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let notes = &mut slot.notes;
        let waits = gated && notes.stored_revision < notes.revision;
        if waits || !notes.gated.is_empty() {
            let revision = if waits { notes.revision } else { 0 };
            notes.gated.extend(effects.into_iter().map(|effect| (revision, effect)));
        } else {
            self.perform(id, effects, outcomes);
        }
    }

    fn append(&self, id: ProjectId, seq: u64, update: Bytes) {
        let Some(slot) = self.slots.get(&id) else { return };
        let gateway = self.gateway.clone();
        let durable = Box::new(move |seq| drop(gateway.cast(GatewayMessage::SystemDurable(id, seq))));
        self.journal.append(Append { key: slot.key.clone(), first_seq: seq, updates: vec![update], durable });
    }

    fn store(&self, id: ProjectId, covers_seq: u64, state: Bytes) {
        let Some(slot) = self.slots.get(&id) else { return };
        let (journal, key, gateway) = (self.journal.clone(), slot.key.clone(), self.gateway.clone());
        tokio::spawn(async move {
            let stored = journal.store_snapshot(&key, covers_seq, state).await;
            if stored.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            drop(gateway.cast(GatewayMessage::SystemStored(id, stored)));
        });
    }

    /// Everything of the project up to `seq` is on disk.
    pub(in crate::gateway) fn durable(&mut self, id: ProjectId, seq: u64, outcomes: &mut Vec<Outcome>) {
        let mut effects = Vec::new();
        self.dirty = true;
        if let Some(project) = self.slots.get_mut(&id).and_then(Slot::loaded_mut) {
            project.durable(seq, &mut effects);
            if self.stopping {
                project.store(&mut effects);
            }
        }
        self.perform(id, effects, outcomes);
    }

    /// A snapshot of its document was stored, or not.
    pub(in crate::gateway) fn stored(
        &mut self,
        id: ProjectId,
        stored: Result<(), JournalError>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Err(error) = &stored {
            tracing::error!(org = %slot.key.org, project = %id, %error, "cannot store the system document");
        }
        let State::Loaded(project) = &mut slot.state else { return };
        let was_open = project.is_open();
        let mut effects = Vec::new();
        project.stored(stored.is_ok(), &mut effects);
        let opened = !was_open && project.is_open();
        self.perform(id, effects, outcomes);
        if opened {
            self.opened(id, outcomes);
        }
    }

    /// There is a document that may be changed and shown.
    fn opened(&mut self, id: ProjectId, outcomes: &mut Vec<Outcome>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let State::Loaded(project) = &mut slot.state else { return };
        if !std::mem::replace(&mut slot.recalled, true) {
            let change = project.containers().recall(&slot.notes.now, self.config.clock.unix_ms());
            project.stage(change);
        }
        project.rename(self.named);
        self.commit(id, None, false, outcomes);
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if std::mem::take(&mut slot.wanted) {
            outcomes.push(Outcome::Ready(slot.key.clone()));
        }
        self.give_waiting(id, outcomes);
    }

    /// Has notes stored if they changed. One call at a time; the last state counts.
    pub(super) fn keep_notes(&mut self, id: ProjectId, notes: ProjectNotes) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.notes.now != notes {
            slot.notes.now = notes;
            slot.notes.revision += 1;
            self.store_notes(id);
        }
    }

    fn store_notes(&mut self, id: ProjectId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let notes = &mut slot.notes;
        if notes.stored_revision == notes.revision || std::mem::replace(&mut notes.storing, true) {
            return;
        }
        let (revision, notes) = (notes.revision, notes.now.clone());
        let (control_plane, tenure) = (self.config.control_plane.clone(), self.tenure.clone());
        let gateway = self.gateway.clone();
        tokio::spawn(async move {
            let stored = control_plane.store_notes(&tenure, id, &notes).await;
            match &stored {
                Ok(()) => {}
                Err(ControlError::Stale) => tenure.fence(),
                Err(ControlError::Refused(_) | ControlError::Unavailable(_)) => tokio::time::sleep(RETRY).await,
            }
            drop(gateway.cast(GatewayMessage::NotesStored(id, revision, stored)));
        });
    }

    /// What has to be kept beside a document is kept, or not.
    pub(in crate::gateway) fn notes_stored(
        &mut self,
        id: ProjectId,
        revision: u64,
        stored: Result<(), ControlError>,
        outcomes: &mut Vec<Outcome>,
    ) {
        self.dirty = true;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.notes.storing = false;
        slot.notes.failing = stored.is_err();
        match stored {
            Ok(()) => slot.notes.stored_revision = revision,
            Err(error) => {
                tracing::error!(org = %slot.key.org, project = %id, %error, "cannot keep what belongs to containers");
                self.let_passes_go(id);
            }
        }
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let mut effects = Vec::new();
        let stored_revision = slot.notes.stored_revision;
        while let Some((_, effect)) = slot.notes.gated.pop_front_if(|(revision, _)| *revision <= stored_revision) {
            effects.push(effect);
        }
        self.store_notes(id);
        self.perform(id, effects, outcomes);
    }

    /// The reconciler, which goes on for all other projects, does not wait for what is held.
    fn let_passes_go(&mut self, id: ProjectId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let mut passes = Vec::new();
        slot.notes.gated.retain(|(_, effect)| {
            if let Effect::Settled(Then::Pass(pass)) = effect {
                passes.push(*pass);
            }
            !matches!(effect, Effect::Settled(Then::Pass(_)))
        });
        let waiting = slot.loaded_mut().map(|project| project.withdraw(|then| matches!(then, Then::Pass(_))));
        passes.extend(waiting.into_iter().flatten().filter_map(|then| match then {
            Then::Pass(pass) => Some(pass),
            Then::Member(..) | Then::Container(..) => None,
        }));
        passes.into_iter().for_each(|pass| self.passed(pass));
    }

    /// One timer, for the first deadline of all projects.
    pub(super) fn set_timer(&mut self) {
        let Some(deadline_ms) = self.slots.values().filter_map(Slot::deadline_ms).min() else { return };
        if let Some((armed_ms, timer)) = &self.timer {
            if *armed_ms <= deadline_ms {
                return;
            }
            timer.abort();
        }
        let sleep_ms = deadline_ms.saturating_sub(self.config.clock.unix_ms()).min(SLEEP_MS_MAX);
        let gateway = self.gateway.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(sleep_ms)).await;
            drop(gateway.cast(GatewayMessage::Tick));
        });
        self.timer = Some((deadline_ms, timer.abort_handle()));
    }
}
