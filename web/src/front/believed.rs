//! Access tokens whose signature was looked at lately: it is believed for a while, because looking costs more than all else
//! that a request takes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use orrery_protocol::id::UserId;

/// Tokens that are remembered before those whose time is over are forgotten; twice as many at most.
const KNOWN_MAX: usize = 10_000;

/// Whose each token is, and until when that is believed.
pub(super) struct Believed {
    fresh: Duration,
    known: Mutex<HashMap<String, (UserId, SystemTime)>>,
}

impl Believed {
    /// None yet. Each is believed for as long as `fresh`: the key that signed it may go.
    pub(super) fn new(fresh: Duration) -> Self {
        Self { fresh, known: Mutex::default() }
    }

    /// Whose a token is; `None` if it has to be looked at.
    pub(super) fn user(&self, token: &str, now: SystemTime) -> Option<UserId> {
        self.lock().get(token).filter(|(_, until)| now < *until).map(|(user, _)| *user)
    }

    /// A token was looked at `now`, and is good until `expires_at`.
    pub(super) fn remember(&self, token: &str, user: UserId, expires_at: SystemTime, now: SystemTime) {
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, (_, until)| now < *until);
        }
        if known.len() >= 2 * KNOWN_MAX {
            known.clear();
        }
        known.insert(token.to_owned(), (user, expires_at.min(now + self.fresh)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (UserId, SystemTime)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ADA: UserId = UserId(Uuid::from_u128(1));

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_believed_for_a_while_and_never_longer_than_it_is_good() {
        let believed = Believed::new(Duration::from_secs(30));
        assert_eq!(believed.user("token", at(100)), None);
        believed.remember("token", ADA, at(1_000), at(100));
        assert_eq!(believed.user("token", at(129)), Some(ADA));
        assert_eq!(believed.user("token", at(130)), None);
        assert_eq!(believed.user("other", at(101)), None);
        believed.remember("token", ADA, at(1_000), at(990));
        assert_eq!(believed.user("token", at(999)), Some(ADA));
        assert_eq!(believed.user("token", at(1_000)), None);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let believed = Believed::new(Duration::from_secs(30));
        for number in 0..3 * KNOWN_MAX {
            believed.remember(&number.to_string(), ADA, at(1_000), at(100));
            assert!(believed.lock().len() <= 2 * KNOWN_MAX);
        }
        believed.remember("later", ADA, at(1_000), at(200));
        assert_eq!(believed.lock().len(), 1, "those whose time is over go first");
    }
}
