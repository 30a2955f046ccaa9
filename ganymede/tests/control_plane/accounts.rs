//! Signing up and in.

use orrery_ganymede::people::{
    ChangePasswordError, DeleteAccountError, NewKey, PasswordHashing, People, Scope, SignInError, SignUpError,
};
use orrery_protocol::access::OrgRole;

use sqlx::Row;

use crate::{
    support::{Scratch, on_both},
    world::{PASSWORD, START_MS, World, address, at_once, new_user, quick},
};

on_both!(
    the_first_account_is_the_administrator,
    twenty_first_accounts_at_once_make_one_administrator,
    a_refused_first_account_leaves_the_place_to_the_next,
    one_address_has_one_account,
    all_bad_fields_are_told_at_once,
    a_wrong_password_and_an_unknown_address_look_the_same,
    a_changed_password_ends_sessions,
    signing_in_brings_an_old_hash_to_the_cost_of_today,
    an_account_goes_with_everything_of_it,
    an_account_that_is_needed_stays,
);

async fn the_first_account_is_the_administrator(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let bob = world.person("bob").await;
    assert!(alice.administrator && !bob.administrator);
    assert_eq!(
        (alice.email.as_str(), alice.name.as_str(), alice.created_at_ms),
        ("alice@example.com", "alice", START_MS)
    );
    assert_eq!(world.people.user(alice.id).await.unwrap(), Some(alice.clone()));
    assert_eq!(world.people.by_email(" ALICE@example.com").await.unwrap(), Some(alice));
    assert_eq!(world.people.by_email("carol@example.com").await.unwrap(), None);
}

async fn twenty_first_accounts_at_once_make_one_administrator(scratch: Scratch) {
    let world = World::new(&scratch);
    let all = at_once((0..20).map(|n| {
        let people = world.people.clone();
        let name = format!("user{n}");
        async move { people.sign_up(START_MS, new_user(&address(&name), PASSWORD, &name)).await }
    }));
    let all: Vec<_> = all.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|user| user.administrator).count(), 1);
    for user in all {
        assert_eq!(world.people.user(user.id).await.unwrap(), Some(user), "what was answered is what is stored");
    }
}

async fn a_refused_first_account_leaves_the_place_to_the_next(scratch: Scratch) {
    let world = World::new(&scratch);
    let refused = world.people.sign_up(START_MS, new_user("alice@example.com", "short", "alice")).await;
    assert!(matches!(refused, Err(SignUpError::Invalid(_))));
    assert!(world.person("bob").await.administrator);
}

async fn one_address_has_one_account(scratch: Scratch) {
    let world = World::new(&scratch);
    let spellings = ["alice@example.com", "Alice@Example.com", " ALICE@EXAMPLE.COM ", "alice@EXAMPLE.com"];
    let all = at_once(spellings.into_iter().cycle().take(12).map(|email| {
        let people = world.people.clone();
        async move { people.sign_up(START_MS, new_user(email, PASSWORD, "Alice")).await }
    }));
    let (made, refused): (Vec<_>, Vec<_>) = all.await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    assert!(refused.iter().all(|refused| matches!(refused, Err(SignUpError::EmailTaken))), "{refused:?}");
    assert!(matches!(world.try_person("alice").await, Err(SignUpError::EmailTaken)), "and later too");
    assert!(made[0].as_ref().unwrap().administrator, "whose place nobody took");
}

async fn all_bad_fields_are_told_at_once(scratch: Scratch) {
    let world = World::new(&scratch);
    let refused = world.people.sign_up(START_MS, new_user("nobody", "short", " ")).await;
    let Err(SignUpError::Invalid(invalid)) = refused else { panic!("{refused:?}") };
    let fields: Vec<_> = invalid.fields.into_iter().map(|(field, problem)| format!("{field} {problem}")).collect();
    assert_eq!(
        fields,
        [
            "email is an e-mail address of at most 254 bytes",
            "name is 1 to 80 visible characters",
            "password is 8 to 256 characters",
        ]
    );
}

