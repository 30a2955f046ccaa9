//! Sessions, on a clock that the story turns.

use orrery_ganymede::people::{OpenSessionError, SESSION_LIFE_MS, SESSION_LIFE_MS_MAX, SessionId};
use orrery_protocol::id::UserId;
use sqlx::Row;
use uuid::Uuid;

use crate::{
    support::{Scratch, on_both},
    world::{DAY_MS, HOUR_MS, START_MS, World},
};

on_both!(
    a_session_ends_when_it_is_closed,
    an_unused_session_ends_after_30_days,
    a_used_session_ends_after_90_days,
    use_is_written_down_once_an_hour,
    only_the_newest_hundred_sessions_live,
    what_has_expired_is_swept,
    nobody_has_no_session,
    sessions_are_listed_without_what_opens_them_and_ended_one_by_one,
    all_sessions_end_but_the_one_that_is_kept,
);

async fn a_session_ends_when_it_is_closed(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let (one, other) = (
        world.people.open_session(START_MS, alice.id).await.unwrap(),
        world.people.open_session(START_MS, alice.id).await.unwrap(),
    );
    assert_ne!(one, other);
    world.people.close_session(one.expose()).await.unwrap();
    world.people.close_session(one.expose()).await.unwrap();
    world.people.close_session("no session").await.unwrap();
    assert_eq!(world.people.session(START_MS, one.expose()).await.unwrap(), None);
    assert_eq!(world.people.session(START_MS, other.expose()).await.unwrap(), Some(alice));
    for nonsense in ["", "no session", &"a".repeat(100_000), "\0"] {
        assert_eq!(world.people.session(START_MS, nonsense).await.unwrap(), None);
    }
}

async fn an_unused_session_ends_after_30_days(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let session = world.people.open_session(START_MS, alice.id).await.unwrap();
    let end_ms = START_MS + SESSION_LIFE_MS;
    assert_eq!(world.people.session(end_ms, session.expose()).await.unwrap(), None);
    assert_eq!(world.people.session(end_ms - 1, session.expose()).await.unwrap(), Some(alice.clone()));
    assert_eq!(world.people.session(end_ms, session.expose()).await.unwrap(), Some(alice), "it was used just now");
}

async fn a_used_session_ends_after_90_days(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let session = world.people.open_session(START_MS, alice.id).await.unwrap();
    for day in 1..90 {
        let now_ms = START_MS + day * DAY_MS;
        assert_eq!(world.people.session(now_ms, session.expose()).await.unwrap(), Some(alice.clone()), "day {day}");
    }
    let end_ms = START_MS + SESSION_LIFE_MS_MAX;
    assert_eq!(world.people.session(end_ms - 1, session.expose()).await.unwrap(), Some(alice));
    assert_eq!(world.people.session(end_ms, session.expose()).await.unwrap(), None);
}

async fn use_is_written_down_once_an_hour(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let session = world.people.open_session(START_MS, alice.id).await.unwrap();
    for (used_at_ms, renewed_at_ms) in [
        (START_MS + 1, START_MS),
        (START_MS + HOUR_MS - 1, START_MS),
        (START_MS + HOUR_MS, START_MS + HOUR_MS),
        (START_MS + HOUR_MS + 1, START_MS + HOUR_MS),
        // A clock that was turned back.
        (START_MS, START_MS + HOUR_MS),
    ] {
        assert_eq!(world.people.session(used_at_ms, session.expose()).await.unwrap(), Some(alice.clone()));
        let row = sqlx::query("SELECT renewed_at FROM sessions").fetch_one(scratch.database.sqlx()).await.unwrap();
        assert_eq!(row.get::<i64, _>("renewed_at"), i64::try_from(renewed_at_ms).unwrap());
    }
}

