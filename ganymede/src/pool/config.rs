//! What a gateway asks of the pool: the configuration of its organization, more time, and to be let go.

use std::time::Duration;

use orrery_protocol::{
    allocation::Step,
    control::{GatewayBrief, Lease},
    id::{GatewayId, OrgId},
};

use tokio::time::timeout;

use super::{
    ConfigError, Pool, RenewError, StaleEpoch, StopError, UnknownGateway,
    routes::Route,
    saga::handshake_digest,
    table::{Allocated, End},
};
use crate::{
    clock::iso8601,
    database::DatabaseError,
    orgs::OrgBrief,
    tokens::{GatewayClaims, HandshakeClaims},
};

/// How long a renewal waits for the data base. Gateways wait little longer.
const VERSION_MAX: Duration = Duration::from_secs(1);

impl Pool {
    /// What `gateway` must know of the organization that it was told to serve. Uses the handshake up, and begins the lease.
    ///
    /// # Errors
    /// The handshake is for another gateway, was used before, has expired, or its allocation is over.
    pub async fn handshake(&self, gateway: GatewayId, handshake: &str) -> Result<GatewayBrief, ConfigError> {
        let now = self.now();
        let parts = &self.inner.parts;
        let HandshakeClaims { jti, org, epoch, .. } = parts.tokens.verifying().handshake(handshake, gateway, now)?;
        if !self.inner.table.is_registered(gateway).await? {
            return Err(UnknownGateway(gateway).into());
        }
        let digest = handshake_digest(jti);
        if !self.inner.table.use_handshake(org, epoch, gateway, &digest, self.now_ms()).await? {
            return Err(ConfigError::HandshakeOver);
        }
        self.inner.leases.open(org, epoch, gateway, self.both_now(), parts.limits.lease);
        // Whoever ends an allocation closes its lease last. One that ended before there was a lease is seen here.
        if self.inner.table.open_of(org).await?.is_none_or(|open| open.epoch != epoch) {
            self.inner.leases.close(org, epoch);
            return Err(ConfigError::HandshakeOver);
        }
        self.describe(&GatewayClaims { gateway, org, epoch }).await
    }

