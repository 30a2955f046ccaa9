//! What is seen of it from outside: by members, by visitors, by containers, and in the engine past everything.

use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Away, Story};
use crate::support::{Response, request, wait_for};

/// What the engine has.
pub(super) struct Object {
    pub(super) container: String,
    pub(super) id: String,
    pub(super) state: String,
    /// Whether the engine does not start it any more: it ended while it started it, which one before 23 never gets over.
    pub(super) lost: bool,
    /// Whether it says all the time that it lives.
    pub(super) reports: bool,
    token: String,
    /// Where it reaches the platform.
    porch: String,
}

impl Story {
    fn ask(&self, method: &str, path: &str, bearer: &str, body: Option<&Value>) -> Response {
        let path = format!("/-/gw/org-{}/collab/{path}", self.server.org());
        self.server.request(method, &path, &[("Authorization", &format!("Bearer {bearer}"))], body)
    }

    fn token(&self) -> String {
        self.server.administrator().token()
    }

    /// Gives a command; what came of it, if it was taken. While the organization moves, nobody takes one.
    fn give(&self, event: &Value) -> Option<Value> {
        let body = json!({"project_id": self.server.project(), "event": event});
        let answer = self.ask("POST", "event", &self.token(), Some(&body));
        let known = [200, 404, 409, 502, 503, 504];
        assert!(known.contains(&answer.status), "{} to {event}: {}", answer.status, answer.body);
        (answer.status == 200).then(|| answer.json()["result"].clone())
    }

    pub(super) fn tell(&self, kind: &str, id: &str) -> bool {
        self.give(&json!({"type": kind, "user_container_id": id})).is_some()
    }

    pub(super) fn create(&mut self, program: &str) {
        let event = json!({"type": "user-containers:new", "name": program, "image": format!("test:{program}")});
        let Some(made) = self.give(&event) else { return };
        let id = made["user_container_id"].as_str().expect("an id");
        self.made.entry(id.to_owned()).or_default();
    }

    /// What `system` says of every container; `None` while nobody serves it.
    pub(super) fn listed(&self) -> Option<Vec<Value>> {
        let answer = self.ask("GET", &format!("{}/containers", self.server.project()), &self.token(), None);
        (answer.status == 200).then(|| answer.json()["containers"].as_array().cloned())?
    }

    /// The same, once somebody does. On a busy machine a lease may end by itself.
    pub(super) fn containers(&self) -> Vec<Value> {
        wait_for("it is served", || self.listed())
    }

    /// What the engine has, of which it keeps the tokens in mind.
    pub(super) fn objects(&mut self) -> Vec<Object> {
        let ids = self.engine.words(&["ps", "--all", "--quiet", "--filter", "label=orrery.org"]);
        if ids.is_empty() {
            return Vec::new();
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        // One may go meanwhile; the next look sees it.
        let text = self.engine.try_ask(&[&["inspect"], ids.as_slice()].concat()).unwrap_or_default();
        let seen: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        let read = |object: &Value| {
            let container = id(&object["Config"]["Labels"]["orrery.container"]);
            let env = object["Config"]["Env"].as_array().expect("an environment");
            let variable = |name: &str| {
                let value = env.iter().find_map(|it| it.as_str()?.strip_prefix(name)?.strip_prefix('='));
                value.unwrap_or_else(|| panic!("{name} in {env:?}")).to_owned()
            };
            let (token, porch) = (variable("ORRERY_TOKEN"), variable("ORRERY_URL"));
            self.made.entry(container.clone()).or_default().insert(token.clone());
            let state = object["State"]["Status"].as_str().expect("a state").to_owned();
            let lost = object["State"]["Error"].as_str().is_some_and(|error| error.contains("already exists"));
            Object {
                container,
                id: id(&object["Id"]),
                state,
                lost,
                reports: object["Config"]["Cmd"][0] == "report",
                token,
                porch,
            }
        };
        seen.iter().map(read).collect()
    }

    /// Everything in the engine that bears a label of ours, by its name.
    pub(super) fn belongings(&self) -> Vec<String> {
        let label = ["--filter", "label=orrery.org"];
        let containers = ["ps", "--all", "--format", "{{.Names}}:{{.State}}"];
        let networks = ["network", "ls", "--format", "network-{{.Name}}"];
        [containers, networks].iter().flat_map(|list| self.engine.words(&[&list[..], &label].concat())).collect()
    }

    /// What a member is answered at a container's own host.
    pub(super) fn visit(&self, id: &str) -> Response {
        let (name, port) = (id.replace('_', "-"), self.server.address.port());
        let host = format!("{name}.org-{}.localhost:{port}", self.server.org());
        let bearer = format!("Bearer {}", self.token());
        self.server.request("GET", "/", &[("Host", &host), ("Authorization", &bearer)], None)
    }

    /// Whether a container's token opens anything.
    pub(super) fn hears(&self, token: &str) -> bool {
        let event = json!({"event": {"type": "user-container:watchdog"}});
        wait_for("it is served", || {
            let answer = self.ask("POST", "event", token, Some(&event));
            match answer.status {
                200 => Some(true),
                401 => Some(false),
                502..=504 => None,
                status => panic!("{status}: {}", answer.body),
            }
        })
    }

    /// Whether what a container says to where it was told to is heard by whoever serves it now.
    pub(super) fn is_heard_inside(&self, object: &Object) -> bool {
        let address = object.porch.trim_start_matches("http://").parse().expect("an address");
        let event = json!({"event": {"type": "user-container:watchdog"}});
        let bearer = format!("Bearer {}", object.token);
        let heard = || request(address, "POST", "/collab/event", &[("Authorization", &bearer)], Some(&event)).status;
        TcpStream::connect(address).is_ok() && heard() == 200
    }

    /// The sum of a metric of all gateways that answer.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let away = self.away.as_ref().map(|&(Away::Dead(at) | Away::Held(at))| at);
        let here = self.gateways.iter().enumerate().filter(|(at, _)| Some(*at) != away);
        here.map(|(_, gateway)| gateway.metric(name)).sum()
    }

    pub(super) fn until_passes(&self, passes: f64) {
        let begun = self.metric("orrery_engine_passes_total");
        wait_for("further passes", || (self.metric("orrery_engine_passes_total") >= begun + passes).then_some(()));
    }

    /// Which gateway process serves; `None` while it moves.
    pub(super) fn serving(&self) -> Option<usize> {
        let slot = self.server.slot_of(self.server.org()).filter(|slot| slot["step"] == "serving")?;
        let listen = slot["listen"].as_str()?;
        self.gateways.iter().position(|gateway| listen.contains(&gateway.address.to_string()))
    }
}

pub(super) fn id(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}
