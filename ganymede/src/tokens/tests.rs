use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use orrery_protocol::{
    control::{SessionDigest, Token},
    id::{ContainerId, Epoch, GatewayId, OrgId, ProjectId, SlotId, UserId},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const ME: GatewayId = GatewayId(Uuid::from_u128(1));
const OTHER: GatewayId = GatewayId(Uuid::from_u128(2));
const ORG: OrgId = OrgId(Uuid::from_u128(3));
const USER: UserId = UserId(Uuid::from_u128(4));

const GATEWAY: GatewayClaims = GatewayClaims { gateway: ME, org: ORG, epoch: Epoch(7) };
const HANDSHAKE: HandshakeClaims =
    HandshakeClaims { jti: Uuid::from_u128(5), org: ORG, epoch: Epoch(7), slot: SlotId(2) };
const ORDER: OrderClaims = OrderClaims { org: ORG, epoch: Epoch(7) };

const HOST: &str = "uc-7000000000000000.org-3.orrery.example";

const KINDS: [&str; 10] =
    ["access", "pool", "gateway", "container", "handshake", "order", "operator", "forward", "ticket", "visit"];

fn session() -> SessionDigest {
    SessionDigest("5e55".to_owned())
}

fn ticket() -> TicketClaims {
    let (host, nonce) = (HOST.to_owned(), "n0nce".to_owned());
    TicketClaims { jti: Uuid::from_u128(6), user: USER, session: session(), host, nonce }
}

fn container() -> ContainerClaims {
    let (container, project) = (ContainerId::from_random(7), ProjectId(Uuid::from_u128(6)));
    ContainerClaims { container, org: ORG, project, generation: 2 }
}

fn keys() -> (tempfile::TempDir, TokenKeys) {
    let data = tempfile::tempdir().unwrap();
    let keys = TokenKeys::load_or_create(data.path()).unwrap();
    (data, keys)
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn alice() -> AccessClaims {
    AccessClaims { user: USER, name: "Alice".to_owned(), only_uses: false }
}

/// One good token of each kind, for the gateway `ME`.
fn signed(keys: &TokenKeys, kind: &str) -> Token {
    match kind {
        "access" => keys.sign_access(&alice(), now(), Duration::from_secs(300)),
        "pool" => keys.sign_pool(&PoolClaims { gateway: ME }, now()),
        "gateway" => keys.sign_gateway(&GATEWAY, now()),
        "container" => keys.sign_container(&container(), now()),
        "handshake" => keys.sign_handshake(&HANDSHAKE, ME, now()),
        "order" => keys.sign_order(&ORDER, ME, now()),
        "operator" => keys.sign_operator(now()),
        "forward" => keys.sign_forward(ME, now()),
        "ticket" => keys.sign_ticket(&ticket(), now()),
        "visit" => keys.sign_visit(&VisitClaims { user: USER, session: session() }, HOST, now()),
        _ => unreachable!("no such kind"),
    }
    .unwrap()
}

/// What the verifying function of a kind, at the gateway `me`, says to a token.
fn verified(keys: &VerifyingKeys, kind: &str, token: &str, me: GatewayId, now: SystemTime) -> Result<(), TokenError> {
    match kind {
        "access" => keys.access(token, now).map(drop),
        "pool" => keys.pool(token, now).map(drop),
        "gateway" => keys.gateway(token, now).map(drop),
        "container" => keys.container(token, now).map(drop),
        "handshake" => keys.handshake(token, me, now).map(drop),
        "order" => keys.order(token, me, now).map(drop),
        "operator" => keys.operator(token, now),
        "forward" => keys.forward(token, me, now).map(drop),
        "ticket" => keys.ticket(token, now).map(drop),
        "visit" => keys.visit(token, HOST, now).map(drop),
        _ => unreachable!("no such kind"),
    }
}

#[test]
fn a_token_says_what_was_signed_after_a_restart_too() {
    let (data, first) = keys();
    let token = |kind| signed(&first, kind).0;
    let again = TokenKeys::load(data.path()).unwrap();
    let published: Jwks = serde_json::from_str(&serde_json::to_string(&first.jwks()).unwrap()).unwrap();
    for keys in [first.verifying(), again.verifying(), &VerifyingKeys::from_jwks(&published)] {
        let access = keys.access(&token("access"), now()).unwrap();
        let expires_at = now() + Duration::from_secs(300);
        assert_eq!(access, Access { user: USER, name: "Alice".to_owned(), only_uses: false, expires_at });
        assert_eq!(keys.pool(&token("pool"), now()), Ok(PoolClaims { gateway: ME }));
        assert_eq!(keys.gateway(&token("gateway"), now()), Ok(GATEWAY));
        assert_eq!(keys.container(&token("container"), now()), Ok(container()));
        assert_eq!(keys.handshake(&token("handshake"), ME, now()), Ok(HANDSHAKE));
        assert_eq!(keys.order(&token("order"), ME, now()), Ok(ORDER));
        let after = |seconds| now() + Duration::from_secs(seconds);
        assert_eq!(keys.ticket(&token("ticket"), now()), Ok((ticket(), after(60))));
        let visit = VisitClaims { user: USER, session: session() };
        assert_eq!(keys.visit(&token("visit"), HOST, now()), Ok((visit, after(7 * 24 * 3600))));
    }
}

/// Fault 20 and 21 of earlier systems: a token that was made for one thing opened another.
#[test]
fn no_kind_stands_in_for_another() {
    let (_data, keys) = keys();
    for kind in KINDS {
        let Token(token) = signed(&keys, kind);
        for verifier in KINDS {
            let expected = if kind == verifier { Ok(()) } else { Err(TokenError::Invalid) };
            assert_eq!(verified(keys.verifying(), verifier, &token, ME, now()), expected, "{kind} at {verifier}");
        }
    }
    for kind in ["handshake", "order", "forward"] {
        let Token(token) = signed(&keys, kind);
        let elsewhere = verified(keys.verifying(), kind, &token, OTHER, now());
        assert_eq!(elsewhere, Err(TokenError::Invalid), "{kind} at another gateway");
    }
    let Token(visit) = signed(&keys, "visit");
    for host in ["", "uc-7000000000000001.org-3.orrery.example", "org-3.orrery.example"] {
        assert_eq!(keys.verifying().visit(&visit, host, now()), Err(TokenError::Invalid), "a visit at {host:?}");
    }
}

#[test]
fn each_kind_ends_with_its_life() {
    let (_data, keys) = keys();
    for (kind, seconds) in [
        ("access", 300),
        ("pool", 10 * 365 * 24 * 3600),
        ("gateway", 3600),
        ("handshake", 60),
        ("order", 60),
        ("forward", 60),
        ("ticket", 60),
        ("visit", 7 * 24 * 3600),
    ] {
        let Token(token) = signed(&keys, kind);
        let at = |seconds| verified(keys.verifying(), kind, &token, ME, now() + Duration::from_secs(seconds));
        assert_eq!(at(seconds), Ok(()), "{kind}");
        assert_eq!(at(seconds + 5), Ok(()), "{kind}: clocks differ");
        assert_eq!(at(seconds + 6), Err(TokenError::Expired), "{kind}");
        let before = |seconds| verified(keys.verifying(), kind, &token, ME, now() - Duration::from_secs(seconds));
        assert_eq!(before(40), Ok(()), "{kind}: clocks differ");
        assert_eq!(before(41), Err(TokenError::Invalid), "{kind}: issued in the future");
    }
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// A good token's claims under another header and signature.
fn forged(good: &str, header: &Value, sign: impl FnOnce(&str) -> String) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), good.split('.').nth(1).unwrap());
    let signature = sign(&message);
    format!("{message}.{signature}")
}

