//! People: accounts, sessions, API keys. Owns who somebody is; what they may do is decided by [`orgs`](crate::orgs).
//!
//! Everything that proves who somebody is is kept as a digest: a copy of the data base opens nothing. Time is given by the
//! caller, in unix milliseconds.

mod accounts;
mod error;
pub mod input;
mod keys;
mod passwords;
mod secret;
mod sessions;

use orrery_protocol::id::UserId;
use sqlx::any::AnyRow;

pub use self::{
    error::{ChangePasswordError, CreateKeyError, DeleteAccountError, OpenSessionError, SignInError, SignUpError},
    keys::{API_KEYS_MAX, ApiKey, ApiKeyId, InvalidApiKeyId, NewKey, Scope, UnknownScope},
    passwords::{Busy, InvalidPasswordHashing, PasswordHashing},
    secret::Secret,
    sessions::{InvalidSessionId, SESSION_LIFE_MS, SESSION_LIFE_MS_MAX, Session, SessionId, session_digest},
};
use self::{input::InvalidInput, passwords::Passwords};
use crate::database::{Database, DatabaseError, Row, Tx};

/// Accounts, sessions and API keys. Cheap to clone.
#[derive(Clone)]
pub struct People {
    database: Database,
    passwords: Passwords,
}

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// In lower case; unique in the installation.
    pub email: String,
    /// The name shown to others. Chosen by the user: never render it as markup.
    pub name: String,
    /// Whether they may see and change the installation itself. The first account is.
    pub administrator: bool,
    /// When they signed up.
    pub created_at_ms: u64,
}

/// What somebody types to sign up.
#[derive(Clone)]
pub struct NewUser {
    /// Not yet checked.
    pub email: String,
    /// Not yet checked.
    pub password: String,
    /// Not yet checked.
    pub name: String,
}

impl People {
    /// With the cost of passwords that [`PasswordHashing`] says.
    pub fn new(database: Database, hashing: &PasswordHashing) -> Result<Self, InvalidPasswordHashing> {
        Ok(Self { database, passwords: Passwords::new(hashing)? })
    }

    /// Removes what has expired and could be kept for ever otherwise. Answers how many rows went.
    pub async fn sweep(&self, now_ms: u64) -> Result<u64, DatabaseError> {
        self.sweep_sessions(now_ms).await
    }
}

impl User {
    /// From the columns `id`, `email`, `name`, `administrator`, `created_at` of `users`.
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.parsed("id", "a user id")?,
            email: row.text("email")?,
            name: row.text("name")?,
            administrator: row.truth("administrator")?,
            created_at_ms: row.number("created_at")?,
        })
    }
}

/// Keeps the user's row to the end of the transaction, so that two at once do not both find room for one more of something.
/// `false` if there is no such user.
pub(crate) async fn lock_user(tx: &mut Tx, user: UserId) -> Result<bool, DatabaseError> {
    let update = sqlx::query("UPDATE users SET name = name WHERE id = $1").bind(user.to_string());
    Ok(update.execute(&mut **tx).await?.rows_affected() == 1)
}
