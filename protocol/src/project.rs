//! The server-owned state of one project as a value: its containers, the `system` document that shows them, and what of it
//! is durable. Owns the order: decided on what is in memory, appended, and only then shown and answered. Must not know
//! clocks, storage or peers.
//!
//! ```text
//! stage(change) .. commit(then) --> Append --> durable(seq) --> Publish, Settled(then)
//! make_anew(client) --> Snapshot --> made(true): open again, under a document that older replicas are told from
//! ```

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    container::{self, Change, Containers, Unreadable},
    document::{
        Unmergeable, merge,
        system::{self, Fields, SystemDocument, Value},
    },
    id::{ClientId, Epoch},
    image::{self, ImageRegistry},
    record::StoredDocument,
};

/// A snapshot is stored after so many updates, so that what is appended stays short.
const SNAPSHOT_UPDATES: usize = 64;
/// The root of the document that says who writes it.
const GATEWAY_ROOT: &str = "gateway";

/// What has to be done, in order. `T` is what waits for something to be durable.
#[derive(Debug, PartialEq)]
pub enum Effect<T> {
    /// An update for the journal, under this sequence.
    Append(u64, Bytes),
    /// Updates that are durable: for everybody to see.
    Publish(Vec<Bytes>),
    /// A whole state for the store: everything up to this sequence is in it.
    Snapshot(u64, Bytes),
    /// All that this waited for is durable.
    Settled(T),
    /// The document has outgrown what it holds: [`Project::make_anew`] it.
    Outgrown,
}

/// A write on its way to the journal.
#[derive(Debug)]
struct Pending<T> {
    seq: u64,
    update: Bytes,
    /// Who waits for it.
    then: Vec<T>,
    /// The containers as this write left them, if another has followed.
    after: Option<Containers>,
}

/// A snapshot on its way to the store.
#[derive(Debug)]
enum Storing {
    /// Of the document as it is; so many updates are in it.
    Usual(Bytes, usize),
    /// Of the document that was made anew. Until it is stored nothing is changed and nothing is shown.
    Anew(Bytes),
}

/// One project.
#[derive(Debug)]
pub struct Project<T> {
    containers: Containers,
    /// What of containers cannot be read stays in the document as it is.
    stored: Fields,
    /// None is made before somebody needs it.
    document: Option<SystemDocument>,
    /// The last stored state of this document, and what became durable since.
    base: Bytes,
    log: Vec<Bytes>,
    staged: Vec<system::Change>,
    /// The containers as everybody may see them, while something is staged or pending.
    shown: Option<Containers>,
    pending: VecDeque<Pending<T>>,
    last_seq: u64,
    storing: Option<Storing>,
}

impl<T> Project<T> {
    /// What an earlier gateway left, and what of it cannot be read. There is no document before it is
    /// [made anew](Self::make_anew).
    pub fn read(stored: &StoredDocument) -> (Self, Vec<Unreadable>) {
        let values = SystemDocument::stored_values(stored);
        let (containers, unreadable) = Containers::read(&values);
        let project = Self {
            containers,
            stored: values,
            document: None,
            base: Bytes::new(),
            log: Vec::new(),
            staged: Vec::new(),
            shown: None,
            pending: VecDeque::new(),
            last_seq: stored.last_seq,
            storing: None,
        };
        (project, unreadable)
    }

    /// Whether nothing was ever stored of it: nobody has needed its document yet.
    pub fn is_blank(&self) -> bool {
        self.document.is_none() && self.last_seq == 0 && self.stored.is_empty()
    }

    /// Whether there is a document that may be changed and shown.
    pub fn is_open(&self) -> bool {
        self.document.is_some() && !matches!(self.storing, Some(Storing::Anew(_)))
    }

    /// Whether everything is durable, and as much of it in a snapshot as there can be.
    pub fn is_at_rest(&self) -> bool {
        self.pending.is_empty() && self.storing.is_none()
    }

    /// The containers, with what is not durable yet: to decide on.
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// The containers as far as they are durable: to be shown, and to be acted upon.
    pub fn durable_containers(&self) -> &Containers {
        self.shown.as_ref().unwrap_or(&self.containers)
    }

    /// The whole document, as far as it is durable.
    ///
    /// # Errors
    /// What was written cannot be put together: a defect.
    pub fn durable_state(&self) -> Result<Bytes, Unmergeable> {
        merge(Some(&self.base), &self.log)
    }

