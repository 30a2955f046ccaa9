//! Appends of gateways in other processes.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use orrery_protocol::{
    control::Appended,
    id::{DocumentKey, Epoch},
    record::{Record, RecordKind},
};

use super::{
    Data,
    numbering::{Dropped, Form, MixedForms, Tail, Unwritable},
};
use crate::{
    pool::StaleEpoch,
    store::{Append, LoadError},
    tokens::GatewayClaims,
};

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The epoch of the gateway or of a record is over. Nothing was changed.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// A record is none that the gateway may append. Nothing was changed.
    #[error("record {position}: {reason}")]
    Refused {
        /// Which record, counted from 1.
        position: usize,
        /// Why.
        reason: Refusal,
    },
    /// An update of a document does not follow the last one that is there. Nothing was changed.
    #[error("update {given} of {key} does not follow update {last}")]
    Gap {
        /// The document.
        key: Box<DocumentKey>,
        /// What was given.
        given: u64,
        /// The last one that is there.
        last: u64,
    },
    /// The gateway pushed JSON before. Nothing was changed.
    #[error(transparent)]
    Mixed(#[from] MixedForms),
    /// The document cannot be read. Nothing was changed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store refused a part.
    #[error(transparent)]
    Dropped(#[from] Dropped),
}

/// Why a record is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is of another organization than the gateway.
    #[error("it belongs to another organization")]
    Foreign,
    /// A snapshot where an update should be, or the other way round.
    #[error("it is of the wrong kind")]
    WrongKind,
    /// The updates of a document do not follow each other.
    #[error("it does not follow the one before")]
    OutOfOrder,
}

impl From<Unwritable> for AppendError {
    fn from(error: Unwritable) -> Self {
        match error {
            Unwritable::Stale(stale) => stale.into(),
            Unwritable::Mixed(mixed) => mixed.into(),
        }
    }
}

/// Updates of one document that follow each other.
struct Run {
    key: Arc<DocumentKey>,
    first_seq: u64,
    updates: Vec<Bytes>,
}

impl Run {
    fn last_seq(&self) -> u64 {
        self.first_seq + self.updates.len() as u64 - 1
    }
}

impl Data {
    /// Appends updates of a gateway, and answers when all of them are durable. Safe to repeat.
    ///
    /// # Errors
    /// The epoch is over, or a record cannot be taken: then nothing was changed. Or the store refused a part.
    pub async fn append(&self, claims: &GatewayClaims, records: Vec<Record>) -> Result<Appended, AppendError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        let (count, sequence) = (records.len() as u64, records.last().map_or(0, |record| record.stamp.seq));
        let runs = runs(claims, records)?;
        let turn = self.inner.numbering.turn(org).await;
        self.inner.numbering.write_as(org, epoch, Form::Records, &self.inner.parts.fence)?;
        let mut tails = Vec::with_capacity(runs.len());
        for run in &runs {
            tails.push(self.tail(epoch, &run.key).await?);
        }
        let entry = self.inner.parts.fence.enter(org, epoch)?;
        if let Some((run, tail)) = runs.iter().zip(&tails).find(|(run, tail)| run.first_seq > tail.accepted + 1) {
            let key = Box::new((*run.key).clone());
            return Err(AppendError::Gap { key, given: run.first_seq, last: tail.accepted });
        }
        let awaited: Vec<_> = runs.iter().map(|run| (Arc::clone(&run.key), run.last_seq())).collect();
        for (run, tail) in runs.into_iter().zip(&tails) {
            self.queue_run(epoch, run, tail);
        }
        drop((entry, turn));
        for ((key, last_seq), tail) in awaited.into_iter().zip(tails) {
            if let Err(dropped) = tail.durable(last_seq).await {
                self.inner.numbering.forget(epoch, &key);
                return Err(dropped.into());
            }
        }
        Ok(Appended { sequence, records: count })
    }

    /// Queues what of a run is new. The caller is inside the fence, has the turn, and has seen that there is no gap.
    fn queue_run(&self, epoch: Epoch, run: Run, tail: &Tail) {
        let last_seq = run.last_seq();
        let Run { key, first_seq, mut updates } = run;
        let known = usize::try_from(tail.accepted + 1 - first_seq).unwrap_or(usize::MAX);
        if known >= updates.len() {
            return;
        }
        updates.drain(..known);
        self.inner.numbering.accepted(epoch, &key, last_seq);
        let durable = tail.settle();
        self.inner.parts.store.append(Append { key, epoch: epoch.0, first_seq: tail.accepted + 1, updates, durable });
    }

    /// How far a document is. Reads it when nothing is known of it under this epoch.
    pub(super) async fn tail(&self, epoch: Epoch, key: &DocumentKey) -> Result<Tail, AppendError> {
        if let Some(tail) = self.inner.numbering.tail(epoch, key)? {
            return Ok(tail);
        }
        let stored = self.inner.parts.store.load(key).await?;
        Ok(self.inner.numbering.learn(epoch, key, stored.last_seq)?)
    }
}

/// The records by document, if the gateway may append them.
fn runs(claims: &GatewayClaims, records: Vec<Record>) -> Result<Vec<Run>, AppendError> {
    let GatewayClaims { org, epoch, .. } = *claims;
    let mut runs: Vec<Run> = Vec::new();
    let mut places: HashMap<DocumentKey, usize> = HashMap::new();
    for (at, Record { stamp, key, payload }) in records.into_iter().enumerate() {
        let refused = |reason| AppendError::Refused { position: at + 1, reason };
        if key.org != org {
            return Err(refused(Refusal::Foreign));
        }
        if stamp.kind != RecordKind::Update {
            return Err(refused(Refusal::WrongKind));
        }
        if stamp.epoch != epoch.0 {
            return Err(StaleEpoch { organization_id: org, epoch: Epoch(stamp.epoch) }.into());
        }
        match places.get(&key) {
            Some(&place) if stamp.seq == runs[place].last_seq() + 1 => runs[place].updates.push(payload),
            None if stamp.seq > 0 => {
                places.insert(key.clone(), runs.len());
                runs.push(Run { key: Arc::new(key), first_seq: stamp.seq, updates: vec![payload] });
            }
            Some(_) | None => return Err(refused(Refusal::OutOfOrder)),
        }
    }
    Ok(runs)
}
