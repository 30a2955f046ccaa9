//! How far each document is, as gateways in other processes append to it. They repeat what was not answered; what is there
//! already is not written twice, and what would leave a gap is not written at all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use orrery_protocol::id::{DocumentKey, Epoch, OrgId};
use tokio::sync::watch;

use crate::pool::{Fence, StaleEpoch, Turn, Turns};

/// Of all organizations that gateways in other processes write for.
#[derive(Default)]
pub(super) struct Numbering {
    /// One append or push of an organization at a time: one that was given up by its caller may still be at work.
    turns: Turns,
    orgs: Mutex<HashMap<OrgId, Documents>>,
}

/// Of one organization, under one epoch.
struct Documents {
    epoch: Epoch,
    form: Option<Form>,
    tails: HashMap<Arc<DocumentKey>, Tail>,
}

/// The form in which a gateway writes. It keeps to one: pushed JSON would take numbers that its own appends then repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Appends and snapshots as records.
    Records,
    /// Whole documents as JSON.
    Json,
}

/// The gateway wrote in another form before, under the same epoch. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway wrote in the other form before: it is records or JSON, not both")]
pub struct MixedForms;

/// Why nothing may be written in a form.
pub(super) enum Unwritable {
    Stale(StaleEpoch),
    Mixed(MixedForms),
}

/// The end of one document.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    /// The last update that was queued.
    pub(super) accepted: u64,
    settled: watch::Sender<Settled>,
}

#[derive(Debug, Clone, Copy)]
struct Settled {
    /// The last update that is durable.
    durable: u64,
    /// The store dropped an update: nothing after `durable` will become so.
    dropped: bool,
}

/// The store dropped what was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store refused an update")]
pub struct Dropped;

impl Numbering {
    /// Waits until nobody else writes for the organization.
    pub(super) async fn turn(&self, org: OrgId) -> Turn {
        self.turns.take(org).await
    }

    /// Says in which form the gateway writes. Forgets organizations that are not served any more when there are many.
    pub(super) fn write_as(&self, org: OrgId, epoch: Epoch, form: Form, fence: &Fence) -> Result<(), Unwritable> {
        let mut orgs = self.orgs();
        if orgs.len() == orgs.capacity() && !orgs.contains_key(&org) {
            orgs.retain(|&org, documents| fence.admits(org, documents.epoch));
        }
        let documents = at(&mut orgs, org, epoch).map_err(Unwritable::Stale)?;
        if *documents.form.get_or_insert(form) == form { Ok(()) } else { Err(Unwritable::Mixed(MixedForms)) }
    }

    /// The document's end, if it is known under this epoch.
    pub(super) fn tail(&self, epoch: Epoch, key: &DocumentKey) -> Result<Option<Tail>, StaleEpoch> {
        Ok(at(&mut self.orgs(), key.org, epoch)?.tails.get(key).cloned())
    }

    /// The document's end, now that it was read; unless it is known.
    pub(super) fn learn(&self, epoch: Epoch, key: &DocumentKey, last_seq: u64) -> Result<Tail, StaleEpoch> {
        let mut orgs = self.orgs();
        let tails = &mut at(&mut orgs, key.org, epoch)?.tails;
        if let Some(tail) = tails.get(key) {
            return Ok(tail.clone());
        }
        let settled = watch::Sender::new(Settled { durable: last_seq, dropped: false });
        let tail = Tail { accepted: last_seq, settled };
        tails.insert(Arc::new(key.clone()), tail.clone());
        Ok(tail)
    }

    /// Updates up to `last_seq` were queued.
    pub(super) fn accepted(&self, epoch: Epoch, key: &DocumentKey, last_seq: u64) {
        if let Ok(documents) = at(&mut self.orgs(), key.org, epoch)
            && let Some(tail) = documents.tails.get_mut(key)
        {
            tail.accepted = last_seq;
        }
    }

    /// What is known of the document is wrong.
    pub(super) fn forget(&self, epoch: Epoch, key: &DocumentKey) {
        if let Ok(documents) = at(&mut self.orgs(), key.org, epoch) {
            documents.tails.remove(key);
        }
    }

    fn orgs(&self) -> MutexGuard<'_, HashMap<OrgId, Documents>> {
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of the organization under this epoch. Nothing known under an older one is of use.
fn at(orgs: &mut HashMap<OrgId, Documents>, org: OrgId, epoch: Epoch) -> Result<&mut Documents, StaleEpoch> {
    let fresh = || Documents { epoch, form: None, tails: HashMap::new() };
    let documents = orgs.entry(org).or_insert_with(fresh);
    if documents.epoch > epoch {
        return Err(StaleEpoch { organization_id: org, epoch });
    }
    if documents.epoch < epoch {
        *documents = fresh();
    }
    Ok(documents)
}

impl Tail {
    /// What the store calls when updates are durable. Dropped uncalled, it says that they never will be.
    pub(super) fn settle(&self) -> Box<dyn FnOnce(u64) + Send> {
        let mut settle = Settle { settled: self.settled.clone(), called: false };
        Box::new(move |durable| {
            settle.called = true;
            settle.settled.send_modify(|settled| settled.durable = settled.durable.max(durable));
        })
    }

    /// Waits until the updates up to `seq` are durable.
    pub(super) async fn durable(&self, seq: u64) -> Result<(), Dropped> {
        let mut settled = self.settled.subscribe();
        let settled =
            settled.wait_for(|settled| settled.dropped || settled.durable >= seq).await.map_err(|_| Dropped)?;
        if settled.durable >= seq { Ok(()) } else { Err(Dropped) }
    }
}

struct Settle {
    settled: watch::Sender<Settled>,
    called: bool,
}

impl Drop for Settle {
    fn drop(&mut self) {
        if !self.called {
            self.settled.send_modify(|settled| settled.dropped = true);
        }
    }
}
