//! Sessions of browsers. Owns how long one lives: 30 days from its last use, 90 days in all.

use orrery_protocol::id::UserId;

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

impl People {
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
