//! Who visits a container: the bearer of a visit of that very host whose session lasts, or of an access token. Owns what is
//! remembered of both, so that neither a signature nor Ganymede stands in the way of every request.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use http::HeaderMap;
use orrery_actors::Gateways;
use orrery_ganymede::tokens::{TokenError, VerifyingKeys, VisitClaims};
use orrery_protocol::{
    control::VisitStanding,
    id::{OrgId, UserId},
};

use super::cookies::{self, CookieNames};
use crate::{
    address::ContainerHost,
    admission::bearer,
    error::{ApiError, ErrorCode},
};

/// Visits that are remembered before those that are over are forgotten; twice as many at most.
const KNOWN_MAX: usize = 10_000;

/// Somebody who showed who they are.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Who.
    pub(super) user: UserId,
    /// How they came in; `None` for an access token.
    visit: Option<Arc<Known>>,
}

/// A visit whose signature was looked at.
#[derive(Debug)]
struct Known {
    token: String,
    host: String,
    claims: VisitClaims,
    ends_at: SystemTime,
    /// When its session was last known to last, in milliseconds of [`Visitors::began`], and one more; 0 is never.
    stood_ms: AtomicU64,
    /// For good: remembered, so that it is not asked for again.
    over: AtomicBool,
    /// One asks for all.
    asking: tokio::sync::Mutex<()>,
}

/// The end of a token's signature: what it is found by, because hashing all of it costs more than comparing it. Only what
/// was found signed is remembered, so that nobody chooses ends that are alike.
type Tail = [u8; 24];

fn tail_of(token: &str) -> Option<Tail> {
    token.as_bytes().last_chunk().copied()
}

/// Whether somebody may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// They may.
    Stands,
    /// They may not any more.
    Over,
    /// Nobody can say now.
    Unknown,
}

/// What is known of visitors in one process.
pub(super) struct Visitors {
    gateways: Gateways,
    verifier: Arc<VerifyingKeys>,
    fresh: Duration,
    began: Instant,
    known: Mutex<HashMap<Tail, Arc<Known>>>,
}

impl Visitor {
    /// Whether a request that shows this cannot come from a page of somebody else.
    pub(super) fn is_meant(&self) -> bool {
        self.visit.is_none()
    }
}

impl Visitors {
    /// Nobody has come. That a session lasts is believed for as long as `fresh`.
    pub(super) fn new(gateways: Gateways, verifier: Arc<VerifyingKeys>, fresh: Duration) -> Self {
        Self { gateways, verifier, fresh, began: Instant::now(), known: Mutex::default() }
    }

    /// How long that a session lasts is believed.
    pub(super) fn fresh(&self) -> Duration {
        self.fresh
    }

    /// Who sends a request; `None` for nobody that is known.
    ///
    /// # Errors
    /// They show a visit, and nobody can say whether it lasts.
    pub(super) async fn of(
        &self,
        host: &ContainerHost,
        headers: &HeaderMap,
        names: &CookieNames,
    ) -> Result<Option<Visitor>, ApiError> {
        let mut unknown = false;
        for token in cookies::values(headers, names.visit()) {
            let Some(visit) = self.recall(token, &host.name) else { continue };
            match self.standing_of(host.org, &visit).await {
                Standing::Stands => return Ok(Some(Visitor { user: visit.claims.user, visit: Some(visit) })),
                Standing::Over => {}
                Standing::Unknown => unknown = true,
            }
        }
        if let Some(user) = self.bearer(headers) {
            return Ok(Some(Visitor { user, visit: None }));
        }
        if unknown {
            let cause = ErrorCode::Unavailable("GANYMEDE_UNREACHABLE");
            return Err(ApiError::new(cause, "nobody can say now who you are").retry_after(1));
        }
        Ok(None)
    }

    /// Whether a visitor's session lasts. An access token ends by itself; what it opened stays open (ADR 4).
    pub(super) async fn standing(&self, org: OrgId, visitor: &Visitor) -> Standing {
        match &visitor.visit {
            Some(visit) => self.standing_of(org, visit).await,
            None => Standing::Stands,
        }
    }

    /// Whether what `Authorization` carries is a token of ours, good or not any more.
    pub(super) fn is_ours(&self, headers: &HeaderMap) -> bool {
        let token = bearer(headers).map(|token| self.verifier.access(token, SystemTime::now()));
        matches!(token, Some(Ok(_) | Err(TokenError::Expired)))
    }

    /// Who shows an access token.
    fn bearer(&self, headers: &HeaderMap) -> Option<UserId> {
        self.verifier.access(bearer(headers)?, SystemTime::now()).ok().map(|access| access.user)
    }

    fn recall(&self, token: &str, host: &str) -> Option<Arc<Known>> {
        let now = SystemTime::now();
        let tail = tail_of(token)?;
        let known = self.lock().get(&tail).cloned();
        if let Some(known) = known.filter(|known| known.token == token) {
            return (known.host == host && now < known.ends_at && !known.over.load(Ordering::Relaxed)).then_some(known);
        }
        let (claims, ends_at) = self.verifier.visit(token, host, now).ok()?;
        let known = Arc::new(Known {
            token: token.to_owned(),
            host: host.to_owned(),
            claims,
            ends_at,
            stood_ms: AtomicU64::new(0),
            over: AtomicBool::new(false),
            asking: tokio::sync::Mutex::new(()),
        });
        self.remember(tail, &known, now);
        Some(known)
    }

    fn remember(&self, tail: Tail, visit: &Arc<Known>, now: SystemTime) {
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, visit| now < visit.ends_at && self.is_fresh(visit));
        }
        if known.len() >= 2 * KNOWN_MAX {
            // Whoever is forgotten is looked at again.
            known.clear();
        }
        known.insert(tail, visit.clone());
    }

    async fn standing_of(&self, org: OrgId, visit: &Known) -> Standing {
        if self.is_fresh(visit) {
            return Standing::Stands;
        }
        let _turn = visit.asking.lock().await;
        if visit.over.load(Ordering::Relaxed) {
            return Standing::Over;
        }
        if self.is_fresh(visit) {
            return Standing::Stands;
        }
        // The key that signed it may have gone.
        if self.verifier.visit(&visit.token, &visit.host, SystemTime::now()).is_err() {
            visit.over.store(true, Ordering::Relaxed);
            return Standing::Over;
        }
        let asked_ms = self.now_ms();
        let VisitClaims { user, session } = visit.claims.clone();
        match self.gateways.visit_stands(org, &VisitStanding { user, session }).await {
            Ok(true) => {
                visit.stood_ms.store(asked_ms, Ordering::Relaxed);
                Standing::Stands
            }
            Ok(false) => {
                visit.over.store(true, Ordering::Relaxed);
                Standing::Over
            }
            Err(error) => {
                tracing::warn!(%org, %error, "cannot ask whether a visitor's session lasts");
                Standing::Unknown
            }
        }
    }

    fn is_fresh(&self, visit: &Known) -> bool {
        let stood_ms = visit.stood_ms.load(Ordering::Relaxed);
        stood_ms > 0 && Duration::from_millis(self.now_ms().saturating_sub(stood_ms)) < self.fresh
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Tail, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
