//! Ganymede for tests, in memory. Refuses what is stale, keeps what is appended and pushed, and fails when told to.

pub(crate) mod visitor;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_protocol::{
    access::OrgRole,
    container::ProjectNotes,
    control::{Deleted, GatewayBrief, Lease, MemberBrief, ProjectBrief, Token, Visit, VisitRequest, VisitStanding},
    id::{ContainerId, DocumentKey, Epoch, OrgId, ProjectId, UserId},
    record::StoredDocument,
};
use uuid::Uuid;

use crate::{
    control_plane::{Ask, ControlError, ControlPlane, Tenure},
    journal::{Append, Journal, JournalError},
};

pub(crate) const ORG: OrgId = OrgId(Uuid::from_u128(1));
pub(crate) const IO: ProjectId = ProjectId(Uuid::from_u128(2));
pub(crate) const EUROPA: ProjectId = ProjectId(Uuid::from_u128(3));
pub(crate) const ALICE: UserId = UserId(Uuid::from_u128(10));
pub(crate) const BOB: UserId = UserId(Uuid::from_u128(11));

/// A brief with Alice as its owner, Bob as a member, and the projects Io and Europa.
pub(crate) fn brief(org: OrgId, epoch: u64) -> GatewayBrief {
    let project = |id, name: &str| ProjectBrief { id, name: name.to_owned() };
    let member =
        |user_id, name: &str, role| MemberBrief { user_id, name: name.to_owned(), role, projects: BTreeMap::new() };
    GatewayBrief {
        organization_id: org,
        organization_name: "Moons".to_owned(),
        epoch: Epoch(epoch),
        version: 1,
        gateway_token: Token(format!("gateway {org} {epoch}")),
        projects: vec![project(IO, "Io"), project(EUROPA, "Europa")],
        members: vec![member(ALICE, "Alice", OrgRole::Owner), member(BOB, "Bob", OrgRole::Member)],
        disable_shutdown: false,
        named: true,
        lease_ms: 15_000,
    }
}

/// Everything it holds and was asked.
#[derive(Default)]
pub(crate) struct World {
    /// What a handshake is answered with, by the handshake.
    pub(crate) handshakes: BTreeMap<String, GatewayBrief>,
    /// What `config` is answered with, of organizations that are served.
    pub(crate) briefs: BTreeMap<OrgId, GatewayBrief>,
    /// The epoch that may write.
    pub(crate) epochs: BTreeMap<OrgId, Epoch>,
    pub(crate) documents: BTreeMap<DocumentKey, StoredDocument>,
    /// What the next calls are answered with, of any kind, before anything is done.
    pub(crate) faults: VecDeque<ControlError>,
    /// While set, renewals are answered with this.
    pub(crate) no_renewals: Option<ControlError>,
    pub(crate) renewals: u32,
    pub(crate) stopped: Vec<(OrgId, Epoch)>,
    pub(crate) snapshots: u32,
    pub(crate) appends: u32,
    pub(crate) shutdown_disabled: Option<bool>,
    pub(crate) notes: BTreeMap<ProjectId, ProjectNotes>,
    pub(crate) lease_ms: Option<u64>,
    pub(crate) deleted: Deleted,
    /// How often it was asked for those.
    pub(crate) asked_for_deleted: u32,
}

/// The fake. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct FakeGanymede {
    world: Arc<Mutex<World>>,
}

impl FakeGanymede {
    /// One that has allocated the organization of `brief`.
    pub(crate) fn with(brief: &GatewayBrief) -> Self {
        let fake = Self::default();
        fake.allocate(brief);
        fake
    }

    /// Allocates, or allocates anew.
    pub(crate) fn allocate(&self, brief: &GatewayBrief) {
        let mut world = self.world();
        world.epochs.insert(brief.organization_id, brief.epoch);
        world.briefs.insert(brief.organization_id, brief.clone());
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world, if whoever asks under `epoch` may change it now.
    pub(crate) fn admit(&self, org: OrgId, epoch: Epoch) -> Result<MutexGuard<'_, World>, ControlError> {
        let mut world = self.world();
        if let Some(fault) = world.faults.pop_front() {
            return Err(fault);
        }
        if world.epochs.get(&org) == Some(&epoch) { Ok(world) } else { Err(ControlError::Stale) }
    }
}

impl World {
    pub(crate) fn append(&mut self, key: &DocumentKey, first_seq: u64, updates: &[Bytes]) {
        let stored = self.documents.entry(key.clone()).or_default();
        // What was appended before and not answered comes again.
        let known = stored.last_seq;
        for (seq, update) in (first_seq..).zip(updates).filter(|(seq, _)| *seq > known) {
            assert_eq!(seq, stored.last_seq + 1, "{key}: a gap");
            stored.updates.push(update.clone());
            stored.last_seq = seq;
        }
        self.appends += 1;
    }

