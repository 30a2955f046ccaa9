//! Host names: makes the name server say that every organization's hosts are here. Owns the zone's records of our own name
//! pattern, and nothing else in it.
//!
//! ```text
//!  saga, step `named` ──> Dns::name(org) ─ wakes ─> pass: zone's records, organizations ─> plan ─> changes
//!                          named | pending <──────── tells, once they are made           (also every minute)
//! ```
//!
//! An organization has its names from its first allocation on for as long as it exists (ADR 10). While the name server is
//! away, organizations are served all the same: the step is pending, and done as soon as it can be.

mod config;
mod error;
mod plan;
mod powerdns;
mod reconciler;
mod setup;
mod zone;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use orrery_protocol::id::OrgId;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

pub use self::{
    config::{ApiToken, DOMAIN, DnsConfig, DnsDriver, DnsSettings, InvalidDns, SERVER_URL, VARIABLES},
    error::{DnsError, PassError},
    plan::{Change, OrgChanges, plan},
    powerdns::{Jitter, NoClient, PowerDns},
    reconciler::Passed,
    setup::{SetUp, set_up},
    zone::{RecordKey, RecordKind, RecordSet, Records, Zone},
};

/// How long an allocation waits for its names. What is later is pending.
const NAMING_MAX: Duration = Duration::from_secs(1);

/// How far the naming of an organization has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Its host names lead here.
    Done,
    /// They will, once the name server does what it is asked.
    Pending,
}

/// A handle to the host names of all organizations. Clones share it.
#[derive(Clone, Default)]
pub struct Dns {
    /// Nothing: every name leads here by itself.
    shared: Option<Arc<Shared>>,
}

struct Shared {
    server: PowerDns,
    settings: DnsSettings,
    jitter: Jitter,
    names: watch::Sender<Names>,
    wake: Notify,
    last_error: Mutex<Option<String>>,
}

/// What is known of the zone.
#[derive(Debug, Default)]
struct Names {
    /// Seen in it, or put into it.
    named: BTreeSet<OrgId>,
    /// Wanted in it, and not known to be there.
    pending: BTreeSet<OrgId>,
    /// The last look at it failed.
    failing: bool,
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("server", &self.shared.as_ref().map(|shared| &shared.server)).finish()
    }
}

impl Dns {
    /// Nobody is told of host names.
    pub fn none() -> Self {
        Self::default()
    }

    /// A name server is told, once [`run`](Self::run) does.
    ///
    /// # Errors
    /// The system gives no HTTP client.
    pub fn open(settings: DnsSettings, jitter: Jitter) -> Result<Self, NoClient> {
        let server = PowerDns::new(&settings, Arc::clone(&jitter))?;
        let names = watch::Sender::new(Names::default());
        let (wake, last_error) = (Notify::new(), Mutex::new(None));
        Ok(Self { shared: Some(Arc::new(Shared { server, settings, jitter, names, wake, last_error })) })
    }

    /// Sees to it that the organization's host names lead here, and waits a moment for it.
    pub async fn name(&self, org: OrgId) -> Naming {
        let Some(shared) = &self.shared else { return Naming::Done };
        let mut names = shared.names.subscribe();
        let known = |names: &Names| names.failing || names.named.contains(&org);
        if !known(&names.borrow()) {
            shared.wake.notify_one();
            // Whether it came in time is looked up below.
            drop(timeout(NAMING_MAX, names.wait_for(known)).await);
        }
        self.unless_named(org)
    }

    /// Whether the organization's host names lead here is not known, and will be after the next look.
    pub fn doubt(&self, org: OrgId) {
        self.unless_named(org);
    }

    /// The same, although they were seen to: whoever had to be told was not.
    pub(crate) fn doubt_again(&self, org: OrgId) {
        if let Some(shared) = &self.shared {
            shared.names.send_modify(|names| {
                names.named.remove(&org);
                names.pending.insert(org);
            });
        }
    }

    /// Whether the organization waits for its host names.
    pub fn is_pending(&self, org: OrgId) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.names.borrow().pending.contains(&org))
    }

    /// How many organizations wait, and why; `None` where nobody is told.
    pub fn status(&self) -> Option<(usize, Option<String>)> {
        let shared = self.shared.as_ref()?;
        let error = shared.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some((shared.names.borrow().pending.len(), error))
    }

    fn unless_named(&self, org: OrgId) -> Naming {
        let Some(shared) = &self.shared else { return Naming::Done };
        let mut naming = Naming::Done;
        shared.names.send_if_modified(|names| {
            if names.named.contains(&org) {
                return false;
            }
            naming = Naming::Pending;
            names.pending.insert(org)
        });
        naming
    }
}
