//! `orrery pool create`: gateways of this machine, as processes and as containers.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::Command,
};

use orrery_test_docker::Docker;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Clients, Server, nothing_is_lost, run, types_on, typists, wait_for};

/// The machine's ports of gateways, for one test at a time.
struct Ports(File);

impl Ports {
    fn ours() -> Self {
        let file = File::create(std::env::temp_dir().join("orrery-test-gateway-ports")).expect("a file");
        file.lock().expect("a lock");
        Self(file)
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        self.0.unlock().ok();
    }
}

/// Processes that nobody waits for. Ended when this goes out of scope.
struct Left(Vec<Pid>);

impl Drop for Left {
    fn drop(&mut self) {
        for pid in &self.0 {
            kill_process(*pid, Signal::KILL).ok();
        }
    }
}

/// What the pool's command prints, as JSON.
fn pool(server: &Server, arguments: &[&str], environment: &[(&str, &str)]) -> Vec<Value> {
    let data = server.data().to_str().expect("text");
    let output = run(&[&["pool", "--json", "--data", data], arguments].concat(), environment);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn texts<'a>(values: &'a [Value], field: &str) -> Vec<&'a str> {
    values.iter().filter_map(|value| value[field].as_str()).collect()
}

#[test]
fn gateway_processes_are_created_at_ports_that_nobody_has() {
    let _ports = Ports::ours();
    let server = Server::ganymede(&[]);
    let first = server.administrator().post("/api/pool/gateways", json!({})).expect(201).json();
    let next = u16::try_from(first["port"].as_u64().expect("a port") + 1).expect("a port");
    // Who has it already serves as well.
    let _taken = TcpListener::bind(("127.0.0.1", next));
    let settings = [("ORRERY_ENGINE_ENABLED", "off"), ("ORRERY_IDLE_GATEWAY_MS", "77777")];
    let created = pool(&server, &["create", "2"], &settings);
    let pid = |it: &Value| Pid::from_raw(i32::try_from(it["pid"].as_i64()?).ok()?);
    let _left = Left(created.iter().filter_map(pid).collect());
    let ports: BTreeSet<&str> = texts(&created, "listen").into_iter().collect();
    assert_eq!(ports.len(), 2, "{created:?}");
    assert!(!ports.contains(format!("127.0.0.1:{next}").as_str()), "{ports:?}");
    assert_eq!(server.slots("ready"), 2);
    let again = server.administrator().post("/api/pool/gateways", json!({})).expect(201).json();
    assert_eq!(again["port"], next, "what was passed over is free again");
    server.access();
    let listen = server.slot_of(server.org()).expect("it is served")["listen"].clone();
    assert!(ports.contains(listen.as_str().expect("an address")), "{listen}");
}

/// The binary as an image: with the libraries that it is linked to, and nothing else. Removed when it goes out of scope, with
/// the containers that were made from it.
struct Image {
    docker: Docker,
    name: String,
}

impl Image {
    fn of_the_binary(docker: Docker) -> Self {
        let (binary, root) = (env!("CARGO_BIN_EXE_orrery"), tempfile::tempdir().expect("a folder"));
        let linked = Command::new("ldd").arg(binary).output().expect("ldd is there");
        let linked = String::from_utf8(linked.stdout).expect("text");
        let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
        for library in libraries {
            put(root.path(), library, library);
        }
        put(root.path(), "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt");
        put(root.path(), binary, "/orrery");
        let packed = tempfile::NamedTempFile::new().expect("a file");
        let packed = packed.path().to_str().expect("text");
        let tar = Command::new("tar").arg("-C").arg(root.path()).args(["-cf", packed, "."]).status();
        assert!(tar.expect("tar is there").success());
        let name = format!("orrery-test/gateway:{}", std::process::id());
        let changes = ["--change", "ENTRYPOINT [\"/orrery\"]", "--change", "USER 10001"];
        docker.ask(&[&["import"], &changes[..], &[packed, &name]].concat());
        Self { docker, name }
    }

    /// The containers that there are of it.
    fn containers(&self) -> Vec<String> {
        let filter = format!("ancestor={}", self.name);
        let listed = self.docker.ask(&["ps", "--all", "--quiet", "--filter", &filter]);
        listed.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let filter = format!("ancestor={}", self.name);
        let listed = self.docker.try_ask(&["ps", "--all", "--quiet", "--filter", &filter]).unwrap_or_default();
        for container in listed.split_whitespace() {
            self.docker.try_ask(&["rm", "--force", container]);
        }
        self.docker.try_ask(&["rmi", &self.name]);
    }
}

/// A file of this machine below another root.
fn put(root: &Path, file: &str, at: &str) {
    let at = root.join(at.trim_start_matches('/'));
    fs::create_dir_all(at.parent().expect("a folder")).expect("a folder");
    fs::copy(file, at).expect("a copy");
}

/// What an organization has on the engine. Removed when this goes out of scope.
struct OnEngine<'a>(&'a Docker, &'a str);

