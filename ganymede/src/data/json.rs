//! The JSON form of push and pull: whole boards in base64, one for each project, and the gateway's state. For gateways that
//! are not ours; our own send records.
//!
//! What is pushed is merged into what is stored, so that nothing is erased: a project that is not in the body stays, and of
//! one that is, everything that was there before.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use orrery_protocol::{
    control::Pushed,
    document::{Document, Quarantined, Verdict},
    id::{DocumentKey, DocumentName, Epoch, GatewayId, OrgId, ProjectId},
    limits::WireLimits,
    record::StoredDocument,
};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{
    Data, GatewayState, StateError, StoreSnapshotError,
    numbering::{Dropped, Form, MixedForms, Unwritable},
    push::pushed,
};
use crate::{
    clock::{iso8601, unix_ms},
    database::DatabaseError,
    pool::StaleEpoch,
    store::{Append, LoadError, SnapshotError},
    tokens::GatewayClaims,
};

/// `POST /gateway/data/push` as `application/json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PushBody {
    /// Whose data.
    pub organization_id: OrgId,
    /// Who pushes. Without it, the token says who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_id: Option<GatewayId>,
    /// What is to be stored.
    pub data: DataBody,
}

/// The data of an organization.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataBody {
    /// The board of each project: a Yjs update in base64.
    #[serde(default)]
    pub yjs_state: BTreeMap<ProjectId, String>,
    /// What the gateway keeps beside documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_state: Option<GatewayState>,
}

/// The answer to `POST /gateway/data/pull`, as `application/json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullAnswer {
    /// Always true: a failure is an error.
    pub success: bool,
    /// When it was read, ISO 8601; `null` if there is nothing.
    pub timestamp: Option<String>,
    /// `null` for an organization that stored nothing yet.
    pub data: Option<DataBody>,
}

