//! Every route and every kind of caller, as one table. The routes come from the description that the process gives of
//! itself, so that a route without a row fails.

use http::Method;
use orrery_ganymede::people::{NewKey, Scope};
use orrery_protocol::{
    access::{OrgRole, Role},
    id::{ContainerId, OrgId, ProjectId, UserId},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::installation::{Installation, NOW_MS, PASSWORD, Proof};

/// Who asks. All but the first four and the administrator belong to the organization that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Anonymous,
    Stranger,
    /// A member who is a viewer in the project.
    Viewer,
    Member,
    Admin,
    Owner,
    /// Of the installation; of no organization.
    Administrator,
    /// The owner, with an API key of scope `read`.
    ReadOnlyKey,
    /// Whoever holds the signing keys; no user.
    Operator,
    /// The owner, with an API key of scope `write`.
    WriteKey,
    /// The owner, with what gateways see of them.
    AccessToken,
    /// The installation's administrator, with the same.
    AdministratorAccessToken,
    /// A gateway process, with its pool token.
    Process,
    /// The gateway that serves the organization, with its gateway token.
    Gateway,
    /// A user container of the project, with its container token.
    Container,
}

const ASKERS: [Asker; 15] = [
    Asker::Anonymous,
    Asker::Stranger,
    Asker::Viewer,
    Asker::Member,
    Asker::Admin,
    Asker::Owner,
    Asker::Administrator,
    Asker::ReadOnlyKey,
    Asker::Operator,
    Asker::WriteKey,
    Asker::AccessToken,
    Asker::AdministratorAccessToken,
    Asker::Process,
    Asker::Gateway,
    Asker::Container,
];

