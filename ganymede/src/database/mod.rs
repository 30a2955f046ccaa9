//! The data base: SQLite in a file, or a PostgreSQL server, behind one set of tables and one spelling of SQL. Owns how a
//! connection is made and what the tables look like; knows nothing of what is in them.
//!
//! Both understand the common subset that everything here is written in: `TEXT` and `BIGINT` columns only, `$1`
//! placeholders, ids as hyphenated text, times as unix milliseconds, truth as 0 or 1.
//!
//! **Races.** SQLite has one connection, so its transactions follow each other. PostgreSQL runs them at once, at *read
//! committed*: a transaction that decides by what it read first takes a row that stands for it (`UPDATE orgs SET version =
//! version + 1 ..`, `UPDATE users SET name = name ..`); a later one waits there and then sees what the first one wrote.
//! Rows are taken in the order organization, user. A transaction must never use [`Database::sqlx`] while it is open: on
//! SQLite there is no second connection, and it would wait for itself.

mod error;
mod migrations;
mod row;
mod url;

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use sqlx::{
    Any, AnyConnection, AnyPool, Connection, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
};

pub use self::{
    error::{Conflict, DatabaseError, OpenDatabaseError},
    row::{Row, stored},
    url::{DatabaseUrl, InvalidDatabaseUrl},
};

/// Most connections to a PostgreSQL server.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;

/// How long a server may take to answer at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a statement waits for a connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A transaction of either data base. Rolled back unless it is committed.
pub type Tx = Transaction<'static, Any>;

/// Connections to the data base. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pool: AnyPool,
}

impl Database {
    /// Connects, and brings the tables up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenDatabaseError> {
        sqlx::any::install_default_drivers();
        let unreachable = |source| OpenDatabaseError::Unreachable { url: url.clone(), source };
        let options: AnyConnectOptions = url.connection_url()?.parse().map_err(unreachable)?;
        let mut pool = AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        let settings: &'static [&'static str] = if let Some(path) = url.sqlite_path() {
            create_private(path).map_err(|source| OpenDatabaseError::File { path: path.to_owned(), source })?;
            pool = pool.max_connections(1).idle_timeout(None).max_lifetime(None);
            &SQLITE_SETTINGS
        } else {
            pool = pool.max_connections(POSTGRES_CONNECTIONS_MAX);
            &[]
        };
        // A pool that cannot connect tries again and again, and says in the end only that it took too long.
        let first = tokio::time::timeout(CONNECT_TIMEOUT, connect_once(&options, settings)).await;
        first.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(unreachable)?;
        let pool = pool.after_connect(move |connection, _| Box::pin(apply(connection, settings)));
        let pool = pool.connect_with(options).await.map_err(unreachable)?;
        migrations::migrator()
            .run(&pool)
            .await
            .map_err(|source| OpenDatabaseError::Migrate { url: url.clone(), source })?;
        Ok(Self { pool })
    }

    /// For single statements. Within a transaction, use the transaction.
    pub fn sqlx(&self) -> &AnyPool {
        &self.pool
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx, DatabaseError> {
        Ok(self.pool.begin().await?)
    }

    /// Whether the data base answers.
    pub async fn check(&self) -> Result<(), DatabaseError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Waits for what is under way and closes every connection. What is asked for afterwards fails.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// What is committed survives a power cut; foreign keys hold; another process that reads does not stop us.
const SQLITE_SETTINGS: [&str; 4] = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
];

async fn connect_once(options: &AnyConnectOptions, settings: &'static [&'static str]) -> sqlx::Result<()> {
    let mut connection = AnyConnection::connect_with(options).await?;
    apply(&mut connection, settings).await?;
    connection.close().await
}

async fn apply(connection: &mut AnyConnection, settings: &'static [&'static str]) -> sqlx::Result<()> {
    for &setting in settings {
        sqlx::raw_sql(setting).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Makes the file, for its owner only: SQLite gives its own files beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}
