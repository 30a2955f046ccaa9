//! How a document comes back from storage, and what is left out of it when yrs no longer takes what it once took.

use yrs::{ReadTxn, WriteTxn};

use super::{
    Clocks, Document, ENCODED_BYTES_MAX, Failure, Footprint, Joiner, Session, UNLIMITED, commit, integrate, open, read,
};
use crate::{id::ClientId, record::StoredDocument};

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
        let mut document = Self::new();
        let mut quarantined = Vec::new();
        if document.replay(stored).is_err() {
            (document, quarantined) = Self::salvage(stored);
        }
        document.refresh_clocks();
        if stored.updates.is_empty() && quarantined.is_empty() {
            document.encoded = stored.snapshot.clone().filter(|state| state.len() <= ENCODED_BYTES_MAX);
        }
        (document, quarantined)
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
    fn salvage(stored: &StoredDocument) -> (Self, Vec<Quarantined>) {
        let mut quarantined: Vec<Quarantined> = Vec::new();
        loop {
            let mut document = Self::new();
            match document.replay_singly(stored, &mut quarantined) {
                Ok(()) => return (document, quarantined),
                // What failed left a half-done change behind; begin again without it.
                Err(failed) => quarantined.push(failed),
            }
        }
    }

    fn replay_singly(&mut self, stored: &StoredDocument, without: &mut Vec<Quarantined>) -> Result<(), Quarantined> {
        let snapshot = stored.snapshot.iter().map(|bytes| (None, bytes));
        let updates = stored.updates.iter().enumerate().map(|(at, bytes)| (Some(at), bytes));
        for (position, bytes) in snapshot.chain(updates) {
            if without.iter().any(|quarantined| quarantined.position == position) {
                continue;
            }
            let failed = |reason| Quarantined { position, bytes: bytes.len(), reason };
            let footprint = footprint(bytes);
            self.types = self.types.saturating_add(footprint.types());
            if footprint.subdocuments() {
                self.replica.keep_deleted().map_err(failed)?;
            }
            let mut txn = open(self.replica.doc());
            let integrated = integrate(&mut txn, bytes);
            // It would wait for ever, and be seen by nobody.
            if integrated.is_ok() && txn.prune_pending().is_some() {
                without.push(failed("needs what was left out".to_owned()));
            }
            integrated.and(commit(txn)).map_err(failed)?;
        }
        Ok(())
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

/// Of what the guard does not know, that of nothing.
fn footprint(update: &[u8]) -> Footprint {
    Footprint::of(update, &UNLIMITED).unwrap_or_default()
}
