//! Gateways, slots and allocations in the data base. Owns every statement about them; decides nothing.

use orrery_protocol::{
    allocation::Step,
    id::{Epoch, GatewayId, OrgId, SlotId},
};
use sqlx::any::AnyRow;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::host::GatewayAddress;
use crate::database::{Database, DatabaseError, Row, Tx, stored};

/// Why an allocation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A step failed.
    Undone,
    /// Nobody saw to it any more: the process ended in the middle.
    Abandoned,
    /// Its gateway stopped it.
    Stopped,
    /// It was asked to go.
    Released,
    /// It moved.
    Drained,
    /// Its gateway did not renew.
    LeaseExpired,
    /// The process that served it ended.
    Restarted,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Undone => "undone",
            Self::Abandoned => "abandoned",
            Self::Stopped => "stopped",
            Self::Released => "released",
            Self::Drained => "drained",
            Self::LeaseExpired => "lease_expired",
            Self::Restarted => "restarted",
        }
    }
}

/// One open allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allocated {
    pub(super) id: Uuid,
    pub(super) org: OrgId,
    pub(super) slot: SlotId,
    pub(super) gateway: GatewayAddress,
    pub(super) epoch: Epoch,
    pub(super) step: Step,
}

/// What came of asking for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reserved {
    Slot(Allocated),
    NoneFree,
    UnknownOrg,
}

/// One slot, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotRow {
    pub(super) slot: SlotId,
    pub(super) gateway: GatewayAddress,
    pub(super) ready: bool,
    pub(super) allocation: Option<SlotUse>,
}

/// What is in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotUse {
    pub(super) org: OrgId,
    pub(super) epoch: Epoch,
    pub(super) step: Step,
    pub(super) started_at_ms: u64,
}

/// The pool's tables.
pub(super) struct Table {
    pub(super) database: Database,
    /// Held while a slot or a number is chosen and taken, so that no two choose the same. The unique indexes would refuse one
    /// of them, and it would have to choose again.
    pub(super) choosing: Mutex<()>,
}

const OPEN_OF_ORG: &str = "SELECT a.id, a.org_id, a.slot_id, a.gateway_id, a.epoch, a.step, g.place, g.listen \
    FROM allocations a JOIN gateways g ON g.id = a.gateway_id \
    WHERE a.org_id = $1 AND a.ended_at IS NULL AND a.step <> 'standby'";

const OPEN_IN_SLOT: &str = "SELECT a.id, a.org_id, a.slot_id, a.gateway_id, a.epoch, a.step, g.place, g.listen \
    FROM allocations a JOIN gateways g ON g.id = a.gateway_id WHERE a.slot_id = $1 AND a.ended_at IS NULL";

const OPEN: &str = "SELECT a.id, a.org_id, a.slot_id, a.gateway_id, a.epoch, a.step, g.place, g.listen \
    FROM allocations a JOIN gateways g ON g.id = a.gateway_id WHERE a.ended_at IS NULL ORDER BY a.slot_id";

/// The least busy gateway first, and there the lowest number.
const FREE_SLOT: &str = "SELECT s.id AS slot_id, s.gateway_id, g.place, g.listen \
    FROM slots s JOIN gateways g ON g.id = s.gateway_id \
    WHERE s.ready = 1 AND s.retired = 0 AND g.revoked_at IS NULL AND s.id <> $1 \
    AND NOT EXISTS (SELECT 1 FROM allocations a WHERE a.slot_id = s.id AND a.ended_at IS NULL) \
    ORDER BY (SELECT COUNT(*) FROM allocations b WHERE b.gateway_id = g.id AND b.ended_at IS NULL), s.id LIMIT 1";

const INSERT: &str = "INSERT INTO allocations \
    (id, org_id, slot_id, gateway_id, epoch, step, started_at, step_at, failover) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0)";

/// No slot has this number.
const NO_SLOT: i64 = -1;

impl Table {
    pub(super) fn new(database: Database) -> Self {
        Self { database, choosing: Mutex::new(()) }
    }

    /// The organization's allocation, standbys apart.
    pub(super) async fn open_of(&self, org: OrgId) -> Result<Option<Allocated>, DatabaseError> {
        let row = sqlx::query(OPEN_OF_ORG).bind(org.to_string()).fetch_optional(self.database.sqlx()).await?;
        row.as_ref().map(Allocated::from_row).transpose()
    }

