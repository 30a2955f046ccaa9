//! Faults by chance, with everything real: gateway processes, an engine of the test's own, and twenty containers in it. Members
//! change their minds, somebody works by hand, processes are killed, the engine is stopped, killed and held, the organization
//! moves. Then all of it ends, and everything has to be as it is wanted, for good. `make chaos` plays it over and over.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use orrery_test_docker::PrivateDocker;
use serde_json::{Value, json};

use super::time_given;
use crate::{
    containers::module,
    support::{Process, Random, Response, Server, wait_for},
};

const CONTAINERS: usize = 20;
const GATEWAYS: usize = 2;
/// Before all of it has to come to rest.
const STEPS: usize = 24;
/// What nothing changes any more stays so for this many passes.
const PASSES: f64 = 3.0;
/// How long everything together may take to become as it is wanted.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Programs, and what they are told.
const PROGRAMS: [(&str, &str); 3] = [
    (
        "web",
        "options = { command = [\"serve\", \"8080\"] }\nports = [8080]\nservices = [{ name = \"web\", port = 8080 }]\n",
    ),
    ("idle", "options = { command = [\"idle\"] }\n"),
    ("reporter", "options = { command = [\"report\", \"9090\"] }\n"),
];

/// Clocks that tests need not wait for long.
const BRISK: [(&str, &str); 13] = [
    ("ORRERY_POOL_LEASE_MS", "3000"),
    ("ORRERY_LEASE_RENEW_MS", "1000"),
    ("ORRERY_ENGINE_CLOCKS_PERIOD_MS", "2000"),
    ("ORRERY_ENGINE_CLOCKS_BUSY_PERIOD_MS", "300"),
    ("ORRERY_ENGINE_CLOCKS_RETRY_MS", "200"),
    ("ORRERY_ENGINE_CLOCKS_RETRY_MS_MAX", "2000"),
    ("ORRERY_ENGINE_CLOCKS_PROBE_MS", "2000"),
    ("ORRERY_ENGINE_CLOCKS_PROBE_STARTING_MS", "200"),
    ("ORRERY_ENGINE_CLOCKS_ORPHAN_MS", "1000"),
    ("ORRERY_ENGINE_CLOCKS_STOP_GRACE_MS", "2000"),
    ("ORRERY_CONTAINERS_CLOCKS_STOP_GRACE_MS", "2000"),
    ("ORRERY_CONTAINERS_CLOCKS_RESTART_MS", "100"),
    ("ORRERY_CONTAINERS_CLOCKS_DELETED_KEPT_MS", "500"),
];

/// What the engine has.
struct Object {
    container: String,
    state: String,
}

struct Story {
    dice: Random,
    begun: Instant,
    server: Server,
    gateways: Vec<Process>,
    /// The gateway process that does not run now.
    dead: Option<usize>,
    engine: PrivateDocker,
    is_frozen: bool,
    /// Tokens of every container that there was, whatever became of it.
    made: BTreeMap<String, BTreeSet<String>>,
    _modules: tempfile::TempDir,
}

impl Story {
    fn begin(dice: Random) -> Option<Self> {
        let engine = PrivateDocker::start()?;
        let modules = tempfile::tempdir().expect("a folder");
        PROGRAMS.iter().for_each(|(name, more)| module(modules.path(), name, more));
        let (images, socket) = (modules.path().to_string_lossy(), engine.socket().to_string_lossy());
        let own = [
            ("ORRERY_ENGINE_ENABLED", "on"),
            ("ORRERY_ENGINE_SOCKET", &*socket),
            ("ORRERY_CONTAINERS_IMAGES", &*images),
        ];
        let server = Server::ganymede(&BRISK);
        let gateways = (0..GATEWAYS).map(|_| server.gateway(2, &[own.as_slice(), &BRISK].concat())).collect();
        server.access();
        let made = BTreeMap::new();
        let begun = Instant::now();
        let mut story =
            Self { dice, begun, server, gateways, dead: None, engine, is_frozen: false, made, _modules: modules };
        (0..CONTAINERS).for_each(|number| story.create(PROGRAMS[number % PROGRAMS.len()].0));
        Some(story)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        let path = format!("/-/gw/org-{}/collab/{path}", self.server.org());
        let bearer = format!("Bearer {}", self.server.administrator().token());
        self.server.request(method, &path, &[("Authorization", &bearer)], body)
    }

