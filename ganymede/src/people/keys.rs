//! API keys: `ok_{id}_{secret}`. Owns their form, what they allow and how many there may be.

use std::{collections::BTreeSet, fmt, str::FromStr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use orrery_protocol::id::UserId;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::{
    CreateKeyError, People, Secret, User,
    input::{self, InvalidInput},
    lock_user,
    secret::{digest_of, hex, random_bytes},
};
use crate::database::{DatabaseError, Row, stored};

/// Most keys of one user.
pub const API_KEYS_MAX: u64 = 50;

/// How often use of a key is written down.
const LAST_USED_MS_MIN: u64 = 60 * 1000;

const ID_BYTES: usize = 8;

/// What a key may be used for. Ordered: each scope allows everything that a smaller one does. No key allows more than its
/// user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To see.
    Read,
    /// To make projects, start and stop them, change what is in them, and get access tokens for gateways.
    Write,
    /// To manage organizations, projects, members, keys and, for an administrator, the installation.
    Admin,
}

/// The part of a key that may be shown: 16 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ApiKeyId(String);

/// A key, without what makes it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which: the second part of the key.
    pub id: ApiKeyId,
    /// What its user calls it.
    pub name: String,
    /// What it may be used for. Never empty.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last used, to the minute.
    pub last_used_at_ms: Option<u64>,
    /// From when on it opens nothing.
    pub expires_at_ms: Option<u64>,
}

/// What a user asks for.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Not yet checked.
    pub name: String,
    /// At least one.
    pub scopes: BTreeSet<Scope>,
    /// Never, if absent.
    pub expires_at_ms: Option<u64>,
}

/// A text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is read, write or admin")]
pub struct UnknownScope;

/// A text that is no key's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an API key's id is 16 hexadecimal digits")]
pub struct InvalidApiKeyId;

impl Scope {
    /// Every scope, smallest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl ApiKey {
    /// Whether it may be used for something that needs `scope`.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.last().is_some_and(|&largest| largest >= scope)
    }

    /// From the columns `id`, `name`, `scopes`, `created_at`, `last_used_at`, `expires_at` of `api_keys`, each of them with
    /// `key_` before it, because they are read beside those of `users`.
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        let scopes = row.text("key_scopes")?;
        let scopes = scopes.split(' ').map(Scope::from_str).collect::<Result<_, _>>();
        Ok(Self {
            id: row.parsed("key_id", "an API key's id")?,
            name: row.text("key_name")?,
            scopes: scopes
                .map_err(|_| DatabaseError::damaged(&row.text("key_scopes").unwrap_or_default(), "scopes"))?,
            created_at_ms: row.number("key_created_at")?,
            last_used_at_ms: row.optional_number("key_last_used_at")?,
            expires_at_ms: row.optional_number("key_expires_at")?,
        })
    }
}

impl People {
    /// Makes a key. The secret is the whole key; it cannot be had again.
    pub async fn create_key(&self, now_ms: u64, user: UserId, new: NewKey) -> Result<(ApiKey, Secret), CreateKeyError> {
        let key = checked(now_ms, new)?;
        let secret = Secret::new(format!("ok_{}_{}", key.id, Secret::random().expose()));
        let digest = digest_of(secret.expose()).expect("our own keys are not too long");
        let mut tx = self.database.begin().await?;
        if !lock_user(&mut tx, user).await? {
            return Err(CreateKeyError::NoSuchUser);
        }
        let count = sqlx::query("SELECT COUNT(*) AS count FROM api_keys WHERE user_id = $1").bind(user.to_string());
        if count.fetch_one(&mut *tx).await?.number("count")? >= API_KEYS_MAX {
            return Err(CreateKeyError::TooMany);
        }
        let insert = "INSERT INTO api_keys (id, digest, user_id, name, scopes, created_at, expires_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        sqlx::query(insert)
            .bind(key.id.to_string())
            .bind(digest)
            .bind(user.to_string())
            .bind(&key.name)
            .bind(scopes.join(" "))
            .bind(stored(now_ms))
            .bind(key.expires_at_ms.map(stored))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok((key, secret))
    }

