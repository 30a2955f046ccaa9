//! A control plane with a data folder of its own, its first people, and gateways beside it.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use serde_json::{Value, json};

use super::{
    Belongings,
    people::{Access, Person},
    process::{Launch, Process, on_data, run},
    wait_for,
};

/// Clocks of leases that tests need not wait for long.
pub(crate) const BRISK: [(&str, &str); 2] = [("ORRERY_POOL_LEASE_MS", "3000"), ("ORRERY_LEASE_RENEW_MS", "1000")];

/// The first person, organization and project.
struct First {
    administrator: Person,
    org: String,
    project: String,
}

/// One `orrery up`, or one `orrery ganymede`.
pub(crate) struct Server {
    process: Process,
    folder: tempfile::TempDir,
    data: PathBuf,
    first: OnceLock<First>,
    belongings: Arc<Belongings>,
}

impl Server {
    /// Everything in one process, with every default.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Everything in one process, with these variables.
    pub(crate) fn with(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self::within(folder, data, environment)
    }

    /// Everything in one process, on a data folder that is there already.
    pub(crate) fn within(folder: tempfile::TempDir, data: PathBuf, environment: &[(&str, &str)]) -> Self {
        Self::launch("up", folder, data, environment)
    }

    /// The control plane alone, without a gateway.
    pub(crate) fn ganymede(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self::ganymede_within(folder, data, environment)
    }

    /// The same with its data there.
    pub(crate) fn ganymede_within(folder: tempfile::TempDir, data: PathBuf, environment: &[(&str, &str)]) -> Self {
        let made = run(&["keys", "create", "--data", &data.to_string_lossy()], &[]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self::launch("ganymede", folder, data, environment)
    }

    fn launch(role: &str, folder: tempfile::TempDir, data: PathBuf, environment: &[(&str, &str)]) -> Self {
        // Tests ask more often than people do, and hash more passwords.
        // The container engine of this machine is for the tests that are about containers.
        let quick = [
            "ENGINE_ENABLED=off",
            "LIMITS_RATES_USER_PER_MINUTE=1000000",
            "LIMITS_RATES_SIGN_IN_PER_MINUTE=1000000",
            "PASSWORDS_MEMORY_KIB=64",
        ];
        let quick = quick.iter().filter_map(|it| it.split_once('='));
        let mut quick: Vec<_> = quick.map(|(key, value)| (format!("ORRERY_{key}"), value.to_owned())).collect();
        quick.extend(owned(environment));
        let environment = quick;
        let launch = Launch { arguments: on_data(role, &data), environment, log: folder.path().join("log") };
        let belongings = Arc::<Belongings>::default();
        Self { process: Process::start(launch, belongings.clone()), folder, data, first: OnceLock::new(), belongings }
    }

    /// A gateway process with this many slots, announced at this control plane.
    pub(crate) fn gateway(&self, slots: u16, environment: &[(&str, &str)]) -> Process {
        self.gateway_through(self.address, slots, environment)
    }

    /// The same, which reaches the control plane at another address.
    pub(crate) fn gateway_through(&self, address: SocketAddr, slots: u16, environment: &[(&str, &str)]) -> Process {
        let registered = self.administrator().post("/api/pool/gateways", json!({})).expect(201).json();
        let text = |name: &str| registered[name].as_str().expect(name).to_owned();
        let mut environment = [owned(&[("ORRERY_ENGINE_ENABLED", "off")]), owned(environment)].concat();
        environment.extend([
            ("ORRERY_GATEWAY_GANYMEDE_URL".to_owned(), format!("http://{address}")),
            ("ORRERY_GATEWAY_TOKEN".to_owned(), text("token")),
            ("ORRERY_SLOTS".to_owned(), slots.to_string()),
        ]);
        let log = self.folder.path().join(format!("gateway-{}.log", text("gateway_id")));
        let ready = self.slots("ready");
        let process =
            Process::start(Launch { arguments: vec!["gateway".to_owned()], environment, log }, self.belongings.clone());
        wait_for("its slots are ready", || (self.slots("ready") >= ready + usize::from(slots)).then_some(()));
        process
    }

    /// What the pool says of every slot.
    pub(crate) fn pool(&self) -> Vec<Value> {
        let pool = self.administrator().get("/api/pool").expect(200).json();
        pool["slots"].as_array().expect("slots").clone()
    }

    /// The slot that serves `org`.
    pub(crate) fn slot_of(&self, org: &str) -> Option<Value> {
        self.pool().into_iter().find(|slot| slot["org"] == org)
    }

    /// How many slots are in this state.
    pub(crate) fn slots(&self, state: &str) -> usize {
        self.pool().iter().filter(|slot| slot["state"] == state).count()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The administrator's way into the first project.
    pub(crate) fn access(&self) -> Access {
        let first = self.first();
        first.administrator.open(&first.project)
    }

    /// The way into the first project of somebody new with this role in it.
    pub(crate) fn access_as(&self, role: &str) -> Access {
        let (First { administrator, org, project }, person) = (self.first(), self.person());
        administrator.add_member(org, &person, "member");
        administrator.set_project_role(project, &person, role);
        person.open(project)
    }

    /// Who signed up first.
    pub(crate) fn administrator(&self) -> &Person {
        &self.first().administrator
    }

    /// The first organization.
    pub(crate) fn org(&self) -> &str {
        &self.first().org
    }

    /// The first project.
    pub(crate) fn project(&self) -> &str {
        &self.first().project
    }

    /// Somebody new, who is a member of nothing.
    pub(crate) fn person(&self) -> Person {
        self.first();
        Person::new(self.address, self.belongings.clone())
    }

    fn first(&self) -> &First {
        self.first.get_or_init(|| {
            let administrator = Person::new(self.address, self.belongings.clone());
            let org = administrator.org("First");
            let project = administrator.project(&org, "First");
            First { administrator, org, project }
        })
    }
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
