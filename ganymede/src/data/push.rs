//! Snapshots of gateways in other processes.

use std::time::SystemTime;

use orrery_protocol::{
    control::Pushed,
    record::{Record, RecordKind},
};

use super::{
    Data, StoreSnapshotError,
    append::Refusal,
    numbering::{Form, MixedForms, Unwritable},
};
use crate::{clock::iso8601, pool::StaleEpoch, store::SnapshotError, tokens::GatewayClaims};

/// Why a snapshot was not stored. What was stored before stays.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The gateway's epoch is over.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// A record is none that the gateway may push.
    #[error("record {position}: {reason}")]
    Refused {
        /// Which record, counted from 1.
        position: usize,
        /// Why.
        reason: Refusal,
    },
    /// The gateway pushed JSON before.
    #[error(transparent)]
    Mixed(#[from] MixedForms),
    /// The store refused. Snapshots before this one are stored.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl From<Unwritable> for PushError {
    fn from(error: Unwritable) -> Self {
        match error {
            Unwritable::Stale(stale) => stale.into(),
            Unwritable::Mixed(mixed) => mixed.into(),
        }
    }
}

impl From<StoreSnapshotError> for PushError {
    fn from(error: StoreSnapshotError) -> Self {
        match error {
            StoreSnapshotError::Stale(stale) => stale.into(),
            StoreSnapshotError::Store(error) => error.into(),
        }
    }
}

impl Data {
    /// Stores snapshots of a gateway, and answers when all of them are durable. Documents that are not among them stay as
    /// they are. Safe to repeat.
    ///
    /// # Errors
    /// The epoch is over or a record cannot be taken: then nothing was changed. Or the store refused one.
    pub async fn push(&self, claims: &GatewayClaims, records: Vec<Record>) -> Result<Pushed, PushError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        for (at, Record { stamp, key, .. }) in records.iter().enumerate() {
            let refused = |reason| Err(PushError::Refused { position: at + 1, reason });
            if key.org != org {
                return refused(Refusal::Foreign);
            }
            if stamp.kind != RecordKind::Snapshot {
                return refused(Refusal::WrongKind);
            }
        }
        // Asked before the form is written down, which an epoch that is over shall not do.
        drop(self.inner.parts.fence.enter(org, epoch)?);
        self.inner.numbering.write_as(org, epoch, Form::Records, &self.inner.parts.fence)?;
        let mut size_bytes = 0;
        for Record { stamp, key, payload } in records {
            size_bytes += payload.len() as u64;
            self.store_snapshot(&key, epoch, stamp.seq, payload).await?;
        }
        Ok(pushed((self.inner.parts.clock)(), size_bytes))
    }
}

/// The answer to a push.
pub(super) fn pushed(now: SystemTime, size_bytes: u64) -> Pushed {
    Pushed { success: true, stored_at: iso8601(now), size_bytes }
}
