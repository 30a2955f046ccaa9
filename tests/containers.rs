//! Containers on a real engine, through the public face: a command makes one, everybody sees it run, its URL answers members
//! and nobody else, and neither a crash nor a move of the gateway changes that. What is deleted leaves nothing.

mod deleted;
mod moved;
mod telling;

use std::{path::Path, process::Command};

use orrery_test_docker::Docker;
use serde_json::{Value, json};

use crate::support::{Access, Process, Response, Server, run, wait_for};

/// Images of these tests: what the program does, and its services.
const MODULES: [(&str, &str); 4] = [
    (
        "web",
        "options = { command = [\"serve\", \"8080\"] }\nports = [8080]\nservices = [{ name = \"web\", port = 8080 }]\n",
    ),
    ("reporter", "options = { command = [\"report\", \"9090\"] }\n"),
    ("crasher", "options = { command = [\"exit\", \"7\", \"100\"] }\n"),
    ("long", "options = { command = [\"long\"] }\n"),
];

/// An installation with an engine and the images of these tests.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) access: Access,
    docker: Docker,
    modules: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(environment: &[(&str, &str)]) -> Option<Self> {
        let (docker, modules) = (Docker::here()?, modules());
        let folder = modules.path().to_string_lossy().into_owned();
        let own = [("ORRERY_ENGINE_ENABLED", "on"), ("ORRERY_CONTAINERS_IMAGES", folder.as_str())];
        let server = Server::with(&[&own, environment].concat());
        let access = server.access();
        Some(Self { server, access, docker, modules })
    }

    /// The same with gateways in so many processes, of which each can serve one organization.
    fn of_gateways(count: usize, environment: &[(&str, &str)]) -> Option<(Self, Vec<Process>)> {
        let (docker, modules) = (Docker::here()?, modules());
        let folder = modules.path().to_string_lossy().into_owned();
        let own = [("ORRERY_ENGINE_ENABLED", "on"), ("ORRERY_CONTAINERS_IMAGES", folder.as_str())];
        let server = Server::ganymede(environment);
        let gateways = (0..count).map(|_| server.gateway(1, &[&own, environment].concat())).collect();
        let access = server.access();
        Some((Self { server, access, docker, modules }, gateways))
    }

    pub(crate) fn give(&self, event: Value) -> Value {
        let path = format!("/-/gw/org-{}/collab/event", self.server.org());
        let bearer = format!("Bearer {}", self.access.token);
        let body = json!({"project_id": self.access.project, "event": event});
        let answer = self.server.request("POST", &path, &[("Authorization", &bearer)], Some(&body));
        answer.expect(200).json()["result"].clone()
    }

    pub(crate) fn about(&self, kind: &str, id: &str) {
        self.give(json!({"type": kind, "user_container_id": id}));
    }

    /// A new container of one of the test images; its id and the host of its URL.
    fn create(&self, image: &str, env: Value) -> (String, String) {
        self.create_with(json!({"name": image, "image": format!("test:{image}"), "env": env}))
    }

    /// The same with these fields of the command.
    fn create_with(&self, mut event: Value) -> (String, String) {
        event["type"] = "user-containers:new".into();
        let made = self.give(event);
        let url = made["url"].as_str().expect("a URL");
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        assert!(host.ends_with(&self.server.address.port().to_string()), "{url}");
        (made["user_container_id"].as_str().expect("an id").to_owned(), host)
    }

    pub(crate) fn container(&self, id: &str) -> Option<Value> {
        let path = format!("/-/gw/org-{}/collab/{}/containers", self.server.org(), self.access.project);
        let bearer = format!("Bearer {}", self.access.token);
        let answer = self.server.request("GET", &path, &[("Authorization", &bearer)], None);
        let listed = (answer.status == 200).then(|| answer.json())?;
        listed["containers"].as_array()?.iter().find(|container| container["id"] == id).cloned()
    }

    /// Waits until a container is in a phase, and says what it is then.
    pub(crate) fn until(&self, id: &str, phase: &str) -> Value {
        wait_for(&format!("the container is {phase}"), || {
            self.container(id).filter(|container| container["status"]["phase"] == phase)
        })
    }

    /// What a member is answered at a host.
    fn visit(&self, host: &str) -> Response {
        let bearer = format!("Bearer {}", self.access.token);
        self.server.request("GET", "/", &[("Host", host), ("Authorization", &bearer)], None)
    }

    /// What a member's browser shows of a host.
    fn page(&self, host: &str) -> String {
        let bearer = format!("Bearer {}", self.access.token);
        let headers = [("Host", host), ("Authorization", &bearer), ("Accept", "text/html")];
        self.server.request("GET", "/", &headers, None).body
    }

    /// A variable of what runs.
    fn variable(&self, id: &str, name: &str) -> String {
        let [object] = self.objects(id).try_into().expect("one object");
        let inside = self.docker.ask(&["exec", &object, "env"]);
        let value = inside.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("{name} is not in {inside}")).to_owned()
    }

    /// Whether the engine has nothing of the organization.
    fn is_empty(&self) -> bool {
        self.docker.has_nothing_of(&format!("orrery.org={}", self.server.org()))
    }

    fn until_served(&self, host: &str) {
        wait_for("its URL answers", || (self.visit(host).body == "the container\n").then_some(()));
    }

    /// What the engine has of a container, whether it runs or not.
    pub(crate) fn objects(&self, id: &str) -> Vec<String> {
        let label = format!("label=orrery.container={id}");
        self.docker.words(&["ps", "--all", "--no-trunc", "--quiet", "--filter", &label])
    }
}

