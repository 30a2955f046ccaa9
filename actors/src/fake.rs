//! Ganymede for tests, in memory. Refuses what is stale, keeps what is appended and pushed, and fails when told to. What a
//! gateway may rely on it does as the real one: the binary crate runs one suite against both.

#[cfg(test)]
pub(crate) mod visitor;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_protocol::{
    access::OrgRole,
    container::ProjectNotes,
    control::{
        Deleted, GatewayBrief, Lease, MemberBrief, ProjectBrief, SessionDigest, Token, Visit, VisitRequest,
        VisitStanding,
    },
    id::{ContainerId, DocumentKey, Epoch, OrgId, ProjectId, UserId},
    record::StoredDocument,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    control_plane::{Ask, ControlError, ControlPlane, Tenure},
    journal::{Append, Journal, JournalError},
};

/// The organization of [`brief`].
pub const ORG: OrgId = OrgId(Uuid::from_u128(1));
/// A project of it.
pub const IO: ProjectId = ProjectId(Uuid::from_u128(2));
/// Another project of it.
pub const EUROPA: ProjectId = ProjectId(Uuid::from_u128(3));
/// Its owner.
pub const ALICE: UserId = UserId(Uuid::from_u128(10));
/// A member of it.
pub const BOB: UserId = UserId(Uuid::from_u128(11));

/// A brief with Alice as its owner, Bob as a member, and the projects Io and Europa.
pub fn brief(org: OrgId, epoch: u64) -> GatewayBrief {
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
pub struct World {
    /// What a handshake is answered with, by the handshake.
    pub handshakes: BTreeMap<String, GatewayBrief>,
    /// What `config` is answered with, of organizations that are served.
    pub briefs: BTreeMap<OrgId, GatewayBrief>,
    /// The epoch that may write.
    pub epochs: BTreeMap<OrgId, Epoch>,
    /// What is stored.
    pub documents: BTreeMap<DocumentKey, StoredDocument>,
    /// What the next calls are answered with, of any kind, before anything is done.
    pub faults: VecDeque<ControlError>,
    /// While set, renewals are answered with this.
    pub no_renewals: Option<ControlError>,
    /// How often a lease was renewed.
    pub renewals: u32,
    /// Which organizations were let go, under which epochs.
    pub stopped: Vec<(OrgId, Epoch)>,
    /// How many were stored.
    pub snapshots: u32,
    /// How often something was appended.
    pub appends: u32,
    /// Updates that came under a number that was taken. Over a wire they may be repetitions.
    pub repeated: u64,
    /// What a gateway said last.
    pub shutdown_disabled: Option<bool>,
    /// What is kept of projects.
    pub notes: BTreeMap<ProjectId, ProjectNotes>,
    /// Of which projects nothing can be kept, and why.
    pub no_notes: BTreeMap<ProjectId, ControlError>,
    /// How often that was refused.
    pub notes_refused: u32,
    /// How often a gateway asked for its brief again.
    pub asked_for_brief: u32,
    /// While set, such a brief is answered only once there is a permit for it, as it was when it was asked for.
    pub brief_permits: Option<Arc<Semaphore>>,
    /// How long a renewed lease lasts, if not as usual.
    pub lease_ms: Option<u64>,
    /// What was deleted.
    pub deleted: Deleted,
    /// How often it was asked for those.
    pub asked_for_deleted: u32,
    /// Tickets that nobody has used.
    tickets: Vec<VisitRequest>,
    sessions: BTreeSet<(UserId, SessionDigest)>,
}

/// The fake. Clones share it.
#[derive(Clone, Default)]
pub struct FakeGanymede {
    world: Arc<Mutex<World>>,
}

impl FakeGanymede {
    /// One that has allocated the organization of `brief`.
    pub fn with(brief: &GatewayBrief) -> Self {
        let fake = Self::default();
        fake.allocate(brief);
        fake
    }

    /// Answers this handshake with `brief`, once: the organization is allocated, or allocated anew.
    pub fn shake(&self, handshake: &Token, brief: GatewayBrief) {
        self.world().handshakes.insert(handshake.0.clone(), brief);
    }

    /// Allocates, or allocates anew.
    pub fn allocate(&self, brief: &GatewayBrief) {
        let mut world = self.world();
        world.epochs.insert(brief.organization_id, brief.epoch);
        world.briefs.insert(brief.organization_id, brief.clone());
    }

    /// Takes this ticket, once.
    pub fn give_ticket(&self, ticket: VisitRequest) {
        self.world().tickets.push(ticket);
    }

    /// Begins a session.
    pub fn sign_in(&self, standing: &VisitStanding) {
        self.world().sessions.insert((standing.user, standing.session.clone()));
    }

    /// Ends it.
    pub fn sign_out(&self, standing: &VisitStanding) {
        self.world().sessions.remove(&(standing.user, standing.session.clone()));
    }

    /// Everything it holds, to look at and to change.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world, if whoever asks under `epoch` may change it now.
    pub fn admit(&self, org: OrgId, epoch: Epoch) -> Result<MutexGuard<'_, World>, ControlError> {
        let mut world = self.world();
        world.fail()?;
        if world.epochs.get(&org) == Some(&epoch) { Ok(world) } else { Err(ControlError::Stale) }
    }
}