    /// What is in a slot.
    pub(super) async fn open_in(&self, slot: SlotId) -> Result<Option<Allocated>, DatabaseError> {
        let row = sqlx::query(OPEN_IN_SLOT).bind(i64::from(slot.0)).fetch_optional(self.database.sqlx()).await?;
        row.as_ref().map(Allocated::from_row).transpose()
    }

    /// Everything open, standbys too.
    pub(super) async fn open(&self) -> Result<Vec<Allocated>, DatabaseError> {
        let rows = sqlx::query(OPEN).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(Allocated::from_row).collect()
    }

    /// Takes a free slot for the organization, under a new epoch. Changes nothing if there is none.
    pub(super) async fn reserve(&self, org: OrgId, now_ms: u64) -> Result<Reserved, DatabaseError> {
        let _choosing = self.choosing.lock().await;
        let mut tx = self.database.begin().await?;
        let Some(epoch) = next_epoch(&mut tx, org).await? else { return Ok(Reserved::UnknownOrg) };
        let Some((slot, gateway)) = free_slot(&mut tx, NO_SLOT).await? else { return Ok(Reserved::NoneFree) };
        let allocated = Allocated { id: Uuid::now_v7(), org, slot, gateway, epoch, step: Step::Reserved };
        insert(&mut tx, &allocated, now_ms).await?;
        tx.commit().await?;
        Ok(Reserved::Slot(allocated))
    }

    /// Keeps a slot other than `leaving` free for the organization. `None` if there is none.
    pub(super) async fn standby(
        &self,
        org: OrgId,
        leaving: SlotId,
        now_ms: u64,
    ) -> Result<Option<Allocated>, DatabaseError> {
        let _choosing = self.choosing.lock().await;
        let mut tx = self.database.begin().await?;
        let Some((slot, gateway)) = free_slot(&mut tx, i64::from(leaving.0)).await? else { return Ok(None) };
        let standby = Allocated { id: Uuid::now_v7(), org, slot, gateway, epoch: Epoch(0), step: Step::Standby };
        insert(&mut tx, &standby, now_ms).await?;
        tx.commit().await?;
        Ok(Some(standby))
    }

