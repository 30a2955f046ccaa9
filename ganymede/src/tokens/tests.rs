use serde_json::{Value, json};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn alice() -> Principal {
    Principal {
        user: "018f4c1e-2b7a-7c3d-9e4f-000000000001".parse().unwrap(),
        name: "Alice".to_owned(),
        role: Role::Editor,
        org: "018f4c1e-2b7a-7c3d-9e4f-000000000002".parse().unwrap(),
        project: "018f4c1e-2b7a-7c3d-9e4f-000000000003".parse().unwrap(),
    }
}

fn keys() -> (tempfile::TempDir, TokenKeys) {
    let data = tempfile::tempdir().unwrap();
    let keys = TokenKeys::load_or_create(data.path()).unwrap();
    (data, keys)
}

#[test]
fn a_signed_token_names_its_bearer_after_a_restart() {
    let (data, keys) = keys();
    let now = SystemTime::now();
    let token = keys.sign(&alice(), now, HOUR).unwrap();
    for keys in [keys, TokenKeys::load_or_create(data.path()).unwrap(), TokenKeys::load(data.path()).unwrap()] {
        let access = keys.verify(&token).unwrap();
        assert_eq!(access.principal, alice());
        let lasts = access.expires_at.duration_since(now).unwrap();
        assert!(lasts <= HOUR && lasts > HOUR - Duration::from_secs(2), "{lasts:?}");
    }
}

#[test]
fn keys_are_never_made_by_load_and_damage_is_named() {
    let data = tempfile::tempdir().unwrap();
    assert!(matches!(TokenKeys::load(data.path()), Err(KeyError::File { .. })));
    std::fs::create_dir(data.path().join("keys")).unwrap();
    for damage in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"algorithm":"EdDSA","pkcs8":"s3cret"}]}"#] {
        std::fs::write(TokenKeys::path(data.path()), damage).unwrap();
        let error = TokenKeys::load_or_create(data.path()).err().unwrap();
        assert!(matches!(error, KeyError::Damaged { .. }), "{damage}");
        assert!(!error.to_string().contains("s3cret"), "the key stays out of the message");
    }
}

#[test]
fn the_key_set_verifies_and_holds_no_private_key() {
    let (_data, keys) = keys();
    let jwks = serde_json::to_value(keys.jwks()).unwrap();
    let jwk = &jwks["keys"][0];
    let fields: Vec<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["alg", "crv", "kid", "kty", "use", "x"]);
    let parsed: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let token = keys.sign(&alice(), SystemTime::now(), HOUR).unwrap();
    jsonwebtoken::decode::<Claims>(&token, &DecodingKey::from_jwk(&parsed).unwrap(), &validation()).unwrap();
}

/// The claims of a good token, changed by `change`, signed with the good key.
fn signed(keys: &TokenKeys, change: impl FnOnce(&mut Value)) -> String {
    let token = keys.sign(&alice(), SystemTime::now(), HOUR).unwrap();
    let mut claims = part(&token, 1);
    change(&mut claims);
    let header = Header { kid: Some(keys.keys[0].kid.clone()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, &claims, &keys.keys[0].signing).unwrap()
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// A good token's claims under another header and signature.
fn forged(keys: &TokenKeys, header: Value, sign: impl FnOnce(&str) -> String) -> String {
    let good = keys.sign(&alice(), SystemTime::now(), HOUR).unwrap();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), good.split('.').nth(1).unwrap());
    let signature = sign(&message);
    format!("{message}.{signature}")
}

#[test]
fn only_our_own_access_tokens_are_accepted() {
    let (_data, keys) = keys();
    let kid = keys.keys[0].kid.clone();
    let public = URL_SAFE_NO_PAD.decode(&keys.keys[0].x).unwrap();
    let hmac = |message: &str| {
        let key = EncodingKey::from_secret(&public);
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap()
    };
    let good = keys.sign(&alice(), SystemTime::now(), HOUR).unwrap();
    assert!(keys.verify(&good).is_ok(), "the table below starts from a good token");
    assert!(keys.verify(&signed(&keys, |_| ())).is_ok(), "and so does its helper");

    let (_other_data, stranger) = self::keys();
    let cut = &good[..good.len() - 4];
    let cases = [
        ("another algorithm: none", forged(&keys, json!({"alg": "none", "kid": kid}), |_| String::new())),
        ("another algorithm: HS256 with the public key", forged(&keys, json!({"alg": "HS256", "kid": kid}), hmac)),
        ("EdDSA claimed over an HMAC", forged(&keys, json!({"alg": "EdDSA", "kid": kid}), hmac)),
        ("no key id", forged(&keys, json!({"alg": "EdDSA"}), hmac)),
        ("unknown key id", stranger.sign(&alice(), SystemTime::now(), HOUR).unwrap()),
        ("wrong audience", signed(&keys, |claims| claims["aud"] = json!("orrery-ganymede"))),
        ("no audience", signed(&keys, |claims| drop(claims.as_object_mut().unwrap().remove("aud")))),
        ("wrong kind", signed(&keys, |claims| claims["kind"] = json!("container"))),
        ("no kind", signed(&keys, |claims| drop(claims.as_object_mut().unwrap().remove("kind")))),
        ("wrong issuer", signed(&keys, |claims| claims["iss"] = json!("somebody"))),
        ("unknown role", signed(&keys, |claims| claims["role"] = json!("root"))),
        ("no expiry", signed(&keys, |claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
        ("an expiry no clock reaches", signed(&keys, |claims| claims["exp"] = json!(u64::MAX))),
        ("cut short", cut.to_owned()),
        ("a changed claim", good.replacen('.', ".e30", 1)),
        ("garbage", "garbage".to_owned()),
        ("three empty parts", "..".to_owned()),
        ("nothing", String::new()),
        ("too long", "a".repeat(TOKEN_BYTES_MAX + 1)),
    ];
    for (what, token) in cases {
        assert_eq!(keys.verify(&token), Err(TokenError::Invalid), "{what}");
    }
    let stale = keys.sign(&alice(), SystemTime::now() - 2 * HOUR, HOUR).unwrap();
    assert_eq!(keys.verify(&stale), Err(TokenError::Expired));
}
