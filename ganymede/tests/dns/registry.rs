//! Organizations, in a data base of their own, without anybody in them.

use orrery_ganymede::{
    database::{Database, DatabaseUrl},
    orgs::Orgs,
};
use orrery_protocol::id::OrgId;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct Registry {
    pub(crate) orgs: Orgs,
    database: Database,
    _folder: TempDir,
}

impl Registry {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&DatabaseUrl::sqlite(folder.path().join("orrery.db"))).await.unwrap();
        Self { orgs: Orgs::new(database.clone()), database, _folder: folder }
    }

    /// An organization that was given a slot so often.
    pub(crate) async fn org(&self, epoch: i64) -> OrgId {
        let org = OrgId(Uuid::now_v7());
        let insert = "INSERT INTO orgs (id, name, version, epoch, created_at) VALUES ($1, 'Moons', 1, $2, 0)";
        sqlx::query(insert).bind(org.to_string()).bind(epoch).execute(self.database.sqlx()).await.unwrap();
        org
    }

    pub(crate) async fn delete(&self, org: OrgId) {
        sqlx::query("DELETE FROM orgs WHERE id = $1")
            .bind(org.to_string())
            .execute(self.database.sqlx())
            .await
            .unwrap();
    }
}
