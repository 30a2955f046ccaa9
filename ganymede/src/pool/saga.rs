//! Performs what [`allocation`](orrery_protocol::allocation) decides: from an organization without a gateway to one that
//! is served, or back.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orrery_protocol::{
    allocation::{Effect, Outcome, Saga, Step},
    control::Start,
    id::OrgId,
};
use tokio::{sync::watch, time::timeout};
use uuid::Uuid;

use super::{
    Allocation, Pool, StartError, figures,
    host::{GatewayAddress, HostError},
    routes::Route,
    table::{Allocated, End, Reserved},
    turns::Turn,
};
use crate::{database::DatabaseError, dns::Naming, tokens::HandshakeClaims};

/// How many slots are tried when one gateway after the other does not answer.
const ATTEMPTS_MAX: usize = 3;

/// How long an allocation that failed waits for its gateway to let go. What the gateway does later is fenced off.
const UNDO_TIMEOUT: Duration = Duration::from_secs(2);

type Answer = Result<Allocation, StartError>;

/// Allocations under way. Whoever asks for the same organization gets the same answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights {
    flights: Arc<Mutex<HashMap<OrgId, watch::Receiver<Option<Answer>>>>>,
}

impl Flights {
    /// Joins the organization's flight, or begins it. It goes on even if nobody waits for it.
    pub(super) fn join<F>(&self, org: OrgId, begin: impl FnOnce() -> F) -> watch::Receiver<Option<Answer>>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&org) {
            return flight.clone();
        }
        let (answer, flight) = watch::channel(None);
        flights.insert(org, flight.clone());
        let landing = Landing { flights: self.clone(), org };
        let journey = begin();
        tokio::spawn(async move {
            let result = journey.await;
            // Whoever comes now begins anew, and sees what this one has done.
            drop(landing);
            answer.send_replace(Some(result));
        });
        flight
    }

    /// Whether the organization has one.
    pub(super) fn is_under_way(&self, org: OrgId) -> bool {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&org)
    }
}

/// Takes the flight off the table, even if it crashes.
struct Landing {
    flights: Flights,
    org: OrgId,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.org);
    }
}

impl Pool {
    /// Sees to it that the organization is served, and says where. Whoever asks meanwhile gets the same answer. It goes on
    /// if the caller does not wait.
    ///
    /// # Errors
    /// No slot is free, there is no such organization, or a step failed: then all is as before.
    pub async fn start(&self, org: OrgId) -> Result<Allocation, StartError> {
        let pool = self.clone();
        let mut flight = self.inner.flights.join(org, move || async move {
            let turn = pool.inner.turns.take(org).await;
            let placed = pool.place(org, &turn).await;
            if placed.is_err() {
                pool.inner.parts.routes.forget_moving(org);
            }
            placed
        });
        let crashed = || StartError::Failed { step: Step::Reserved, reason: "the allocation crashed".to_owned() };
        let landed = flight.wait_for(Option::is_some).await.map_err(|_| crashed())?;
        landed.clone().unwrap_or_else(|| Err(crashed()))
    }

    /// The organization's allocation, new if need be.
    async fn place(&self, org: OrgId, turn: &Turn) -> Answer {
        if self.is_closed() {
            return Err(StartError::Failed { step: Step::Reserved, reason: "the pool is closed".to_owned() });
        }
        if let Some(open) = self.inner.table.open_of(org).await? {
            match open.step {
                Step::Serving => return Ok(open.into()),
                // Nobody else has the turn, so nobody else will end it.
                Step::Draining => self.leave(&open, End::Drained).await?,
                Step::Standby | Step::Reserved | Step::Routed | Step::Named | Step::Handshaken | Step::Pulled => {
                    self.abandon(&open).await?
                }
            }
        }
        self.allocate(org, turn).await
    }

    /// A new allocation. Tries another gateway if the first one does not answer.
    pub(super) async fn allocate(&self, org: OrgId, _turn: &Turn) -> Answer {
        for _ in 1..ATTEMPTS_MAX {
            match Run::new(self, org, None).await?.drive(Saga::begin()).await {
                Err(Unserved { gateway_lost: true, .. }) => {}
                Err(Unserved { error, .. }) => return Err(error),
                Ok(allocation) => return Ok(allocation),
            }
        }
        Run::new(self, org, None).await?.drive(Saga::begin()).await.map_err(|unserved| unserved.error)
    }

    /// The allocation of an organization whose slot was reserved otherwise.
    pub(super) async fn continue_from(&self, reserved: Allocated, _turn: &Turn) -> Answer {
        let org = reserved.org;
        let run = Run::new(self, org, Some(reserved)).await?;
        run.drive(Saga::reserved()).await.map_err(|unserved| unserved.error)
    }
}

