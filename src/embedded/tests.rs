//! What a gateway relies on in Ganymede, as one suite: for direct calls, for HTTP, and for the fake that the gateways' own
//! tests run against. A promise that only some of them keep is none.

mod fake;
mod real;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_actors::{Append, Ask, ControlError, ControlPlane, Journal, Tenure};
use orrery_protocol::{
    container::ProjectNotes,
    control::{GatewayBrief, SessionDigest, Token, VisitRequest, VisitStanding},
    id::{ContainerId, DocumentKey, DocumentName, Epoch, OrgId, ProjectId},
    record::StoredDocument,
};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use uuid::Uuid;

use self::{fake::Fake, real::Real};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// An organization with a project, and whoever serves it: Ganymede as one gateway sees it.
#[async_trait]
trait Place: Sync {
    fn ganymede(&self) -> Arc<dyn ControlPlane>;

    fn org(&self) -> OrgId;

    fn project(&self) -> ProjectId;

    /// Allocates the organization, anew if it is allocated: the handshake, which is used now, and what it was answered with.
    async fn allocate(&self) -> (Token, GatewayBrief);

    /// Somebody signs in.
    async fn sign_in(&self) -> VisitStanding;

    async fn sign_out(&self, standing: &VisitStanding);

    /// A ticket for them. Its code is filled in.
    fn ticket(&self, standing: &VisitStanding, asked: VisitRequest) -> VisitRequest;
}

/// An allocation, and what is written under it.
struct Serving {
    ganymede: Arc<dyn ControlPlane>,
    tenure: Arc<Tenure>,
    journal: Arc<dyn Journal>,
    brief: GatewayBrief,
}

impl Serving {
    async fn begin(place: &dyn Place) -> Self {
        let (_, brief) = place.allocate().await;
        let (ganymede, tenure) = (place.ganymede(), Arc::new(Tenure::new(&brief)));
        let journal = ganymede.journal(&tenure);
        Self { ganymede, tenure, journal, brief }
    }

    fn epoch(&self) -> Epoch {
        self.tenure.epoch()
    }

    /// Appends updates and waits until they are durable; up to which.
    async fn append(&self, key: &Arc<DocumentKey>, first_seq: u64, updates: &[Bytes]) -> u64 {
        let (durable, heard) = oneshot::channel();
        let durable = Box::new(move |seq| durable.send(seq).unwrap());
        self.journal.append(Append { key: key.clone(), first_seq, updates: updates.to_vec(), durable });
        timeout(PATIENCE, heard).await.expect("in time").expect("durable")
    }

    async fn load(&self, key: &DocumentKey) -> StoredDocument {
        self.journal.load(key).await.unwrap()
    }
}

fn key(place: &dyn Place, name: &str) -> Arc<DocumentKey> {
    let document = DocumentName::Named(name.to_owned());
    Arc::new(DocumentKey { org: place.org(), project: place.project(), document })
}

/// Updates of one text, each of which needs those before it.
fn updates(count: usize) -> Vec<Bytes> {
    use yrs::{Doc, ReadTxn, Text, Transact};
    let doc = Doc::with_client_id(1);
    let text = doc.get_or_insert_text("t");
    let update = |number| {
        let mut transaction = doc.try_transact_mut().unwrap();
        let before = transaction.state_vector();
        text.insert(&mut transaction, number, "x");
        Bytes::from(transaction.encode_diff_v1(&before))
    };
    (0..u32::try_from(count).unwrap()).map(update).collect()
}

fn state(updates: &[Bytes]) -> Bytes {
    super::merge(None, updates).unwrap()
}

fn nobody() -> ProjectId {
    ProjectId(Uuid::from_u128(99))
}

