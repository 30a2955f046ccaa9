//! No kind of token stands in for another, and what is over is refused.

use std::time::{Duration, SystemTime};

use orrery_ganymede::tokens::{AccessClaims, GatewayClaims, HandshakeClaims, OrderClaims, PoolClaims};
use orrery_protocol::id::{Epoch, GatewayId, OrgId, SlotId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    city::{City, Gateway, Org},
    http::{Answer, Ask},
};

/// Everything that can be shown.
const KINDS: [&str; 8] = ["none", "garbage", "access", "pool", "gateway", "handshake", "order", "forward"];

/// Tokens of every kind, each right for this gateway, organization and epoch.
struct Wallet<'a> {
    city: &'a City,
    gateway: GatewayId,
    org: OrgId,
    epoch: Epoch,
}

impl Wallet<'_> {
    fn token(&self, kind: &str) -> Option<String> {
        let &Self { city: City { tokens, .. }, gateway, org, epoch } = self;
        let now = SystemTime::now();
        let access = AccessClaims { user: UserId(Uuid::nil()), name: String::new(), only_uses: false };
        let handshake = HandshakeClaims { jti: Uuid::new_v4(), org, epoch, slot: SlotId(0) };
        let token = match kind {
            "none" => return None,
            "garbage" => return Some("a.b.c".to_owned()),
            "access" => tokens.sign_access(&access, now, Duration::from_secs(60)),
            "pool" => tokens.sign_pool(&PoolClaims { gateway }, now),
            "gateway" => tokens.sign_gateway(&GatewayClaims { gateway, org, epoch }, now),
            "handshake" => tokens.sign_handshake(&handshake, gateway, now),
            "order" => tokens.sign_order(&OrderClaims { org, epoch }, gateway, now),
            "forward" => tokens.sign_forward(gateway, now),
            other => panic!("{other}"),
        };
        Some(token.unwrap().0)
    }

    /// Shows a token of `kind`.
    fn show(&self, ask: Ask, kind: &str) -> Ask {
        let ask = ask.header("orrery-epoch", self.epoch);
        match self.token(kind) {
            Some(token) => ask.bearer(&token),
            None => ask,
        }
    }
}

async fn served(city: &City) -> (Gateway, Org, Epoch) {
    let (gateway, org) = (city.gateway().await, city.org("moons").await);
    let epoch = city.pool.start(org.id).await.unwrap().epoch;
    (gateway, org, epoch)
}

#[tokio::test]
async fn each_route_of_ganymede_takes_one_kind_of_token() {
    let city = City::new().await;
    let (gateway, org, epoch) = served(&city).await;
    let wallet = Wallet { city: &city, gateway: gateway.id, org: org.id, epoch };
    let of_org = json!({"organization_id": org.id});
    let data = json!({"organization_id": org.id, "data": {}});
    let ready = json!({"gateway_id": gateway.id, "slots": 1, "listen": gateway.address.to_string()});
    let deleted = json!({"organizations": [org.id], "projects": []});
    let routes: [(&str, &Value, &str); 7] = [
        ("/gateway/ready", &ready, "pool"),
        ("/gateway/deleted", &deleted, "pool"),
        ("/gateway/config", &json!({}), "gateway"),
        ("/gateway/lease", &json!({}), "gateway"),
        ("/gateway/data/pull", &of_org, "gateway"),
        ("/gateway/data/push", &data, "gateway"),
        // Last: it ends the allocation.
        ("/gateway/stop", &of_org, "gateway"),
    ];
    for (path, body, right) in routes {
        for kind in KINDS.into_iter().filter(|kind| *kind != right) {
            let answer = wallet.show(Ask::json(path, body), kind).of(city.address).await;
            assert_eq!(answer.refusal(), (401, "AUTHENTICATION_FAILED".to_owned()), "{path} {kind}");
        }
        wallet.show(Ask::json(path, body), right).of(city.address).await.expect(200);
    }
    for kind in KINDS.into_iter().filter(|kind| *kind != "gateway") {
        let append = Ask::post("/gateway/data/append", *b"").header("content-type", "application/octet-stream");
        assert_eq!(wallet.show(append, kind).of(city.address).await.status, 401, "append {kind}");
    }
}

#[tokio::test]
async fn each_order_to_a_gateway_takes_one_kind_of_token() {
    let city = City::new().await;
    let (gateway, org, epoch) = served(&city).await;
    let wallet = Wallet { city: &city, gateway: gateway.id, org: org.id, epoch };
    let other = Wallet { city: &city, gateway: GatewayId(Uuid::now_v7()), org: org.id, epoch };
    let body = json!({"organization_id": org.id});
    for path in ["/collab/refresh", "/collab/stop"] {
        for kind in KINDS.into_iter().filter(|kind| *kind != "order") {
            let answer = wallet.show(Ask::json(path, &body), kind).of(gateway.address).await;
            assert_eq!(answer.refusal(), (401, "AUTHENTICATION_FAILED".to_owned()), "{path} {kind}");
        }
        let foreign = other.show(Ask::json(path, &body), "order").of(gateway.address).await;
        assert_eq!(foreign.status, 401, "an order to another gateway");
        let crossed = Ask::json(path, &json!({"organization_id": Uuid::now_v7()}));
        assert_eq!(wallet.show(crossed, "order").of(gateway.address).await.status, 403, "about another organization");
    }
    for kind in KINDS {
        let start = json!({"organization_id": org.id, "handshake": wallet.token(kind).unwrap_or_default()});
        let answer = wallet.show(Ask::json("/collab/start", &start), "order").of(gateway.address).await;
        assert_eq!(
            answer.refusal(),
            (401, "AUTHENTICATION_FAILED".to_owned()),
            "{kind}: none of these is Ganymede's own"
        );
    }
    assert_eq!(gateway.gateways.epoch(org.id), Some(epoch), "it is served all the time");
    for _ in 0..2 {
        wallet.show(Ask::json("/collab/refresh", &body), "order").of(gateway.address).await.expect(200);
        wallet.show(Ask::json("/collab/stop", &body), "order").of(gateway.address).await.expect(200);
    }
    assert_eq!(gateway.gateways.epoch(org.id), None);
}

