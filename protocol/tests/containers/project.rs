//! What is decided, what is durable and what is shown of a project: three moments, in this order.

use orrery_protocol::{
    command::ContainerCommand,
    container::{Containers, Phase},
    document::system::SystemDocument,
    id::{ClientId, ContainerId, Epoch},
    project::{Effect, Project},
    record::StoredDocument,
};
use serde_json::json;

use crate::scene::{ALICE, BEGIN_MS, numbers, rules};

/// A project, and the store that its effects go to.
struct Store {
    project: Project<u32>,
    stored: StoredDocument,
    shown: Vec<bytes::Bytes>,
    settled: Vec<u32>,
    outgrown: bool,
    clients: u64,
    random: Box<dyn FnMut() -> u128>,
}

impl Store {
    fn opened(stored: StoredDocument, clients: u64) -> Self {
        let (project, unreadable) = Project::read(&stored);
        assert_eq!(unreadable, []);
        let random = Box::new(numbers(u128::from(clients)));
        let mut store =
            Self { project, stored, shown: Vec::new(), settled: Vec::new(), outgrown: false, clients, random };
        store.make_anew();
        store.ends(true);
        store
    }

    fn new() -> Self {
        Self::opened(StoredDocument::default(), 1)
    }

    fn make_anew(&mut self) {
        let mut effects = Vec::new();
        let client = ClientId::new(self.clients).expect("a small number");
        self.clients += 1;
        self.project.make_anew(client, Epoch(7), &rules().images, &mut effects);
        self.perform(effects);
    }

    /// The snapshot that was ordered is stored, or not.
    fn ends(&mut self, succeeded: bool) {
        let mut effects = Vec::new();
        self.project.stored(succeeded, &mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect<u32>>) {
        for effect in effects {
            match effect {
                Effect::Append(seq, update) => {
                    self.stored.last_seq += 1;
                    assert_eq!(seq, self.stored.last_seq, "the journal has no gaps");
                    self.stored.updates.push(update);
                }
                Effect::Publish(updates) => self.shown.extend(updates),
                Effect::Snapshot(covers_seq, state) => {
                    let first_seq = self.stored.last_seq - self.stored.updates.len() as u64;
                    self.stored.updates.drain(..(covers_seq - first_seq) as usize);
                    self.stored.snapshot = Some(state);
                }
                Effect::Settled(then) => self.settled.push(then),
                Effect::Outgrown => self.outgrown = true,
            }
        }
    }

    fn give(&mut self, event: &serde_json::Value, then: u32) -> serde_json::Value {
        let command = ContainerCommand::parse(event).expect("a good event");
        let change = self.project.containers().reduce(&rules(), ALICE, &command, BEGIN_MS, &mut self.random);
        let change = change.expect("a good command");
        let result = change.result.clone();
        let mut effects = Vec::new();
        self.project.stage(change);
        self.project.commit(Some(then), &mut effects);
        self.perform(effects);
        result
    }

    fn create(&mut self, then: u32) -> ContainerId {
        let event = json!({"type": "user-containers:new", "name": "Notebook", "image": "jupyter:minimal"});
        self.give(&event, then)["user_container_id"].as_str().expect("an id").parse().expect("an id")
    }

    fn tell(&mut self, id: ContainerId, kind: &str, then: u32) {
        self.give(&json!({"type": kind, "user_container_id": id.to_string()}), then);
    }

    fn durable(&mut self, seq: u64) {
        let mut effects = Vec::new();
        self.project.durable(seq, &mut effects);
        self.perform(effects);
    }

    fn phase(&self, id: ContainerId) -> Option<Phase> {
        self.project.durable_containers().get(id).map(|entry| entry.container.status.phase)
    }
}

fn containers(stored: &StoredDocument) -> Containers {
    Containers::read(&SystemDocument::stored_values(stored)).0
}

#[test]
fn what_is_not_durable_is_neither_shown_nor_answered() {
    let mut store = Store::new();
    let id = store.create(1);
    let before = store.project.durable_state().unwrap();
    assert_eq!((store.settled.len(), store.shown.len(), store.phase(id)), (0, 0, None));
    assert_eq!(store.project.containers().iter().len(), 1, "the next command is decided on it");
    store.durable(1);
    assert_eq!(
        (store.settled.as_slice(), store.shown.len(), store.phase(id)),
        ([1].as_slice(), 1, Some(Phase::Pending))
    );
    assert_ne!(store.project.durable_state().unwrap(), before);
    store.tell(id, "user-container:start", 2);
    assert_eq!(store.settled, [1, 2], "what changes nothing waits for nothing");
}

#[test]
fn each_write_is_shown_as_it_left_the_containers() {
    let mut store = Store::new();
    let id = store.create(1);
    store.tell(id, "user-container:stop", 2);
    store.tell(id, "user-container:stop", 3);
    store.durable(1);
    assert_eq!((store.settled.as_slice(), store.phase(id)), ([1].as_slice(), Some(Phase::Pending)));
    assert!(!store.project.is_at_rest());
    store.durable(2);
    assert_eq!((store.settled.as_slice(), store.phase(id)), ([1, 2, 3].as_slice(), Some(Phase::Stopping)));
    assert!(store.project.is_at_rest());
}

#[test]
fn the_next_gateway_has_the_same_list_under_another_client() {
    let mut store = Store::new();
    let id = store.create(1);
    let first = store.project.durable_state().unwrap();
    let mut next = Store::opened(store.stored.clone(), 50);
    assert_eq!(containers(&next.stored), containers(&store.stored));
    assert_eq!(next.stored.updates.len(), 0, "its snapshot covers what was appended");
    assert_ne!(next.project.durable_state().unwrap(), first);
    next.tell(id, "user-containers:delete", 2);
    assert_eq!(next.stored.last_seq, store.stored.last_seq + 1, "the journal goes on");
}

#[test]
fn a_snapshot_follows_every_64_updates() {
    let mut store = Store::new();
    let id = store.create(0);
    for round in 0..70 {
        store.durable(store.stored.last_seq);
        store.ends(true);
        let kind = if round % 2 == 0 { "user-container:stop" } else { "user-container:start" };
        store.tell(id, kind, round);
    }
    assert!(store.stored.updates.len() < 70, "{}", store.stored.updates.len());
    assert_eq!(containers(&store.stored), *store.project.containers());
}

#[test]
fn a_document_that_was_made_anew_is_closed_until_it_is_stored() {
    let mut store = Store::new();
    store.create(1);
    store.durable(1);
    store.make_anew();
    assert!(!store.project.is_open());
    store.ends(false);
    assert!(!store.project.is_open(), "it is ordered again");
    store.ends(true);
    assert!(store.project.is_open());
    assert_eq!(containers(&store.stored).iter().len(), 1);
}

#[test]
fn a_project_that_nobody_needed_is_blank() {
    let (project, _) = Project::<()>::read(&StoredDocument::default());
    assert!(project.is_blank() && !project.is_open());
    let store = Store::new();
    let (project, _) = Project::<()>::read(&store.stored);
    assert!(!project.is_blank());
}