impl From<Allocated> for Allocation {
    fn from(allocated: Allocated) -> Self {
        let Allocated { org, slot, gateway, epoch, .. } = allocated;
        Self { organization_id: org, slot, gateway: gateway.gateway(), epoch }
    }
}

/// One allocation on its way.
struct Run<'a> {
    pool: &'a Pool,
    org: OrgId,
    /// From the moment on that a slot is reserved.
    allocated: Option<Allocated>,
    /// Whether the organization shall be served even if this allocation fails.
    failover: bool,
    failure: Option<StartError>,
    gateway_lost: bool,
}

/// An allocation that was undone.
struct Unserved {
    error: StartError,
    /// The gateway did not answer: its slots are lost, and another gateway may do better.
    gateway_lost: bool,
}

impl<'a> Run<'a> {
    async fn new(pool: &'a Pool, org: OrgId, allocated: Option<Allocated>) -> Result<Self, DatabaseError> {
        let failover = pool.inner.table.wants_failover(org).await?;
        Ok(Self { pool, org, allocated, failover, failure: None, gateway_lost: false })
    }

    async fn drive(mut self, (mut saga, mut effect): (Saga, Effect)) -> Result<Allocation, Unserved> {
        loop {
            let outcome = match effect {
                Effect::Perform(step) => match self.perform_or_fault(step).await {
                    Ok(()) => Outcome::Done,
                    Err(error) => {
                        tracing::warn!(org = %self.org, %step, %error, "an allocation fails and is undone");
                        figures::step_failed(step);
                        self.failure = Some(error);
                        Outcome::Failed
                    }
                },
                Effect::Undo(step) => self.undo(step).await,
                Effect::Served => {
                    let allocated = self.allocated.expect("what is served has a slot");
                    let Allocated { org, slot, epoch, .. } = &allocated;
                    tracing::info!(%org, %slot, %epoch, gateway = %allocated.gateway.gateway(), "serving");
                    figures::served();
                    return Ok(allocated.into());
                }
                Effect::Undone(_) => {
                    let error = self.failure.expect("what is undone has failed");
                    return Err(Unserved { error, gateway_lost: self.gateway_lost });
                }
            };
            effect = saga.handle(outcome);
        }
    }

    async fn perform_or_fault(&mut self, step: Step) -> Result<(), StartError> {
        let faults = &self.pool.inner.parts.faults;
        let fault = |when: &str| StartError::Failed { step, reason: format!("a fault {when} it, on purpose") };
        if faults.before(step) {
            return Err(fault("before"));
        }
        self.perform(step).await?;
        if faults.after(step) { Err(fault("after")) } else { Ok(()) }
    }

    /// Does the step, and writes down that it is done.
    async fn perform(&mut self, step: Step) -> Result<(), StartError> {
        match step {
            Step::Reserved => self.reserve().await,
            Step::Routed => {
                let Allocated { org, epoch, .. } = *self.allocated();
                self.pool.inner.parts.fence.open(org, epoch).await;
                self.pool.inner.parts.routes.set(org, Route::Moving { epoch });
                self.write_down(step).await
            }
            Step::Named => {
                // People get in all the same: by path, and by names that resolvers still know.
                if self.pool.inner.parts.dns.name(self.org).await == Naming::Pending {
                    tracing::warn!(org = %self.org, "its host names are pending; the allocation goes on without them");
                }
                self.write_down(step).await
            }
            Step::Pulled => self.write_down(step).await,
            Step::Handshaken => self.handshake().await,
            Step::Serving => self.serve().await,
            Step::Standby | Step::Draining => Ok(()),
        }
    }

    async fn reserve(&mut self) -> Result<(), StartError> {
        let limits = &self.pool.inner.parts.limits;
        match self.pool.inner.table.reserve(self.org, self.pool.now_ms()).await? {
            Reserved::Slot(allocated) => {
                self.allocated = Some(allocated);
                Ok(())
            }
            Reserved::NoneFree => Err(StartError::PoolExhausted { retry_after: limits.retry_after }),
            Reserved::UnknownOrg => Err(StartError::UnknownOrg(self.org)),
        }
    }