#[test]
fn only_what_we_signed_is_accepted() {
    let (_data, keys) = keys();
    let (_other_data, stranger) = self::keys();
    let kid = part(&signed(&keys, "pool").0, 0)["kid"].clone();
    let public = URL_SAFE_NO_PAD.decode(part_of_jwk(&keys)).unwrap();
    let hmac = |message: &str| {
        let key = EncodingKey::from_secret(&public);
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap()
    };
    for kind in KINDS {
        let Token(good) = signed(&keys, kind);
        // The claims of a good token, changed, signed with the good key.
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut claims = part(&good, 1);
            change(&mut claims);
            keys.sign_envelope(&claims).unwrap().0
        };
        let without = |name: &'static str| changed(&move |claims| drop(claims.as_object_mut().unwrap().remove(name)));
        assert_eq!(verified(keys.verifying(), kind, &changed(&|_| ()), ME, now()), Ok(()), "{kind}: the helper");
        let cases = [
            ("another algorithm: none", forged(&good, &json!({"alg": "none", "kid": kid}), |_| String::new())),
            ("HS256 with the public key", forged(&good, &json!({"alg": "HS256", "kid": kid}), hmac)),
            ("EdDSA claimed over an HMAC", forged(&good, &json!({"alg": "EdDSA", "kid": kid}), hmac)),
            ("no key id", forged(&good, &json!({"alg": "EdDSA"}), hmac)),
            ("unknown key id", signed(&stranger, kind).0),
            ("no audience", without("aud")),
            ("an audience more", changed(&|claims| claims["aud"].as_array_mut().unwrap().push(json!("x")))),
            ("an audience less", changed(&|claims| drop(claims["aud"].as_array_mut().unwrap().pop()))),
            ("another audience", changed(&|claims| claims["aud"] = json!(["somebody"]))),
            ("no kind", without("kind")),
            ("another kind", changed(&|claims| claims["kind"] = json!("contained"))),
            ("another issuer", changed(&|claims| claims["iss"] = json!("somebody"))),
            ("no expiry", without("exp")),
            ("an expiry no clock reaches", changed(&|claims| claims["exp"] = json!(u64::MAX))),
            ("a negative expiry", changed(&|claims| claims["exp"] = json!(-1))),
            ("cut short", good[..good.len() - 4].to_owned()),
            ("changed claims", good.replacen('.', ".e30", 1)),
            ("garbage", "garbage".to_owned()),
            ("three empty parts", "..".to_owned()),
            ("nothing", String::new()),
            ("too long", "a".repeat(TOKEN_BYTES_MAX + 1)),
        ];
        for (what, token) in cases {
            let refused = verified(keys.verifying(), kind, &token, ME, now());
            assert_eq!(refused, Err(TokenError::Invalid), "{kind}: {what}");
        }
    }
}