    /// Gives a command; what came of it, if it was taken. While the organization moves, nobody takes one.
    fn give(&self, event: &Value) -> Option<Value> {
        let answer = self.ask("POST", "event", Some(&json!({"project_id": self.server.project(), "event": event})));
        let known = [200, 404, 409, 500, 502, 503, 504];
        assert!(known.contains(&answer.status), "{} to {event}: {}", answer.status, answer.body);
        (answer.status == 200).then(|| answer.json()["result"].clone())
    }

    fn tell(&self, kind: &str, id: &str) -> bool {
        self.give(&json!({"type": kind, "user_container_id": id})).is_some()
    }

    fn create(&mut self, program: &str) {
        let event = json!({"type": "user-containers:new", "name": program, "image": format!("test:{program}")});
        let Some(made) = self.give(&event) else { return };
        let id = made["user_container_id"].as_str().expect("an id");
        self.made.entry(id.to_owned()).or_default();
    }

    /// What `system` says of every container; `None` while nobody serves it.
    fn listed(&self) -> Option<Vec<Value>> {
        let answer = self.ask("GET", &format!("{}/containers", self.server.project()), None);
        (answer.status == 200).then(|| answer.json()["containers"].as_array().cloned())?
    }

    fn objects(&mut self) -> Vec<Object> {
        let ids = self.engine.words(&["ps", "--all", "--quiet", "--filter", "label=orrery.org"]);
        if ids.is_empty() {
            return Vec::new();
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        // One may go meanwhile; the next look sees it.
        let text = self.engine.try_ask(&[&["inspect"], ids.as_slice()].concat()).unwrap_or_default();
        let seen: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        let read = |object: &Value| {
            let container = object["Config"]["Labels"]["orrery.container"].as_str().expect("a label").to_owned();
            let env = object["Config"]["Env"].as_array().expect("an environment");
            let token = env.iter().find_map(|it| it.as_str()?.strip_prefix("ORRERY_TOKEN=")).expect("a token");
            self.made.entry(container.clone()).or_default().insert(token.to_owned());
            Object { container, state: object["State"]["Status"].as_str().expect("a state").to_owned() }
        };
        seen.iter().map(read).collect()
    }

    /// The sum of a metric of all gateways.
    fn metric(&self, name: &str) -> f64 {
        let alive = self.gateways.iter().enumerate().filter(|(at, _)| self.dead != Some(*at));
        alive.map(|(_, gateway)| gateway.metric(name)).sum()
    }

    fn until_passes(&self, passes: f64) {
        let begun = self.metric("orrery_engine_passes_total");
        wait_for("further passes", || (self.metric("orrery_engine_passes_total") >= begun + passes).then_some(()));
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // Whoever takes everything away asks it.
        self.engine.thaw();
    }
}

/// What happens.
impl Story {
    fn say(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0..=7 => self.member(),
            8..=12 => self.somebody(),
            13 => self.restart_engine(),
            14..=15 => self.hold_engine(),
            16..=17 => self.kill_gateway(),
            18 => self.swap(),
            _ => {
                self.say("the control plane: killed, started again");
                self.server.kill();
                self.server.start_again();
            }
        }
        // Sometimes the next thing happens at once, sometimes when the last has been seen.
        if !self.is_frozen && self.dice.below(2) == 0 {
            self.until_passes(1.0);
        }
    }

