//! People as the API knows them: they sign up, make organizations and projects, and get tokens.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};

use super::{
    Belongings,
    http::{self, Response},
};

/// Of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The way into one project.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) ws_url: String,
    pub(crate) project: String,
    pub(crate) token: String,
}

impl Access {
    /// What a stock client takes as its server URL.
    pub(crate) fn server_url(&self) -> String {
        format!("{}/{}", self.ws_url, self.project)
    }
}

/// A signed-in person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    address: SocketAddr,
    pub(crate) id: String,
    pub(crate) email: String,
    cookie: String,
    belongings: Arc<Belongings>,
}

impl Person {
    /// Signs up with an address of its own. What is run for its organizations belongs to an installation.
    pub(crate) fn new(address: SocketAddr, belongings: Arc<Belongings>) -> Self {
        let email = format!("person-{}@example.org", NEXT.fetch_add(1, Ordering::Relaxed));
        let body = json!({"email": email, "password": PASSWORD, "name": "A Person"});
        let answer = http::request(address, "POST", "/api/auth/signup", &[], Some(&body)).expect(201);
        Self { address, id: text(&answer.json()["user"]["id"]), email, cookie: cookie(&answer), belongings }
    }

    /// Signs in again, as on another machine.
    pub(crate) fn sign_in(&self) -> Self {
        let body = json!({"email": self.email, "password": PASSWORD});
        let answer = http::request(self.address, "POST", "/api/auth/login", &[], Some(&body)).expect(200);
        Self { cookie: cookie(&answer), ..self.clone() }
    }

    /// Any request of theirs.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<Value>) -> Response {
        let origin = format!("http://{}", self.address);
        http::request(self.address, method, path, &[("Cookie", &self.cookie), ("Origin", &origin)], body.as_ref())
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Response {
        self.request("POST", path, Some(body))
    }

    /// A new organization of theirs.
    pub(crate) fn org(&self, name: &str) -> String {
        let org = text(&self.post("/api/orgs", json!({ "name": name })).expect(201).json()["org"]["id"]);
        self.belongings.has_org(&org);
        org
    }

    /// A new project.
    pub(crate) fn project(&self, org: &str, name: &str) -> String {
        let path = format!("/api/orgs/{org}/projects");
        text(&self.post(&path, json!({ "name": name })).expect(201).json()["project"]["id"])
    }

    /// Makes somebody a member.
    pub(crate) fn add_member(&self, org: &str, other: &Person, role: &str) {
        let path = format!("/api/orgs/{org}/members");
        self.post(&path, json!({"email": other.email, "role": role})).expect(201);
    }

    /// Gives a member another role in one project.
    pub(crate) fn set_project_role(&self, project: &str, other: &Person, role: &str) {
        let path = format!("/api/projects/{project}/members");
        self.post(&path, json!({"email": other.email, "role": role})).expect(201);
    }

    /// Opens a project; what is needed to connect to it.
    pub(crate) fn open(&self, project: &str) -> Access {
        let started = self.post(&format!("/projects/{project}/start"), json!({})).expect(200).json();
        Access { ws_url: text(&started["gateway"]["ws_url"]), project: project.to_owned(), token: self.token() }
    }

    /// An access token.
    pub(crate) fn token(&self) -> String {
        text(&self.post("/api/auth/token", json!({})).expect(200).json()["access_token"])
    }

    /// An API key.
    pub(crate) fn api_key(&self, name: &str) -> String {
        text(&self.post("/api/api-keys", json!({ "name": name })).expect(201).json()["key"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

fn cookie(answer: &Response) -> String {
    let set = answer.header("set-cookie").expect("a session");
    set.split(';').next().expect("a cookie").to_owned()
}
