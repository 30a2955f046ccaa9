use std::{num::NonZeroU32, time::Duration};

use axum::response::IntoResponse;
use governor::clock::FakeRelativeClock;
use http::header;
use uuid::Uuid;

use super::*;

fn quotas() -> (Quotas<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let user_per_minute = NonZeroU32::new(100).unwrap();
    (Quotas::with_clock(&RateLimits { user_per_minute, ..RateLimits::default() }, clock.clone()), clock)
}

fn seconds(refused: Result<(), ApiError>) -> Option<u64> {
    let response = refused.err()?.into_response();
    assert_eq!(response.status().as_u16(), 429);
    Some(response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap())
}

#[test]
fn the_hundred_and_first_request_in_a_minute_is_refused() {
    let (quotas, clock) = quotas();
    let (alice, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
    for request in 1..=100 {
        assert_eq!(quotas.user(alice), Ok(()), "request {request}");
    }
    assert_eq!(seconds(quotas.user(alice)), Some(1), "one in 600 ms, in whole seconds");
    assert_eq!(quotas.user(bob), Ok(()), "others are not held up");
    assert_eq!(quotas.key(&"0123456789abcdef".parse().unwrap()), Ok(()), "a key has a bucket of its own");
    clock.advance(Duration::from_millis(600));
    assert_eq!(quotas.user(alice), Ok(()));
    assert!(quotas.user(alice).is_err());
    clock.advance(Duration::from_mins(1));
    assert_eq!((0..200).filter(|_| quotas.user(alice).is_ok()).count(), 100);
}

#[test]
fn only_failed_sign_ins_count_for_an_account() {
    let (quotas, clock) = quotas();
    for _ in 0..1_000 {
        assert_eq!(quotas.may_try("alice@example.org"), Ok(()), "looking takes nothing");
    }
    for _ in 0..10 {
        assert_eq!(quotas.may_try("alice@example.org"), Ok(()));
        quotas.failed(" Alice@Example.ORG ");
    }
    assert_eq!(seconds(quotas.may_try("alice@example.org")), Some(6));
    assert_eq!(quotas.may_try("bob@example.org"), Ok(()));
    clock.advance(Duration::from_secs(6));
    assert_eq!(quotas.may_try("ALICE@example.org"), Ok(()));
}

#[test]
fn sign_ins_of_one_address_are_bounded() {
    let (quotas, _) = quotas();
    let (here, there) = (Origin(IpAddr::from([127, 0, 0, 1])), Origin(IpAddr::from([127, 0, 0, 2])));
    let admitted = (0..100).filter(|_| quotas.sign_in(here).is_ok()).count();
    assert_eq!((admitted, quotas.sign_in(there)), (60, Ok(())));
}