    fn member(&mut self) {
        let listed = self.listed().unwrap_or_default();
        if listed.is_empty() || (listed.len() < CONTAINERS && self.dice.below(2) == 0) {
            let program = self.dice.below(PROGRAMS.len() as u64);
            return self.create(PROGRAMS[program as usize].0);
        }
        let id = listed[self.dice.below(listed.len() as u64) as usize]["id"].as_str().expect("an id").to_owned();
        let kind = ["container:start", "container:stop", "container:restart", "containers:delete"];
        let kind = kind[self.dice.below(4) as usize];
        self.say(&format!("a member: {kind} {id}"));
        if kind == "containers:delete" && !self.is_frozen {
            self.objects();
        }
        self.tell(&format!("user-{kind}"), &id);
    }

    /// Somebody at the engine's own command.
    fn somebody(&mut self) {
        if self.is_frozen {
            return;
        }
        let objects = self.engine.words(&["ps", "--all", "--quiet", "--filter", "label=orrery.org"]);
        let Some(object) = objects.get(self.dice.below(CONTAINERS as u64) as usize) else { return };
        let verb: &[&str] = match self.dice.below(5) {
            0 => &["kill"],
            1 => &["rm", "--force"],
            2 => &["start"],
            3 => &["pause"],
            _ => &["stop", "--time", "1"],
        };
        self.say(&format!("somebody: {verb:?} {object}"));
        // What does not run cannot be killed, and so on.
        let _done = self.engine.try_ask(&[verb, &[object.as_str()]].concat());
    }

    fn restart_engine(&mut self) {
        let gently = self.dice.below(2) == 0;
        self.say(if gently { "the engine: stopped, started again" } else { "the engine: killed, started again" });
        if gently {
            self.engine.stop();
        } else {
            self.engine.kill();
        }
        self.is_frozen = false;
        self.engine.run();
    }

    fn hold_engine(&mut self) {
        self.say(if self.is_frozen { "the engine: goes on" } else { "the engine: held" });
        if self.is_frozen {
            self.engine.thaw();
        } else {
            self.engine.freeze();
        }
        self.is_frozen = !self.is_frozen;
    }

    fn kill_gateway(&mut self) {
        let at = self.dice.below(self.gateways.len() as u64) as usize;
        let again = self.dice.below(2) == 0;
        self.revive();
        self.say(&format!("gateway {at}: killed{}", if again { ", started again" } else { "" }));
        self.gateways[at].kill();
        self.dead = Some(at);
        if again {
            self.revive();
        }
    }

    fn revive(&mut self) {
        if let Some(at) = self.dead.take() {
            self.gateways[at].start_again();
        }
    }

    fn swap(&mut self) {
        let Some(slot) = self.server.pool().into_iter().find(|slot| slot["org"] == self.server.org()) else { return };
        self.say(&format!("the organization: moved from slot {}", slot["slot"]));
        // Without a free slot elsewhere it stays.
        let _answer = self.server.administrator().post(&format!("/api/pool/slots/{}/drain", slot["slot"]), json!({}));
    }
}

/// What becomes of it.
impl Story {
    /// Everybody can work again. Waits until all is as wanted.
    fn settle(&mut self) {
        self.revive();
        self.engine.thaw();
        self.is_frozen = false;
        let deadline = Instant::now() + PATIENCE;
        wait_for("it is served", || {
            let path = format!("/projects/{}/start", self.server.project());
            (self.server.administrator().post(&path, json!({})).status == 200).then_some(())
        });
        while let Some(complaint) = self.complaint() {
            assert!(Instant::now() < deadline, "in vain: {complaint}");
            thread::park_timeout(LOOK_EVERY);
        }
        self.say("everything is as it is wanted");
    }

    /// What is not as it is wanted.
    fn complaint(&mut self) -> Option<String> {
        let Some(listed) = self.listed() else { return Some("nobody serves it".to_owned()) };
        let mut objects = BTreeMap::<String, Vec<String>>::new();
        for Object { container, state } in self.objects() {
            objects.entry(container).or_default().push(state);
        }
        for container in &listed {
            let id = container["id"].as_str().expect("an id");
            let states = objects.remove(id).unwrap_or_default();
            let served = self.visit(id);
            let (desired, phase) = (&container["spec"]["desired"], &container["status"]["phase"]);
            let has_service = container["spec"]["image"] == "test:web";
            let as_wanted = match (desired.as_str(), phase.as_str()) {
                (Some("running"), Some("running")) => {
                    states == ["running"] && (!has_service || served.body == "the container\n")
                }
                (Some("stopped"), Some("stopped")) => at_rest(&states) && served.status == 503,
                (_, Some("failed")) => at_rest(&states) && served.status == 503,
                _ => false,
            };
            if !as_wanted {
                return Some(format!("{container}, of which the engine has {states:?}; at its URL: {}", served.body));
            }
        }
        let unknown = objects.keys().next()?;
        Some(format!("nobody wants {unknown}"))
    }