/// A folder with the images of these tests.
fn modules() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    MODULES.iter().for_each(|(name, more)| module(folder.path(), name, more));
    folder
}

/// A module with an image of the test program.
pub(crate) fn module(folder: &Path, name: &str, more: &str) {
    let module = folder.join(name);
    std::fs::create_dir(&module).expect("a folder");
    let definition = format!(
        "id = \"test:{name}\"\nname = \"{name}\"\nuri = \"orrery-test/program\"\ntag = \"1\"\ncategory = \"other\"\n{more}"
    );
    std::fs::write(module.join("image.toml"), definition).expect("a file");
}

#[test]
fn a_container_runs_at_its_url_for_members_only_until_it_is_deleted() {
    let Some(place) = Place::new(&[]) else { return };
    let (id, host) = place.create("web", json!({}));
    assert!(matches!(place.visit(&host).status, 200 | 503), "it is starting, or it runs");
    let running = place.until(&id, "running");
    assert_eq!(running["status"]["services"]["web"]["state"], "up");
    place.until_served(&host);
    let slug = running["spec"]["slug"].as_str().expect("a slug").to_owned();
    let domain = host.split_once('.').expect("a host").1;
    place.until_served(&format!("{slug}.{domain}"));
    place.until_served(&host.replacen('.', "--web.", 1));

    let nobody = place.server.request("GET", "/", &[("Host", &host)], None).expect(401);
    assert!(!nobody.body.contains("the container\n"));
    let stranger = place.server.person().token();
    let bearer = format!("Bearer {stranger}");
    place.server.request("GET", "/", &[("Host", &host), ("Authorization", &bearer)], None).expect(404);
    let unknown = host.replacen("uc-", "uc-0", 1);
    place.server.request("GET", "/", &[("Host", &unknown)], None).expect(404);

    place.about("user-container:stop", &id);
    let stopped = place.until(&id, "stopped");
    assert_eq!(stopped["status"]["reason"]["code"], "manual");
    assert_eq!(place.visit(&host).expect(503).json()["error"]["code"], "CONTAINER_STOPPED");
    let object = place.objects(&id);
    place.about("user-container:start", &id);
    place.until_served(&host);
    assert_eq!(place.objects(&id), object, "it is the same one again");

    place.about("user-containers:delete", &id);
    wait_for("nothing of it is left", || place.is_empty().then_some(()));
    wait_for("its host is gone", || (place.visit(&host).status == 404).then_some(()));
}

#[test]
fn neither_a_crash_nor_a_move_of_its_gateway_touches_a_container() {
    let Some(mut place) = Place::new(&[("ORRERY_LEASE_RENEW_MS", "1000"), ("ORRERY_POOL_LEASE_MS", "3000")]) else {
        return;
    };
    let (id, host) = place.create("web", json!({}));
    place.until_served(&host);
    let object = place.objects(&id);
    let since = place.container(&id).expect("it is listed")["status"]["since"].clone();

    let slot = place.server.pool().into_iter().find(|slot| slot["org"] == place.server.org()).expect("it is served");
    place.server.administrator().post(&format!("/api/pool/slots/{}/drain", slot["slot"]), json!({})).expect(200);
    place.until_served(&host);

    place.server.kill();
    place.server.start_again();
    place.access = place.server.access();
    place.until_served(&host);
    assert_eq!(place.objects(&id), object, "it ran on");
    assert_eq!(
        place.container(&id).expect("it is listed")["status"]["since"],
        since,
        "and was not said to do anything"
    );
    assert!(place.modules.path().exists());
}

#[test]
fn what_somebody_does_to_it_by_hand_is_undone() {
    let Some(place) = Place::new(&[]) else { return };
    let (id, host) = place.create("web", json!({}));
    place.until_served(&host);
    let [object] = place.objects(&id).try_into().expect("one object");
    place.docker.ask(&["rm", "--force", &object]);
    wait_for("it is made anew", || place.objects(&id).first().is_some_and(|now| *now != object).then_some(()));
    place.until_served(&host);
    let [object] = place.objects(&id).try_into().expect("one object");
    place.about("user-container:stop", &id);
    place.until(&id, "stopped");
    place.docker.ask(&["start", &object]);
    wait_for("it rests again", || {
        let state = place.docker.ask(&["inspect", "--format", "{{.State.Running}}", &object]);
        (state.trim() == "false").then_some(())
    });
    assert_eq!(place.until(&id, "stopped")["spec"]["desired"], "stopped");
}