/// What each of [`ASKERS`] is answered, in their order.
#[rustfmt::skip]
const TABLE: &[(&str, &str, [u16; 15])] = &[
    //                                                  anon stra view memb admi owne Admi read oper writ acce Aacc pool gate cont
    ("GET",    "/",                                    [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/board.mjs",                           [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/openapi.json",                        [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/api/health",                          [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/metrics",                             [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/.well-known/jwks.json",               [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST",   "/api/auth/signup",                     [201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201]),
    ("POST",   "/api/auth/login",                      [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST",   "/api/auth/logout",                     [204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204]),
    ("GET",    "/api/auth/me",                         [401, 200, 200, 200, 200, 200, 200, 200, 401, 200, 200, 200, 401, 401, 401]),
    ("DELETE", "/api/auth/me",                         [401, 403, 403, 403, 403, 403, 403, 403, 401, 403, 403, 403, 401, 401, 401]),
    ("GET",    "/api/auth/sessions",                   [401, 200, 200, 200, 200, 200, 200, 200, 401, 200, 200, 200, 401, 401, 401]),
    ("DELETE", "/api/auth/sessions",                   [401, 204, 204, 204, 204, 204, 204, 403, 401, 403, 204, 204, 401, 401, 401]),
    ("DELETE", "/api/auth/sessions/{session}",         [401, 404, 404, 404, 404, 404, 404, 403, 401, 403, 404, 404, 401, 401, 401]),
    ("POST",   "/api/auth/password",                   [401, 200, 200, 200, 200, 200, 200, 403, 401, 403, 403, 403, 401, 401, 401]),
    ("POST",   "/api/auth/token",                      [401, 200, 200, 200, 200, 200, 200, 403, 401, 200, 403, 403, 401, 401, 401]),
    ("GET",    "/api/api-keys",                        [401, 200, 200, 200, 200, 200, 200, 200, 401, 200, 200, 200, 401, 401, 401]),
    ("POST",   "/api/api-keys",                        [401, 201, 201, 201, 201, 201, 201, 403, 401, 403, 403, 403, 401, 401, 401]),
    ("DELETE", "/api/api-keys/{key}",                  [401, 204, 204, 204, 204, 204, 204, 403, 401, 403, 204, 204, 401, 401, 401]),
    ("GET",    "/api/orgs",                            [401, 200, 200, 200, 200, 200, 200, 200, 401, 200, 200, 200, 401, 401, 401]),
    ("POST",   "/api/orgs",                            [401, 201, 201, 201, 201, 201, 201, 403, 401, 201, 201, 201, 401, 401, 401]),
    ("GET",    "/api/orgs/{org}",                      [401, 404, 200, 200, 200, 200, 404, 200, 401, 200, 200, 404, 401, 401, 401]),
    ("PATCH",  "/api/orgs/{org}",                      [401, 404, 403, 403, 403, 200, 404, 403, 401, 403, 200, 404, 401, 401, 401]),
    ("DELETE", "/api/orgs/{org}",                      [401, 404, 403, 403, 403, 204, 404, 403, 401, 403, 403, 404, 401, 401, 401]),
    ("GET",    "/api/orgs/{org}/members",              [401, 404, 200, 200, 200, 200, 404, 200, 401, 200, 200, 404, 401, 401, 401]),
    ("POST",   "/api/orgs/{org}/members",              [401, 404, 403, 403, 201, 201, 404, 403, 401, 403, 201, 404, 401, 401, 401]),
    ("PATCH",  "/api/orgs/{org}/members/{user}",       [401, 404, 403, 403, 200, 200, 404, 403, 401, 403, 200, 404, 401, 401, 401]),
    ("DELETE", "/api/orgs/{org}/members/{user}",       [401, 404, 403, 403, 204, 204, 404, 403, 401, 403, 204, 404, 401, 401, 401]),
    ("GET",    "/api/orgs/{org}/projects",             [401, 404, 200, 200, 200, 200, 404, 200, 401, 200, 200, 404, 401, 401, 401]),
    ("POST",   "/api/orgs/{org}/projects",             [401, 404, 201, 201, 201, 201, 404, 403, 401, 201, 201, 404, 401, 401, 401]),
    ("GET",    "/api/projects/{project}",              [401, 404, 200, 200, 200, 200, 404, 200, 401, 200, 200, 404, 401, 401, 401]),
    ("PATCH",  "/api/projects/{project}",              [401, 404, 403, 403, 200, 200, 404, 403, 401, 403, 200, 404, 401, 401, 401]),
    ("DELETE", "/api/projects/{project}",              [401, 404, 403, 403, 204, 204, 404, 403, 401, 403, 204, 404, 401, 401, 401]),
    ("GET",    "/api/projects/{project}/members",      [401, 404, 200, 200, 200, 200, 404, 200, 401, 200, 200, 404, 401, 401, 401]),
    ("POST",   "/api/projects/{project}/members",      [401, 404, 403, 403, 201, 201, 404, 403, 401, 403, 201, 404, 401, 401, 401]),
    ("DELETE", "/api/projects/{project}/members/{user}", [401, 404, 403, 403, 204, 204, 404, 403, 401, 403, 204, 404, 401, 401, 401]),
    ("POST",   "/projects/{project}/start",            [401, 404, 200, 200, 200, 200, 404, 403, 401, 200, 200, 404, 401, 401, 401]),
    ("POST",   "/projects/{project}/stop",             [401, 404, 403, 200, 200, 200, 404, 403, 401, 200, 200, 404, 401, 401, 401]),
    ("POST",   "/gateway/start",                       [401, 404, 200, 200, 200, 200, 404, 403, 401, 200, 200, 404, 401, 401, 401]),
    ("GET",    "/api/pool",                            [401, 403, 403, 403, 403, 403, 200, 403, 200, 403, 403, 200, 401, 401, 401]),
    ("POST",   "/api/pool/slots/{slot}/drain",         [401, 403, 403, 403, 403, 403, 404, 403, 404, 403, 403, 404, 401, 401, 401]),
    ("POST",   "/api/pool/gateways",                   [401, 403, 403, 403, 403, 403, 201, 403, 201, 403, 403, 201, 401, 401, 401]),
    ("DELETE", "/api/pool/gateways/{gateway}",         [401, 403, 403, 403, 403, 403, 404, 403, 404, 403, 403, 404, 401, 401, 401]),
    ("GET",    "/gate/authorize",                      [400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400]),
    ("POST",   "/gateway/ready",                       [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 400, 401, 401]),
    ("POST",   "/gateway/config",                      [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/lease",                       [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/stop",                        [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/container-token",             [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/deleted",                     [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401, 401]),
    ("POST",   "/gateway/notes/pull",                  [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/notes/push",                  [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/visit",                       [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 403, 401]),
    ("POST",   "/gateway/visit/standing",              [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/data/pull",                   [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
    ("POST",   "/gateway/data/append",                 [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 415, 401]),
    ("POST",   "/gateway/data/push",                   [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401]),
];

#[tokio::test]
async fn every_route_and_every_kind_of_caller() {
    let installation = Installation::new().await;
    // What gateways answer is asked where there are some.
    let mut described = installation.description().await.operations_but(&["collaboration", "orders"]);
    let mut rows: Vec<_> = TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    described.sort();
    rows.sort();
    assert_eq!(rows, described, "a row for each route, and a route for each row");
    let scene = Scene::new(&installation).await;
    for (method, path, expected) in TABLE {
        for (asker, expected) in ASKERS.into_iter().zip(expected) {
            let place = Place::new(&installation, &scene).await;
            let user = scene.user(asker, &place);
            let proof = proof(&installation, asker, &place, user).await;
            let key = spare_key(&installation, user.unwrap_or(scene.stranger)).await;
            let target = path
                .replace("{org}", &place.org.to_string())
                .replace("{project}", &place.project.to_string())
                .replace("{user}", &scene.target.to_string())
                .replace("{slot}", "4000000")
                .replace("{gateway}", &place.org.to_string())
                .replace("{session}", "0123456789abcdef")
                .replace("{key}", &key);
            let body = place.body(method, path);
            let method: Method = method.parse().unwrap();
            let answer = installation.ask(method.clone(), &target, &proof, body.as_ref()).await;
            assert_eq!(answer.status, *expected, "{method} {path} by {asker:?}: {}", answer.body);
            place.vacate(&installation).await;
        }
    }
}

/// Whoever asks for what cannot be there learns no more than whoever asks for what is not.
#[tokio::test]
async fn what_is_no_id_names_nothing() {
    let installation = Installation::new().await;
    let scene = Scene::new(&installation).await;
    let place = Place::new(&installation, &scene).await;
    let proof = installation.session(scene.administrator).await;
    for (method, path, _) in TABLE.iter().filter(|(_, path, _)| path.contains('{')) {
        let word = |part: &str| if part.starts_with('{') { "x" } else { part }.to_owned();
        let target = path.split('/').map(word).collect::<Vec<_>>().join("/");
        let body = place.body(method, path);
        let answer = installation.ask(method.parse().unwrap(), &target, &proof, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {target}: {}", answer.body);
    }
}

/// People who are there from the beginning.
struct Scene {
    administrator: UserId,
    stranger: UserId,
    viewer: UserId,
    member: UserId,
    admin: UserId,
    /// A member about whom something is asked.
    target: UserId,
}

impl Scene {
    async fn new(installation: &Installation) -> Self {
        // The first account is the administrator's.
        let administrator = installation.sign_up("administrator").await;
        installation.sign_up("newcomer").await;
        Self {
            administrator,
            stranger: installation.sign_up("stranger").await,
            viewer: installation.sign_up("viewer").await,
            member: installation.sign_up("member").await,
            admin: installation.sign_up("admin").await,
            target: installation.sign_up("target").await,
        }
    }

    fn user(&self, asker: Asker, place: &Place) -> Option<UserId> {
        match asker {
            Asker::Anonymous | Asker::Operator | Asker::Process | Asker::Gateway | Asker::Container => None,
            Asker::Stranger => Some(self.stranger),
            Asker::Viewer => Some(self.viewer),
            Asker::Member => Some(self.member),
            Asker::Admin => Some(self.admin),
            Asker::Owner | Asker::ReadOnlyKey | Asker::WriteKey | Asker::AccessToken => Some(place.owner),
            Asker::Administrator | Asker::AdministratorAccessToken => Some(self.administrator),
        }
    }
}

async fn proof(installation: &Installation, asker: Asker, place: &Place, user: Option<UserId>) -> Proof {
    match (asker, user) {
        (Asker::Operator, _) => installation.operator(),
        (Asker::Process, _) => installation.process().await,
        (Asker::Gateway, _) => installation.gateway(place.org).await,
        (Asker::Container, _) => installation.container(place.org, place.project),
        (_, None) => Proof::None,
        (Asker::ReadOnlyKey, Some(user)) => installation.key(user, [Scope::Read]).await,
        (Asker::WriteKey, Some(user)) => installation.key(user, [Scope::Write]).await,
        (Asker::AccessToken | Asker::AdministratorAccessToken, Some(user)) => installation.access(user).await,
        (_, Some(user)) => installation.session(user).await,
    }
}

/// The id of a key of this user, the only one of its name.
async fn spare_key(installation: &Installation, user: UserId) -> String {
    for key in installation.people.api_keys(user).await.unwrap() {
        if key.name == "spare" || key.name == "Europa" {
            installation.people.delete_key(user, &key.id).await.unwrap();
        }
    }
    let new = NewKey { name: "spare".to_owned(), scopes: [Scope::Read].into(), expires_at_ms: None };
    installation.people.create_key(NOW_MS, user, new).await.unwrap().0.id.to_string()
}

/// An organization that is as it should be when the question comes, whatever was asked before.
struct Place {
    org: OrgId,
    project: ProjectId,
    /// Somebody else each time: nobody may own many.
    owner: UserId,
    /// Of somebody who is no member.
    newcomer: &'static str,
}

impl Place {
    async fn new(installation: &Installation, scene: &Scene) -> Self {
        let orgs = &installation.orgs;
        let owner = installation.sign_up(&format!("owner-{}", Uuid::now_v7())).await;
        let org = orgs.create(NOW_MS, owner, "Moons").await.unwrap().id;
        for (user, role) in [
            (scene.viewer, OrgRole::Member),
            (scene.member, OrgRole::Member),
            (scene.admin, OrgRole::Admin),
            (scene.target, OrgRole::Member),
        ] {
            installation.join(org, user, role).await;
        }
        let project = orgs.create_project(NOW_MS, org, owner, "Io").await.unwrap().id;
        orgs.set_project_role(project, scene.viewer, Some(Role::Viewer)).await.unwrap();
        Self { org, project, owner, newcomer: "newcomer@example.org" }
    }

    /// A body that is right for this route.
    fn body(&self, method: &str, path: &str) -> Option<Value> {
        match (method, path) {
            ("POST", "/api/auth/signup") => {
                let email = format!("{}@example.org", Uuid::now_v7());
                Some(json!({"email": email, "password": "a long password", "name": "New"}))
            }
            ("POST", "/api/auth/login") => Some(json!({"email": "stranger@example.org", "password": PASSWORD})),
            // Another's: whoever asks is still needed.
            ("DELETE", "/api/auth/me") => Some(json!({"password": "another password"})),
            ("POST", "/api/auth/password") => Some(json!({"password": PASSWORD, "new_password": PASSWORD})),
            ("POST", "/api/orgs/{org}/members") => Some(json!({"email": self.newcomer, "role": "member"})),
            ("POST", "/api/projects/{project}/members") => {
                Some(json!({"email": "target@example.org", "role": "viewer"}))
            }
            ("PATCH", "/api/orgs/{org}/members/{user}") => Some(json!({"role": "admin"})),
            ("POST", "/gateway/start") => Some(json!({"organization_id": self.org})),
            ("POST", "/api/orgs" | "/api/api-keys" | "/api/orgs/{org}/projects") | ("PATCH", _) => {
                Some(json!({"name": "Europa"}))
            }
            ("POST", "/gateway/stop" | "/gateway/data/pull") => Some(json!({"organization_id": self.org})),
            ("POST", "/gateway/data/push") => Some(json!({"organization_id": self.org, "data": {}})),
            ("POST", "/gateway/data/append") => Some(json!({})),
            ("POST", "/gateway/notes/pull") => Some(json!({"project": self.project})),
            ("POST", "/gateway/notes/push") => Some(json!({"project": self.project, "notes": {}})),
            ("POST", "/gateway/container-token") => {
                Some(json!({"project": self.project, "container": ContainerId::from_random(1), "generation": 1}))
            }
            ("POST", "/gateway/deleted") => Some(json!({"organizations": [self.org], "projects": [self.project]})),
            ("POST", "/gateway/visit") => Some(json!({"code": "c", "host": "h", "nonce": "n"})),
            ("POST", "/gateway/visit/standing") => Some(json!({"user": self.owner, "session": "s"})),
            _ => None,
        }
    }

    /// Gives the slot back.
    async fn vacate(self, installation: &Installation) {
        installation.pool.release(self.org).await.unwrap();
    }
}