/// Why nothing was pushed or pulled as JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The gateway's epoch is over. Nothing was changed.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// The organization has no such project. Nothing was changed.
    #[error("project {0} does not belong to the organization")]
    UnknownProject(ProjectId),
    /// A board is no Yjs update in base64, or needs what it does not bring. Nothing was changed.
    #[error("the board of project {0} is no whole Yjs update in base64")]
    Malformed(ProjectId),
    /// The gateway appended records before. Nothing was changed.
    #[error(transparent)]
    Mixed(#[from] MixedForms),
    /// What is stored of a board cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What is stored of a board cannot be put together.
    #[error("the board of project {project} cannot be put together: {reason}")]
    Unreadable {
        /// Whose board.
        project: ProjectId,
        /// Why.
        reason: String,
    },
    /// The store refused.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The store refused.
    #[error(transparent)]
    Dropped(#[from] Dropped),
    /// The gateway's state cannot be read or kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<Unwritable> for JsonError {
    fn from(error: Unwritable) -> Self {
        match error {
            Unwritable::Stale(stale) => stale.into(),
            Unwritable::Mixed(mixed) => mixed.into(),
        }
    }
}

impl From<StoreSnapshotError> for JsonError {
    fn from(error: StoreSnapshotError) -> Self {
        match error {
            StoreSnapshotError::Stale(stale) => stale.into(),
            StoreSnapshotError::Store(error) => error.into(),
        }
    }
}

/// A board that was pushed, and what it comes to.
struct Merged {
    key: DocumentKey,
    /// What of it is new. `None`: nothing is.
    news: Option<News>,
}

struct News {
    update: Bytes,
    /// The whole document with it.
    state: Bytes,
}

impl Data {
    /// Merges what a gateway pushes into what is stored, and answers when it is durable. Safe to repeat.
    ///
    /// # Errors
    /// The epoch is over, or something in the body cannot be taken: then nothing was changed. Or a part could not be stored.
    pub async fn push_json(&self, claims: &GatewayClaims, body: DataBody) -> Result<Pushed, JsonError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        let DataBody { yjs_state, gateway_state } = body;
        let known: BTreeSet<ProjectId> = self.projects(org).await?.into_iter().collect();
        if let Some(&unknown) = yjs_state.keys().find(|project| !known.contains(project)) {
            return Err(JsonError::UnknownProject(unknown));
        }
        let _turn = self.inner.numbering.turn(org).await;
        let entry = self.inner.parts.fence.enter(org, epoch)?;
        let mut size_bytes = 0;
        let mut boards = Vec::with_capacity(yjs_state.len());
        for (project, text) in yjs_state {
            let pushed = STANDARD.decode(text).map_err(|_| JsonError::Malformed(project))?;
            size_bytes += pushed.len() as u64;
            boards.push(self.merge(org, project, pushed.into()).await?);
        }
        if !boards.is_empty() {
            self.inner.numbering.write_as(org, epoch, Form::Json, &self.inner.parts.fence)?;
        }
        for board in boards {
            self.keep(epoch, board).await?;
        }
        let now = (self.inner.parts.clock)();
        if let Some(state) = gateway_state {
            self.inner.parts.states.keep(org, state, unix_ms(now)).await?;
        }
        drop(entry);
        Ok(pushed(now, size_bytes))
    }

    /// Everything stored of an organization.
    ///
    /// # Errors
    /// The epoch is over, or something cannot be read.
    pub async fn pull_json(&self, claims: &GatewayClaims) -> Result<PullAnswer, JsonError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        if !self.admits(org, epoch) {
            return Err(StaleEpoch { organization_id: org, epoch }.into());
        }
        let mut yjs_state = BTreeMap::new();
        for project in self.projects(org).await? {
            let stored = self.load(&board_of(org, project)).await?;
            if stored.last_seq > 0 || stored.snapshot.is_some() {
                let state = spawn_blocking(move || Ok(read(project, &stored)?.state())).await;
                let crashed = || JsonError::Unreadable { project, reason: "reading it crashed".to_owned() };
                yjs_state.insert(project, STANDARD.encode(state.unwrap_or_else(|_| Err(crashed()))?));
            }
        }
        let gateway_state = self.inner.parts.states.load(org).await?;
        let new = yjs_state.is_empty() && gateway_state.is_none();
        let timestamp = (!new).then(|| iso8601((self.inner.parts.clock)()));
        let data = (!new).then_some(DataBody { yjs_state, gateway_state });
        Ok(PullAnswer { success: true, timestamp, data })
    }

    /// Keeps, beyond this allocation, whether the organization's gateway serves on however long nobody does anything.
    ///
    /// # Errors
    /// The epoch is over, or the state cannot be kept.
    pub async fn disable_shutdown(&self, claims: &GatewayClaims, disabled: bool) -> Result<(), JsonError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        let _turn = self.inner.numbering.turn(org).await;
        let entry = self.inner.parts.fence.enter(org, epoch)?;
        let state = GatewayState { disable_shutdown: Some(disabled), ..GatewayState::default() };
        self.inner.parts.states.keep(org, state, unix_ms((self.inner.parts.clock)())).await?;
        drop(entry);
        Ok(())
    }

    /// Decides what of a pushed board is new. Writes nothing.
    async fn merge(&self, org: OrgId, project: ProjectId, pushed: Bytes) -> Result<Merged, JsonError> {
        let key = board_of(org, project);
        let stored = self.load(&key).await?;
        // Large documents take long, so it happens aside.
        let news = spawn_blocking(move || news(project, &stored, pushed)).await;
        let news = news.unwrap_or_else(|_| Err(JsonError::Malformed(project)))?;
        Ok(Merged { key, news })
    }

    /// Appends what is new as one update, and stores the whole as a snapshot, so that autosaves do not pile up. The caller is
    /// inside the fence and has the turn.
    async fn keep(&self, epoch: Epoch, board: Merged) -> Result<(), JsonError> {
        let Merged { key, news: Some(News { update, state }) } = board else { return Ok(()) };
        let tail = match self.inner.numbering.tail(epoch, &key)? {
            Some(tail) => tail,
            None => self.inner.numbering.learn(epoch, &key, self.load(&key).await?.last_seq)?,
        };
        let seq = tail.accepted + 1;
        self.inner.numbering.accepted(epoch, &key, seq);
        let durable = tail.settle();
        let append = Append { key: key.clone().into(), epoch: epoch.0, first_seq: seq, updates: vec![update], durable };
        self.inner.parts.store.append(append);
        if let Err(dropped) = tail.durable(seq).await {
            self.inner.numbering.forget(epoch, &key);
            return Err(dropped.into());
        }
        Ok(self.store_snapshot(&key, epoch, seq, state).await?)
    }

    pub(super) async fn projects(&self, org: OrgId) -> Result<Vec<ProjectId>, DatabaseError> {
        Ok(self.inner.parts.orgs.projects(org).await?.iter().map(|project| project.id).collect())
    }
}

fn board_of(org: OrgId, project: ProjectId) -> DocumentKey {
    DocumentKey { org, project, document: DocumentName::Board }
}

/// What of `pushed` the stored board does not have. It takes the same way into the document as what peers write.
fn news(project: ProjectId, stored: &StoredDocument, pushed: Bytes) -> Result<Option<News>, JsonError> {
    let mut document = read(project, stored)?;
    let limits = WireLimits::default();
    let mut writer = document.write(&limits);
    let update = match writer.apply(&pushed) {
        Verdict::Accepted => pushed,
        Verdict::Trimmed(rest) => rest,
        Verdict::Nothing => return Ok(None),
        Verdict::Waits(_) | Verdict::TooDeep | Verdict::Poison(_) | Verdict::Broken(_) => {
            return Err(JsonError::Malformed(project));
        }
    };
    writer.commit().map_err(|_| JsonError::Malformed(project))?;
    Ok(Some(News { update, state: document.state() }))
}

fn read(project: ProjectId, stored: &StoredDocument) -> Result<Document, JsonError> {
    let (document, quarantined) = Document::load(stored);
    match quarantined.into_iter().next() {
        Some(Quarantined { reason, .. }) => Err(JsonError::Unreadable { project, reason }),
        None => Ok(document),
    }
}
