//! How often somebody may ask, over the whole way.

use std::num::NonZeroU32;

use http::{Method, header};
use orrery_ganymede::people::Scope;
use orrery_web::limits::RateLimits;
use serde_json::json;

use crate::installation::{Installation, PASSWORD, Proof};

#[tokio::test]
async fn the_request_after_the_hundredth_is_refused_with_a_time() {
    let user_per_minute = NonZeroU32::new(100).unwrap();
    let installation = Installation::with_rates(RateLimits { user_per_minute, ..RateLimits::default() }).await;
    let (alice, bob) = (installation.sign_up("alice").await, installation.sign_up("bob").await);
    let session = installation.session(alice).await;
    let mut refused = None;
    // Buckets refill while they are emptied, so one more than the hundred may pass.
    for _ in 0..200 {
        let answer = installation.get("/api/auth/me", &session).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a bucket of 100 a minute is empty by now");
    assert!(refused.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    refused.refused(429, "RATE_LIMITED");
    installation.get("/api/auth/me", &installation.session(bob).await).await.expect(200);
    installation.get("/api/auth/me", &installation.key(alice, [Scope::Read]).await).await.expect(200);
}

#[tokio::test]
async fn an_address_is_bounded_before_anybody_asks_who_it_is() {
    let address_per_minute = NonZeroU32::new(3).unwrap();
    let installation = Installation::with_rates(RateLimits { address_per_minute, ..RateLimits::default() }).await;
    for _ in 0..3 {
        installation.get("/api/auth/me", &Proof::None).await.expect(401);
    }
    installation.get("/api/auth/me", &Proof::None).await.refused(429, "RATE_LIMITED");
    installation.get("/api/health", &Proof::None).await.expect(200);
}

#[tokio::test]
async fn failed_sign_ins_shut_the_account_for_a_while_and_successes_do_not() {
    let failed_sign_in_per_minute = NonZeroU32::new(2).unwrap();
    let rates = RateLimits { failed_sign_in_per_minute, ..RateLimits::default() };
    let installation = Installation::with_rates(rates).await;
    installation.sign_up("alice").await;
    let sign_in = async |email: &str, password: &str| {
        let form = json!({"email": email, "password": password});
        installation.ask(Method::POST, "/api/auth/login", &Proof::None, Some(&form)).await
    };
    for _ in 0..5 {
        sign_in("alice@example.org", PASSWORD).await.expect(200);
    }
    for email in ["alice@example.org", "nobody@example.org"] {
        for _ in 0..2 {
            sign_in(email, "not the password").await.expect(401);
        }
        sign_in(email, PASSWORD).await.refused(429, "RATE_LIMITED");
    }
}
