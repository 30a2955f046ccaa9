//! A Yjs document as a room holds it. The only module that touches yrs.
//!
//! Owns the replica, its clocks and the encoded state for joining peers. Must not know peers, sockets or storage.
//!
//! yrs has no rollback: an error or a panic inside a transaction leaves a half-done change. So everything that can be
//! decided is decided before a transaction opens (see [`causality`]), updates reach yrs only when all they need is
//! there, and a document on which yrs failed all the same is *broken*: its owner loads it anew from what is durable.

mod causality;
mod held;
mod load;
mod merge;
mod nesting;
mod replica;
pub mod system;
#[cfg(test)]
pub(crate) mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
pub use causality::{Clocks, Missing};
use causality::{Footprint, Relation};
pub(crate) use held::Held;
pub use load::Quarantined;
pub use merge::Joiner;
use nesting::{Levels, Places};
use replica::{Replica, open, read};
use yrs::{ClientID, IdSet, ReadTxn, StateVector, TransactionMut, Update, updates::decoder::Decode};

use crate::{
    guard::{Malformed, walk_state_vector},
    id::ClientId,
    lib0::put_var_uint,
    limits::{NESTING_DEPTH_MAX, WireLimits},
    record::StoredDocument,
};

/// For bytes that were within the limits when they were accepted, or that were made here.
const UNLIMITED: WireLimits = WireLimits {
    frame_bytes_max: usize::MAX,
    awareness_entry_bytes_max: usize::MAX,
    awareness_entries_max: u64::MAX,
    clients_max: u64::MAX,
    structs_max: u64::MAX,
};

/// A larger encoding is made anew for each who asks, in bytes: kept, it would double what the document costs.
const ENCODED_BYTES_MAX: usize = 8 << 20;
/// Most updates of one yrs transaction, and bytes beyond which it takes no more.
const TRANSACTION_UPDATES_MAX: usize = 64;
const TRANSACTION_BYTES_MAX: usize = 256 << 10;

/// What became of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It changed the document: store it, relay it.
    Accepted,
    /// It changed the document, and repeats what was known: store and relay these bytes, which do not. Yjs throws on a
    /// block that says otherwise of its known part, so one editor could break everybody's.
    Trimmed(Bytes),
    /// It adds nothing; not a write.
    Nothing,
    /// It needs a block that is not known; nothing was applied.
    Waits(Missing),
    /// It would nest shared types too deeply; nothing was applied.
    TooDeep,
    /// yrs failed on it: the document is broken and must be loaded again without it. The text says how.
    Poison(String),
    /// yrs failed to commit what was applied before it: the document is broken, and nothing is known of this one.
    Broken(String),
}

/// One replica of one document.
pub struct Document {
    replica: Replica,
    clocks: Clocks,
    /// How many shared types were ever in it, at most.
    types: u32,
    /// Kept once there are so many that they could be nested too deeply.
    levels: Option<Levels>,
    /// The whole state, valid until the next change.
    encoded: Option<Bytes>,
    /// The last answer to a state vector other than the empty one, valid until the next change.
    answered: Option<(Bytes, Bytes)>,
    /// What is deleted, for peers that may not write; valid until the next change.
    deleted: Option<IdSet>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the content: a wide print of a document would end in a log.
        f.debug_struct("Document").field("clients", &self.clocks.iter().len()).finish_non_exhaustive()
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

impl Document {
    /// An empty document.
    pub fn new() -> Self {
        Self {
            replica: Replica::new(),
            clocks: Clocks::default(),
            types: 0,
            levels: None,
            encoded: None,
            answered: None,
            deleted: None,
        }
    }

    /// The next clock of each client.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Opens a session of writes: one transaction for as many updates as it can hold.
    pub fn write<'a>(&'a mut self, limits: &'a WireLimits) -> Writer<'a> {
        self.answered = None;
        self.deleted = None;
        self.replica.tidy();
        Writer {
            replica: &self.replica,
            clocks: &mut self.clocks,
            types: &mut self.types,
            levels: &mut self.levels,
            encoded: &mut self.encoded,
            limits,
            session: Session::new(&self.replica),
            firsts: Vec::new(),
            last: 0,
        }
    }