async fn a_handshake_opens_an_allocation_once(place: &dyn Place) {
    let (handshake, brief) = place.allocate().await;
    assert_eq!(brief.organization_id, place.org());
    assert!(brief.projects.iter().any(|project| project.id == place.project()));
    assert!(brief.lease_ms > 0 && !brief.members.is_empty());
    let ganymede = place.ganymede();
    for refused in [&handshake, &Token("no handshake".to_owned())] {
        let again = ganymede.config(Ask::Handshake(refused)).await;
        assert!(matches!(again, Err(ControlError::Refused(_))), "{again:?}");
    }
    let again = ganymede.config(Ask::Again(&Tenure::new(&brief))).await.unwrap();
    assert_eq!(GatewayBrief { gateway_token: brief.gateway_token.clone(), ..again }, brief);
}

async fn only_the_newest_epoch_goes_on(place: &dyn Place) {
    let old = Serving::begin(place).await;
    let lease = old.ganymede.renew(&old.tenure).await.unwrap();
    assert_eq!(lease.version, old.brief.version);
    assert!(lease.ttl_ms > 0);
    let new = Serving::begin(place).await;
    assert!(new.epoch() > old.epoch());
    assert_eq!(old.ganymede.renew(&old.tenure).await, Err(ControlError::Stale));
    assert_eq!(old.ganymede.config(Ask::Again(&old.tenure)).await, Err(ControlError::Stale));
    assert_eq!(old.ganymede.stop(&old.tenure).await, Err(ControlError::Stale));
    new.ganymede.renew(&new.tenure).await.unwrap();
    new.ganymede.config(Ask::Again(&new.tenure)).await.unwrap();
}

async fn letting_go_is_safe_to_repeat(place: &dyn Place) {
    let serving = Serving::begin(place).await;
    for _ in 0..2 {
        serving.ganymede.stop(&serving.tenure).await.unwrap();
    }
    assert_eq!(serving.ganymede.renew(&serving.tenure).await, Err(ControlError::Stale));
    let leaving = Serving::begin(place).await;
    assert!(leaving.epoch() > serving.epoch());
    for _ in 0..2 {
        leaving.ganymede.leave(&leaving.tenure).await.unwrap();
    }
}

async fn what_is_appended_is_there_for_the_next(place: &dyn Place) {
    let (one, key, updates) = (Serving::begin(place).await, key(place, "appended"), updates(3));
    assert_eq!(one.load(&key).await, StoredDocument::default());
    assert_eq!(one.append(&key, 1, &updates[..2]).await, 2);
    assert_eq!(one.append(&key, 3, &updates[2..]).await, 3);
    let stored = StoredDocument { snapshot: None, updates: updates.clone(), last_seq: 3 };
    assert_eq!(one.load(&key).await, stored);
    let next = Serving::begin(place).await;
    assert_eq!(next.load(&key).await, stored);
    assert_eq!(next.append(&key, 4, &updates[2..]).await, 4);
    assert_eq!(next.load(&self::key(place, "another")).await, StoredDocument::default());
}

async fn a_snapshot_stands_for_what_it_covers(place: &dyn Place) {
    let (serving, key, updates) = (Serving::begin(place).await, key(place, "covered"), updates(3));
    serving.append(&key, 1, &updates).await;
    let covering = state(&updates[..2]);
    serving.journal.store_snapshot(&key, 2, covering.clone()).await.unwrap();
    let stored = StoredDocument { snapshot: Some(covering), updates: updates[2..].to_vec(), last_seq: 3 };
    assert_eq!(serving.load(&key).await, stored);
    assert!(serving.journal.store_snapshot(&key, 9, state(&updates)).await.is_err(), "of what nobody appended");
    assert_eq!(serving.load(&key).await, stored, "nothing was changed");
    assert!(!serving.tenure.is_fenced(), "it is no matter of epochs");
    assert_eq!(Serving::begin(place).await.load(&key).await, stored);
}