    /// Ends one allocation and makes the standby the next one, under a new epoch. `None` if either is over already, or the
    /// organization is gone. The organization shall be served until it is.
    pub(super) async fn swap(
        &self,
        old: &Allocated,
        standby: &Allocated,
        now_ms: u64,
    ) -> Result<Option<Allocated>, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let Some(epoch) = next_epoch(&mut tx, old.org).await? else { return Ok(None) };
        let end = "UPDATE allocations SET ended_at = $1, end_reason = $2, failover = 1 \
                   WHERE id = $3 AND ended_at IS NULL";
        let end = sqlx::query(end).bind(stored(now_ms)).bind(End::Drained.as_str()).bind(old.id.to_string());
        let ended = end.execute(&mut *tx).await?.rows_affected();
        let promote = "UPDATE allocations SET step = 'reserved', step_at = $1, epoch = $2 \
                       WHERE id = $3 AND ended_at IS NULL AND step = 'standby'";
        let promote = sqlx::query(promote).bind(stored(now_ms)).bind(stored(epoch.0)).bind(standby.id.to_string());
        let promoted = promote.execute(&mut *tx).await?.rows_affected();
        if (ended, promoted) != (1, 1) {
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(Allocated { epoch, step: Step::Reserved, ..standby.clone() }))
    }

    /// Writes down how far an allocation has come. `false` if it is over.
    pub(super) async fn advance(&self, id: Uuid, step: Step, now_ms: u64) -> Result<bool, DatabaseError> {
        let update = "UPDATE allocations SET step = $1, step_at = $2 WHERE id = $3 AND ended_at IS NULL";
        let update = sqlx::query(update).bind(step.as_str()).bind(stored(now_ms)).bind(id.to_string());
        Ok(update.execute(self.database.sqlx()).await?.rows_affected() == 1)
    }

    /// Writes down that the organization is served, so that nobody needs to see to that any more. `false` if it is over.
    pub(super) async fn serving(&self, allocated: &Allocated, now_ms: u64) -> Result<bool, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let update = "UPDATE allocations SET step = 'serving', step_at = $1 WHERE id = $2 AND ended_at IS NULL";
        let update = sqlx::query(update).bind(stored(now_ms)).bind(allocated.id.to_string());
        if update.execute(&mut *tx).await?.rows_affected() != 1 {
            return Ok(false);
        }
        let settle = "UPDATE allocations SET failover = 0 WHERE org_id = $1 AND failover = 1";
        sqlx::query(settle).bind(allocated.org.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Remembers which handshake was given out. `false` if the allocation is over.
    pub(super) async fn give_handshake(&self, id: Uuid, digest: &str) -> Result<bool, DatabaseError> {
        let update = "UPDATE allocations SET handshake_digest = $1 WHERE id = $2 AND ended_at IS NULL";
        let update = sqlx::query(update).bind(digest).bind(id.to_string());
        Ok(update.execute(self.database.sqlx()).await?.rows_affected() == 1)
    }

    /// Uses the handshake up. `false` if it was used before, is another's, or its allocation is over.
    pub(super) async fn use_handshake(
        &self,
        org: OrgId,
        epoch: Epoch,
        gateway: GatewayId,
        digest: &str,
        now_ms: u64,
    ) -> Result<bool, DatabaseError> {
        let update = "UPDATE allocations SET handshake_used_at = $1, step = 'handshaken', step_at = $1 \
                      WHERE org_id = $2 AND epoch = $3 AND gateway_id = $4 AND handshake_digest = $5 \
                      AND handshake_used_at IS NULL AND ended_at IS NULL";
        let update = sqlx::query(update)
            .bind(stored(now_ms))
            .bind(org.to_string())
            .bind(stored(epoch.0))
            .bind(gateway.to_string())
            .bind(digest);
        Ok(update.execute(self.database.sqlx()).await?.rows_affected() == 1)
    }

    /// Ends an allocation. `false` if it is over already. With `failover` the organization shall be served again.
    pub(super) async fn end(&self, id: Uuid, end: End, failover: bool, now_ms: u64) -> Result<bool, DatabaseError> {
        let update = "UPDATE allocations SET ended_at = $1, end_reason = $2, failover = $3 \
                      WHERE id = $4 AND ended_at IS NULL";
        let update =
            sqlx::query(update).bind(stored(now_ms)).bind(end.as_str()).bind(i64::from(failover)).bind(id.to_string());
        Ok(update.execute(self.database.sqlx()).await?.rows_affected() == 1)
    }

    /// Organizations that were served, are not, and shall be.
    pub(super) async fn failovers(&self) -> Result<Vec<OrgId>, DatabaseError> {
        let select = "SELECT DISTINCT org_id FROM allocations WHERE failover = 1 ORDER BY org_id";
        let rows = sqlx::query(select).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(|row| row.parsed("org_id", "an organization id")).collect()
    }

    /// Whether the organization shall be served again.
    pub(super) async fn wants_failover(&self, org: OrgId) -> Result<bool, DatabaseError> {
        let select = "SELECT COUNT(*) AS wishes FROM allocations WHERE org_id = $1 AND failover = 1";
        let row = sqlx::query(select).bind(org.to_string()).fetch_one(self.database.sqlx()).await?;
        Ok(row.number("wishes")? > 0)
    }

    /// The organization need not be served again.
    pub(super) async fn forget_failover(&self, org: OrgId) -> Result<(), DatabaseError> {
        let update = "UPDATE allocations SET failover = 0 WHERE org_id = $1 AND failover = 1";
        sqlx::query(update).bind(org.to_string()).execute(self.database.sqlx()).await?;
        Ok(())
    }

    /// Removes allocations that ended before `before_ms` and that nobody waits for.
    pub(super) async fn forget_ended(&self, before_ms: u64) -> Result<(), DatabaseError> {
        let delete = sqlx::query("DELETE FROM allocations WHERE ended_at < $1 AND failover = 0");
        delete.bind(stored(before_ms)).execute(self.database.sqlx()).await?;
        Ok(())
    }

    /// Nothing is put into this slot until its gateway announces itself again.
    pub(super) async fn lose_slot(&self, slot: SlotId) -> Result<(), DatabaseError> {
        let update = sqlx::query("UPDATE slots SET ready = 0 WHERE id = $1").bind(i64::from(slot.0));
        update.execute(self.database.sqlx()).await?;
        Ok(())
    }

    /// The same for every slot of a gateway.
    pub(super) async fn lose_gateway(&self, gateway: GatewayId) -> Result<(), DatabaseError> {
        let update = sqlx::query("UPDATE slots SET ready = 0 WHERE gateway_id = $1").bind(gateway.to_string());
        update.execute(self.database.sqlx()).await?;
        Ok(())
    }

    /// All slots, by number.
    pub(super) async fn slots(&self) -> Result<Vec<SlotRow>, DatabaseError> {
        let select = "SELECT s.id AS slot_id, s.gateway_id, s.ready, g.place, g.listen, \
                      a.org_id, a.epoch, a.step, a.started_at \
                      FROM slots s JOIN gateways g ON g.id = s.gateway_id \
                      LEFT JOIN allocations a ON a.slot_id = s.id AND a.ended_at IS NULL \
                      WHERE s.retired = 0 OR a.id IS NOT NULL ORDER BY s.id";
        let rows = sqlx::query(select).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(SlotRow::from_row).collect()
    }

    /// Whether there is such a slot.
    pub(super) async fn has_slot(&self, slot: SlotId) -> Result<bool, DatabaseError> {
        let select = sqlx::query("SELECT id FROM slots WHERE id = $1").bind(i64::from(slot.0));
        Ok(select.fetch_optional(self.database.sqlx()).await?.is_some())
    }
}