fn part_of_jwk(keys: &TokenKeys) -> String {
    serde_json::to_value(keys.jwks()).unwrap()["keys"][0]["x"].as_str().unwrap().to_owned()
}

#[test]
fn a_rotation_signs_with_a_new_key_and_keeps_old_tokens_valid() {
    let (data, old) = keys();
    let before = signed(&old, "access").0;
    let rotated = TokenKeys::rotate(data.path()).unwrap();
    let after = signed(&rotated, "access").0;
    assert_ne!(part(&before, 0)["kid"], part(&after, 0)["kid"]);
    let reloaded = TokenKeys::load(data.path()).unwrap();
    for keys in [&rotated, &reloaded] {
        assert_eq!(verified(keys.verifying(), "access", &before, ME, now()), Ok(()));
        assert_eq!(verified(keys.verifying(), "access", &after, ME, now()), Ok(()));
        assert_eq!(keys.jwks().keys.len(), 2);
    }
    let unaware = verified(old.verifying(), "access", &after, ME, now());
    assert_eq!(unaware, Err(TokenError::Invalid), "who has only the old key does not know the new one");
    // Left behind by a rotation that was killed.
    std::fs::write(TokenKeys::path(data.path()).with_extension("json.new"), "").unwrap();
    assert_eq!(TokenKeys::rotate(data.path()).unwrap().jwks().keys.len(), 3);
}