    /// The user's keys, oldest first; expired ones too.
    pub async fn api_keys(&self, user: UserId) -> Result<Vec<ApiKey>, DatabaseError> {
        let select = "SELECT id AS key_id, name AS key_name, scopes AS key_scopes, created_at AS key_created_at, \
                      last_used_at AS key_last_used_at, expires_at AS key_expires_at \
                      FROM api_keys WHERE user_id = $1 ORDER BY created_at, id";
        let rows = sqlx::query(select).bind(user.to_string()).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(ApiKey::from_row).collect()
    }

    /// Ends a key. `false` if the user has none with this id.
    pub async fn delete_key(&self, user: UserId, id: &ApiKeyId) -> Result<bool, DatabaseError> {
        let delete = "DELETE FROM api_keys WHERE id = $1 AND user_id = $2";
        let delete = sqlx::query(delete).bind(id.to_string()).bind(user.to_string());
        Ok(delete.execute(self.database.sqlx()).await?.rows_affected() == 1)
    }

    /// Whose key this is and what it allows, if it is one and has not expired.
    pub async fn key(&self, now_ms: u64, presented: &str) -> Result<Option<(User, ApiKey)>, DatabaseError> {
        let (Some(id), Some(digest)) = (id_of(presented), digest_of(presented)) else { return Ok(None) };
        let select = "SELECT users.id, users.email, users.name, users.administrator, users.created_at, api_keys.digest, \
                      api_keys.id AS key_id, api_keys.name AS key_name, api_keys.scopes AS key_scopes, \
                      api_keys.created_at AS key_created_at, api_keys.last_used_at AS key_last_used_at, \
                      api_keys.expires_at AS key_expires_at \
                      FROM api_keys JOIN users ON users.id = api_keys.user_id WHERE api_keys.id = $1";
        let row = sqlx::query(select).bind(id.to_string()).fetch_optional(self.database.sqlx()).await?;
        let Some(row) = row else { return Ok(None) };
        if verify_slices_are_equal(row.text("digest")?.as_bytes(), digest.as_bytes()).is_err() {
            return Ok(None);
        }
        let mut key = ApiKey::from_row(&row)?;
        if key.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms) {
            return Ok(None);
        }
        if key.last_used_at_ms.is_none_or(|last| now_ms.saturating_sub(last) >= LAST_USED_MS_MIN) {
            let used = "UPDATE api_keys SET last_used_at = $1 WHERE id = $2";
            sqlx::query(used).bind(stored(now_ms)).bind(id.to_string()).execute(self.database.sqlx()).await?;
            key.last_used_at_ms = Some(now_ms);
        }
        Ok(Some((User::from_row(&row)?, key)))
    }
}

fn checked(now_ms: u64, new: NewKey) -> Result<ApiKey, InvalidInput> {
    let mut invalid = InvalidInput::default();
    let name = invalid.note(input::name(&new.name));
    if new.scopes.is_empty() {
        invalid.fields.insert("scopes", "names at least one of read, write and admin".to_owned());
    }
    if new.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms) {
        invalid.fields.insert("expires_at", "must lie in the future".to_owned());
    }
    match name {
        Some(name) if invalid.fields.is_empty() => Ok(ApiKey {
            id: ApiKeyId(hex(&random_bytes::<ID_BYTES>())),
            name,
            scopes: new.scopes,
            created_at_ms: now_ms,
            last_used_at_ms: None,
            expires_at_ms: new.expires_at_ms,
        }),
        Some(_) | None => Err(invalid),
    }
}

fn id_of(presented: &str) -> Option<ApiKeyId> {
    let (id, _secret) = presented.strip_prefix("ok_")?.split_once('_')?;
    id.parse().ok()
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ApiKeyId {
    type Err = InvalidApiKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidApiKeyId> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 2 * ID_BYTES && text.bytes().all(digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidApiKeyId)
        }
    }
}
