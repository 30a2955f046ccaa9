//! An empty data base for each test: a file, or a schema of the PostgreSQL server that `ORRERY_TEST_POSTGRES` names.

use std::{future::Future, path::PathBuf};

use orrery_ganymede::database::{Database, DatabaseUrl};
use sqlx::{AssertSqlSafe, Row, raw_sql};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Tells each story on both data bases. A story is an `async fn(Scratch)`.
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $story() {
                crate::support::on_sqlite(super::$story);
            })+
        }

        mod postgres {
            $(#[test]
            fn $story() {
                crate::support::on_postgres(super::$story);
            })+
        }
    };
}
pub(crate) use on_both;

/// An empty data base, opened.
#[derive(Clone)]
pub(crate) struct Scratch {
    pub(crate) database: Database,
    pub(crate) url: DatabaseUrl,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Schema(String),
}

impl Scratch {
    /// Everything that is stored, as somebody reads it who gets hold of the disk or of a dump.
    pub(crate) async fn dump(&self) -> String {
        match &self.place {
            Place::Folder(folder) => {
                let files = folder.read_dir().unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
                files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
            }
            Place::Schema(schema) => {
                let select = AssertSqlSafe(format!("SELECT schema_to_xml('{schema}', true, false, '')::text AS dump"));
                raw_sql(select).fetch_one(self.database.sqlx()).await.unwrap().get("dump")
            }
        }
    }
}

pub(crate) fn on_sqlite<F: Future<Output = ()>>(story: impl FnOnce(Scratch) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("orrery.db"));
    Runtime::new().unwrap().block_on(async {
        let database = Database::open(&url).await.unwrap();
        story(Scratch { database: database.clone(), url, place: Place::Folder(folder.path().to_owned()) }).await;
        database.close().await;
    });
}

pub(crate) fn on_postgres<F: Future<Output = ()>>(story: impl FnOnce(Scratch) -> F) {
    let Some(server) = variable("ORRERY_TEST_POSTGRES") else {
        assert!(variable("CI").is_none(), "ORRERY_TEST_POSTGRES names no server, and in CI there must be one");
        eprintln!("skipped: ORRERY_TEST_POSTGRES names no PostgreSQL server; make test starts one");
        return;
    };
    let schema = format!("test_{}", Uuid::new_v4().simple());
    let separator = if server.contains('?') { '&' } else { '?' };
    let url: DatabaseUrl = format!("{server}{separator}options[search_path]={schema}").parse().unwrap();
    Runtime::new().unwrap().block_on(async {
        sqlx::any::install_default_drivers();
        let admin = sqlx::AnyPool::connect(&server).await.unwrap();
        raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&admin).await.unwrap();
        let database = Database::open(&url).await.unwrap();
        story(Scratch { database: database.clone(), url, place: Place::Schema(schema.clone()) }).await;
        database.close().await;
        raw_sql(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).execute(&admin).await.unwrap();
    });
}

fn variable(name: &str) -> Option<String> {
    std::env::vars().find_map(|(found, value)| (found == name && !value.is_empty()).then_some(value))
}
