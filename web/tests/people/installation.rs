//! A whole Ganymede in this process: real routes, a real data base, a pool whose gateway serves nobody in earnest.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::BodyExt;
use orrery_ganymede::{
    orgs::Orgs,
    people::{NewKey, NewUser, People, Scope, User},
    pool::{Allocation, GatewayAddress, HostError, Pool, Routes, SlotHost},
    tokens::{AccessClaims, ContainerClaims, GatewayClaims, TokenKeys},
};
use orrery_protocol::{
    access::OrgRole,
    control::{EPOCH_HEADER, Start},
    id::{ContainerId, Epoch, OrgId, ProjectId, UserId},
};
use orrery_test_ganymede::{Plan, now_ms};
use orrery_web::{
    envelope::Site,
    limits::RateLimits,
    routes,
    state::{EdgeConfig, GanymedeState},
};
use serde_json::Value;
use tempfile::TempDir;

/// Everybody's.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// When what a test makes without HTTP was made.
pub(crate) const NOW_MS: u64 = 1_795_284_000_000;

/// Slots of the one gateway.
const SLOTS: u16 = 3;

/// What somebody shows.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    None,
    /// A `Cookie` header.
    Cookie(String),
    /// An API key or a token.
    Bearer(String),
    /// A gateway's token, and the epoch that it acts under.
    Gateway(String, Epoch),
}

pub(crate) struct Installation {
    pub(crate) people: People,
    pub(crate) orgs: Orgs,
    pub(crate) pool: Pool,
    pub(crate) routes: Routes,
    tokens: Arc<TokenKeys>,
    site: Site,
    _folder: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What `/openapi.json` says.
pub(crate) struct Description(pub(crate) Value);

impl Installation {
    /// One in which nobody asks too often.
    pub(crate) async fn new() -> Self {
        Self::with(unlimited(), None).await
    }

    /// One that is reached at this URL.
    pub(crate) async fn at(public_url: &str) -> Self {
        Self::with(unlimited(), Some(public_url)).await
    }

    pub(crate) async fn with_rates(rates: RateLimits) -> Self {
        Self::with(rates, None).await
    }

    async fn with(rates: RateLimits, public_url: Option<&str>) -> Self {
        let edge =
            EdgeConfig { public_url: public_url.map(|url| url.parse().unwrap()), rates, ..EdgeConfig::default() };
        let (state, folder) = orrery_test_ganymede::open(Plan { edge, ..Plan::default() }).await;
        let GanymedeState { people, orgs, pool, routes, tokens, .. } = state.clone();
        let here = Arc::new(Here::default());
        pool.open_local(SLOTS, here.clone()).await.unwrap();
        here.0.set(pool.clone()).ok().unwrap();
        Self { people, orgs, pool, routes, tokens, site: routes::ganymede(state, None), _folder: folder }
    }

    /// Somebody with an account `{name}@example.org`.
    pub(crate) async fn sign_up(&self, name: &str) -> UserId {
        let new = NewUser { email: email(name), password: PASSWORD.to_owned(), name: name.to_owned() };
        self.people.sign_up(NOW_MS, new).await.unwrap().id
    }

    /// Who signed up as `name`.
    pub(crate) async fn user(&self, name: &str) -> UserId {
        self.people.by_email(&email(name)).await.unwrap().unwrap().id
    }

    pub(crate) async fn session(&self, user: UserId) -> Proof {
        let secret = self.people.open_session(now_ms(), user).await.unwrap();
        Proof::Cookie(format!("orrery_session={}", secret.expose()))
    }

    pub(crate) async fn key(&self, user: UserId, scopes: impl IntoIterator<Item = Scope>) -> Proof {
        let new = NewKey { name: "key".to_owned(), scopes: scopes.into_iter().collect(), expires_at_ms: None };
        for key in self.people.api_keys(user).await.unwrap() {
            if key.name == new.name {
                self.people.delete_key(user, &key.id).await.unwrap();
            }
        }
        Proof::Bearer(self.people.create_key(now_ms(), user, new).await.unwrap().1.expose().to_owned())
    }

    pub(crate) fn operator(&self) -> Proof {
        Proof::Bearer(self.tokens.sign_operator(SystemTime::now()).unwrap().0)
    }

    /// A token that gateways see.
    pub(crate) async fn access(&self, user: UserId) -> Proof {
        let User { id, name, .. } = self.people.user(user).await.unwrap().unwrap();
        let claims = AccessClaims { user: id, name, only_uses: false };
        Proof::Bearer(self.tokens.sign_access(&claims, SystemTime::now(), Duration::from_secs(60)).unwrap().0)
    }

