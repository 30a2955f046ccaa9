//! An organization is served by another process, by none, by the next one.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::{body::Body, extract::Request};
use futures_util::FutureExt;
use http::header;
use orrery_ganymede::{
    pool::{GatewayAddress, HostError, Pool, Route, SlotHost},
    tokens::PoolClaims,
};
use orrery_protocol::{
    control::{Ready, Start},
    id::{Epoch, OrgId, ProjectId},
};
use orrery_web::limits::HttpLimits;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
    time::timeout,
};
use uuid::Uuid;

use crate::{
    city::City,
    http::{Ask, PATIENCE, WebSocket},
};

#[tokio::test]
async fn a_room_in_another_process_is_entered_by_host_by_path_and_bare() {
    let city = City::new().await;
    let (gateway, org) = (city.gateway().await, city.org("moons").await);
    city.pool.start(org.id).await.unwrap();
    let localhost = city.address.to_string();
    let named = format!("org-{}.localhost:{}", org.id, city.address.port());
    for (host, path) in [(&localhost, org.path(&org.board())), (&named, org.board()), (&localhost, org.board())] {
        WebSocket::open(city.address, host, &path).await.sync().await;
    }
    WebSocket::open(gateway.address, &localhost, &org.board()).await.sync().await;
    assert_eq!(Ask::get(org.path("/collab/ping")).of(city.address).await.expect(200).json(), json!({}));
}

#[tokio::test]
async fn who_may_not_enter_is_told_so_through_the_proxy() {
    let city = City::new().await;
    let (_gateway, org, other) = (city.gateway().await, city.org("moons").await, city.org("others").await);
    city.pool.start(org.id).await.unwrap();
    let unknown = ProjectId(Uuid::now_v7());
    let check = async |path: String, expect: (u16, &str)| {
        let (status, code) = Ask::get(path.clone()).of(city.address).await.refusal();
        assert_eq!((status, code.as_str()), expect, "{path}");
    };
    for at in [org.path(""), String::new()] {
        let board = |project: &dyn std::fmt::Display| format!("{at}/collab/{project}/board");
        check(board(&org.project), (401, "AUTHENTICATION_FAILED")).await;
        check(format!("{}?token=x", board(&org.project)), (401, "AUTHENTICATION_FAILED")).await;
        check(format!("{}?token={}", board(&org.project), other.owner), (404, "NOT_FOUND")).await;
        check(format!("{}?token={}", board(&unknown), org.owner), (404, "NOT_FOUND")).await;
        check(format!("{}?token={}", board(&"x"), org.owner), (404, "NOT_FOUND")).await;
        check(format!("{at}/collab/{}/notes?token={}", org.project, org.owner), (400, "INVALID_INPUT")).await;
        check(format!("{}?token={}", board(&org.project), org.owner), (400, "INVALID_INPUT")).await;
        let logs = Ask::get(format!("{at}/collab/{}/user-container/x/logs", org.project)).bearer(&org.owner);
        assert_eq!(logs.of(city.address).await.refusal(), (404, "NOT_FOUND".to_owned()));
    }
    check(org.path(&other.board()), (404, "NOT_FOUND")).await;
    let orders = ["/collab/start", "/collab/stop", "/collab/refresh"];
    for path in orders {
        let answer = Ask::json(org.path(path), &json!({})).of(city.address).await;
        assert_eq!(answer.refusal(), (404, "NOT_FOUND".to_owned()), "an order through an organization's address");
    }
}

#[tokio::test]
async fn a_command_takes_its_project_from_its_body_alone() {
    let city = City::new().await;
    let (_gateway, org, other) = (city.gateway().await, city.org("moons").await, city.org("others").await);
    city.pool.start(org.id).await.unwrap();
    let command = |project: ProjectId, kind: &str| json!({"project_id": project, "event": {"type": kind, "disabled": true}, "idempotency_key": "once"});
    let disable = "gateway:disable-shutdown";
    for path in [org.path("/collab/event"), "/collab/event".to_owned()] {
        let ask = Ask::json(path.clone(), &command(org.project, disable)).bearer(&org.owner);
        assert_eq!(ask.of(city.address).await.expect(200).json(), json!({"result": {"disabled": true}}));
        let check = async |body: serde_json::Value, token: &str, expect: (u16, &str)| {
            let (status, code) = Ask::json(path.clone(), &body).bearer(token).of(city.address).await.refusal();
            assert_eq!((status, code.as_str()), expect, "{path} {body}");
        };
        check(command(org.project, disable), &org.viewer, (403, "FORBIDDEN")).await;
        check(command(org.project, disable), &other.owner, (404, "NOT_FOUND")).await;
        check(command(org.project, disable), "x", (401, "AUTHENTICATION_FAILED")).await;
        check(command(org.project, "gateway:enable"), &org.owner, (400, "UNKNOWN_COMMAND")).await;
        check(json!({"project_id": "x", "event": {}}), &org.owner, (400, "INVALID_INPUT")).await;
        check(json!({"project_id": org.project, "event": {}}), &org.owner, (400, "INVALID_INPUT")).await;
        let mut odd = command(org.project, disable);
        odd["idempotency_key"] = json!("");
        check(odd, &org.owner, (400, "INVALID_INPUT")).await;
    }
    let foreign = Ask::json(org.path("/collab/event"), &command(other.project, disable)).bearer(&other.owner);
    assert_eq!(foreign.of(city.address).await.refusal().0, 404, "the address names another organization");
}