async fn only_the_newest_hundred_sessions_live(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let of_bob = world.people.open_session(START_MS - 1, bob.id).await.unwrap();
    let mut sessions = Vec::new();
    for n in 0..103 {
        sessions.push(world.people.open_session(START_MS + n, alice.id).await.unwrap());
    }
    let now_ms = START_MS + 200;
    for (n, session) in sessions.iter().enumerate() {
        let found = world.people.session(now_ms, session.expose()).await.unwrap();
        assert_eq!(found.is_some(), n >= 3, "session {n}");
    }
    assert_eq!(world.people.session(now_ms, of_bob.expose()).await.unwrap(), Some(bob), "one's own only");
}

async fn what_has_expired_is_swept(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    world.people.open_session(START_MS, alice.id).await.unwrap();
    let later = world.people.open_session(START_MS + DAY_MS, alice.id).await.unwrap();
    assert_eq!(world.people.sweep(START_MS + SESSION_LIFE_MS - 1).await.unwrap(), 0);
    assert_eq!(world.people.sweep(START_MS + SESSION_LIFE_MS).await.unwrap(), 1);
    let found = world.people.session(START_MS + SESSION_LIFE_MS, later.expose()).await.unwrap();
    assert_eq!(found, Some(alice), "the other one lives");
}

async fn nobody_has_no_session(scratch: Scratch) {
    let world = World::new(&scratch);
    let refused = world.people.open_session(START_MS, UserId(Uuid::from_u128(1))).await;
    assert!(matches!(refused, Err(OpenSessionError::NoSuchUser)), "{refused:?}");
}

async fn sessions_are_listed_without_what_opens_them_and_ended_one_by_one(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let one = world.people.open_session(START_MS, alice.id).await.unwrap();
    let other = world.people.open_session(START_MS + HOUR_MS, alice.id).await.unwrap();
    let listed = world.people.sessions_of(START_MS + HOUR_MS, alice.id).await.unwrap();
    let [one_id, other_id] = [&one, &other].map(|secret| SessionId::of(secret.expose()).unwrap());
    assert_eq!(listed.iter().map(|session| &session.id).collect::<Vec<_>>(), [&other_id, &one_id]);
    assert_eq!((listed[1].opened_at_ms, listed[1].used_at_ms), (START_MS, START_MS));
    assert_eq!(listed[1].expires_at_ms, START_MS + SESSION_LIFE_MS);
    assert!(!format!("{listed:?}").contains(one.expose()));
    assert_eq!(world.people.session(START_MS, &one_id.to_string()).await.unwrap(), None, "an id opens nothing");

    assert!(!world.people.end_session(bob.id, &one_id).await.unwrap(), "not his");
    assert!(world.people.end_session(alice.id, &one_id).await.unwrap());
    assert!(!world.people.end_session(alice.id, &one_id).await.unwrap(), "it is over");
    assert_eq!(world.people.session(START_MS, one.expose()).await.unwrap(), None);
    assert_eq!(world.people.session(START_MS, other.expose()).await.unwrap(), Some(alice.clone()));
    let end_ms = START_MS + HOUR_MS + SESSION_LIFE_MS;
    assert_eq!(world.people.sessions_of(end_ms, alice.id).await.unwrap(), [], "what has ended is not listed");
    for nonsense in ["", "0123456789abcde", "0123456789abcdeF", "%%%%%%%%%%%%%%%%"] {
        assert!(nonsense.parse::<SessionId>().is_err(), "{nonsense}");
    }
}

async fn all_sessions_end_but_the_one_that_is_kept(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let mut hers = Vec::new();
    for _ in 0..3 {
        hers.push(world.people.open_session(START_MS, alice.id).await.unwrap());
    }
    let his = world.people.open_session(START_MS, bob.id).await.unwrap();
    let kept = SessionId::of(hers[1].expose()).unwrap();
    world.people.end_sessions(alice.id, &[kept]).await.unwrap();
    let mut open = Vec::new();
    for session in hers.iter().chain([&his]) {
        open.push(world.people.session(START_MS, session.expose()).await.unwrap().is_some());
    }
    assert_eq!(open, [false, true, false, true]);
}
