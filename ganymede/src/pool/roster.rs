//! Gateways and how many slots they have, in the data base.

use orrery_protocol::id::{GatewayId, SlotId};
use uuid::Uuid;

use super::table::{Table, slot_id};
use crate::database::{DatabaseError, Row, Tx, stored};

impl Table {
    /// The gateway of Ganymede's own process; made by its first start.
    pub(super) async fn local_gateway(&self, now_ms: u64) -> Result<GatewayId, DatabaseError> {
        let select = "SELECT id FROM gateways WHERE place = 'local'";
        let mut tx = self.database.begin().await?;
        if let Some(row) = sqlx::query(select).fetch_optional(&mut *tx).await? {
            return row.parsed("id", "a gateway id");
        }
        let gateway = GatewayId(Uuid::now_v7());
        let insert = "INSERT INTO gateways (id, place, number, registered_at) VALUES ($1, 'local', 0, $2)";
        sqlx::query(insert).bind(gateway.to_string()).bind(stored(now_ms)).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(gateway)
    }

    /// Enters a gateway process under the lowest free number from 1 to `max`. `None` if there is none.
    pub(super) async fn register(
        &self,
        gateway: GatewayId,
        max: u16,
        now_ms: u64,
    ) -> Result<Option<u16>, DatabaseError> {
        let _choosing = self.choosing.lock().await;
        let mut tx = self.database.begin().await?;
        let select = "SELECT number FROM gateways WHERE number > 0 ORDER BY number";
        let taken = sqlx::query(select).fetch_all(&mut *tx).await?;
        let mut number = 1;
        for row in &taken {
            if row.number("number")? == u64::from(number) {
                number += 1;
            }
        }
        if number > max {
            return Ok(None);
        }
        let insert = "INSERT INTO gateways (id, place, number, registered_at) VALUES ($1, 'remote', $2, $3)";
        let insert = sqlx::query(insert).bind(gateway.to_string()).bind(i64::from(number)).bind(stored(now_ms));
        insert.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(number))
    }

    /// Where a gateway process is reached.
    pub(super) async fn announced(&self, gateway: GatewayId, listen: &str, now_ms: u64) -> Result<(), DatabaseError> {
        let update = "UPDATE gateways SET listen = $1, announced_at = $2 WHERE id = $3";
        let update = sqlx::query(update).bind(listen).bind(stored(now_ms)).bind(gateway.to_string());
        update.execute(self.database.sqlx()).await?;
        Ok(())
    }

    /// Takes a gateway process out for good. `false` if it is not in.
    pub(super) async fn revoke(&self, gateway: GatewayId, now_ms: u64) -> Result<bool, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let update = "UPDATE gateways SET revoked_at = $1, number = NULL \
                      WHERE id = $2 AND place = 'remote' AND revoked_at IS NULL";
        let update = sqlx::query(update).bind(stored(now_ms)).bind(gateway.to_string());
        if update.execute(&mut *tx).await?.rows_affected() != 1 {
            return Ok(false);
        }
        retire_from(&mut tx, gateway, 0).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether a gateway is in.
    pub(super) async fn is_registered(&self, gateway: GatewayId) -> Result<bool, DatabaseError> {
        let select = "SELECT id FROM gateways WHERE id = $1 AND revoked_at IS NULL";
        let row = sqlx::query(select).bind(gateway.to_string()).fetch_optional(self.database.sqlx()).await?;
        Ok(row.is_some())
    }

    /// Makes a gateway's slots this many, all of them ready, and says which they are. Slots that it has no more are retired:
    /// what is in them may stay, and nothing new is put there.
    pub(super) async fn set_slots(&self, gateway: GatewayId, count: u16) -> Result<Vec<SlotId>, DatabaseError> {
        let _choosing = self.choosing.lock().await;
        let mut tx = self.database.begin().await?;
        let select = sqlx::query("SELECT id AS slot_id FROM slots WHERE gateway_id = $1 ORDER BY id");
        let known = select.bind(gateway.to_string()).fetch_all(&mut *tx).await?;
        let mut slots = known.iter().map(slot_id).collect::<Result<Vec<_>, _>>()?;
        let count = usize::from(count);
        if slots.len() < count {
            let last = sqlx::query("SELECT COALESCE(MAX(id), 0) AS slot_id FROM slots").fetch_one(&mut *tx).await?;
            let SlotId(last) = slot_id(&last)?;
            for number in (last + 1..).take(count - slots.len()) {
                let insert = "INSERT INTO slots (id, gateway_id, ready, retired) VALUES ($1, $2, 1, 0)";
                let insert = sqlx::query(insert).bind(i64::from(number)).bind(gateway.to_string());
                insert.execute(&mut *tx).await?;
                slots.push(SlotId(number));
            }
        }
        let first_retired = slots.get(count).map_or(i64::MAX, |slot| i64::from(slot.0));
        let update = "UPDATE slots SET ready = 1, retired = 0 WHERE gateway_id = $1 AND id < $2";
        let update = sqlx::query(update).bind(gateway.to_string()).bind(first_retired);
        update.execute(&mut *tx).await?;
        retire_from(&mut tx, gateway, first_retired).await?;
        tx.commit().await?;
        slots.truncate(count);
        Ok(slots)
    }

    /// The process has no gateway of its own any more.
    pub(super) async fn retire_local(&self) -> Result<(), DatabaseError> {
        let update = "UPDATE slots SET retired = 1 WHERE gateway_id IN (SELECT id FROM gateways WHERE place = 'local')";
        sqlx::query(update).execute(self.database.sqlx()).await?;
        Ok(())
    }
}

async fn retire_from(tx: &mut Tx, gateway: GatewayId, first: i64) -> Result<(), DatabaseError> {
    let update = sqlx::query("UPDATE slots SET retired = 1 WHERE gateway_id = $1 AND id >= $2");
    update.bind(gateway.to_string()).bind(first).execute(&mut **tx).await?;
    Ok(())
}
