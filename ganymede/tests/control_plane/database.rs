//! The tables themselves.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt};

use orrery_ganymede::{
    database::{Database, DatabaseError, DatabaseUrl, OpenDatabaseError},
    orgs::Orgs,
    people::{NewKey, People, Scope},
};
use orrery_protocol::access::OrgRole;

use crate::{
    support::{Scratch, on_both},
    world::{PASSWORD, START_MS, World, address, quick},
};

on_both!(
    tables_are_made_once,
    two_processes_make_the_tables_together,
    what_is_committed_is_there_after_opening_again,
    a_transaction_that_is_dropped_changes_nothing,
    a_taken_unique_value_is_a_conflict,
    rows_that_others_depend_on_do_not_dangle,
    a_dump_opens_nothing,
    a_closed_data_base_says_so,
);

async fn tables_are_made_once(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let again = Database::open(&scratch.url).await.unwrap();
    assert_eq!(People::new(again.clone(), &quick()).unwrap().user(alice.id).await.unwrap(), Some(alice));
    again.check().await.unwrap();
}

async fn two_processes_make_the_tables_together(scratch: Scratch) {
    let again = crate::world::at_once((0..4).map(|_| {
        let url = scratch.url.clone();
        async move { Database::open(&url).await.map(drop) }
    }));
    for opened in again.await {
        opened.unwrap();
    }
}

async fn what_is_committed_is_there_after_opening_again(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    scratch.database.close().await;
    let database = Database::open(&scratch.url).await.unwrap();
    let orgs = Orgs::new(database.clone());
    assert_eq!(orgs.of(alice.id).await.unwrap(), [(org, OrgRole::Owner)]);
    database.close().await;
}

async fn a_transaction_that_is_dropped_changes_nothing(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let mut tx = scratch.database.begin().await.unwrap();
    sqlx::query("DELETE FROM users").execute(&mut *tx).await.unwrap();
    drop(tx);
    assert_eq!(world.people.user(alice.id).await.unwrap(), Some(alice));
}

async fn a_taken_unique_value_is_a_conflict(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let insert = "INSERT INTO org_members (org_id, user_id, role, added_at) VALUES ($1, $2, 'member', 0)";
    let insert = sqlx::query(insert).bind(org.id.to_string()).bind(alice.id.to_string());
    let error = DatabaseError::from(insert.execute(scratch.database.sqlx()).await.unwrap_err());
    let DatabaseError::Conflict(conflict) = &error else { panic!("{error:?}") };
    assert!(conflict.constraint.contains("org_members"), "{conflict}");
    assert!(!error.to_string().contains(&alice.id.to_string()), "the value is not repeated: {error}");
}

async fn rows_that_others_depend_on_do_not_dangle(scratch: Scratch) {
    let insert = "INSERT INTO org_members (org_id, user_id, role, added_at) VALUES ('nowhere', 'nobody', 'member', 0)";
    let error = DatabaseError::from(sqlx::query(insert).execute(scratch.database.sqlx()).await.unwrap_err());
    assert!(matches!(error, DatabaseError::Failed(_)), "{error:?}");
}

/// Sessions, keys and passwords are kept as digests only.
async fn a_dump_opens_nothing(scratch: Scratch) {
    let world = World::new(&scratch);
    let alice = world.person("alice").await;
    let session = world.people.open_session(START_MS, alice.id).await.unwrap();
    let new = NewKey { name: "bot".to_owned(), scopes: BTreeSet::from([Scope::Read]), expires_at_ms: None };
    let (key, secret) = world.people.create_key(START_MS, alice.id, new).await.unwrap();
    let (prefix, of_key) = secret.expose().rsplit_once(&format!("{}_", key.id)).unwrap();
    assert_eq!(prefix, "ok_");

    let dump = scratch.dump().await;
    for stored in [address("alice").as_str(), "$argon2id$", &key.id.to_string()] {
        assert!(dump.contains(stored), "this is no dump: {stored} is missing");
    }
    for secret in [PASSWORD, session.expose(), of_key] {
        assert!(!dump.contains(secret), "a dump holds {secret}");
    }
}

async fn a_closed_data_base_says_so(scratch: Scratch) {
    scratch.database.check().await.unwrap();
    scratch.database.close().await;
    assert!(matches!(scratch.database.check().await, Err(DatabaseError::Failed(_))));
}

#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orrery.db");
    let database = Database::open(&DatabaseUrl::sqlite(&path)).await.unwrap();
    let files: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.contains(&path));
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    database.close().await;
}

#[tokio::test]
async fn a_path_with_odd_characters_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% of #1?mode=memory&ä b.db");
    let database = Database::open(&DatabaseUrl::sqlite(&path)).await.unwrap();
    database.close().await;
    let files: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, [path]);
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = DatabaseUrl::sqlite(folder.path().join("missing/orrery.db"));
    assert!(matches!(Database::open(&missing).await, Err(OpenDatabaseError::File { .. })));

    let path = folder.path().join("text.db");
    std::fs::write(&path, "this is a text, and by far too long to be the header of a data base of SQLite, is it not?")
        .unwrap();
    assert!(matches!(Database::open(&DatabaseUrl::sqlite(&path)).await, Err(OpenDatabaseError::Unreachable { .. })));

    let nobody: DatabaseUrl = "postgres://orrery:hunter2@127.0.0.1:1/orrery".parse().unwrap();
    let error = Database::open(&nobody).await.unwrap_err();
    assert!(matches!(error, OpenDatabaseError::Unreachable { .. }), "{error}");
    assert!(error.to_string().starts_with("the data base postgres://127.0.0.1:1/orrery cannot be reached"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

/// Whoever runs an old program on tables of a newer one gets no chance to damage them.
#[tokio::test]
async fn tables_of_a_newer_program_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("orrery.db"));
    let database = Database::open(&url).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'from the future', 1, x'00', 0)";
    sqlx::query(newer).execute(database.sqlx()).await.unwrap();
    database.close().await;
    assert!(matches!(Database::open(&url).await, Err(OpenDatabaseError::Migrate { .. })));
}
