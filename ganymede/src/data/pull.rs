//! What gateways in other processes read.

use orrery_protocol::{
    control::Pull,
    id::DocumentKey,
    record::{PayloadTooLarge, stream},
};

use super::Data;
use crate::{database::DatabaseError, pool::StaleEpoch, store::LoadError, tokens::GatewayClaims};

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The gateway's epoch is over.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// A document was asked for without its project.
    #[error("a document belongs to a project; none is named")]
    NoProject,
    /// The store cannot read a document.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A document does not fit into records.
    #[error(transparent)]
    TooLarge(#[from] PayloadTooLarge),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Data {
    /// Everything stored of one document, of all of a project, or of all of the organization, as
    /// [records](orrery_protocol::record::stream). Nothing, if nothing is stored.
    ///
    /// # Errors
    /// The epoch is over, or something cannot be read.
    pub async fn pull(&self, claims: &GatewayClaims, pull: &Pull) -> Result<Vec<u8>, PullError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        if !self.admits(org, epoch) {
            return Err(StaleEpoch { organization_id: org, epoch }.into());
        }
        let mut body = Vec::new();
        for key in self.asked_for(claims, pull).await? {
            let stored = self.load(&key).await?;
            self.inner.numbering.learn(epoch, &key, stored.last_seq)?;
            stream::put_document(&mut body, epoch, &key, &stored)?;
        }
        Ok(body)
    }

    async fn asked_for(&self, claims: &GatewayClaims, pull: &Pull) -> Result<Vec<DocumentKey>, PullError> {
        let org = claims.org;
        match (pull.project, &pull.document) {
            (Some(project), Some(document)) => Ok(vec![DocumentKey { org, project, document: document.clone() }]),
            (None, Some(_)) => Err(PullError::NoProject),
            (project, None) => {
                let stored = self.inner.parts.store.documents(org).await?;
                let known = self.projects(org).await?;
                let asked = |key: &DocumentKey| {
                    project.is_none_or(|project| project == key.project) && known.contains(&key.project)
                };
                Ok(stored.into_iter().filter(asked).collect())
            }
        }
    }
}
