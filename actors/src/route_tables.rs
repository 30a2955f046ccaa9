//! Where the containers of every organization that is served here are reached: published by gateways, read by whatever
//! passes requests on. Readers never wait.

use std::{collections::BTreeMap, sync::Arc};

use orrery_protocol::{id::OrgId, route::RouteTable};
use tokio::sync::watch;

/// The tables by organization. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct RouteTables {
    tables: watch::Sender<BTreeMap<OrgId, Arc<RouteTable>>>,
}

impl RouteTables {
    /// The table of an organization; `None` if it is not served here, or only just.
    pub fn of(&self, org: OrgId) -> Option<Arc<RouteTable>> {
        self.tables.borrow().get(&org).cloned()
    }

    /// All tables, now and whenever one changes.
    pub fn follow(&self) -> watch::Receiver<BTreeMap<OrgId, Arc<RouteTable>>> {
        self.tables.subscribe()
    }

    /// Replaces the table of its organization; wakes followers only if it differs. For the organization's gateway, and for
    /// tests without one.
    pub fn publish(&self, table: RouteTable) {
        self.tables.send_if_modified(|tables| {
            let differs = tables.get(&table.org).is_none_or(|known| **known != table);
            if differs {
                tables.insert(table.org, Arc::new(table));
            }
            differs
        });
    }

    /// The organization is not served here any more.
    pub(crate) fn withdraw(&self, org: OrgId) {
        self.tables.send_if_modified(|tables| tables.remove(&org).is_some());
    }
}