    /// The whole state, encoded; cheap while nothing was accepted since the last call.
    pub fn state(&mut self) -> Bytes {
        if let Some(state) = &self.encoded {
            return state.clone();
        }
        let state = self.encode(&StateVector::default());
        self.encoded = Some(state.clone()).filter(|state| state.len() <= ENCODED_BYTES_MAX);
        state
    }

    /// What a peer with `state_vector` is missing. The delete set in it is always whole: Yjs has no vector for it.
    ///
    /// # Errors
    /// The state vector is malformed.
    pub fn answer(&mut self, state_vector: &Bytes, limits: &WireLimits) -> Result<Bytes, Malformed> {
        let mut known = StateVector::default();
        walk_state_vector(state_vector, limits, |client, clock| known.set_max(ClientID::new(client.get()), clock))?;
        if known.is_empty() {
            return Ok(self.state());
        }
        Ok(self.encode_once(state_vector.clone(), &known))
    }

    /// Peers that fell behind together, or reconnect together, share one encoding, unless it is large.
    fn encode_once(&mut self, state_vector: Bytes, known: &StateVector) -> Bytes {
        if let Some((asked, answer)) = &self.answered
            && *asked == state_vector
        {
            return answer.clone();
        }
        let answer = self.encode(known);
        self.answered = (answer.len() <= ENCODED_BYTES_MAX).then(|| (state_vector, answer.clone()));
        answer
    }

    /// What a peer that has everything below `clocks` is missing, as one update.
    pub fn since(&mut self, clocks: &Clocks) -> Bytes {
        self.encode_once(encode_clocks(clocks), &to_yrs(clocks))
    }

    /// Whether `update` would change nothing, for peers that may not change anything.
    ///
    /// # Errors
    /// The update is malformed.
    pub fn adds_nothing(&mut self, update: &Bytes, limits: &WireLimits) -> Result<bool, Malformed> {
        match Footprint::of(update, limits)?.relation(&self.clocks) {
            Relation::Nothing => Ok(true),
            Relation::New | Relation::Waits(_) => Ok(false),
            Relation::OnlyDeletes => {
                let deleted = self.deleted.get_or_insert_with(|| read(self.replica.doc()).snapshot().delete_set);
                let deletes = guarded(|| Update::decode_v1(update).map(|update| update.delete_set().diff(deleted)));
                Ok(matches!(deletes, Ok(Ok(more)) if more.is_empty()))
            }
        }
    }

    /// The state vector as the body of a step 1 message.
    pub fn state_vector(&self) -> Bytes {
        encode_clocks(&self.clocks)
    }

    /// Whether `state_vector` names a client that this document has never seen.
    ///
    /// # Errors
    /// The state vector is malformed.
    pub fn is_foreign(&self, state_vector: &[u8], limits: &WireLimits) -> Result<bool, Malformed> {
        let mut foreign = false;
        walk_state_vector(state_vector, limits, |client, clock| foreign |= clock > 0 && !self.clocks.contains(client))?;
        Ok(foreign)
    }

    fn encode(&self, known: &StateVector) -> Bytes {
        read(self.replica.doc()).encode_diff_v1(known).into()
    }
}

/// A stored update or snapshot that yrs cannot apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", .position.map_or_else(|| "snapshot".to_owned(), |at| format!("update {at}")))]
pub struct Unmergeable {
    position: Option<usize>,
    reason: String,
}

/// The whole state of a document from what is stored of it, for a store that folds documents which nobody opens.
///
/// # Errors
/// Something of it cannot be applied; what is stored had better stay as it is.
pub fn merge(snapshot: Option<&[u8]>, updates: &[Bytes]) -> Result<Bytes, Unmergeable> {
    let snapshot = snapshot.map(Bytes::copy_from_slice);
    let stored = StoredDocument { snapshot, updates: updates.to_vec(), last_seq: updates.len() as u64 };
    let loaded = Document::load_whole(&stored);
    let mut document = loaded.map_err(|Quarantined { position, reason, .. }| Unmergeable { position, reason })?;
    Ok(document.state())
}

fn to_yrs(clocks: &Clocks) -> StateVector {
    let mut state_vector = StateVector::default();
    for (client, clock) in clocks.iter() {
        state_vector.set_max(ClientID::new(client.get()), clock);
    }
    state_vector
}

/// Format: lib0, `varUint n` then n pairs of `varUint client`, `varUint clock`.
fn encode_clocks(clocks: &Clocks) -> Bytes {
    let mut out = Vec::with_capacity(4 + clocks.iter().len() * 12);
    put_var_uint(&mut out, clocks.iter().len() as u64);
    for (client, clock) in clocks.iter() {
        put_var_uint(&mut out, client.get());
        put_var_uint(&mut out, u64::from(clock));
    }
    out.into()
}

/// Updates on their way into yrs, as many in one transaction as it can bear: when it commits, it copies into each
/// letter of a text all that follows it in the same transaction.
struct Session<'a> {
    replica: &'a Replica,
    txn: Option<TransactionMut<'a>>,
    updates: usize,
    bytes: usize,
}