    fn visit(&self, id: &str) -> Response {
        let (name, port) = (id.replace('_', "-"), self.server.address.port());
        let host = format!("{name}.org-{}.localhost:{port}", self.server.org());
        let bearer = format!("Bearer {}", self.server.administrator().token());
        self.server.request("GET", "/", &[("Host", &host), ("Authorization", &bearer)], None)
    }

    /// Nothing is done to what is as it is wanted: by our account, and by the engine's own.
    fn stays_so(&self) {
        let now = || self.engine.ask(&["info", "--format", "{{.SystemTime}}"]).trim().to_owned();
        let (since, actions) = (now(), self.metric("orrery_engine_actions_total"));
        self.until_passes(PASSES);
        assert_eq!(self.metric("orrery_engine_actions_total"), actions, "what is as wanted is left alone");
        let events = self.engine.ask(&["events", "--since", &since, "--until", &now()]);
        assert_eq!(events, "", "nothing happens in the engine");
    }

    /// Whoever failed can be started again.
    fn all_run_again(&mut self) {
        for container in self.listed().expect("it is served") {
            assert!(self.tell("user-container:start", container["id"].as_str().expect("an id")));
        }
        self.settle();
        for container in self.listed().expect("it is served") {
            assert_eq!(container["status"]["phase"], "running", "{container}");
        }
    }

    /// Whether a container's token opens anything.
    fn hears(&self, token: &str) -> bool {
        let path = format!("/-/gw/org-{}/collab/event", self.server.org());
        let event = json!({"event": {"type": "user-container:watchdog"}});
        let bearer = format!("Bearer {token}");
        let answer = self.server.request("POST", &path, &[("Authorization", &bearer)], Some(&event));
        assert!([200, 401].contains(&answer.status), "{}: {}", answer.status, answer.body);
        answer.status == 200
    }

    fn nothing_is_left(&mut self) {
        let listed = self.listed().expect("it is served");
        for container in &listed {
            let id = container["id"].as_str().expect("an id");
            assert!(self.made[id].iter().any(|token| self.hears(token)), "{id} has a token");
            assert!(self.tell("user-containers:delete", id));
        }
        wait_for("all are gone", || self.listed()?.is_empty().then_some(()));
        let label = ["--quiet", "--filter", "label=orrery.org"];
        wait_for("nothing is in the engine", || {
            let containers = self.engine.words(&[&["ps", "--all"], label.as_slice()].concat());
            let networks = self.engine.words(&[&["network", "ls"], label.as_slice()].concat());
            (containers.is_empty() && networks.is_empty()).then_some(())
        });
        for (id, tokens) in &self.made {
            assert_eq!(self.visit(id).status, 404, "the host of {id}");
            assert!(!tokens.iter().any(|token| self.hears(token)), "a token of {id}");
        }
    }
}

fn at_rest(states: &[String]) -> bool {
    states.len() <= 1 && states.iter().all(|state| state == "exited" || state == "created")
}

#[test]
fn whatever_happens_ends_as_it_is_wanted() {
    let Some(mut story) = Story::begin(Random::printed()) else { return };
    let mut steps = 0;
    loop {
        for _ in 0..STEPS {
            story.step();
        }
        steps += STEPS;
        story.settle();
        story.stays_so();
        if story.begun.elapsed() >= time_given() {
            break;
        }
    }
    story.all_run_again();
    story.stays_so();
    story.nothing_is_left();
    story.say(&format!("{steps} steps, {} containers, nothing left", story.made.len()));
}
