//! One at a time: whoever allocates, moves or releases an organization has its turn until it is done.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use orrery_protocol::id::OrgId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Forgotten organizations are looked for when the table has doubled since.
const SWEEP_FROM: usize = 64;

/// The turns of all organizations.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    turns: HashMap<OrgId, Weak<AsyncMutex<()>>>,
    sweep_at: usize,
}

/// The turn of one organization, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _turn: OwnedMutexGuard<()>,
}

impl Turns {
    /// Waits for the organization's turn.
    pub(crate) async fn take(&self, org: OrgId) -> Turn {
        let turn = self.of(org);
        Turn { _turn: turn.lock_owned().await }
    }

    /// The organization's turn, unless somebody has it.
    pub(crate) fn try_take(&self, org: OrgId) -> Option<Turn> {
        Some(Turn { _turn: self.of(org).try_lock_owned().ok()? })
    }

    fn of(&self, org: OrgId) -> Arc<AsyncMutex<()>> {
        let mut table = self.table();
        if let Some(turn) = table.turns.get(&org).and_then(Weak::upgrade) {
            return turn;
        }
        if table.turns.len() >= table.sweep_at {
            table.turns.retain(|_, turn| turn.strong_count() > 0);
            table.sweep_at = SWEEP_FROM.max(table.turns.len() * 2);
        }
        let turn = Arc::new(AsyncMutex::new(()));
        table.turns.insert(org, Arc::downgrade(&turn));
        turn
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