#[tokio::test]
async fn an_organization_without_a_gateway_says_so() {
    let city = City::new().await;
    let org = city.org("moons").await;
    for path in [org.path("/collab/ping"), org.path(&org.board()), org.board()] {
        let answer = Ask::get(path).of(city.address).await;
        assert_eq!(answer.refusal(), (503, "GATEWAY_NOT_RUNNING".to_owned()));
        assert!(answer.header("retry-after").is_some());
    }
    let (unknown, project) = (Uuid::now_v7(), Uuid::now_v7());
    for path in
        [format!("/-/gw/org-{unknown}/collab/ping"), format!("/collab/{project}/board"), "/collab/x/board".into()]
    {
        assert_eq!(Ask::get(path).of(city.address).await.refusal(), (404, "NOT_FOUND".to_owned()));
    }
}

#[tokio::test]
async fn a_gateway_that_is_gone_is_named_until_it_is_replaced() {
    let city = City::new().await;
    let (mut gateway, org) = (city.gateway().await, city.org("moons").await);
    city.pool.start(org.id).await.unwrap();
    gateway.end().await;
    let answer = Ask::get(org.path("/collab/ping")).of(city.address).await;
    assert_eq!(answer.refusal(), (503, "GATEWAY_UNREACHABLE".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!String::from_utf8_lossy(&answer.body).contains(&gateway.address.port().to_string()), "not where it was");
}

#[tokio::test]
async fn an_organization_that_moves_closes_with_1012_and_is_found_at_the_same_address() {
    let city = City::new().await;
    let (one, two, org) = (city.gateway().await, city.gateway().await, city.org("moons").await);
    let slot = city.pool.start(org.id).await.unwrap().slot;
    let (host, path) = (city.address.to_string(), org.path(&org.board()));
    let mut peer = WebSocket::open(city.address, &host, &path).await;
    peer.sync().await;
    let served = [&one, &two].map(|gateway| gateway.gateways.epoch(org.id).is_some());
    city.pool.drain(slot).await.unwrap();
    assert_eq!(peer.close_code().await, 1012);
    assert_eq!([&one, &two].map(|gateway| gateway.gateways.epoch(org.id).is_some()), served.map(|was| !was));
    WebSocket::open(city.address, &host, &path).await.sync().await;
}

/// A gateway that begins to serve when the test lets it, and then answers as the test says.
#[derive(Default)]
struct Puppet {
    pool: OnceLock<Pool>,
    permits: Notify,
}

#[async_trait]
impl SlotHost for Puppet {
    async fn start(&self, gateway: &GatewayAddress, _: Epoch, start: Start) -> Result<(), HostError> {
        self.permits.notified().await;
        let pool = self.pool.get().expect("told at once");
        let brief = pool.handshake(gateway.gateway(), &start.handshake.0).await;
        brief.map(drop).map_err(|error| HostError::Refused(error.to_string()))
    }

    async fn stop(&self, _: &GatewayAddress, _: OrgId, _: Epoch) -> Result<(), HostError> {
        Ok(())
    }

    async fn refresh(&self, _: &GatewayAddress, _: OrgId, _: Epoch) -> Result<(), HostError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_waits_while_its_organization_is_on_its_way_and_leaves_the_session_here() {
    let puppet = Arc::new(Puppet::default());
    let city = City::with(HttpLimits::default(), Some(puppet.clone())).await;
    puppet.pool.set(city.pool.clone()).ok().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (registered, org) = (city.pool.register().await.unwrap(), city.org("moons").await);
    let claims = PoolClaims { gateway: registered.gateway };
    let listen = format!("http://{}/", listener.local_addr().unwrap());
    let ready = Ready { gateway_id: registered.gateway, slots: 1, listen };
    city.pool.announce(&claims, &ready).await.unwrap();
    let starting = tokio::spawn({
        let (pool, org) = (city.pool.clone(), org.id);
        async move { pool.start(org).await }
    });
    while !matches!(city.routes.get(org.id), Some(Route::Moving { .. })) {
        tokio::task::yield_now().await;
    }
    let request = Request::get(org.path("/collab/ping?x=1")).header(header::HOST, "localhost");
    let request = request.header(header::COOKIE, "orrery_session=secret").body(Body::empty()).unwrap();
    let mut answer = Box::pin(city.site.answer(request));
    assert!(answer.as_mut().now_or_never().is_none(), "it is held");
    puppet.permits.notify_one();
    let upstream = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let (answer, head) = timeout(PATIENCE, async { tokio::join!(answer, upstream) }).await.expect("it goes on");
    assert_eq!(answer.status(), 200);
    assert!(head.starts_with(&format!("GET {} HTTP/1.1\r\n", org.path("/collab/ping?x=1"))), "{head}");
    assert!(!head.contains("secret"), "{head}");
    starting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_gateway_announces_itself_as_itself() {
    let city = City::new().await;
    let (one, two) = (city.gateway().await, city.gateway().await);
    let ready = Ready { gateway_id: two.id, slots: 1, listen: "127.0.0.1:1".to_owned() };
    let ask = Ask::json("/gateway/ready", &serde_json::to_value(&ready).unwrap());
    assert_eq!(ask.clone().bearer(&one.pool_token.0).of(city.address).await.refusal(), (403, "FORBIDDEN".to_owned()));
    ask.bearer(&two.pool_token.0).of(city.address).await.expect(200);
    let odd = Ask::json("/gateway/ready", &json!({"gateway_id": two.id, "slots": 0, "listen": "127.0.0.1:1"}));
    assert_eq!(odd.bearer(&two.pool_token.0).of(city.address).await.refusal(), (400, "INVALID_INPUT".to_owned()));
}