#[tokio::test]
async fn a_handshake_is_answered_once_and_only_to_its_gateway() {
    let city = City::new().await;
    let (gateway, org, epoch) = served(&city).await;
    let stranger = city.gateway().await;
    let wallet = Wallet { city: &city, gateway: gateway.id, org: org.id, epoch };
    let handshake = wallet.token("handshake").unwrap();
    let config = Ask::json("/gateway/config", &json!({"handshake": handshake}));
    for pool_token in [&gateway.pool_token, &stranger.pool_token] {
        let answer = config.clone().bearer(&pool_token.0).of(city.address).await;
        assert_eq!(
            answer.refusal(),
            (401, "AUTHENTICATION_FAILED".to_owned()),
            "signed, but not the one that was given"
        );
    }
    for kind in KINDS.into_iter().filter(|kind| *kind != "pool") {
        assert_eq!(wallet.show(config.clone(), kind).of(city.address).await.status, 401, "{kind}");
    }
    let expired = HandshakeClaims { jti: Uuid::new_v4(), org: org.id, epoch, slot: SlotId(0) };
    let long_ago = SystemTime::now() - Duration::from_secs(120);
    let expired = city.tokens.sign_handshake(&expired, gateway.id, long_ago).unwrap().0;
    let start = Ask::json("/collab/start", &json!({"organization_id": org.id, "handshake": expired}));
    assert_eq!(start.of(gateway.address).await.status, 401);
}

#[tokio::test]
async fn an_epoch_that_is_over_changes_nothing() {
    let city = City::new().await;
    let (one, org, epoch) = served(&city).await;
    let two = city.gateway().await;
    let allocation = city.pool.start(org.id).await.unwrap();
    let wallet = Wallet { city: &city, gateway: one.id, org: org.id, epoch };
    let of_org = json!({"organization_id": org.id});
    let state = json!({"organization_id": org.id, "data": {"gateway_state": {"disable_shutdown": true}}});
    let calls = [
        ("/gateway/config", json!({})),
        ("/gateway/lease", json!({})),
        ("/gateway/stop", of_org.clone()),
        ("/gateway/data/pull", of_org),
        ("/gateway/data/push", state),
    ];
    let stale = |answer: Answer, what: &str| {
        assert_eq!(answer.refusal(), (409, "STALE_EPOCH".to_owned()), "{what}");
    };
    for (path, body) in &calls {
        let token = wallet.token("gateway").unwrap();
        let lying = Ask::json(*path, body).bearer(&token).header("orrery-epoch", epoch.0 + 1);
        stale(lying.of(city.address).await, "another epoch than the token's");
        let silent = Ask::json(*path, body).bearer(&token).of(city.address).await;
        assert_eq!(silent.refusal(), (400, "INVALID_INPUT".to_owned()), "{path} without an epoch");
    }
    city.pool.drain(allocation.slot).await.unwrap();
    let after = city.pool.start(org.id).await.unwrap();
    assert_eq!((after.gateway, after.epoch), (two.id, Epoch(epoch.0 + 1)));
    for (path, body) in &calls {
        stale(wallet.show(Ask::json(*path, body), "gateway").of(city.address).await, path);
    }
    let now = Wallet { city: &city, gateway: two.id, org: org.id, epoch: after.epoch };
    now.show(Ask::json("/gateway/lease", &json!({})), "gateway").of(city.address).await.expect(200);
    let brief = now.show(Ask::json("/gateway/config", &json!({})), "gateway").of(city.address).await.expect(200).json();
    assert_eq!((&brief["epoch"], &brief["disable_shutdown"]), (&json!(after.epoch), &json!(false)));
}

#[tokio::test]
async fn a_gateway_speaks_for_itself_and_its_organization_alone() {
    let city = City::new().await;
    let (gateway, org, epoch) = served(&city).await;
    let other = city.org("others").await;
    let wallet = Wallet { city: &city, gateway: gateway.id, org: org.id, epoch };
    for path in ["/gateway/stop", "/gateway/data/pull", "/gateway/data/push"] {
        let foreign = Ask::json(path, &json!({"organization_id": other.id, "data": {}}));
        assert_eq!(wallet.show(foreign, "gateway").of(city.address).await.refusal(), (404, "NOT_FOUND".to_owned()));
    }
    for path in ["/gateway/stop", "/gateway/data/push"] {
        let crossed = json!({"organization_id": org.id, "gateway_id": Uuid::now_v7(), "data": {}});
        let crossed = wallet.show(Ask::json(path, &crossed), "gateway").of(city.address).await;
        assert_eq!(crossed.refusal(), (403, "FORBIDDEN".to_owned()));
    }
    assert_eq!(gateway.gateways.epoch(org.id), Some(epoch));
}