    pub(crate) fn push(&mut self, key: &DocumentKey, covers_seq: u64, state: Bytes) {
        let stored = self.documents.entry(key.clone()).or_default();
        let rest = stored.last_seq - covers_seq;
        let covered = stored.updates.len() - usize::try_from(rest).unwrap();
        stored.updates.drain(..covered);
        stored.snapshot = Some(state);
        self.snapshots += 1;
    }
}

#[async_trait]
impl ControlPlane for FakeGanymede {
    async fn config(&self, ask: Ask<'_>) -> Result<GatewayBrief, ControlError> {
        match ask {
            Ask::Handshake(token) => {
                let brief = self.world().handshakes.remove(&token.0);
                let brief = brief.ok_or(ControlError::Refused("no such handshake".to_owned()))?;
                self.allocate(&brief);
                Ok(brief)
            }
            Ask::Again(tenure) => Ok(self.admit(tenure.org(), tenure.epoch())?.briefs[&tenure.org()].clone()),
        }
    }

    async fn renew(&self, tenure: &Tenure) -> Result<Lease, ControlError> {
        let mut world = self.admit(tenure.org(), tenure.epoch())?;
        if let Some(error) = &world.no_renewals {
            return Err(error.clone());
        }
        world.renewals += 1;
        let version = world.briefs[&tenure.org()].version;
        let ttl_ms = world.lease_ms.unwrap_or(15_000);
        Ok(Lease { expires_at: String::new(), ttl_ms, version, gateway_token: None })
    }

    async fn stop(&self, tenure: &Tenure) -> Result<(), ControlError> {
        let mut world = self.admit(tenure.org(), tenure.epoch())?;
        world.epochs.remove(&tenure.org());
        world.stopped.push((tenure.org(), tenure.epoch()));
        Ok(())
    }

    async fn leave(&self, tenure: &Tenure) -> Result<(), ControlError> {
        self.stop(tenure).await
    }

    async fn disable_shutdown(&self, tenure: &Tenure, disabled: bool) -> Result<(), ControlError> {
        self.admit(tenure.org(), tenure.epoch())?.shutdown_disabled = Some(disabled);
        Ok(())
    }

    async fn container_token(
        &self,
        tenure: &Tenure,
        project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<Token, ControlError> {
        drop(self.admit(tenure.org(), tenure.epoch())?);
        Ok(Token(format!("container {project} {container} {generation}")))
    }

    async fn deleted(&self, asked: &Deleted) -> Result<Deleted, ControlError> {
        let mut world = self.world();
        if let Some(fault) = world.faults.pop_front() {
            return Err(fault);
        }
        world.asked_for_deleted += 1;
        Ok(Deleted {
            organizations: asked.organizations.intersection(&world.deleted.organizations).copied().collect(),
            projects: asked.projects.intersection(&world.deleted.projects).copied().collect(),
        })
    }

    async fn notes(&self, tenure: &Tenure, project: ProjectId) -> Result<ProjectNotes, ControlError> {
        let mut world = self.world();
        if world.epochs.get(&tenure.org()) != Some(&tenure.epoch()) {
            return Err(ControlError::Stale);
        }
        Ok(world.notes.entry(project).or_default().clone())
    }

    async fn store_notes(&self, tenure: &Tenure, project: ProjectId, notes: &ProjectNotes) -> Result<(), ControlError> {
        self.admit(tenure.org(), tenure.epoch())?.notes.insert(project, notes.clone());
        Ok(())
    }

    async fn admit_visit(&self, tenure: &Tenure, request: &VisitRequest) -> Result<Visit, ControlError> {
        drop(self.admit(tenure.org(), tenure.epoch())?);
        Ok(Visit { token: request.code.clone(), ttl_s: 60 })
    }

    async fn visit_stands(&self, tenure: &Tenure, _: &VisitStanding) -> Result<bool, ControlError> {
        self.admit(tenure.org(), tenure.epoch()).map(|_| true)
    }

    fn journal(&self, tenure: &Arc<Tenure>) -> Arc<dyn Journal> {
        Arc::new(FakeJournal { ganymede: self.clone(), tenure: tenure.clone() })
    }
}

struct FakeJournal {
    ganymede: FakeGanymede,
    tenure: Arc<Tenure>,
}

impl FakeJournal {
    fn world(&self) -> Result<MutexGuard<'_, World>, JournalError> {
        let tenure = &self.tenure;
        self.ganymede.admit(tenure.org(), tenure.epoch()).map_err(|error| {
            if error == ControlError::Stale {
                tenure.fence();
            }
            JournalError(error.to_string())
        })
    }
}

#[async_trait]
impl Journal for FakeJournal {
    fn append(&self, append: Append) {
        let Append { key, first_seq, updates, durable } = append;
        if let Ok(mut world) = self.world() {
            world.append(&key, first_seq, &updates);
            drop(world);
            durable(first_seq + updates.len() as u64 - 1);
        }
    }

    async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, JournalError> {
        Ok(self.world()?.documents.get(key).cloned().unwrap_or_default())
    }

    async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), JournalError> {
        self.world()?.push(key, covers_seq, state);
        Ok(())
    }
}