    /// What a gateway must know of the organization that it serves, as it is now.
    ///
    /// # Errors
    /// The gateway does not serve the organization under this epoch any more.
    pub async fn brief(&self, claims: &GatewayClaims) -> Result<GatewayBrief, ConfigError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        if !self.inner.leases.is_held_by(claims) {
            return Err(StaleEpoch { organization_id: org, epoch }.into());
        }
        self.describe(claims).await
    }

    async fn describe(&self, claims: &GatewayClaims) -> Result<GatewayBrief, ConfigError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        let parts = &self.inner.parts;
        let OrgBrief { org: described, projects, members } =
            parts.orgs.brief(org).await?.ok_or(ConfigError::UnknownOrg(org))?;
        let disable_shutdown = parts.states.load(org).await?.is_some_and(|state| state.disable_shutdown == Some(true));
        Ok(GatewayBrief {
            organization_id: org,
            organization_name: described.name,
            epoch,
            version: described.version,
            gateway_token: parts.tokens.sign_gateway(claims, self.now())?,
            projects,
            members,
            disable_shutdown,
            named: !parts.dns.is_pending(org),
            lease_ms: u64::try_from(parts.limits.lease.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Lets the gateway go on. The data base is asked only for the organization's version, and while it is away that is 0,
    /// which no brief has: people write on, and the gateway asks for its configuration until it gets it.
    ///
    /// # Errors
    /// The gateway does not serve the organization under this epoch any more, or was too late: it stops at once.
    pub async fn renew(&self, claims: &GatewayClaims) -> Result<Lease, RenewError> {
        let parts = &self.inner.parts;
        let now = self.both_now();
        let renewal = self.inner.leases.renew(claims, now, parts.limits.lease)?;
        let asked = timeout(VERSION_MAX, parts.orgs.org(claims.org)).await;
        let version = asked.ok().and_then(Result::ok).flatten().map_or(0, |org| org.version);
        let token = || parts.tokens.sign_gateway(claims, now.of_day);
        let gateway_token = renewal.token_due.then(token).transpose()?;
        let ttl_ms = u64::try_from(parts.limits.lease.as_millis()).unwrap_or(u64::MAX);
        let expires_at = iso8601(now.of_day + parts.limits.lease);
        Ok(Lease { expires_at, ttl_ms, version, gateway_token })
    }

    /// The gateway serves the organization no longer and has pushed everything. Safe to repeat.
    ///
    /// # Errors
    /// The organization is served under a newer epoch; nothing was changed.
    pub async fn stop(&self, claims: &GatewayClaims) -> Result<(), StopError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        let Some(open) = self.allocation_of(claims).await? else { return Ok(()) };
        if open.step == Step::Draining {
            // Whoever moves the organization ends the allocation, and need not wait for the end of the lease.
            self.inner.leases.close(org, epoch);
            return Ok(());
        }
        let failover = self.is_closed() && open.step.has_served();
        self.end(&open, End::Stopped, failover).await?;
        self.inner.parts.routes.remove(org, epoch);
        Ok(())
    }

    /// The same, because the gateway's process ends: the organization is served elsewhere with the next look at the pool, and
    /// nothing is allocated to this gateway until it announces itself again. Safe to repeat.
    ///
    /// # Errors
    /// The organization is served under a newer epoch; nothing was changed.
    pub async fn depart(&self, claims: &GatewayClaims) -> Result<(), StopError> {
        let GatewayClaims { gateway, org, epoch } = *claims;
        let Some(open) = self.allocation_of(claims).await? else { return Ok(()) };
        self.inner.table.lose_gateway(gateway).await?;
        if open.step == Step::Draining {
            self.inner.leases.close(org, epoch);
        } else {
            self.inner.parts.routes.set(org, Route::Moving { epoch });
            self.end(&open, End::Stopped, open.step.has_served()).await?;
        }
        Ok(())
    }

    /// What a gateway serves, as long as nobody serves it under a newer epoch. `None` if nobody does.
    async fn allocation_of(&self, claims: &GatewayClaims) -> Result<Option<Allocated>, StopError> {
        let GatewayClaims { gateway, org, epoch } = *claims;
        let Some(open) = self.inner.table.open_of(org).await? else { return Ok(None) };
        if open.epoch != epoch || open.gateway.gateway() != gateway {
            return Err(StaleEpoch { organization_id: org, epoch }.into());
        }
        Ok(Some(open))
    }

    /// Takes an organization from its gateway: nobody is served, and nobody will be until the next start.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn release(&self, org: OrgId) -> Result<(), DatabaseError> {
        let turn = self.inner.turns.take(org).await;
        self.let_go(org).await?;
        drop(turn);
        Ok(())
    }

    /// Takes an organization from its gateway and removes it: first what `erase` removes of it, then what is in the tables.
    /// Nobody can start it meanwhile. `false` if it is not there. What fails can be tried again.
    ///
    /// # Errors
    /// The data base does not answer, or `erase` fails.
    pub async fn dissolve<E: From<DatabaseError>>(
        &self,
        org: OrgId,
        erase: impl Future<Output = Result<(), E>>,
    ) -> Result<bool, E> {
        let turn = self.inner.turns.take(org).await;
        self.let_go(org).await?;
        erase.await?;
        let deleted = self.inner.parts.orgs.delete(org).await?;
        drop(turn);
        Ok(deleted)
    }

    /// The caller has the organization's turn.
    async fn let_go(&self, org: OrgId) -> Result<(), DatabaseError> {
        if let Some(open) = self.inner.table.open_of(org).await? {
            self.leave(&open, End::Released).await?;
        }
        self.inner.table.forget_failover(org).await?;
        self.inner.backoffs.forget(org);
        self.inner.parts.routes.forget_moving(org);
        Ok(())
    }

    /// Ends an allocation: no lease, no writer. `false` if it was over already. The route is the caller's.
    pub(super) async fn end(&self, open: &Allocated, end: End, failover: bool) -> Result<bool, DatabaseError> {
        let Allocated { id, org, epoch, .. } = *open;
        self.inner.parts.fence.close_epoch(org, epoch).await;
        let ended = self.inner.table.end(id, end, failover, self.now_ms()).await?;
        self.inner.leases.close(org, epoch);
        if ended {
            tracing::info!(%org, slot = %open.slot, %epoch, ?end, "an allocation ends");
        }
        Ok(ended)
    }
}
