//! What `/api/health` says of this process, part by part.

use std::collections::BTreeMap;

use async_trait::async_trait;
use orrery_actors::Gateways;
use orrery_ganymede::{
    database::{Database, DatabaseError},
    pool::{Pool, SlotState},
    store::{Health, Store},
};
use orrery_web::health::{Part, Parts, Status};

use crate::nginx::Standing;

/// The parts that this process has; which they are depends on its role.
#[derive(Default)]
pub(crate) struct OwnParts {
    pub(crate) gateways: Option<Gateways>,
    pub(crate) store: Option<Store>,
    pub(crate) database: Option<Database>,
    pub(crate) pool: Option<Pool>,
    pub(crate) nginx: Standing,
}

#[async_trait]
impl Parts for OwnParts {
    async fn parts(&self) -> BTreeMap<&'static str, Part> {
        let mut parts = BTreeMap::from([("edge", ok("answers"))]);
        if let Some(gateways) = &self.gateways {
            parts.insert("gateway", describe_gateways(gateways).await);
        }
        if let Some(store) = &self.store {
            let status = store.status();
            parts.insert("store", describe_store(status.health));
            parts.insert("snapshots", describe_snapshots(status.snapshots));
        }
        if let Some(database) = &self.database {
            let part = database.check().await.map_or_else(|error| down(&error), |()| ok("answers"));
            parts.insert("data base", part);
        }
        if let Some(pool) = &self.pool {
            parts.insert("pool", describe_pool(pool).await);
            parts.extend(pool.names().map(|names| ("names", describe_names(names))));
        }
        parts.extend(self.nginx.follows().map(|follows| ("nginx", describe_nginx(follows))));
        parts
    }
}

fn ok(detail: impl Into<String>) -> Part {
    Part { status: Status::Ok, detail: detail.into() }
}

/// The cause is in the log: it may name hosts and files.
fn down(error: &DatabaseError) -> Part {
    tracing::error!(%error, "the data base does not answer");
    Part { status: Status::Down, detail: "does not answer".to_owned() }
}

async fn describe_gateways(gateways: &Gateways) -> Part {
    let reports = gateways.inspect().await;
    let (mut rooms, mut peers, mut resting) = (0, 0, 0);
    for (gateway, _) in &reports {
        rooms += gateway.rooms.len();
        peers += gateway.rooms.iter().map(|(_, room)| room.report.peers).sum::<usize>();
        resting += gateway.resting;
    }
    let failed = if resting == 0 { String::new() } else { format!(", {resting} failed and retried later") };
    ok(format!("{} organizations, {rooms} open documents, {peers} peers{failed}", reports.len()))
}

fn describe_store(health: Health) -> Part {
    match health {
        Health::Healthy => ok("edits are saved"),
        Health::Degraded { error, attempts, .. } => Part {
            status: Status::Degraded,
            detail: format!("edits are accepted and not yet saved: {error} ({attempts} attempts)"),
        },
    }
}

fn describe_snapshots(health: Health) -> Part {
    match health {
        Health::Healthy => ok("snapshots are kept"),
        Health::Degraded { error, attempts, .. } => Part {
            status: Status::Degraded,
            detail: format!("edits are saved, and the journal grows: {error} ({attempts} attempts)"),
        },
    }
}

fn describe_nginx(follows: bool) -> Part {
    if follows {
        return ok("follows");
    }
    let detail = "does not follow, and goes on doing what it did before; the log says why".to_owned();
    Part { status: Status::Degraded, detail }
}

fn describe_names((pending, error): (usize, Option<String>)) -> Part {
    match error {
        None => ok("host names lead here"),
        Some(error) => Part { status: Status::Degraded, detail: format!("{pending} organizations wait: {error}") },
    }
}

async fn describe_pool(pool: &Pool) -> Part {
    let slots = match pool.slots().await {
        Ok(slots) => slots,
        Err(error) => return down(&error),
    };
    let count = |state: SlotState| slots.iter().filter(|slot| slot.state == state).count();
    ok(format!("{} slots, {} ready, {} lost", slots.len(), count(SlotState::Ready), count(SlotState::Lost)))
}
