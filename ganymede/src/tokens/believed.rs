//! Access tokens whose signature was found good: it is not looked at again while the same keys hold, because looking costs more
//! than all else that a request takes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::{
    kinds::AccessClaims,
    verify::{Signed, VerifyingKey},
};

/// Tokens that are remembered before those whose time is over are forgotten; twice as many at most.
const KNOWN_MAX: usize = 10_000;

/// What each token says, and the keys that it was looked at with.
#[derive(Default)]
pub(super) struct Believed(Mutex<Known>);

#[derive(Default)]
struct Known {
    keys: Arc<[VerifyingKey]>,
    tokens: HashMap<String, Signed<AccessClaims>>,
}

impl Believed {
    /// What a token says; `None` if it has to be looked at with these keys. Its time may be over.
    pub(super) fn find(&self, keys: &Arc<[VerifyingKey]>, token: &str) -> Option<Signed<AccessClaims>> {
        let known = self.lock();
        known.tokens.get(token).filter(|_| Arc::ptr_eq(&known.keys, keys)).cloned()
    }

    /// A token was looked at with these keys `now`. What other keys said is forgotten.
    pub(super) fn remember(
        &self,
        keys: &Arc<[VerifyingKey]>,
        token: &str,
        signed: &Signed<AccessClaims>,
        now: SystemTime,
    ) {
        let mut known = self.lock();
        if !Arc::ptr_eq(&known.keys, keys) {
            *known = Known { keys: keys.clone(), tokens: HashMap::new() };
        }
        if known.tokens.len() >= KNOWN_MAX {
            known.tokens.retain(|_, signed| now < signed.expires_at);
        }
        if known.tokens.len() >= 2 * KNOWN_MAX {
            known.tokens.clear();
        }
        known.tokens.insert(token.to_owned(), signed.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use orrery_protocol::id::UserId;
    use uuid::Uuid;

    use super::*;

    fn access(expires_s: u64) -> Signed<AccessClaims> {
        let claims = AccessClaims { user: UserId(Uuid::from_u128(1)), name: "Ada".to_owned(), only_uses: false };
        let issued_at = SystemTime::UNIX_EPOCH;
        Signed { claims, issued_at, expires_at: issued_at + Duration::from_secs(expires_s) }
    }

    #[test]
    fn other_keys_believe_nothing() {
        let (believed, now) = (Believed::default(), SystemTime::UNIX_EPOCH);
        let [one, other]: [Arc<[VerifyingKey]>; 2] = [Vec::new().into(), Vec::new().into()];
        believed.remember(&one, "token", &access(1_000), now);
        assert_eq!(believed.find(&one, "token"), Some(access(1_000)));
        assert_eq!((believed.find(&one, "tokem"), believed.find(&other, "token")), (None, None));
        believed.remember(&other, "later", &access(1_000), now);
        assert_eq!((believed.find(&one, "token"), believed.find(&other, "token")), (None, None));
        assert!(believed.find(&other, "later").is_some());
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let (believed, keys) = (Believed::default(), Arc::default());
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for number in 0..3 * KNOWN_MAX {
            believed.remember(&keys, &number.to_string(), &access(130), at(100));
            assert!(believed.lock().tokens.len() <= 2 * KNOWN_MAX);
        }
        believed.remember(&keys, "later", &access(1_000), at(200));
        assert_eq!(believed.lock().tokens.len(), 1, "those whose time is over go first");
    }
}
