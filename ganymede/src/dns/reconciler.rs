//! Makes the zone have the host names of every organization that was ever served, and of no other. Takes no input: it reads
//! which organizations there are and what is in the zone, and changes what differs. Start, recovery and drift take one path.

use std::{collections::BTreeSet, sync::PoisonError, time::Duration};

use orrery_protocol::id::OrgId;
use tokio::time::{sleep, timeout};

use super::{
    Dns, Shared,
    error::{DnsError, PassError},
    plan::{Change, OrgChanges, plan},
};
use crate::orgs::Orgs;

/// Most sets of records that one request changes.
const CHANGES_MAX: usize = 200;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What one look at the zone did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Sets of records that were written.
    pub written: usize,
    /// Sets of records that were removed, because nobody wants them any more.
    pub removed: usize,
    /// Organizations that waited for their names and have them now.
    pub named: Vec<OrgId>,
    /// Organizations whose records the name server does not take.
    pub refused: Vec<OrgId>,
}

impl Dns {
    /// Keeps the zone true for as long as it runs, and says of each organization that waited for its names when it has them.
    /// Ends at once where nobody is to be told.
    pub async fn run(&self, orgs: &Orgs, named: impl Fn(OrgId)) {
        let Some(shared) = &self.shared else { return };
        let mut retry = RETRY_FIRST;
        loop {
            match shared.pass(orgs).await {
                Ok(Passed { named: have, refused, .. }) => {
                    have.into_iter().for_each(&named);
                    let pause = if refused.is_empty() { shared.settings.sweep } else { shared.pause(&mut retry) };
                    if refused.is_empty() {
                        retry = RETRY_FIRST;
                    }
                    // Either way there is another look.
                    drop(timeout(pause, shared.wake.notified()).await);
                }
                Err(error) => {
                    let pause = shared.pause(&mut retry);
                    tracing::warn!(%error, ?pause, "host names are not up to date; trying again");
                    sleep(pause).await;
                }
            }
        }
    }

    /// One look at the zone. Does nothing where nobody is to be told.
    ///
    /// # Errors
    /// The name server or the data base does not answer; what was done until then is done.
    pub async fn pass(&self, orgs: &Orgs) -> Result<Passed, PassError> {
        match &self.shared {
            Some(shared) => shared.pass(orgs).await,
            None => Ok(Passed::default()),
        }
    }
}

impl Shared {
    async fn pass(&self, orgs: &Orgs) -> Result<Passed, PassError> {
        let passed = self.reconcile(orgs).await;
        let failing = passed.is_err();
        let (outcome, error) = match &passed {
            Ok(passed) if passed.refused.is_empty() => ("ok", None),
            Ok(_) => ("refused", Some("the name server refuses some names".to_owned())),
            Err(PassError::Dns(error)) => (error.kind(), Some(error.to_string())),
            Err(PassError::Database(error)) => ("database", Some(error.to_string())),
        };
        metrics::counter!("orrery_dns_passes_total", "outcome" => outcome).increment(1);
        self.names.send_if_modified(|names| std::mem::replace(&mut names.failing, failing) != failing);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        metrics::gauge!("orrery_dns_pending").set(self.names.borrow().pending.len() as f64);
        passed
    }

    /// How long to wait after a failure. The next time twice as long, up to a bound.
    fn pause(&self, retry: &mut Duration) -> Duration {
        let pause = retry.mul_f64(0.5 + (self.jitter)());
        *retry = (*retry * 2).min(RETRY_MAX);
        pause
    }

    async fn reconcile(&self, orgs: &Orgs) -> Result<Passed, PassError> {
        let zone = &self.settings.zone;
        let waiting = self.names.borrow().pending.clone();
        // The zone first: an organization that comes meanwhile is then wanted, and not taken for an orphan.
        let actual = self.server.records(zone.name()).await?;
        let wanted: BTreeSet<OrgId> = orgs.once_served().await?.into_iter().collect();
        let mut passed = Passed::default();
        let plan = plan(zone, &wanted, &actual);
        for batch in batches(&plan) {
            self.make(batch, &mut passed).await?;
        }
        let refused: BTreeSet<OrgId> = passed.refused.iter().copied().collect();
        self.names.send_modify(|names| {
            names.named = wanted.difference(&refused).copied().collect();
            passed.named = names.pending.intersection(&names.named).copied().collect();
            // Of an organization that waited and is not there any more nobody waits for anything.
            names.pending.retain(|org| !wanted.contains(org) && !waiting.contains(org));
            names.pending.extend(refused);
        });
        Ok(passed)
    }

    /// Makes the changes of several organizations at once; one after the other if the name server refuses some of them.
    async fn make(&self, batch: &[OrgChanges], passed: &mut Passed) -> Result<(), DnsError> {
        let changes: Vec<Change> = batch.iter().flat_map(|of_org| of_org.changes.clone()).collect();
        match self.server.change(self.settings.zone.name(), &changes).await {
            Ok(()) => batch.iter().for_each(|of_org| passed.count(of_org)),
            Err(DnsError::Refused { .. }) => {
                for of_org in batch {
                    self.make_one(of_org, passed).await?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn make_one(&self, of_org: &OrgChanges, passed: &mut Passed) -> Result<(), DnsError> {
        match self.server.change(self.settings.zone.name(), &of_org.changes).await {
            Ok(()) => passed.count(of_org),
            Err(error @ DnsError::Refused { .. }) => {
                tracing::warn!(org = %of_org.org, %error, "host names of an organization are refused");
                passed.refused.push(of_org.org);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whole organizations together, up to a bound.
fn batches(plan: &[OrgChanges]) -> impl Iterator<Item = &[OrgChanges]> {
    let of_org_max = plan.iter().map(|of_org| of_org.changes.len()).max().unwrap_or(1);
    plan.chunks((CHANGES_MAX / of_org_max).max(1))
}

impl Passed {
    fn count(&mut self, of_org: &OrgChanges) {
        let written = of_org.changes.iter().filter(|change| change.becomes.is_some()).count();
        let removed = of_org.changes.len() - written;
        self.written += written;
        self.removed += removed;
        let org = of_org.org;
        metrics::counter!("orrery_dns_records_written_total").increment(written as u64);
        metrics::counter!("orrery_dns_records_removed_total").increment(removed as u64);
        if of_org.orphan {
            metrics::counter!("orrery_dns_orphans_total").increment(1);
            tracing::info!(%org, removed, "host names of an organization that is gone are removed");
        } else {
            tracing::info!(%org, written, removed, "host names of an organization are set");
        }
    }
}