async fn nothing_is_written_under_an_epoch_that_is_over(place: &dyn Place) {
    let (old, key, updates) = (Serving::begin(place).await, key(place, "fenced"), updates(2));
    old.append(&key, 1, &updates[..1]).await;
    let new = Serving::begin(place).await;
    let (durable, mut heard) = mpsc::channel(1);
    let durable = Box::new(move |seq| durable.try_send(seq).unwrap());
    old.journal.append(Append { key: key.clone(), first_seq: 2, updates: updates[1..].to_vec(), durable });
    timeout(PATIENCE, old.tenure.until_fenced()).await.expect("it learns that it is over");
    assert!(old.journal.store_snapshot(&key, 1, state(&updates[..1])).await.is_err());
    assert!(old.journal.load(&key).await.is_err());
    assert_eq!(timeout(PATIENCE, heard.recv()).await.expect("given up"), None, "never confirmed");
    let stored = StoredDocument { snapshot: None, updates: updates[..1].to_vec(), last_seq: 1 };
    assert_eq!(new.load(&key).await, stored);
    assert!(!new.tenure.is_fenced());
}

/// Otherwise the room would take edits for ever, and none of them would be saved.
async fn what_does_not_follow_ends_the_tenure(place: &dyn Place) {
    let (serving, key, updates) = (Serving::begin(place).await, key(place, "gap"), updates(3));
    serving.append(&key, 1, &updates[..1]).await;
    let (durable, heard) = oneshot::channel();
    let durable = Box::new(move |seq| durable.send(seq).unwrap());
    serving.journal.append(Append { key: key.clone(), first_seq: 3, updates: updates[2..].to_vec(), durable });
    timeout(PATIENCE, serving.tenure.until_fenced()).await.expect("it does not go on");
    assert!(timeout(PATIENCE, heard).await.expect("given up").is_err(), "never confirmed");
    let stored = StoredDocument { snapshot: None, updates: updates[..1].to_vec(), last_seq: 1 };
    assert_eq!(Serving::begin(place).await.load(&key).await, stored);
}

async fn each_generation_of_a_container_has_a_token_of_its_own(place: &dyn Place) {
    let serving = Serving::begin(place).await;
    let (one, two) = (ContainerId::from_random(1), ContainerId::from_random(2));
    let token = async |project, container, generation| {
        serving.ganymede.container_token(&serving.tenure, project, container, generation).await
    };
    let project = place.project();
    let mut tokens = Vec::new();
    for (container, generation) in [(one, 1), (one, 2), (two, 1)] {
        tokens.push(token(project, container, generation).await.unwrap().0);
    }
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
    let foreign = token(nobody(), one, 1).await;
    assert!(matches!(foreign, Err(ControlError::Refused(_))), "{foreign:?}");
    Serving::begin(place).await;
    assert_eq!(token(project, one, 1).await, Err(ControlError::Stale));
}

async fn notes_outlast_the_gateway(place: &dyn Place) {
    let (old, project) = (Serving::begin(place).await, place.project());
    assert_eq!(old.ganymede.notes(&old.tenure, project).await.unwrap(), ProjectNotes::default());
    let notes = |port: u16| -> ProjectNotes {
        let container = ContainerId::from_random(1).to_string();
        serde_json::from_value(json!({"ports": {container: {"web": port}}})).unwrap()
    };
    for port in [8080, 8081] {
        old.ganymede.store_notes(&old.tenure, project, &notes(port)).await.unwrap();
        assert_eq!(old.ganymede.notes(&old.tenure, project).await.unwrap(), notes(port), "instead of what was there");
    }
    for refused in [
        old.ganymede.notes(&old.tenure, nobody()).await.map(drop),
        old.ganymede.store_notes(&old.tenure, nobody(), &notes(1)).await,
    ] {
        assert!(matches!(refused, Err(ControlError::Refused(_))), "{refused:?}");
    }
    let new = Serving::begin(place).await;
    assert_eq!(old.ganymede.store_notes(&old.tenure, project, &notes(1)).await, Err(ControlError::Stale));
    assert_eq!(old.ganymede.notes(&old.tenure, project).await, Err(ControlError::Stale));
    assert_eq!(new.ganymede.notes(&new.tenure, project).await.unwrap(), notes(8081));
}

