//! The tables, as numbered steps. A step that was released never changes: the next one does. Listed by hand, because the
//! macro that collects a folder compiles both drivers a second time.

use std::borrow::Cow;

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "people and organizations", include_str!("../../migrations/0001_people.sql")),
    (2, "gateway pool", include_str!("../../migrations/0002_pool.sql")),
    (3, "notes of projects", include_str!("../../migrations/0003_notes.sql")),
    (4, "tombstones", include_str!("../../migrations/0004_tombstones.sql")),
];

/// Each step runs once, in a transaction of its own; on PostgreSQL one process at a time.
pub(super) fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(version, description, sql)| {
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}