impl Allocated {
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.parsed("id", "an allocation id")?,
            org: row.parsed("org_id", "an organization id")?,
            slot: slot_id(row)?,
            gateway: address(row)?,
            epoch: Epoch(row.number("epoch")?),
            step: row.parsed("step", "a step of an allocation")?,
        })
    }
}

impl SlotRow {
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        let allocation = match row.optional_number("started_at")? {
            None => None,
            Some(started_at_ms) => Some(SlotUse {
                org: row.parsed("org_id", "an organization id")?,
                epoch: Epoch(row.number("epoch")?),
                step: row.parsed("step", "a step of an allocation")?,
                started_at_ms,
            }),
        };
        Ok(Self { slot: slot_id(row)?, gateway: address(row)?, ready: row.truth("ready")?, allocation })
    }
}

pub(super) fn slot_id(row: &AnyRow) -> Result<SlotId, DatabaseError> {
    let number = row.number("slot_id")?;
    let slot = u32::try_from(number).map_err(|_| DatabaseError::damaged(&number.to_string(), "a slot number"))?;
    Ok(SlotId(slot))
}

fn address(row: &AnyRow) -> Result<GatewayAddress, DatabaseError> {
    let gateway = row.parsed("gateway_id", "a gateway id")?;
    Ok(match row.text("place")?.as_str() {
        "local" => GatewayAddress::Local { gateway },
        _ => GatewayAddress::Remote { gateway, listen: row.text("listen")? },
    })
}

/// Makes the organization's epoch greater and keeps its row to the end of the transaction. `None` if it is not there.
async fn next_epoch(tx: &mut Tx, org: OrgId) -> Result<Option<Epoch>, DatabaseError> {
    let update = sqlx::query("UPDATE orgs SET epoch = epoch + 1 WHERE id = $1").bind(org.to_string());
    if update.execute(&mut **tx).await?.rows_affected() != 1 {
        return Ok(None);
    }
    let select = sqlx::query("SELECT epoch FROM orgs WHERE id = $1").bind(org.to_string());
    Ok(Some(Epoch(select.fetch_one(&mut **tx).await?.number("epoch")?)))
}

async fn free_slot(tx: &mut Tx, but: i64) -> Result<Option<(SlotId, GatewayAddress)>, DatabaseError> {
    let row = sqlx::query(FREE_SLOT).bind(but).fetch_optional(&mut **tx).await?;
    row.map(|row| Ok((slot_id(&row)?, address(&row)?))).transpose()
}

async fn insert(tx: &mut Tx, allocated: &Allocated, now_ms: u64) -> Result<(), DatabaseError> {
    let Allocated { id, org, slot, gateway, epoch, step } = allocated;
    sqlx::query(INSERT)
        .bind(id.to_string())
        .bind(org.to_string())
        .bind(i64::from(slot.0))
        .bind(gateway.gateway().to_string())
        .bind(stored(epoch.0))
        .bind(step.as_str())
        .bind(stored(now_ms))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