    /// Tells the gateway to serve the organization. On its way it fetches the configuration, which begins its lease and
    /// writes this step down.
    async fn handshake(&mut self) -> Result<(), StartError> {
        let Allocated { id, org, slot, ref gateway, epoch, .. } = *self.allocated();
        let failed = |reason: String| StartError::Failed { step: Step::Handshaken, reason };
        let jti = Uuid::new_v4();
        let claims = HandshakeClaims { jti, org, epoch, slot };
        let parts = &self.pool.inner.parts;
        let handshake = parts.tokens.sign_handshake(&claims, gateway.gateway(), self.pool.now());
        let handshake = handshake.map_err(|error| failed(error.to_string()))?;
        if !self.pool.inner.table.give_handshake(id, &handshake_digest(jti)).await? {
            return Err(failed("the allocation was ended meanwhile".to_owned()));
        }
        let start = Start { organization_id: org, handshake };
        let started = self.pool.host(gateway).start(gateway, epoch, start);
        let started = timeout(parts.limits.start_timeout, started)
            .await
            .unwrap_or_else(|_| Err(HostError::Unreachable("it takes too long".to_owned())));
        if let Err(error) = started {
            self.gateway_lost = matches!(error, HostError::Unreachable(_));
            return Err(failed(error.to_string()));
        }
        let configured = self.pool.inner.leases.holds(org, epoch);
        if configured { Ok(()) } else { Err(failed("the gateway did not fetch its configuration".to_owned())) }
    }

    async fn serve(&mut self) -> Result<(), StartError> {
        let allocated = self.allocated();
        if !self.pool.inner.table.serving(allocated, self.pool.now_ms()).await? {
            let reason = "the allocation was ended meanwhile".to_owned();
            return Err(StartError::Failed { step: Step::Serving, reason });
        }
        self.pool.inner.parts.routes.set(allocated.org, allocated.route());
        Ok(())
    }

    async fn write_down(&self, step: Step) -> Result<(), StartError> {
        if self.pool.inner.table.advance(self.allocated().id, step, self.pool.now_ms()).await? {
            Ok(())
        } else {
            Err(StartError::Failed { step, reason: "the allocation was ended meanwhile".to_owned() })
        }
    }

    /// Undoes the step, as far as it happened.
    async fn undo(&mut self, step: Step) -> Outcome {
        // Without a slot nothing has happened.
        let Some(allocated) = &self.allocated else { return Outcome::Done };
        let Allocated { id, org, epoch, .. } = *allocated;
        match step {
            Step::Handshaken => {
                self.pool.inner.parts.fence.close_epoch(org, epoch).await;
                self.let_go(allocated).await
            }
            Step::Routed => {
                self.pool.inner.parts.routes.remove(org, epoch);
                self.pool.inner.parts.fence.close_epoch(org, epoch).await;
                Outcome::Done
            }
            Step::Reserved => {
                match self.pool.inner.table.end(id, End::Undone, self.failover, self.pool.now_ms()).await {
                    Ok(_) => {
                        self.pool.inner.leases.close(org, epoch);
                        Outcome::Done
                    }
                    Err(error) => {
                        // The reaper finds an open allocation that nobody works on.
                        tracing::error!(%org, %error, "an allocation that failed stays open for now");
                        Outcome::Failed
                    }
                }
            }
            Step::Standby | Step::Named | Step::Pulled | Step::Serving | Step::Draining => Outcome::Done,
        }
    }

    /// Tells the gateway to forget the organization. One that does not answer is not asked for anything until it announces
    /// itself again.
    async fn let_go(&self, allocated: &Allocated) -> Outcome {
        let Allocated { org, ref gateway, epoch, .. } = *allocated;
        let gone = if self.gateway_lost {
            self.pool.inner.table.lose_gateway(gateway.gateway()).await.map_err(|error| error.to_string())
        } else {
            let stopped = timeout(UNDO_TIMEOUT, self.pool.host(gateway).stop(gateway, org, epoch)).await;
            let late = |_| HostError::Unreachable("it takes too long".to_owned());
            stopped.map_err(late).and_then(|stopped| stopped).map_err(|error| error.to_string())
        };
        match gone {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::warn!(%org, %epoch, %error, "a gateway was not told that an allocation is over");
                Outcome::Failed
            }
        }
    }

    fn allocated(&self) -> &Allocated {
        self.allocated.as_ref().expect("the first step reserves a slot")
    }
}

impl Allocated {
    /// Where requests go while it serves.
    pub(super) fn route(&self) -> Route {
        match &self.gateway {
            GatewayAddress::Local { .. } => Route::Local { slot: self.slot, epoch: self.epoch },
            GatewayAddress::Remote { gateway, listen } => {
                Route::Remote { gateway: *gateway, address: listen.as_str().into(), epoch: self.epoch }
            }
        }
    }
}

/// What is kept of a handshake.
pub(super) fn handshake_digest(jti: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, jti.as_bytes()))
}
