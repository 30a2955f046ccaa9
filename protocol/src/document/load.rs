//! How a document comes back from storage, and what is left out of it when yrs no longer takes what it once took.

use std::collections::BTreeMap;

use yrs::{ReadTxn, TransactionMut, Update, WriteTxn, updates::decoder::Decode};

use super::{
    Clocks, Document, ENCODED_BYTES_MAX, Failure, Footprint, Joiner, Session, UNLIMITED, commit, guarded, open, read,
};
use crate::{id::ClientId, record::StoredDocument};

/// So many updates are left out one by one. Then, with each that fails, as many of those behind it as with the last one, and as
/// many again.
const ALONE_MAX: usize = 16;

/// An update in storage that could not be applied when its document was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Position among the stored updates; `None` for the snapshot.
    pub position: Option<usize>,
    /// Its size.
    pub bytes: usize,
    /// Why.
    pub reason: String,
}

impl Document {
    /// The document that `stored` describes, and what of it had to be left out.
    pub fn load(stored: &StoredDocument) -> (Self, Vec<Quarantined>) {
        let (mut document, left_out) =
            Self::replayed(stored).map_or_else(|| Self::salvage(stored), |all| (all, vec![]));
        document.loaded(stored, left_out.is_empty());
        (document, left_out)
    }

    /// The same, if nothing has to be left out; otherwise the first that has to be.
    pub(super) fn load_whole(stored: &StoredDocument) -> Result<Self, Quarantined> {
        let mut document = if let Some(all) = Self::replayed(stored) {
            all
        } else {
            let mut document = Self::new();
            match document.replay_singly(stored, &BTreeMap::new())?.into_iter().next() {
                Some(left_out) => return Err(left_out),
                None => document,
            }
        };
        document.loaded(stored, true);
        Ok(document)
    }

    fn loaded(&mut self, stored: &StoredDocument, whole: bool) {
        self.replica.tidy();
        self.refresh_clocks();
        if stored.updates.is_empty() && whole {
            self.encoded = stored.snapshot.clone().filter(|state| state.len() <= ENCODED_BYTES_MAX);
        }
    }

    fn replayed(stored: &StoredDocument) -> Option<Self> {
        let mut document = Self::new();
        document.replay(stored).is_ok().then_some(document)
    }

    /// All at once: fast, and it works for all that honest peers write.
    fn replay(&mut self, stored: &StoredDocument) -> Result<(), Failure> {
        let mut session = Session::new(&self.replica);
        let mut joiner = Joiner::default();
        for update in &stored.updates {
            joiner.push(update, &UNLIMITED);
        }
        let integrated = stored.snapshot.iter().chain(&joiner.finish()).try_for_each(|bytes| {
            let footprint = footprint(bytes);
            self.types = self.types.saturating_add(footprint.types());
            if footprint.subdocuments() {
                session.keep_deleted().map_err(Failure::Before)?;
            }
            session.integrate(bytes)
        });
        integrated.and(session.end().map_err(Failure::Before))
    }

    /// One by one, as they were accepted, without those that fail. What yrs takes may depend on what it has collected, and it
    /// collects between transactions.
    ///
    /// It can be made to fail on purpose, and each panic costs a replay. After some of them the rest is looked for in larger and
    /// larger steps: so a load takes a bounded number of replays, and what is left out untried is tried with the next one.
    fn salvage(stored: &StoredDocument) -> (Self, Vec<Quarantined>) {
        let mut without: BTreeMap<Option<usize>, Quarantined> = BTreeMap::new();
        let mut step = 1;
        loop {
            let mut document = Self::new();
            // What failed left a half-done change behind; begin again without it.
            let failed = match document.replay_singly(stored, &without) {
                Ok(left_out) => {
                    let mut left_out: Vec<_> = without.into_values().chain(left_out).collect();
                    left_out.sort_unstable_by_key(|left_out| left_out.position);
                    return (document, left_out);
                }
                Err(failed) => failed,
            };
            let follow = failed.position.map_or(0, |at| at + 1)..stored.updates.len();
            let untried = |at: usize| {
                let (bytes, reason) = (stored.updates[at].len(), "stands behind too much that fails".to_owned());
                (Some(at), Quarantined { position: Some(at), bytes, reason })
            };
            without.insert(failed.position, failed);
            for left_out in follow.take(step - 1).map(untried) {
                without.entry(left_out.0).or_insert(left_out.1);
            }
            if without.len() >= ALONE_MAX {
                step *= 2;
            }
        }
    }

    /// What had to be left out without harm.
    ///
    /// # Errors
    /// yrs panicked: nothing that was done here is of any use.
    fn replay_singly(
        &mut self,
        stored: &StoredDocument,
        without: &BTreeMap<Option<usize>, Quarantined>,
    ) -> Result<Vec<Quarantined>, Quarantined> {
        #[cfg(test)]
        super::tests::count_replay();
        let mut left_out = Vec::new();
        let snapshot = stored.snapshot.iter().map(|bytes| (None, bytes));
        let updates = stored.updates.iter().enumerate().map(|(at, bytes)| (Some(at), bytes));
        for (position, bytes) in snapshot.chain(updates).filter(|(position, _)| !without.contains_key(position)) {
            let failed = |reason| Quarantined { position, bytes: bytes.len(), reason };
            let footprint = footprint(bytes);
            self.types = self.types.saturating_add(footprint.types());
            if footprint.subdocuments() {
                self.replica.keep_deleted().map_err(failed)?;
            }
            let mut txn = open(self.replica.doc());
            let taken = take(&mut txn, bytes);
            let committed = commit(txn);
            let refused = taken.and_then(|refused| committed.map(|()| refused)).map_err(failed)?;
            left_out.extend(refused.map(failed));
        }
        Ok(left_out)
    }

    fn refresh_clocks(&mut self) {
        self.clocks = Clocks::default();
        for (client, &clock) in read(self.replica.doc()).state_vector().iter() {
            if let Some(client) = ClientId::new(client.get()) {
                self.clocks.set(client, clock);
            }
        }
    }
}

/// Why yrs does not take an update, or not all of it. It refuses a block before it has touched anything for it: what stands
/// before that block in the update is taken, and the document is as sound as before.
fn take(txn: &mut TransactionMut<'_>, bytes: &[u8]) -> Result<Option<String>, String> {
    guarded(|| {
        let refused = match Update::decode_v1(bytes) {
            Ok(update) => txn.apply_update(update).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        // It would wait for ever, and be seen by nobody.
        let waits = txn.prune_pending().map(|_| "needs what was left out".to_owned());
        refused.or(waits)
    })
}

/// Of what the guard does not know, that of nothing.
fn footprint(update: &[u8]) -> Footprint {
    Footprint::of(update, &UNLIMITED).unwrap_or_default()
}