async fn a_wrong_password_and_an_unknown_address_look_the_same(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    for spelling in ["alice@example.com", " Alice@EXAMPLE.com "] {
        assert_eq!(world.people.sign_in(spelling, PASSWORD).await.unwrap(), alice);
    }
    let mut refusals = Vec::new();
    for (email, password) in [
        ("alice@example.com", "wrong horse battery staple"),
        ("alice@example.com", ""),
        ("alice@example.com", &format!("{PASSWORD} ")),
        ("alice@example.com", &"a".repeat(100_000)),
        ("bob@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
    ] {
        let refused = world.people.sign_in(email, password).await.unwrap_err();
        assert!(matches!(refused, SignInError::Refused), "{email:?}");
        refusals.push(refused.to_string());
    }
    refusals.dedup();
    assert_eq!(refusals, ["the e-mail address or the password is wrong"]);
}

async fn a_changed_password_ends_sessions(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let session = world.people.open_session(START_MS, alice.id).await.unwrap();
    let of_bob = world.people.open_session(START_MS, bob.id).await.unwrap();

    let refused = world.people.change_password(alice.id, "wrong password", "another password").await;
    assert!(matches!(refused, Err(ChangePasswordError::Refused)));
    let refused = world.people.change_password(alice.id, PASSWORD, "short").await;
    let Err(ChangePasswordError::Invalid(invalid)) = refused else { panic!("{refused:?}") };
    assert_eq!(invalid.fields["new_password"], "is 8 to 256 characters");
    assert_eq!(
        world.people.session(START_MS, session.expose()).await.unwrap(),
        Some(alice.clone()),
        "nothing happened"
    );

    world.people.change_password(alice.id, PASSWORD, "another password").await.unwrap();
    assert_eq!(world.people.session(START_MS, session.expose()).await.unwrap(), None);
    assert_eq!(world.people.session(START_MS, of_bob.expose()).await.unwrap(), Some(bob));
    assert!(matches!(world.people.sign_in(&alice.email, PASSWORD).await, Err(SignInError::Refused)));
    assert_eq!(world.people.sign_in(&alice.email, "another password").await.unwrap(), alice);
}

async fn signing_in_brings_an_old_hash_to_the_cost_of_today(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let dear = PasswordHashing { memory_kib: 16, iterations: 2, ..quick() };
    let later = People::new(scratch.database.clone(), &dear).unwrap();
    for (password, cost) in [
        ("wrong password", "$argon2id$v=19$m=8,t=1,p=1$"),
        (PASSWORD, "$argon2id$v=19$m=16,t=2,p=1$"),
        (PASSWORD, "$argon2id$v=19$m=16,t=2,p=1$"),
    ] {
        assert_eq!(later.sign_in(&alice.email, password).await.is_ok(), password == PASSWORD);
        let row = sqlx::query("SELECT password FROM users").fetch_one(scratch.database.sqlx()).await.unwrap();
        let hash: String = row.get("password");
        assert!(hash.starts_with(cost), "{hash}");
    }
    assert_eq!(world.people.sign_in(&alice.email, PASSWORD).await.unwrap(), alice, "whatever it costs");
}

async fn an_account_goes_with_everything_of_it(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let bob = world.person("bob").await;
    world.orgs.add_member(START_MS, org.id, &bob.email, OrgRole::Owner).await.unwrap();
    let session = world.people.open_session(START_MS, bob.id).await.unwrap();
    let new = NewKey { name: "bot".to_owned(), scopes: [Scope::Read].into(), expires_at_ms: None };
    let (_, key) = world.people.create_key(START_MS, bob.id, new).await.unwrap();
    let version = world.orgs.org(org.id).await.unwrap().unwrap().version;
    let wrong = world.people.delete_account(bob.id, "another password").await;
    assert!(matches!(wrong, Err(DeleteAccountError::Refused)), "{wrong:?}");
    assert_eq!(world.people.delete_account(bob.id, PASSWORD).await.unwrap(), [org.id]);
    assert_eq!(world.people.user(bob.id).await.unwrap(), None);
    assert_eq!(world.people.session(START_MS, session.expose()).await.unwrap(), None);
    assert!(world.people.key(START_MS, key.expose()).await.unwrap().is_none());
    assert_eq!(world.orgs.role(org.id, bob.id).await.unwrap(), None);
    assert!(world.orgs.org(org.id).await.unwrap().unwrap().version > version, "its gateway is to hear of it");
    assert_eq!(world.orgs.role(org.id, alice.id).await.unwrap(), Some(OrgRole::Owner));
    assert!(matches!(world.people.sign_in(&bob.email, PASSWORD).await, Err(SignInError::Refused)));
    let again = world.people.delete_account(bob.id, PASSWORD).await;
    assert!(matches!(again, Err(DeleteAccountError::Refused)), "{again:?}");
    world.person("bob").await;
}

async fn an_account_that_is_needed_stays(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let (bob, org) = world.owner("bob").await;
    world.orgs.add_member(START_MS, org.id, &alice.email, OrgRole::Member).await.unwrap();
    let last_owner = world.people.delete_account(bob.id, PASSWORD).await;
    assert!(matches!(last_owner, Err(DeleteAccountError::LastOwner)), "{last_owner:?}");
    assert_eq!(world.orgs.role(org.id, bob.id).await.unwrap(), Some(OrgRole::Owner));
    let administrator = world.people.delete_account(alice.id, PASSWORD).await;
    assert!(matches!(administrator, Err(DeleteAccountError::Administrator)), "{administrator:?}");
    assert_eq!(world.orgs.role(org.id, alice.id).await.unwrap(), Some(OrgRole::Member), "nothing of it happened");
}