    /// A gateway process that is registered.
    pub(crate) async fn process(&self) -> Proof {
        Proof::Bearer(self.pool.register().await.unwrap().token.0)
    }

    /// The gateway of an organization, which it serves from now on.
    pub(crate) async fn gateway(&self, org: OrgId) -> Proof {
        let Allocation { gateway, epoch, .. } = self.pool.start(org).await.unwrap();
        let claims = GatewayClaims { gateway, org, epoch };
        Proof::Gateway(self.tokens.sign_gateway(&claims, SystemTime::now()).unwrap().0, epoch)
    }

    /// A container of a project.
    pub(crate) fn container(&self, org: OrgId, project: ProjectId) -> Proof {
        let claims = ContainerClaims { container: ContainerId::from_random(1), org, project, generation: 1 };
        Proof::Bearer(self.tokens.sign_container(&claims, SystemTime::now()).unwrap().0)
    }

    pub(crate) async fn join(&self, org: OrgId, user: UserId, role: OrgRole) {
        let user = self.people.user(user).await.unwrap().unwrap();
        self.orgs.add_member(NOW_MS, org, &user.email, role).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str, proof: &Proof) -> Answer {
        self.ask(Method::GET, path, proof, None).await
    }

    pub(crate) async fn post(&self, path: &str, proof: &Proof, body: &Value) -> Answer {
        self.ask(Method::POST, path, proof, Some(body)).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, proof: &Proof, body: Option<&Value>) -> Answer {
        let mut headers = HeaderMap::new();
        match proof {
            Proof::None => {}
            Proof::Cookie(cookie) => drop(headers.insert(header::COOKIE, cookie.parse().unwrap())),
            Proof::Bearer(text) => drop(headers.insert(header::AUTHORIZATION, bearer(text))),
            Proof::Gateway(text, epoch) => {
                headers.insert(header::AUTHORIZATION, bearer(text));
                headers.insert(EPOCH_HEADER, epoch.to_string().parse().unwrap());
            }
        }
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        }
        self.send(method, path, headers, &body.map(Value::to_string).unwrap_or_default()).await
    }

    /// Any request at all.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: &str) -> Answer {
        let mut request = Request::new(Body::from(body.to_owned()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::HOST, "localhost:7000".parse().unwrap());
        let (head, body) = self.site.answer(request).await.into_parts();
        let body: Bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(crate) async fn description(&self) -> Description {
        Description(self.get("/openapi.json", &Proof::None).await.expect(200).json())
    }
}

impl Answer {
    /// Itself, if it has this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// What a refusal with this status and code says.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        let error = self.json()["error"].clone();
        assert_eq!(error["code"], code);
        error
    }
}

impl Description {
    /// Every method and path.
    pub(crate) fn operations(&self) -> Vec<(String, String)> {
        let paths = self.0["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        });
        operations.collect()
    }

    /// Every method and path that has none of these tags.
    pub(crate) fn operations_but(&self, tags: &[&str]) -> Vec<(String, String)> {
        let is_of = |(method, path): &(String, String)| {
            let its = self.0["paths"][path][method.to_lowercase()]["tags"].as_array();
            its.into_iter().flatten().any(|tag| tags.contains(&tag.as_str().unwrap()))
        };
        self.operations().into_iter().filter(|operation| !is_of(operation)).collect()
    }
}

/// A gateway that takes every organization and keeps nothing.
#[derive(Default)]
struct Here(OnceLock<Pool>);

#[async_trait]
impl SlotHost for Here {
    async fn start(&self, gateway: &GatewayAddress, _: Epoch, start: Start) -> Result<(), HostError> {
        let pool = self.0.get().expect("told at once");
        let brief = pool.handshake(gateway.gateway(), &start.handshake.0).await;
        let brief = brief.map_err(|error| HostError::Refused(error.to_string()))?;
        assert_eq!(brief.organization_id, start.organization_id);
        Ok(())
    }

    async fn stop(&self, _: &GatewayAddress, _: OrgId, _: Epoch) -> Result<(), HostError> {
        Ok(())
    }

    async fn refresh(&self, _: &GatewayAddress, _: OrgId, _: Epoch) -> Result<(), HostError> {
        Ok(())
    }
}

/// More than any test asks.
fn unlimited() -> RateLimits {
    let much = 1_000_000.try_into().unwrap();
    RateLimits {
        address_per_minute: much,
        sign_in_per_minute: much,
        failed_sign_in_per_minute: much,
        user_per_minute: much,
        key_per_minute: much,
    }
}

fn bearer(text: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Bearer {text}")).unwrap()
}

fn email(name: &str) -> String {
    format!("{name}@example.org")
}
