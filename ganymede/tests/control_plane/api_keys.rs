//! API keys.

use std::collections::BTreeSet;

use orrery_ganymede::people::{API_KEYS_MAX, CreateKeyError, NewKey, Scope};
use orrery_protocol::id::UserId;
use uuid::Uuid;

use crate::{
    support::{Scratch, on_both},
    world::{DAY_MS, SECOND_MS, START_MS, World, at_once},
};

on_both!(
    a_key_is_its_users,
    a_key_that_is_not_exactly_right_opens_nothing,
    a_key_ends_when_it_expires_or_is_deleted,
    use_is_written_down_once_a_minute,
    fifty_keys_are_enough_even_at_once,
    a_bad_key_is_refused_by_field,
    nobody_has_no_key,
);

fn new_key(name: &str, scopes: &[Scope]) -> NewKey {
    NewKey { name: name.to_owned(), scopes: scopes.iter().copied().collect(), expires_at_ms: None }
}

async fn a_key_is_its_users(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let scopes = [Scope::Read, Scope::Write];
    let (key, secret) = world.people.create_key(START_MS, alice.id, new_key(" CI bot ", &scopes)).await.unwrap();
    assert!(secret.expose().starts_with(&format!("ok_{}_", key.id)) && secret.expose().len() == 3 + 16 + 1 + 43);
    assert_eq!((key.name.as_str(), key.last_used_at_ms), ("CI bot", None));
    assert_eq!(key.scopes, BTreeSet::from(scopes));
    assert_eq!(world.people.api_keys(alice.id).await.unwrap(), std::slice::from_ref(&key));
    assert_eq!(world.people.api_keys(bob.id).await.unwrap(), []);

    let (user, used) = world.people.key(START_MS, secret.expose()).await.unwrap().unwrap();
    assert_eq!((user, &used.id), (alice, &key.id));
    assert_eq!(Scope::ALL.map(|scope| used.allows(scope)), [true, true, false]);
}

async fn a_key_that_is_not_exactly_right_opens_nothing(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let (key, secret) = world.people.create_key(START_MS, alice.id, new_key("one", &[Scope::Read])).await.unwrap();
    let (other, other_secret) =
        world.people.create_key(START_MS, alice.id, new_key("two", &[Scope::Admin])).await.unwrap();
    let right = secret.expose();
    let other_right = other_secret.expose();
    for wrong in [
        "",
        "ok_",
        "ok__",
        &format!("ok_{}_", key.id),
        &format!("ok_{}", key.id),
        &right[..right.len() - 1],
        &format!("{right}a"),
        &right.to_uppercase(),
        &right.replacen("ok_", "", 1),
        &other_right.replace(other.id.to_string().as_str(), key.id.to_string().as_str()),
        &format!("ok_{}_{}", key.id, "a".repeat(100_000)),
    ] {
        assert_eq!(world.people.key(START_MS, wrong).await.unwrap(), None, "{wrong}");
    }
    assert!(world.people.key(START_MS, right).await.unwrap().is_some());
}

async fn a_key_ends_when_it_expires_or_is_deleted(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let end_ms = START_MS + DAY_MS;
    let new = NewKey { expires_at_ms: Some(end_ms), ..new_key("short", &[Scope::Read]) };
    let (_, short) = world.people.create_key(START_MS, alice.id, new).await.unwrap();
    assert!(world.people.key(end_ms - 1, short.expose()).await.unwrap().is_some());
    assert_eq!(world.people.key(end_ms, short.expose()).await.unwrap(), None);
    assert_eq!(world.people.api_keys(alice.id).await.unwrap().len(), 1, "an expired key is still listed");

    let (key, secret) = world.people.create_key(START_MS, alice.id, new_key("long", &[Scope::Read])).await.unwrap();
    assert!(!world.people.delete_key(bob.id, &key.id).await.unwrap(), "it is not Bob's");
    assert!(world.people.key(end_ms, secret.expose()).await.unwrap().is_some());
    assert!(world.people.delete_key(alice.id, &key.id).await.unwrap());
    assert!(!world.people.delete_key(alice.id, &key.id).await.unwrap());
    assert_eq!(world.people.key(end_ms, secret.expose()).await.unwrap(), None);
}

async fn use_is_written_down_once_a_minute(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let (_, secret) = world.people.create_key(START_MS, alice.id, new_key("bot", &[Scope::Read])).await.unwrap();
    for (used_at_ms, noted_at_ms) in [
        (START_MS + 5, START_MS + 5),
        (START_MS + 4 + 60 * SECOND_MS, START_MS + 5),
        (START_MS + 5 + 60 * SECOND_MS, START_MS + 5 + 60 * SECOND_MS),
    ] {
        world.people.key(used_at_ms, secret.expose()).await.unwrap().unwrap();
        assert_eq!(world.people.api_keys(alice.id).await.unwrap()[0].last_used_at_ms, Some(noted_at_ms));
    }
}

async fn fifty_keys_are_enough_even_at_once(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let all = at_once((0..API_KEYS_MAX + 10).map(|n| {
        let people = world.people.clone();
        async move { people.create_key(START_MS, alice.id, new_key(&format!("key {n}"), &[Scope::Read])).await }
    }));
    let (made, refused): (Vec<_>, Vec<_>) = all.await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (50, 10));
    assert!(refused.iter().all(|refused| matches!(refused, Err(CreateKeyError::TooMany))), "{refused:?}");
    assert_eq!(world.people.api_keys(alice.id).await.unwrap().len(), 50);

    let (key, _) = made.into_iter().next().unwrap().unwrap();
    world.people.delete_key(alice.id, &key.id).await.unwrap();
    world.people.create_key(START_MS, alice.id, new_key("room again", &[Scope::Read])).await.unwrap();
    world.people.create_key(START_MS, bob.id, new_key("Bob's", &[Scope::Read])).await.unwrap();
}

async fn a_bad_key_is_refused_by_field(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let new = NewKey { expires_at_ms: Some(START_MS), ..new_key("", &[]) };
    let refused = world.people.create_key(START_MS, alice.id, new).await;
    let Err(CreateKeyError::Invalid(invalid)) = refused else { panic!("{refused:?}") };
    assert_eq!(invalid.fields.into_keys().collect::<Vec<_>>(), ["expires_at", "name", "scopes"]);
}

async fn nobody_has_no_key(scratch: Scratch) {
    let world = World::new(&scratch);
    let nobody = UserId(Uuid::from_u128(1));
    let refused = world.people.create_key(START_MS, nobody, new_key("bot", &[Scope::Read])).await;
    assert!(matches!(refused, Err(CreateKeyError::NoSuchUser)), "{refused:?}");
    assert_eq!(world.people.api_keys(nobody).await.unwrap(), []);
}