    /// Makes the document anew: older replicas are stale from then on. Whoever is in has to go first.
    ///
    /// # Panics
    /// Something is pending.
    pub fn make_anew(&mut self, client: ClientId, epoch: Epoch, images: &ImageRegistry, effects: &mut Vec<Effect<T>>) {
        assert!(self.pending.is_empty(), "what is appended belongs to the old document");
        let values = self.document.as_ref().map_or(&self.stored, SystemDocument::values);
        let mut fresh = Fields::new();
        fresh.extend(values.get_key_value(container::ROOT).map(|(root, value)| (root.clone(), value.clone())));
        fresh.insert(image::ROOT.to_owned(), Value::Map(image::values_of(images)));
        // Epochs stay far below 2^53.
        let epoch = Value::Number(epoch.0 as f64);
        fresh.insert(GATEWAY_ROOT.to_owned(), Value::Map(Fields::from([("epoch".to_owned(), epoch)])));
        let document = SystemDocument::fresh(client, &fresh);
        let state = document.encoded();
        self.document = Some(document);
        self.stored = Fields::new();
        self.log.clear();
        self.storing = Some(Storing::Anew(state.clone()));
        effects.push(Effect::Snapshot(self.last_seq, state));
    }

    /// Takes back what waits for something to be durable and need not any more.
    pub fn withdraw(&mut self, mut is_it: impl FnMut(&T) -> bool) -> Vec<T> {
        let waiting = self.pending.iter_mut();
        waiting.flat_map(|pending| pending.then.extract_if(.., |then| is_it(then)).collect::<Vec<_>>()).collect()
    }

    /// What waits for something of it to be durable, once it is given up.
    pub fn into_waiting(self) -> impl Iterator<Item = T> {
        self.pending.into_iter().flat_map(|pending| pending.then)
    }

    /// From now on host names of containers are known to the world, or are not; to be written with the next commit.
    pub fn rename(&mut self, named: bool) {
        let change = self.containers.rename(named);
        self.stage(change);
    }

    /// Takes a change over, to be written with the next [`Self::commit`].
    pub fn stage(&mut self, change: Change) {
        if self.containers.is_written_by(&change) && self.staged.is_empty() {
            let before = self.containers.clone();
            match self.pending.back_mut() {
                Some(last) => last.after = Some(before),
                None => self.shown = Some(before),
            }
        }
        self.staged.extend(self.containers.apply(change));
    }

    /// Writes what was staged in one transaction; `then` waits for it, and for all that was written before. Before there is a
    /// document nothing is.
    pub fn commit(&mut self, then: Option<T>, effects: &mut Vec<Effect<T>>) {
        let staged = std::mem::take(&mut self.staged);
        if let Some(update) = self.document.as_mut().and_then(|document| document.write(staged)) {
            self.last_seq += 1;
            effects.push(Effect::Append(self.last_seq, update.clone()));
            self.pending.push_back(Pending { seq: self.last_seq, update, then: Vec::new(), after: None });
        }
        match (self.pending.back_mut(), then) {
            (Some(last), then) => {
                last.after = None;
                last.then.extend(then);
            }
            (None, then) => {
                self.shown = None;
                effects.extend(then.map(Effect::Settled));
            }
        }
    }

    /// Everything up to `seq` is on disk.
    pub fn durable(&mut self, seq: u64, effects: &mut Vec<Effect<T>>) {
        let (mut updates, mut settled) = (Vec::new(), Vec::new());
        while let Some(done) = self.pending.pop_front_if(|pending| pending.seq <= seq) {
            self.shown = done.after;
            self.log.push(done.update.clone());
            updates.push(done.update);
            settled.extend(done.then);
        }
        if updates.is_empty() {
            return;
        }
        effects.push(Effect::Publish(updates));
        effects.extend(settled.into_iter().map(Effect::Settled));
        if !self.pending.is_empty() || self.storing.is_some() {
            return;
        }
        if self.document.as_mut().is_some_and(SystemDocument::needs_recreation) {
            effects.push(Effect::Outgrown);
        } else if self.log.len() >= SNAPSHOT_UPDATES {
            self.store(effects);
        }
    }

    /// Orders a snapshot of what is durable, if there is anything new in it and none is on its way.
    pub fn store(&mut self, effects: &mut Vec<Effect<T>>) {
        if self.log.is_empty() || self.storing.is_some() {
            return;
        }
        let first_pending = self.pending.front().map_or(self.last_seq + 1, |pending| pending.seq);
        if let Ok(state) = self.durable_state() {
            self.storing = Some(Storing::Usual(state.clone(), self.log.len()));
            effects.push(Effect::Snapshot(first_pending - 1, state));
        }
    }

    /// The snapshot that was ordered last is stored, or could not be. What it was of is in the journal all the same, unless the
    /// document was made anew: that is ordered again.
    pub fn stored(&mut self, succeeded: bool, effects: &mut Vec<Effect<T>>) {
        match self.storing.take() {
            Some(Storing::Usual(state, updates)) if succeeded => {
                self.base = state;
                self.log.drain(..updates);
            }
            Some(Storing::Anew(state)) if succeeded => self.base = state,
            Some(Storing::Anew(state)) => {
                effects.push(Effect::Snapshot(self.last_seq, state.clone()));
                self.storing = Some(Storing::Anew(state));
            }
            Some(Storing::Usual(..)) | None => {}
        }
    }
}