async fn who_is_to_stay_up_stays_up_elsewhere(place: &dyn Place) {
    let old = Serving::begin(place).await;
    assert!(!old.brief.disable_shutdown);
    old.ganymede.disable_shutdown(&old.tenure, true).await.unwrap();
    assert!(old.ganymede.config(Ask::Again(&old.tenure)).await.unwrap().disable_shutdown);
    let new = Serving::begin(place).await;
    assert!(new.brief.disable_shutdown);
    assert_eq!(old.ganymede.disable_shutdown(&old.tenure, false).await, Err(ControlError::Stale));
    new.ganymede.disable_shutdown(&new.tenure, false).await.unwrap();
    assert!(!Serving::begin(place).await.brief.disable_shutdown);
}

async fn a_ticket_lets_in_once_and_for_as_long_as_the_session_lasts(place: &dyn Place) {
    let Serving { ganymede, tenure, .. } = Serving::begin(place).await;
    let host = format!("{}.org-{}.localhost", ContainerId::from_random(1).label(), place.org());
    let standing = place.sign_in().await;
    let asked = VisitRequest { code: Token(String::new()), host, nonce: "n".repeat(43) };
    let ticket = place.ticket(&standing, asked);
    let elsewhere = ticket.host.replace("uc-", "uc-0");
    let refused = [
        VisitRequest { nonce: "m".repeat(43), ..ticket.clone() },
        VisitRequest { host: elsewhere, ..ticket.clone() },
        VisitRequest { code: Token("no ticket".to_owned()), ..ticket.clone() },
    ];
    for request in &refused {
        let answer = ganymede.admit_visit(&tenure, request).await;
        assert!(matches!(answer, Err(ControlError::Refused(_))), "{answer:?}");
    }
    let visit = ganymede.admit_visit(&tenure, &ticket).await.unwrap();
    assert!(visit.ttl_s > 0 && !visit.token.0.is_empty());
    let again = ganymede.admit_visit(&tenure, &ticket).await;
    assert!(matches!(again, Err(ControlError::Refused(_))), "{again:?}");

    let another = VisitStanding { session: SessionDigest("0".repeat(64)), ..standing.clone() };
    assert!(ganymede.visit_stands(&tenure, &standing).await.unwrap());
    assert!(!ganymede.visit_stands(&tenure, &another).await.unwrap());
    place.sign_out(&standing).await;
    assert!(!ganymede.visit_stands(&tenure, &standing).await.unwrap());
}

/// Each promise, by each that makes it.
macro_rules! suite {
    ($($promise:ident),* $(,)?) => {
        mod with_the_fake {
            $(#[tokio::test] async fn $promise() { super::$promise(&super::Fake::new()).await; })*
        }
        mod by_direct_calls {
            $(#[tokio::test] async fn $promise() { super::$promise(&super::Real::embedded().await).await; })*
        }
        mod over_http {
            $(#[tokio::test] async fn $promise() { super::$promise(&super::Real::remote().await).await; })*
        }
    };
}

suite!(
    a_handshake_opens_an_allocation_once,
    only_the_newest_epoch_goes_on,
    letting_go_is_safe_to_repeat,
    what_is_appended_is_there_for_the_next,
    a_snapshot_stands_for_what_it_covers,
    nothing_is_written_under_an_epoch_that_is_over,
    what_does_not_follow_ends_the_tenure,
    each_generation_of_a_container_has_a_token_of_its_own,
    notes_outlast_the_gateway,
    who_is_to_stay_up_stays_up_elsewhere,
    a_ticket_lets_in_once_and_for_as_long_as_the_session_lasts,
);
