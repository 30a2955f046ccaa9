//! A container on a real engine behind two real nginx, one in front of the control plane and one in front of its gateway: what
//! its URL answers is what it answers at the built-in door.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use orrery_test_docker::Docker;
use serde_json::{Value, json};

use crate::{
    containers::module,
    support::{Access, Process, Response, Server, request, wait_for},
};

const WEB: &str = "options = { command = [\"serve\", \"8080\"] }\nports = [8080]\nservices = [{ name = \"web\", port = 8080, public_paths = [\"/open/\"] }]\n";

/// Both processes, each with an nginx of its own.
struct Place {
    /// Where people come to.
    door: SocketAddr,
    access: Access,
    server: Server,
    gateway: Process,
    docker: Docker,
    _folder: tempfile::TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever is killed leaves its nginx to the next one.
        self.gateway.terminate();
        self.server.terminate();
    }
}

impl Place {
    fn new() -> Option<Self> {
        let (program, docker) = (nginx()?, Docker::here()?);
        let folder = tempfile::tempdir().expect("a folder");
        // Workers are somebody else if this is root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let images = folder.path().join("images");
        fs::create_dir(&images).expect("a folder");
        module(&images, "web", WEB);
        let (door, inner) = (free_address(), free_address());
        let file = |name: &str, more: &str| {
            let path = folder.path().join(format!("{name}.toml"));
            let nginx = folder.path().join(name).display().to_string();
            let public =
                format!("public_url = \"http://localhost:{}\"\ntrusted_proxies = [\"127.0.0.1\"]\n", door.port());
            fs::write(&path, format!("{public}{more}enabled = true\nprogram = \"{program}\"\nfolder = \"{nginx}\"\n"))
                .expect("a file");
            path.to_string_lossy().into_owned()
        };
        let config = file("ganymede", &format!("[nginx]\nlisten = \"{door}\"\n"));
        let server = Server::ganymede(&[("ORRERY_CONFIG", &config)]);
        let more = format!("[nginx]\nlisten = \"{inner}\"\ntrusted_proxies = [\"127.0.0.1\"]\n");
        let config = file("gateway", &more);
        let gateway = server.gateway(
            1,
            &[
                ("ORRERY_CONFIG", &config),
                ("ORRERY_GATEWAY_ADVERTISE", &inner.to_string()),
                ("ORRERY_ENGINE_ENABLED", "on"),
                ("ORRERY_CONTAINERS_IMAGES", &images.to_string_lossy()),
            ],
        );
        let access = server.access();
        Some(Self { door, access, server, gateway, docker, _folder: folder })
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.access.token)
    }

    fn give(&self, event: Value) -> Value {
        let path = format!("/-/gw/org-{}/collab/event", self.server.org());
        let body = json!({"project_id": self.access.project, "event": event});
        let answer = self.server.request("POST", &path, &[("Authorization", &self.bearer())], Some(&body));
        answer.expect(200).json()["result"].clone()
    }

    fn visit(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        request(self.door, "GET", path, &[&[("Host", host)], headers].concat(), None)
    }

    fn as_member(&self, host: &str) -> Response {
        self.visit(host, "/", &[("Authorization", &self.bearer())])
    }

    fn until_served(&self, host: &str) {
        wait_for("its URL answers", || (self.as_member(host).body == "the container\n").then_some(()));
    }
}

/// Where nginx is installed here. In CI it is.
fn nginx() -> Option<&'static str> {
    let places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx"];
    let there = places.into_iter().find(|place| Path::new(place).exists());
    if there.is_none() {
        let is_ci = std::env::vars().any(|(name, value)| name == "CI" && !value.is_empty());
        assert!(!is_ci, "nginx is not installed");
        eprintln!("skipped: nginx is not installed; make test installs it");
    }
    there
}

/// Where nobody listens. Below the ports that the kernel gives to connections, of which one may have it before nginx comes.
fn free_address() -> SocketAddr {
    let ports = std::iter::repeat_with(|| rand::random_range(10_000..32_000));
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok();
    ports.take(1_000).find_map(free).expect("a free port")
}

#[test]
fn a_container_is_at_its_url_for_members_only_until_it_is_deleted() {
    let Some(place) = Place::new() else { return };
    let made = place.give(json!({"type": "user-containers:new", "name": "web", "image": "test:web"}));
    let url = made["url"].as_str().expect("a URL");
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert!(host.ends_with(&format!(".localhost:{}", place.door.port())), "people come to nginx: {url}");
    let (id, slug) = (made["user_container_id"].as_str().expect("an id"), made["slug"].as_str().expect("a slug"));
    place.until_served(&host);
    let domain = host.split_once('.').expect("a host").1;
    place.until_served(&format!("{slug}.{domain}"));
    place.until_served(&host.replacen('.', "--web.", 1));

    let nobody = place.visit(&host, "/", &[]).expect(401);
    assert!(!nobody.body.contains("the container\n"));
    let browser = place.visit(&host, "/", &[("Accept", "text/html")]).expect(302);
    let gate = browser.header("location").expect("it leads elsewhere").to_owned();
    assert!(gate.starts_with(&format!("http://localhost:{}/gate/authorize?host=uc-", place.door.port())), "{gate}");
    let stranger = format!("Bearer {}", place.server.person().token());
    place.visit(&host, "/", &[("Authorization", &stranger)]).expect(404);
    place.visit(&host.replacen("uc-", "uc-0", 1), "/", &[]).expect(404);
    // The container has no such page, and says so itself.
    let open = place.visit(&host, "/open/hook", &[]).expect(404);
    assert!(!open.body.contains("\"code\""), "{}", open.body);
    place.visit(&host, "/open/../", &[]).expect(401);

    place.give(json!({"type": "user-container:stop", "user_container_id": id}));
    wait_for("it says that it is stopped", || {
        let answer = place.as_member(&host);
        (answer.status == 503 && answer.json()["error"]["code"] == "CONTAINER_STOPPED").then_some(())
    });
    place.give(json!({"type": "user-container:start", "user_container_id": id}));
    place.until_served(&host);
    place.give(json!({"type": "user-containers:delete", "user_container_id": id}));
    wait_for("its host is gone", || (place.as_member(&host).status == 404).then_some(()));
    wait_for("nothing of it is left", || place.docker.has_nothing_of(&format!("orrery.container={id}")).then_some(()));
}