impl<'a> Session<'a> {
    fn new(replica: &'a Replica) -> Self {
        Self { replica, txn: None, updates: 0, bytes: 0 }
    }

    fn integrate(&mut self, update: &[u8]) -> Result<(), Failure> {
        if self.updates >= TRANSACTION_UPDATES_MAX || self.bytes >= TRANSACTION_BYTES_MAX {
            self.end().map_err(Failure::Before)?;
        }
        self.updates += 1;
        self.bytes += update.len();
        integrate_whole(self.txn.get_or_insert_with(|| open(self.replica.doc())), update).map_err(Failure::Here)
    }

    /// Makes ready for a subdocument.
    fn keep_deleted(&mut self) -> Result<(), String> {
        self.end()?;
        self.replica.keep_deleted()
    }

    fn end(&mut self) -> Result<(), String> {
        (self.updates, self.bytes) = (0, 0);
        self.txn.take().map_or(Ok(()), commit)
    }
}

/// On what yrs failed, and how.
#[derive(Debug)]
enum Failure {
    /// On the update at hand.
    Here(String),
    /// On the commit of what was applied before it.
    Before(String),
}

impl From<Failure> for Verdict {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Here(reason) => Self::Poison(reason),
            Failure::Before(reason) => Self::Broken(reason),
        }
    }
}

/// A session of writes on one document. Dropping it commits.
pub struct Writer<'a> {
    replica: &'a Replica,
    clocks: &'a mut Clocks,
    types: &'a mut u32,
    levels: &'a mut Option<Levels>,
    encoded: &'a mut Option<Bytes>,
    limits: &'a WireLimits,
    session: Session<'a>,
    firsts: Vec<(ClientId, u32)>,
    /// Where those of the last accepted update begin.
    last: usize,
}

