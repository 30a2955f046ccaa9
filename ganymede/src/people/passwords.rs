//! Hashing passwords. Owns how much one costs and how many are hashed at once; knows no accounts.
//!
//! A hash keeps a core and 19 MiB busy for some 20 ms, so it never runs on the threads that serve sockets, at most one runs
//! for each core, and only so many wait: sign-ins must not be a way to stop everything else.

use std::{num::NonZeroUsize, sync::Arc};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::input::PASSWORD_CHARS_MAX;

/// What hashing a password costs. Configurable; the defaults are those that OWASP gives for argon2id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordHashing {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Hashes at once. One for each core if absent, which is what a configuration always means.
    #[serde(skip)]
    pub concurrent_max: Option<NonZeroUsize>,
    /// Hashes that wait for their turn. Beyond: [`Busy`].
    pub waiting_max: usize,
}

impl Default for PasswordHashing {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, concurrent_max: None, waiting_max: 64 }
    }
}

/// A cost that argon2 does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("passwords cannot be hashed with {memory_kib} KiB and {iterations} iterations")]
pub struct InvalidPasswordHashing {
    memory_kib: u32,
    iterations: u32,
}

/// Too many passwords are being hashed. Worth trying again in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many people are signing in")]
pub struct Busy;

/// Hashes and verifies. Cheap to clone.
#[derive(Clone)]
pub(super) struct Passwords(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    /// The hash of a password that nobody has: verified where there is no account, so that it costs the same.
    nobody: String,
    /// One permit for each that runs or waits.
    admitted: Semaphore,
    /// One permit for each that runs.
    running: Semaphore,
}

impl Passwords {
    pub(super) fn new(hashing: &PasswordHashing) -> Result<Self, InvalidPasswordHashing> {
        let &PasswordHashing { memory_kib, iterations, .. } = hashing;
        let params = Params::new(memory_kib, iterations, 1, None)
            .map_err(|_| InvalidPasswordHashing { memory_kib, iterations })?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let concurrent_max =
            hashing.concurrent_max.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let nobody = hash(&argon2, super::secret::Secret::random().expose());
        Ok(Self(Arc::new(Inner {
            argon2,
            nobody,
            admitted: Semaphore::new(concurrent_max + hashing.waiting_max),
            running: Semaphore::new(concurrent_max),
        })))
    }

    /// As a PHC string.
    pub(super) async fn hash(&self, password: String) -> Result<String, Busy> {
        self.run(move |inner| hash(&inner.argon2, &password)).await
    }

    /// Whether `password` is the one that `expected` is the hash of. Takes as long without an `expected`.
    pub(super) async fn verify(&self, password: String, expected: Option<String>) -> Result<bool, Busy> {
        self.run(move |inner| {
            // None is longer, and the time that a hash takes grows with the password.
            let possible = password.chars().count() <= PASSWORD_CHARS_MAX;
            let password = if possible { password.as_bytes() } else { b"" };
            let right = PasswordHash::new(expected.as_deref().unwrap_or(&inner.nobody))
                .is_ok_and(|hash| inner.argon2.verify_password(password, &hash).is_ok());
            right && possible && expected.is_some()
        })
        .await
    }

    /// Whether `hash` was made at another cost than that of today.
    pub(super) fn is_outdated(&self, hash: &str) -> bool {
        let cost = |params: &Params| (params.m_cost(), params.t_cost());
        let made = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
        made.is_none_or(|made| cost(&made) != cost(self.0.argon2.params()))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Busy> {
        let _admitted = self.0.admitted.try_acquire().map_err(|_| Busy)?;
        let _running = self.0.running.acquire().await.map_err(|_| Busy)?;
        let inner = Arc::clone(&self.0);
        Ok(tokio::task::spawn_blocking(move || work(&inner)).await.expect("hashing a password does not panic"))
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> String {
    let hash = argon2.hash_password(password.as_bytes());
    hash.expect("parameters were checked and a password is far below 4 GiB").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> PasswordHashing {
        PasswordHashing { memory_kib: 8, iterations: 1, ..PasswordHashing::default() }
    }

    #[tokio::test]
    async fn a_password_is_recognized_and_no_other() {
        let passwords = Passwords::new(&quick()).unwrap();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(passwords.hash("correct horse".to_owned()).await.unwrap(), hash, "salted");
        for (password, right) in [("correct horse", true), ("correct Horse", false), ("", false)] {
            assert_eq!(passwords.verify(password.to_owned(), Some(hash.clone())).await, Ok(right), "{password:?}");
        }
        assert_eq!(passwords.verify("correct horse".to_owned(), Some("no hash".to_owned())).await, Ok(false));
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_recognized() {
        let dear = PasswordHashing { memory_kib: 16, iterations: 2, ..quick() };
        let hash = Passwords::new(&dear).unwrap().hash("correct horse".to_owned()).await.unwrap();
        let quick = Passwords::new(&quick()).unwrap();
        assert!(quick.is_outdated(&hash) && !quick.is_outdated(&quick.0.nobody));
        assert_eq!(quick.verify("correct horse".to_owned(), Some(hash)).await, Ok(true));
    }

    #[test]
    fn the_default_is_what_owasp_recommends() {
        let hashing = PasswordHashing::default();
        assert_eq!((hashing.memory_kib, hashing.iterations), (19_456, 2));
        assert!(Passwords::new(&hashing).unwrap().0.nobody.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[test]
    fn an_impossible_cost_is_refused() {
        for (memory_kib, iterations) in [(0, 1), (7, 1), (8, 0)] {
            let impossible = PasswordHashing { memory_kib, iterations, ..quick() };
            assert_eq!(Passwords::new(&impossible).err(), Some(InvalidPasswordHashing { memory_kib, iterations }));
        }
    }

    /// Where there is no account, a hash is verified all the same: it takes its place among the others.
    #[tokio::test]
    async fn more_than_may_wait_are_refused_with_or_without_an_account() {
        let one = PasswordHashing { concurrent_max: Some(NonZeroUsize::MIN), waiting_max: 1, ..quick() };
        let passwords = Passwords::new(&one).unwrap();
        let nobody = || passwords.verify("correct horse".to_owned(), None);
        // Polled in this order on one thread: none is over before the third, one too many, has come.
        let turn = passwords.0.running.acquire().await.unwrap();
        let all = tokio::join!(nobody(), nobody(), nobody(), async { drop(turn) });
        assert_eq!(all, (Ok(false), Ok(false), Err(Busy), ()));
        assert_eq!(nobody().await, Ok(false), "later there is room again");
    }
}