impl Drop for OnEngine<'_> {
    fn drop(&mut self) {
        self.0.remove_labelled(&format!("orrery.org={}", self.1));
    }
}

/// A user container is run and reached by a gateway in a container, and reaches it.
fn the_engine_is_theirs_too(server: &Server, docker: &Docker) {
    let (access, org) = (server.access(), server.org());
    let left = OnEngine(docker, org);
    let (path, bearer) = (format!("/-/gw/org-{org}/collab"), format!("Bearer {}", access.token));
    let ask = |method: &str, what: &str, body: Option<Value>| {
        let headers = [("Authorization", bearer.as_str())];
        server.request(method, &format!("{path}/{what}"), &headers, body.as_ref()).expect(200).json()
    };
    let command = |event: Value| ask("POST", "event", Some(json!({"project_id": access.project, "event": event})));
    let image = "generic/orrery-test/program:web";
    let made = command(json!({"type": "user-containers:new", "name": "web", "image": image}));
    let id = made["result"]["user_container_id"].as_str().expect("an id").to_owned();
    let listed = || ask("GET", &format!("{}/containers", access.project), None)["containers"].clone();
    wait_for("its gateway reaches it", || (listed()[0]["status"]["services"]["main"]["state"] == "up").then_some(()));
    let ping = "wget -q -O- $ORRERY_URL/collab/ping";
    assert_eq!(docker.ask(&["exec", &format!("orrery-{id}-1"), "sh", "-c", ping]), "{}");
    command(json!({"type": "user-containers:delete", "user_container_id": id}));
    let label = format!("label=orrery.org={org}");
    wait_for("it is gone", || docker.ask(&["ps", "--all", "--quiet", "--filter", &label]).is_empty().then_some(()));
    drop(left);
}

#[test]
fn gateways_in_containers_serve_and_leave_nothing_behind() {
    let Some(docker) = Docker::here() else { return };
    let (_ports, image) = (Ports::ours(), Image::of_the_binary(docker.clone()));
    let server = Server::ganymede(&[]);
    let settings = [("ORRERY_POOL_IMAGE", image.name.as_str()), ("ORRERY_LOG_FORMAT", "json")];
    let created = pool(&server, &["create", "3"], &settings);
    let (names, ids) = (texts(&created, "container"), texts(&created, "gateway_id"));
    assert!(names.len() == 3 && names.iter().all(|name| name.starts_with("gw-pool-")), "{created:?}");
    assert_eq!((image.containers().len(), server.slots("ready")), (3, 3));
    let listed = pool(&server, &["list"], &settings);
    assert_eq!(texts(&listed, "container").into_iter().collect::<BTreeSet<_>>(), names.iter().copied().collect());

    // What is its own is no argument, which everybody could read; what is everybody's it was told.
    for (name, id) in names.iter().zip(&ids) {
        let inspect = |what: &str| docker.ask(&["inspect", "--format", what, name]).trim().to_owned();
        assert_eq!(inspect("{{index .Config.Labels \"orrery.gateway\"}}"), *id);
        assert_eq!(inspect("{{.HostConfig.RestartPolicy.Name}}"), "unless-stopped");
        assert_eq!(inspect("{{json .Args}}"), r#"["gateway","--config","/etc/orrery/gateway.toml"]"#);
        assert_eq!(inspect("{{.State.Running}} {{.HostConfig.NetworkMode}}"), "true host");
    }

    the_engine_is_theirs_too(&server, &docker);

    // Two organizations, each in a container of its own. One whose container is removed is served in the third.
    let (clients, access) = (Clients::start(), server.access());
    let typists = typists(&clients, &access, 4, 20);
    let other = server.person();
    let org = other.org("Others");
    let theirs = clients.open("theirs", &other.open(&other.project(&org, "Theirs")), "board");
    theirs.write("theirs");
    theirs.is_confirmed();
    let gateway_of = |org: &str| server.slot_of(org).map(|slot| slot["gateway_id"].clone()).expect("it is served");
    let (ours, others) = (gateway_of(server.org()), gateway_of(&org));
    assert_ne!(ours, others);
    types_on(&typists[0], 30);
    let left = pool(&server, &["remove", ours.as_str().expect("an id")], &settings);
    assert_eq!((left.len(), image.containers().len()), (2, 2), "{left:?}");
    nothing_is_lost(&clients, &access, &typists);
    assert_eq!((gateway_of(&org), theirs.text().as_str()), (others, "theirs"));

    for left in ids.iter().filter(|id| ours != **id) {
        pool(&server, &["remove", left], &settings);
    }
    assert_eq!(image.containers(), Vec::<String>::new());
    let again = run(&["pool", "remove", ids[0], "--data", server.data().to_str().expect("text")], &settings);
    assert_eq!(again.status.code(), Some(1), "there is no such gateway any more");
    wait_for("no slot is left", || server.pool().is_empty().then_some(()));
    wait_for("nobody listens", || {
        texts(&created, "listen").iter().all(|listen| TcpListener::bind(listen).is_ok()).then_some(())
    });
}
