//! A project with its containers, its document, its time and its random numbers.

use orrery_protocol::{
    command::{ContainerCommand, Refusal},
    container::{
        Caller, Change, Container, ContainerClocks, Containers, Entry, Observation, Phase, Reason, Rejection,
        ResourceBounds, Rules, Run, Site,
    },
    document::system::{Fields, SystemDocument},
    id::{ClientId, ContainerId, OrgId, UserId},
    image::{ContainerImage, ImageRegistry},
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const ORG: OrgId = OrgId(Uuid::from_u128(0x018f_4c1e_2b7a_7c3d_9e4f_5a6b_7c8d_9e0f));
pub(crate) const ALICE: Caller = Caller::Member(UserId(Uuid::from_u128(1)));
/// When the stories begin: 2026-11-21, 08:00 UTC.
pub(crate) const BEGIN_MS: u64 = 1_795_248_000_000;

const IMAGES: [&str; 3] = [
    include_str!("../../../images/jupyter-minimal/image.toml"),
    include_str!("../../../images/n8n/image.toml"),
    include_str!("../../../images/generic/image.toml"),
];

pub(crate) fn rules() -> Rules {
    let mut images = ImageRegistry::new(vec!["busybox".to_owned()]);
    for text in IMAGES {
        images.register(ContainerImage::from_toml(text).expect("a definition")).expect("one of an id");
    }
    Rules {
        images,
        site: Site { org: ORG, domain: "localhost".parse().expect("a domain"), tls: false, port: Some(7000) },
        clocks: ContainerClocks::default(),
        bounds: ResourceBounds::default(),
        containers_max: 20,
        variables_bytes_max: 64 << 10,
    }
}

/// Numbers that are the same in every run.
pub(crate) fn numbers(seed: u128) -> impl FnMut() -> u128 {
    let mut at = seed;
    move || {
        at = at.wrapping_mul(0xda94_2042_e4dd_58b5).wrapping_add(0x9e37_79b9_7f4a_7c15);
        at ^ (at >> 64)
    }
}

/// Why a command was not carried out, before or after it was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum No {
    Refused(Refusal),
    Rejected(Rejection),
}

pub(crate) struct Scene {
    pub(crate) rules: Rules,
    pub(crate) containers: Containers,
    pub(crate) document: SystemDocument,
    pub(crate) now_ms: u64,
    /// Updates of the document so far.
    pub(crate) updates: usize,
    pub(crate) random: Box<dyn FnMut() -> u128>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            rules: rules(),
            containers: Containers::default(),
            document: SystemDocument::fresh(ClientId::new(1).expect("a small number"), &Fields::new()),
            now_ms: BEGIN_MS,
            updates: 0,
            random: Box::new(numbers(1)),
        }
    }

    /// Applies a change to state and document, and holds both against each other and against the machine of phases.
    pub(crate) fn apply(&mut self, change: Change) {
        for after in change.containers() {
            let Some(before) = self.containers.get(after.id) else {
                assert_eq!(after.status.phase, Phase::Pending, "a container begins so");
                continue;
            };
            let (from, to) = (before.container.status.phase, after.status.phase);
            assert!(from == to || from.may_become(to), "{to} after {from}");
        }
        let writes = self.containers.apply(change);
        if self.document.write(writes).is_none() {
            return;
        }
        self.updates += 1;
        let (read, unreadable) = Containers::read(self.document.values());
        assert_eq!(unreadable, []);
        let seen = |containers: &Containers| containers.iter().map(|entry| entry.container.clone()).collect::<Vec<_>>();
        assert_eq!(seen(&read), seen(&self.containers), "the document holds what is so");
    }

    pub(crate) fn give(&mut self, caller: Caller, event: &Value) -> Result<Value, No> {
        let command = ContainerCommand::parse(event).map_err(No::Refused)?;
        let change = self.containers.reduce(&self.rules, caller, &command, self.now_ms, &mut self.random);
        let change = change.map_err(No::Rejected)?;
        let result = change.result.clone();
        self.apply(change);
        Ok(result)
    }

    /// A member says something of one container.
    pub(crate) fn tell(&mut self, id: ContainerId, kind: &str) -> Result<Value, No> {
        self.give(ALICE, &json!({"type": kind, "user_container_id": id.to_string()}))
    }

    /// A container that reports.
    pub(crate) fn report(&mut self, id: ContainerId) -> Result<Value, No> {
        self.give(Caller::Container(id), &json!({"type": "user-container:watchdog"}))
    }

    pub(crate) fn create(&mut self, image: &str) -> ContainerId {
        let event = json!({"type": "user-containers:new", "name": "My Notebook", "image": image});
        let result = self.give(ALICE, &event).expect("a good command");
        result["user_container_id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
    }

    /// One that runs and answers.
    pub(crate) fn running(&mut self, image: &str) -> ContainerId {
        let id = self.create(image);
        self.see(id, &RUNS);
        self.see(id, &Observation::Probed { answers: true });
        self.expect(id, Phase::Running);
        id
    }

    pub(crate) fn see(&mut self, id: ContainerId, observation: &Observation) {
        let change = self.containers.observe(&self.rules, self.now_ms, id, observation);
        self.apply(change);
    }

    /// Time passes, and is looked at once.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let change = self.containers.tick(&self.rules, self.now_ms);
        self.apply(change);
        let next = self.containers.deadline_ms(&self.rules);
        assert!(next.is_none_or(|at_ms| at_ms > self.now_ms), "nothing is due twice");
    }

    pub(crate) fn entry(&self, id: ContainerId) -> &Entry {
        self.containers.get(id).expect("a container")
    }

    pub(crate) fn container(&self, id: ContainerId) -> &Container {
        &self.entry(id).container
    }

    pub(crate) fn reason(&self, id: ContainerId) -> Option<&Reason> {
        self.container(id).status.reason.as_ref()
    }

    #[track_caller]
    pub(crate) fn expect(&self, id: ContainerId, phase: Phase) {
        assert_eq!(self.container(id).status.phase, phase, "{:?}", self.container(id).status);
    }
}

pub(crate) const RUNS: Observation = Observation::Runs { generation: 1 };

/// The end of a run.
pub(crate) fn ends(run: u64, exit_code: i64) -> Observation {
    Observation::Ended { generation: 1, run: Run(run), exit_code, out_of_memory: false }
}
