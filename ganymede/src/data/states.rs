//! What gateways keep of an organization beside its documents. It holds secrets, so that the data base gets it sealed.

use std::sync::Arc;

use orrery_protocol::id::OrgId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    database::{Database, DatabaseError, Row, stored},
    state_key::{SealError, StateKey, UnsealError},
};

/// What a gateway keeps. What is `None` was never pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayState {
    /// Who may do what, beyond roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Value>,
    /// Clients that user containers sign people in with; with their secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_clients: Option<Value>,
    /// What user containers show the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_tokens: Option<Value>,
    /// Whether the gateway keeps serving however long nobody does anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_shutdown: Option<bool>,
}

impl GatewayState {
    /// This, and of `older` what this does not say.
    #[must_use]
    pub fn over(self, older: Self) -> Self {
        Self {
            permissions: self.permissions.or(older.permissions),
            oauth_clients: self.oauth_clients.or(older.oauth_clients),
            container_tokens: self.container_tokens.or(older.container_tokens),
            disable_shutdown: self.disable_shutdown.or(older.disable_shutdown),
        }
    }
}

/// Why a state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Sealed with another key, or changed.
    #[error("the state of organization {org}: {source}")]
    Unseal {
        /// Whose.
        org: OrgId,
        /// Why it does not open.
        source: UnsealError,
    },
    /// It opens, and is of no known form. The content stays out of the message.
    #[error("the state of organization {0} has an unknown form")]
    UnknownForm(OrgId),
    /// The cipher refuses.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The states of all organizations. Cheap to clone.
#[derive(Clone)]
pub struct States {
    pub(super) database: Database,
    pub(super) key: Arc<StateKey>,
}

impl States {
    /// Sealed with `key` in `database`.
    pub fn new(database: Database, key: Arc<StateKey>) -> Self {
        Self { database, key }
    }

    /// What is kept of an organization. `None` if nothing is.
    ///
    /// # Errors
    /// It was sealed with another key, was changed, or the data base does not answer.
    pub async fn load(&self, org: OrgId) -> Result<Option<GatewayState>, StateError> {
        let select = sqlx::query("SELECT sealed FROM gateway_states WHERE org_id = $1").bind(org.to_string());
        let row = select.fetch_optional(self.database.sqlx()).await.map_err(DatabaseError::from)?;
        let Some(row) = row else { return Ok(None) };
        let plain = self.key.open(org, &row.text("sealed")?).map_err(|source| StateError::Unseal { org, source })?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| StateError::UnknownForm(org))
    }

    /// Keeps `state`, and of what was kept before what it does not say. The caller sees to it that nobody else does.
    pub(super) async fn keep(&self, org: OrgId, state: GatewayState, now_ms: u64) -> Result<(), StateError> {
        let older = self.load(org).await?.unwrap_or_default();
        let plain = serde_json::to_vec(&state.over(older)).map_err(|_| StateError::UnknownForm(org))?;
        let sealed = self.key.seal(org, &plain)?;
        let upsert = "INSERT INTO gateway_states (org_id, sealed, updated_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (org_id) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at";
        let upsert = sqlx::query(upsert).bind(org.to_string()).bind(sealed).bind(stored(now_ms));
        upsert.execute(self.database.sqlx()).await.map_err(DatabaseError::from)?;
        Ok(())
    }
}