impl Writer<'_> {
    /// Applies one update that the guard accepted.
    pub fn apply(&mut self, update: &Bytes) -> Verdict {
        let footprint = match Footprint::of(update, self.limits) {
            Ok(footprint) => footprint,
            Err(malformed) => return Verdict::Poison(malformed.to_string()),
        };
        if footprint.subdocuments()
            && let Err(reason) = self.session.keep_deleted()
        {
            return Verdict::Broken(reason);
        }
        let applied = match footprint.relation(self.clocks) {
            Relation::Nothing => return Verdict::Nothing,
            Relation::Waits(missing) => return Verdict::Waits(missing),
            Relation::New => match self.nest(update, footprint.types()) {
                Ok(false) => return Verdict::TooDeep,
                Ok(true) if footprint.straddles(self.clocks) => return self.apply_rest(update, &footprint),
                Ok(true) => self.session.integrate(update).map(|()| true),
                Err(reason) => Err(Failure::Before(reason)),
            },
            Relation::OnlyDeletes => self.delete(update),
        };
        match applied {
            Err(failure) => return failure.into(),
            Ok(false) => return Verdict::Nothing,
            Ok(true) => {}
        }
        self.accept(&footprint);
        Verdict::Accepted
    }

    fn accept(&mut self, footprint: &Footprint) {
        self.last = self.firsts.len();
        for &(client, start, _) in footprint.runs() {
            self.firsts.push((client, start.max(self.clocks.get(client))));
        }
        footprint.advance(self.clocks);
        *self.encoded = None;
    }

    /// A session of its own for an update that is known in part, to learn what of it was not.
    fn apply_rest(&mut self, update: &Bytes, footprint: &Footprint) -> Verdict {
        let applied = self.session.end().map_err(Failure::Before).and_then(|()| {
            self.session.integrate(update)?;
            self.session.end().map_err(Failure::Here)
        });
        if let Err(failure) = applied {
            return failure.into();
        }
        let rest: Bytes = read(self.replica.doc()).encode_diff_v1(&to_yrs(self.clocks)).into();
        self.accept(footprint);
        Verdict::Trimmed(rest)
    }

    /// Commits what was applied so far.
    ///
    /// # Errors
    /// yrs failed: the document is broken.
    pub fn settle(&mut self) -> Result<(), String> {
        self.session.end()
    }

    /// Ends the session and returns the clocks as they were before it.
    ///
    /// # Errors
    /// yrs failed while committing: the document is broken.
    pub fn commit(mut self) -> Result<Before, String> {
        self.session.end()?;
        Ok(Before { firsts: self.firsts })
    }

    /// Notes the levels of an update's blocks; `false` if it would nest types too deeply.
    fn nest(&mut self, update: &Bytes, types: u32) -> Result<bool, String> {
        let after = self.types.saturating_add(types);
        if self.levels.is_none() && after <= NESTING_DEPTH_MAX {
            *self.types = after;
            return Ok(true);
        }
        if self.levels.is_none() {
            self.session.end()?;
            *self.levels = Some(Levels::of(&read(self.replica.doc()).encode_diff_v1(&StateVector::default())));
        }
        let Some(levels) = self.levels else { return Ok(true) };
        let places = Places::of(update);
        let resolved = levels.resolve(&places, self.clocks);
        let fits = Levels::fit(&places, &resolved, self.clocks);
        if fits {
            *self.types = after;
            levels.add(&places, &resolved, self.clocks);
        }
        Ok(fits)
    }

    /// A transaction of its own, so that it can tell whether anything was deleted that was not.
    fn delete(&mut self, update: &Bytes) -> Result<bool, Failure> {
        self.session.end().map_err(Failure::Before)?;
        let mut txn = open(self.replica.doc());
        let applied = integrate_whole(&mut txn, update);
        let changed = !txn.delete_set().is_empty();
        applied.and(commit(txn)).map(|()| changed).map_err(Failure::Here)
    }

    /// The next clock of each client.
    pub fn clocks(&self) -> &Clocks {
        self.clocks
    }

    /// Clients and first new clocks of the update that was accepted last.
    pub fn last_firsts(&self) -> &[(ClientId, u32)] {
        &self.firsts[self.last..]
    }
}

/// How far a document had come before a session of writes.
#[derive(Debug, Clone, Default)]
pub struct Before {
    firsts: Vec<(ClientId, u32)>,
}

impl Before {
    /// Two sessions, one after the other, as one.
    pub fn extend(&mut self, later: Self) {
        self.firsts.extend(later.firsts);
    }

    /// The clocks before the session, from those after it.
    pub fn clocks(&self, after: &Clocks) -> Clocks {
        let mut clocks = after.clone();
        for &(client, first) in &self.firsts {
            clocks.lower(client, first);
        }
        clocks
    }
}

/// Every transaction ends here, also one in which yrs failed: dropped anywhere else, it could panic there.
fn commit(txn: TransactionMut<'_>) -> Result<(), String> {
    guarded(|| {
        #[cfg(test)]
        tests::panic_if_uncommittable(&txn);
        drop(txn);
    })
}

fn integrate(txn: &mut TransactionMut<'_>, update: &[u8]) -> Result<(), String> {
    guarded(|| {
        let update = Update::decode_v1(update).map_err(|error| error.to_string())?;
        txn.apply_update(update).map_err(|error| error.to_string())
    })?
}

/// Integrates an update whose every need is known. Only one whose own blocks need each other in a circle waits in yrs
/// all the same, for ever.
fn integrate_whole(txn: &mut TransactionMut<'_>, update: &[u8]) -> Result<(), String> {
    integrate(txn, update)?;
    if txn.has_missing_updates() { Err("blocks that need each other".to_owned()) } else { Ok(()) }
}

/// Runs yrs so that a panic in it costs one update and not the room.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
    })
}
