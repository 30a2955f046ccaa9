//! Who may enter containers: gives a signed-in browser a ticket for one host, makes a visit of it once, and says whether
//! the session behind a visit lasts. Must not know projects or roles: the gateway does.
//!
//! Tickets that were used are remembered until they would have ended anyway. That memory ends with the process, so that no
//! ticket of an earlier one is taken.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use orrery_protocol::{
    control::{SessionDigest, Token, Visit, VisitRequest, VisitStanding},
    id::{OrgId, UserId},
};
use uuid::Uuid;

use crate::{
    clock::{Clock, unix_ms},
    database::DatabaseError,
    people::People,
    tokens::{TicketClaims, TokenError, TokenKeys, VisitClaims},
};

/// Most tickets that are remembered. Beyond it nobody enters for a while: used ones end after a minute.
const USED_MAX: usize = 100_000;

/// Why nobody enters.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The ticket is none, or not for this host, or not of this browser.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It was used.
    #[error("the ticket was used")]
    Used,
    /// The session ended meanwhile.
    #[error("the session is over")]
    SignedOut,
    /// More are entering than are remembered.
    #[error("too many enter at once")]
    Busy,
    /// Nobody knows whether the session lasts.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The gate's memory. Cheap to clone.
#[derive(Clone)]
pub struct Visits {
    tokens: Arc<TokenKeys>,
    people: People,
    clock: Clock,
    began: SystemTime,
    used: Arc<Mutex<BTreeMap<Uuid, SystemTime>>>,
}

impl Visits {
    /// Nobody has entered.
    pub fn new(tokens: Arc<TokenKeys>, people: People, clock: Clock) -> Self {
        // In whole seconds, as times in tokens are.
        let since = clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began = UNIX_EPOCH + Duration::from_secs(since.as_secs());
        Self { tokens, people, clock, began, used: Arc::default() }
    }

    /// A ticket for `user` to `host`, for the browser that keeps what `nonce` is the digest of.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn ticket(
        &self,
        user: UserId,
        session: SessionDigest,
        host: String,
        nonce: String,
    ) -> Result<Token, TokenError> {
        let claims = TicketClaims { jti: Uuid::new_v4(), user, session, host, nonce };
        self.tokens.sign_ticket(&claims, (self.clock)())
    }

    /// Takes a ticket that a gateway of `org` was brought, once: of two at the same time one enters.
    ///
    /// # Errors
    /// The ticket does not open this host to this browser, or not any more.
    pub async fn admit(&self, org: OrgId, request: &VisitRequest) -> Result<Visit, VisitError> {
        let now = (self.clock)();
        let (ticket, ends_at) = self.tokens.verifying().ticket(&request.code.0, now)?;
        let is_theirs = request.host.split('.').nth(1) == Some(format!("org-{org}").as_str());
        if ticket.host != request.host || ticket.nonce != request.nonce || !is_theirs {
            return Err(TokenError::Invalid.into());
        }
        self.take(ticket.jti, ends_at, now)?;
        let TicketClaims { user, session, host, .. } = ticket;
        if !self.stands(&VisitStanding { user, session: session.clone() }).await? {
            return Err(VisitError::SignedOut);
        }
        let token = self.tokens.sign_visit(&VisitClaims { user, session }, &host, now)?;
        Ok(Visit { token, ttl_s: VisitClaims::TTL.as_secs() })
    }

    /// Whether the session behind a visit lasts, and is that user's.
    ///
    /// # Errors
    /// The data base cannot be asked.
    pub async fn stands(&self, standing: &VisitStanding) -> Result<bool, DatabaseError> {
        let user = self.people.user_of_session(unix_ms((self.clock)()), &standing.session).await?;
        Ok(user == Some(standing.user))
    }

    fn take(&self, ticket: Uuid, ends_at: SystemTime, now: SystemTime) -> Result<(), VisitError> {
        // Clocks of one machine: a ticket that was given before this process began may have been used in another one.
        if ends_at < self.began + TicketClaims::TTL {
            return Err(VisitError::Used);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= USED_MAX {
            // A verifier bears with clocks that differ a little; so does this.
            used.retain(|_, ends_at| *ends_at + TicketClaims::TTL > now);
        }
        if used.len() >= USED_MAX {
            return Err(VisitError::Busy);
        }
        if used.insert(ticket, ends_at).is_some() { Err(VisitError::Used) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