impl World {
    /// Fails if it was told to.
    fn fail(&mut self) -> Result<(), ControlError> {
        self.faults.pop_front().map_or(Ok(()), Err)
    }

    fn check_project(&self, org: OrgId, project: ProjectId) -> Result<(), ControlError> {
        let known = self.briefs.get(&org).is_some_and(|brief| brief.projects.iter().any(|known| known.id == project));
        if known { Ok(()) } else { Err(ControlError::Refused(format!("no project {project}"))) }
    }

    /// Keeps updates.
    pub fn append(&mut self, key: &DocumentKey, first_seq: u64, updates: &[Bytes]) {
        let stored = self.documents.entry(key.clone()).or_default();
        // What was appended before and not answered comes again.
        let known = stored.last_seq;
        self.repeated += (first_seq..).take(updates.len()).filter(|seq| *seq <= known).count() as u64;
        for (seq, update) in (first_seq..).zip(updates).filter(|(seq, _)| *seq > known) {
            assert_eq!(seq, stored.last_seq + 1, "{key}: a gap");
            stored.updates.push(update.clone());
            stored.last_seq = seq;
        }
        self.appends += 1;
    }

    /// Keeps a snapshot.
    pub fn push(&mut self, key: &DocumentKey, covers_seq: u64, state: Bytes) {
        let stored = self.documents.entry(key.clone()).or_default();
        let rest = stored.last_seq - covers_seq;
        let covered = stored.updates.len() - usize::try_from(rest).expect("fewer than are in memory");
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
                let mut brief = brief.ok_or(ControlError::Refused("no such handshake".to_owned()))?;
                brief.disable_shutdown |= self.world().shutdown_disabled == Some(true);
                self.allocate(&brief);
                Ok(brief)
            }
            Ask::Again(tenure) => {
                let (brief, permits) = {
                    let mut world = self.admit(tenure.org(), tenure.epoch())?;
                    world.asked_for_brief += 1;
                    (world.briefs[&tenure.org()].clone(), world.brief_permits.clone())
                };
                if let Some(permits) = permits {
                    permits.acquire().await.expect("it is never closed").forget();
                }
                Ok(brief)
            }
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
        let mut world = self.world();
        world.fail()?;
        match world.epochs.get(&tenure.org()) {
            None => return Ok(()),
            Some(epoch) if *epoch != tenure.epoch() => return Err(ControlError::Stale),
            Some(_) => {}
        }
        world.epochs.remove(&tenure.org());
        world.stopped.push((tenure.org(), tenure.epoch()));
        Ok(())
    }

    async fn leave(&self, tenure: &Tenure) -> Result<(), ControlError> {
        self.stop(tenure).await
    }

    async fn disable_shutdown(&self, tenure: &Tenure, disabled: bool) -> Result<(), ControlError> {
        let mut world = self.admit(tenure.org(), tenure.epoch())?;
        world.shutdown_disabled = Some(disabled);
        if let Some(brief) = world.briefs.get_mut(&tenure.org()) {
            brief.disable_shutdown = disabled;
        }
        Ok(())
    }

    async fn container_token(
        &self,
        tenure: &Tenure,
        project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<Token, ControlError> {
        self.admit(tenure.org(), tenure.epoch())?.check_project(tenure.org(), project)?;
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
        world.check_project(tenure.org(), project)?;
        Ok(world.notes.entry(project).or_default().clone())
    }

    async fn store_notes(&self, tenure: &Tenure, project: ProjectId, notes: &ProjectNotes) -> Result<(), ControlError> {
        let mut world = self.admit(tenure.org(), tenure.epoch())?;
        world.check_project(tenure.org(), project)?;
        if let Some(error) = world.no_notes.get(&project).cloned() {
            world.notes_refused += 1;
            return Err(error);
        }
        world.notes.insert(project, notes.clone());
        Ok(())
    }

    async fn admit_visit(&self, _: &Tenure, request: &VisitRequest) -> Result<Visit, ControlError> {
        let mut world = self.world();
        world.fail()?;
        let ticket = world.tickets.iter().position(|ticket| ticket == request);
        let ticket = ticket.ok_or_else(|| ControlError::Refused("no such ticket".to_owned()))?;
        let VisitRequest { code, .. } = world.tickets.swap_remove(ticket);
        Ok(Visit { token: code, ttl_s: 60 })
    }

    async fn visit_stands(&self, _: &Tenure, standing: &VisitStanding) -> Result<bool, ControlError> {
        let mut world = self.world();
        world.fail()?;
        Ok(world.sessions.contains(&(standing.user, standing.session.clone())))
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
            if first_seq > world.documents.get(&*key).map_or(0, |stored| stored.last_seq) + 1 {
                return self.tenure.fence();
            }
            world.append(&key, first_seq, &updates);
            drop(world);
            durable(first_seq + updates.len() as u64 - 1);
        }
    }

    async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, JournalError> {
        Ok(self.world()?.documents.get(key).cloned().unwrap_or_default())
    }

    async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), JournalError> {
        let mut world = self.world()?;
        let last_seq = world.documents.get(key).map_or(0, |stored| stored.last_seq);
        if covers_seq > last_seq {
            return Err(JournalError(format!("covers {covers_seq} of {last_seq} updates")));
        }
        world.push(key, covers_seq, state);
        Ok(())
    }
}
