//! What was here and was deleted, for whoever has to remove what is left of it elsewhere.

use std::{collections::BTreeSet, fmt::Display};

use orrery_protocol::control::Deleted;

use super::Orgs;
use crate::database::{DatabaseError, Tx};

// Who is there is not dead, whatever is written on a stone.
const BURIED_ORG: &str = "SELECT id FROM tombstones WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM orgs WHERE id = $1)";
const BURIED_PROJECT: &str =
    "SELECT id FROM tombstones WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM projects WHERE id = $1)";

impl Orgs {
    /// Which of these were deleted here. What never was here, or is here, is none of them.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn deleted(&self, asked: &Deleted) -> Result<Deleted, DatabaseError> {
        Ok(Deleted {
            organizations: self.buried(BURIED_ORG, &asked.organizations).await?,
            projects: self.buried(BURIED_PROJECT, &asked.projects).await?,
        })
    }

    async fn buried<T: Copy + Display + Ord>(
        &self,
        select: &'static str,
        asked: &BTreeSet<T>,
    ) -> Result<BTreeSet<T>, DatabaseError> {
        let mut buried = BTreeSet::new();
        for id in asked {
            let row = sqlx::query(select).bind(id.to_string()).fetch_optional(self.database.sqlx()).await?;
            buried.extend(row.map(|_| *id));
        }
        Ok(buried)
    }
}

/// Remembers that something was deleted, in the transaction that does it.
pub(super) async fn bury(tx: &mut Tx, id: impl Display) -> Result<(), DatabaseError> {
    sqlx::query("INSERT INTO tombstones (id) VALUES ($1)").bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}