#[test]
fn what_crashes_again_and_again_fails_and_says_why() {
    let Some(place) = Place::new(&[("ORRERY_CONTAINERS_CLOCKS_RESTART_MS", "50")]) else { return };
    let (id, host) = place.create("crasher", json!({}));
    let failed = place.until(&id, "failed");
    assert_eq!(failed["status"]["reason"]["code"], "exited");
    assert!(failed["status"]["reason"]["text"].as_str().expect("a text").contains('7'), "{failed}");
    assert_eq!(place.visit(&host).expect(503).json()["error"]["code"], "CONTAINER_FAILED");
    let path =
        format!("/-/gw/org-{}/collab/{}/user-container/{id}/logs?tail=10", place.server.org(), place.access.project);
    let bearer = format!("Bearer {}", place.access.token);
    let logs = place.server.request("GET", &path, &[("Authorization", &bearer)], None).expect(200);
    assert!(logs.body.contains("first line") && logs.body.contains("second line"), "{}", logs.body);
}

#[test]
fn a_container_speaks_for_itself_with_its_token() {
    let Some(place) = Place::new(&[]) else { return };
    let (id, host) = place.create("reporter", json!({}));
    let mapped = wait_for("its second service is up", || {
        place.container(&id).filter(|container| container["status"]["services"]["extra"]["state"] == "up")
    });
    assert!(mapped["status"]["services"]["extra"]["url"].as_str().expect("a URL").contains("--extra."), "{mapped}");
    place.until_served(&host.replacen('.', "--extra.", 1));
    assert!(!mapped.to_string().contains("9090"), "ports are nobody's business");
}

#[test]
fn an_image_of_ones_own_is_reached_where_it_says_or_where_its_maker_says() {
    let Some(place) = Place::new(&[]) else { return };
    let of = |tag: &str| json!({"name": tag, "image": format!("generic/orrery-test/program:{tag}")});
    let (web, at_web) = place.create_with(of("web"));
    let mut said = of("bare");
    said["port"] = 8080.into();
    let (said, at_said) = place.create_with(said);
    let (bare, at_bare) = place.create_with(of("bare"));
    for (id, host) in [(&web, &at_web), (&said, &at_said)] {
        place.until_served(host);
        let container = place.until(id, "running");
        assert_eq!(container["status"]["services"]["main"]["state"], "up", "{container}");
        place.until_served(&host.replacen('.', "--main.", 1));
        assert!(!container.to_string().contains("8080"), "ports are nobody's business: {container}");
    }
    let mute = wait_for("it says that it cannot be reached", || {
        place.container(&bare).filter(|container| container["status"]["reason"]["code"] == "no_port")
    });
    assert_eq!((&mute["status"]["phase"], &mute["status"]["services"]), (&"running".into(), &json!({})));
    assert_eq!(place.visit(&at_bare).status, 503);
    assert!(place.page(&at_bare).contains("exposes no port"), "{}", place.page(&at_bare));
}

#[test]
fn a_secret_is_in_the_container_and_nowhere_else() {
    const CANARY: &str = "canary-7b1f0c";
    let Some(place) = Place::new(&[]) else { return };
    let env = json!({"PLAIN": "for all", "PASSWORD": {"value": CANARY, "secret": true}});
    let (id, host) = place.create("web", env);
    place.until_served(&host);
    let [object] = place.objects(&id).try_into().expect("one object");
    let inside = place.docker.ask(&["exec", &object, "env"]);
    for variable in
        [&format!("PASSWORD={CANARY}"), "PLAIN=for all", "ORRERY_TOKEN=", "ORRERY_URL=http://", "PUBLIC_URL="]
    {
        assert!(inside.contains(variable), "{variable}");
    }
    let token = inside.lines().find_map(|line| line.strip_prefix("ORRERY_TOKEN=")).expect("a token").to_owned();
    let listed = place.container(&id).expect("it is listed").to_string();
    let log = place.server.log();
    let data = run_grep(place.server.data(), CANARY);
    let tokens = run_grep(place.server.data(), &token);
    for (where_to_look, text) in [("the API", &listed), ("the log", &log), ("the data folder", &data), ("it", &tokens)]
    {
        assert!(!text.contains(CANARY) && !text.contains(&token), "found in {where_to_look}");
    }
    assert!(data.is_empty() && tokens.is_empty(), "{data}{tokens}");
    let shown = run(&["check", "--data", "/nonexistent"], &[]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains(CANARY));
}

/// Names of the files below a folder that hold a text.
fn run_grep(folder: &Path, text: &str) -> String {
    let found = Command::new("grep").args(["-r", "-l", "-a", "-F", text]).arg(folder).output().expect("grep runs");
    String::from_utf8_lossy(&found.stdout).into_owned()
}
