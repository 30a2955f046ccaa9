//! Sessions of browsers. Owns how long one lives: 30 days from its last use, 90 days in all.

use std::{fmt, str::FromStr};

use orrery_protocol::{control::SessionDigest, id::UserId};
use sqlx::any::AnyRow;

use super::{OpenSessionError, People, Secret, User, lock_user, secret::digest_of};
use crate::database::{DatabaseError, Row, stored};

/// A session that is not used for this long ends.
pub const SESSION_LIFE_MS: u64 = 30 * DAY_MS;

/// A session ends this long after it was opened, however much it is used.
pub const SESSION_LIFE_MS_MAX: u64 = 90 * DAY_MS;

/// Most sessions of one user. Beyond, the oldest ends.
const SESSIONS_MAX: i64 = 100;

/// How often use of a session is written down.
const RENEWAL_MS_MIN: u64 = HOUR_MS;

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Characters of a session's id.
const ID_CHARS: usize = 16;

/// Which session. The beginning of what is stored in place of its secret, so that it may be shown: it opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId(String);

/// This names no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct InvalidSessionId;

/// One session of a user, without what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// When the user signed in.
    pub opened_at_ms: u64,
    /// When it was used last, to the hour.
    pub used_at_ms: u64,
    /// When it ends unless it is used.
    pub expires_at_ms: u64,
}

impl SessionId {
    /// Of the session that this secret opens; `None` if it can be none's.
    pub fn of(secret: &str) -> Option<Self> {
        digest_of(secret).map(|digest| Self(digest.chars().take(ID_CHARS).collect()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let is_id = text.len() == ID_CHARS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id { Ok(Self(text.to_owned())) } else { Err(InvalidSessionId) }
    }
}

impl Session {
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.parsed("id", "a session id")?,
            opened_at_ms: row.number("created_at")?,
            used_at_ms: row.number("renewed_at")?,
            expires_at_ms: row.number("expires_at")?,
        })
    }
}

/// Names the session that a secret opens, whether there is one or not; `None` for what is too long to be one of ours.
pub fn session_digest(secret: &str) -> Option<SessionDigest> {
    digest_of(secret).map(SessionDigest)
}

impl People {
    /// The sessions of a user that have not ended, the newest first.
    pub async fn sessions_of(&self, now_ms: u64, user: UserId) -> Result<Vec<Session>, DatabaseError> {
        let select = "SELECT SUBSTR(digest, 1, 16) AS id, created_at, renewed_at, expires_at FROM sessions \
                      WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC, digest";
        let rows = sqlx::query(select).bind(user.to_string()).bind(stored(now_ms));
        rows.fetch_all(self.database.sqlx()).await?.iter().map(Session::from_row).collect()
    }

    /// Ends a session of a user. `false` if they have no such session.
    pub async fn end_session(&self, user: UserId, id: &SessionId) -> Result<bool, DatabaseError> {
        let delete = "DELETE FROM sessions WHERE user_id = $1 AND SUBSTR(digest, 1, 16) = $2";
        let delete = sqlx::query(delete).bind(user.to_string()).bind(&id.0);
        Ok(delete.execute(self.database.sqlx()).await?.rows_affected() > 0)
    }

    /// Ends every session of a user but these.
    pub async fn end_sessions(&self, user: UserId, but: &[SessionId]) -> Result<(), DatabaseError> {
        let sessions = sqlx::query("SELECT SUBSTR(digest, 1, 16) AS id FROM sessions WHERE user_id = $1");
        for row in sessions.bind(user.to_string()).fetch_all(self.database.sqlx()).await? {
            let id: SessionId = row.parsed("id", "a session id")?;
            if !but.contains(&id) {
                self.end_session(user, &id).await?;
            }
        }
        Ok(())
    }

    /// Signs a browser in. The secret goes into its cookie; only a digest is stored.
    pub async fn open_session(&self, now_ms: u64, user: UserId) -> Result<Secret, OpenSessionError> {
        let secret = Secret::random();
        let digest = digest_of(secret.expose()).expect("our own secrets are not too long");
        let mut tx = self.database.begin().await?;
        if !lock_user(&mut tx, user).await? {
            return Err(OpenSessionError::NoSuchUser);
        }
        let insert = "INSERT INTO sessions (digest, user_id, created_at, renewed_at, expires_at) \
                      VALUES ($1, $2, $3, $3, $4)";
        sqlx::query(insert)
            .bind(digest)
            .bind(user.to_string())
            .bind(stored(now_ms))
            .bind(stored(expiry(now_ms, now_ms)))
            .execute(&mut *tx)
            .await?;
        let bound = "DELETE FROM sessions WHERE user_id = $1 AND digest NOT IN \
                     (SELECT digest FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, digest LIMIT $2)";
        sqlx::query(bound).bind(user.to_string()).bind(SESSIONS_MAX).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Whose session this is, if it is one and has not ended. Using it prolongs it.
    pub async fn session(&self, now_ms: u64, secret: &str) -> Result<Option<User>, DatabaseError> {
        let Some(digest) = digest_of(secret) else { return Ok(None) };
        let select = "SELECT users.id, users.email, users.name, users.administrator, users.created_at, \
                      sessions.created_at AS opened_at, sessions.renewed_at \
                      FROM sessions JOIN users ON users.id = sessions.user_id \
                      WHERE sessions.digest = $1 AND sessions.expires_at > $2";
        let row = sqlx::query(select).bind(&digest).bind(stored(now_ms)).fetch_optional(self.database.sqlx()).await?;
        let Some(row) = row else { return Ok(None) };
        if now_ms.saturating_sub(row.number("renewed_at")?) >= RENEWAL_MS_MIN {
            let renew = "UPDATE sessions SET renewed_at = $1, expires_at = $2 WHERE digest = $3";
            sqlx::query(renew)
                .bind(stored(now_ms))
                .bind(stored(expiry(row.number("opened_at")?, now_ms)))
                .bind(digest)
                .execute(self.database.sqlx())
                .await?;
        }
        User::from_row(&row).map(Some)
    }

    /// Whose session this is, if it has not ended. Does not prolong it.
    pub async fn user_of_session(&self, now_ms: u64, session: &SessionDigest) -> Result<Option<UserId>, DatabaseError> {
        let select = "SELECT user_id FROM sessions WHERE digest = $1 AND expires_at > $2";
        let select = sqlx::query(select).bind(&session.0).bind(stored(now_ms));
        let row = select.fetch_optional(self.database.sqlx()).await?;
        row.map(|row| row.parsed("user_id", "a user id")).transpose()
    }

    /// Signs a browser out. Whether there was such a session is not told.
    pub async fn close_session(&self, secret: &str) -> Result<(), DatabaseError> {
        if let Some(digest) = digest_of(secret) {
            sqlx::query("DELETE FROM sessions WHERE digest = $1").bind(digest).execute(self.database.sqlx()).await?;
        }
        Ok(())
    }

    pub(super) async fn sweep_sessions(&self, now_ms: u64) -> Result<u64, DatabaseError> {
        let delete = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1").bind(stored(now_ms));
        Ok(delete.execute(self.database.sqlx()).await?.rows_affected())
    }
}

fn expiry(opened_at_ms: u64, used_at_ms: u64) -> u64 {
    used_at_ms.saturating_add(SESSION_LIFE_MS).min(opened_at_ms.saturating_add(SESSION_LIFE_MS_MAX))
}
