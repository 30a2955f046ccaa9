//! What can go wrong with the data base. Texts of the driver go to logs, never to a peer.

use sqlx::migrate::MigrateError;

/// Something with the same unique value is there already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is one already: {constraint}")]
pub struct Conflict {
    /// What must be unique, as the data base calls it. The two data bases call it differently.
    pub constraint: String,
}

/// Why the data base did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A unique value is taken. The statement did nothing.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A failure of the world: not reachable, out of space, out of time. Worth trying again.
    #[error("the data base failed: {0}")]
    Failed(#[source] sqlx::Error),
    /// What is stored is not what was written: somebody else changed it.
    #[error("the data base holds {value:?} where {expected} should be")]
    Damaged {
        /// What is there, cut to 80 characters.
        value: String,
        /// What should be there, as a noun phrase.
        expected: &'static str,
    },
}

/// What SQLite and PostgreSQL call a disk that is full.
const FULL: [&str; 2] = ["13", "53100"];

impl DatabaseError {
    /// Whether the data base has no space left.
    pub fn is_full(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        let code = error.as_database_error().and_then(|known| known.code());
        code.is_some_and(|code| FULL.contains(&code.as_ref()))
    }

    /// A stored text that does not parse.
    pub fn damaged(value: &str, expected: &'static str) -> Self {
        Self::Damaged { value: value.chars().take(80).collect(), expected }
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(known) if known.is_unique_violation() => {
                // PostgreSQL names the constraint, SQLite says it in words. Neither repeats the value.
                let constraint = known.constraint().unwrap_or_else(|| known.message()).to_owned();
                Self::Conflict(Conflict { constraint })
            }
            Some(_) | None => Self::Failed(error),
        }
    }
}

/// Why the data base did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenDatabaseError {
    /// The URL says no place.
    #[error(transparent)]
    Url(#[from] super::url::InvalidDatabaseUrl),
    /// The file cannot be made.
    #[error("the data base {}: {source}", path.display())]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not there, or not for us.
    #[error("the data base {url} cannot be reached: {source}")]
    Unreachable {
        /// Which one; without its password.
        url: super::DatabaseUrl,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The tables could not be brought to the form that this program needs: they are of a newer one, or were changed.
    #[error("the tables of the data base {url} could not be brought up to date: {source}")]
    Migrate {
        /// Which one; without its password.
        url: super::DatabaseUrl,
        /// What the driver said.
        source: MigrateError,
    },
}