#[test]
fn a_process_that_looks_again_signs_with_the_new_key_and_keeps_its_keys_if_it_cannot_look() {
    let (data, keys) = keys();
    let verifying = keys.verifying().clone();
    let before = signed(&keys, "access").0;
    assert!(!keys.refresh().unwrap(), "nothing changed");
    TokenKeys::rotate(data.path()).unwrap();
    assert!(keys.refresh().unwrap());
    let after = signed(&keys, "access").0;
    assert_ne!(part(&before, 0)["kid"], part(&after, 0)["kid"]);
    assert_eq!(part(&after, 0)["kid"], keys.names()[0]);
    std::fs::write(TokenKeys::path(data.path()), "{}").unwrap();
    assert!(matches!(keys.refresh(), Err(KeyError::Damaged { .. })));
    std::fs::remove_file(TokenKeys::path(data.path())).unwrap();
    assert!(matches!(keys.refresh(), Err(KeyError::File { .. })));
    for token in [before, after] {
        assert_eq!(verified(&verifying, "access", &token, ME, now()), Ok(()), "shared by all clones");
    }
}

#[test]
fn a_token_that_is_believed_ends_with_its_time_and_with_its_key() {
    let ((_data, keys), (_more, others)) = (keys(), keys());
    let [ours, theirs] = [&keys, &others].map(|keys| verify::VerifyingKey::of(&keys.jwks()));
    let (published, receiver) = tokio::sync::watch::channel(ours.clone());
    let verifying = VerifyingKeys::new(receiver);
    let Token(token) = signed(&keys, "access");
    let after = |seconds| verifying.access(&token, now() + Duration::from_secs(seconds)).map(|access| access.user);
    assert_eq!((after(0), after(305), after(306)), (Ok(USER), Ok(USER), Err(TokenError::Expired)));
    published.send_replace(theirs);
    assert_eq!(after(0), Err(TokenError::Invalid), "its key was withdrawn");
    published.send_replace(ours);
    assert_eq!(after(0), Ok(USER));
}

#[test]
fn keys_are_never_made_by_load_and_damage_is_named() {
    let data = tempfile::tempdir().unwrap();
    assert!(matches!(TokenKeys::load(data.path()), Err(KeyError::File { .. })));
    assert!(matches!(TokenKeys::rotate(data.path()), Err(KeyError::File { .. })));
    std::fs::create_dir(data.path().join("keys")).unwrap();
    for damage in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"algorithm":"EdDSA","pkcs8":"s3cret"}]}"#] {
        std::fs::write(TokenKeys::path(data.path()), damage).unwrap();
        let error = TokenKeys::load_or_create(data.path()).err().unwrap();
        assert!(matches!(error, KeyError::Damaged { .. }), "{damage}");
        assert!(!error.to_string().contains("s3cret"), "the key stays out of the message");
    }
}

#[test]
fn the_key_set_holds_no_private_key() {
    let (_data, keys) = keys();
    let jwks = serde_json::to_value(keys.jwks()).unwrap();
    let fields: Vec<&str> = jwks["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["alg", "crv", "kid", "kty", "use", "x"]);
}

#[test]
fn keys_of_another_type_in_a_key_set_are_passed_over() {
    let (_data, keys) = keys();
    let mut jwks = serde_json::to_value(keys.jwks()).unwrap();
    jwks["keys"].as_array_mut().unwrap().insert(0, json!({"kty": "RSA", "kid": "1", "n": "AQ", "e": "AQAB"}));
    let jwks: Jwks = serde_json::from_value(jwks).unwrap();
    let Token(token) = signed(&keys, "order");
    assert_eq!(VerifyingKeys::from_jwks(&jwks).order(&token, ME, now()), Ok(ORDER));
    let none = VerifyingKeys::from_jwks(&Jwks { keys: Vec::new() });
    assert_eq!(none.order(&token, ME, now()), Err(TokenError::Invalid));
}
