//! Public keys of a control plane in another process, kept as new as those that it signs with. They are fetched from time to
//! time, and at once when somebody shows a token of a key that is not known here: after a rotation there are such tokens
//! before anybody could have told.
//!
//! A stranger can invent as many keys as they like. So there is one fetch at a time and a pause between two, who waits waits
//! for the same one, and a key that is not published is not asked for again for a while.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    Jwks,
    verify::{VerifyingKey, VerifyingKeys},
};

const PACE: Pace =
    Pace { every: Duration::from_secs(5 * 60), pause: Duration::from_secs(1), unknown_for: Duration::from_secs(60) };
/// Most keys that are remembered as not published. The oldest goes.
const UNKNOWN_MAX: usize = 256;
/// Most who wait for one fetch.
const WAITING_MAX: usize = 256;

/// Keys could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the public keys cannot be fetched: {0}")]
pub struct FetchError(pub String);

/// Whether a key exists cannot be said now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("whoever knows the keys does not answer")]
pub struct KeysUnavailable;

/// Where keys are published.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// Every key that verifies now.
    async fn fetch(&self) -> Result<Jwks, FetchError>;
}

/// Keeps the keys of a process as those of a [`KeySource`], as long as it [runs](Self::run).
pub struct Follower {
    source: Arc<dyn KeySource>,
    published: watch::Sender<Arc<[VerifyingKey]>>,
    asked: mpsc::Receiver<Question>,
    pace: Pace,
    fetched_at: Instant,
    /// Keys that are not published, and until when that is believed; the oldest first.
    unknown: VecDeque<(String, Instant)>,
}

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Between two fetches that nobody asked for. For so long does a key that was withdrawn verify.
    every: Duration,
    /// Shortest time between two fetches, whoever asks.
    pause: Duration,
    /// How long a key that is not published is not asked for again.
    unknown_for: Duration,
}

/// The way to a follower.
#[derive(Clone)]
pub(super) struct Asking(mpsc::Sender<Question>);

/// Somebody waits to hear of this key.
struct Question {
    kid: String,
    answer: oneshot::Sender<Result<(), KeysUnavailable>>,
}

impl Asking {
    /// Waits until the key is known, or known not to be published.
    pub(super) async fn ask(&self, kid: String) -> Result<(), KeysUnavailable> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Question { kid, answer }).map_err(|_| KeysUnavailable)?;
        answered.await.unwrap_or(Err(KeysUnavailable))
    }
}

impl Follower {
    /// Fetches the keys for the first time.
    ///
    /// # Errors
    /// They cannot be fetched.
    pub async fn start(source: Arc<dyn KeySource>) -> Result<(VerifyingKeys, Self), FetchError> {
        Self::start_at(PACE, source).await
    }

    async fn start_at(pace: Pace, source: Arc<dyn KeySource>) -> Result<(VerifyingKeys, Self), FetchError> {
        let (published, keys) = watch::channel(fetch(&*source).await?);
        let (asking, asked) = mpsc::channel(WAITING_MAX);
        let fetched_at = Instant::now();
        let follower = Self { source, published, asked, pace, fetched_at, unknown: VecDeque::new() };
        Ok((VerifyingKeys::following(keys, Asking(asking)), follower))
    }

    /// Keeps the keys true until nobody has them any more.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                question = self.asked.recv() => match question {
                    Some(question) => self.answer(question).await,
                    None => return,
                },
                () = sleep_until(self.fetched_at + self.pace.every) => drop(self.fetch().await),
            }
        }
    }

    async fn answer(&mut self, question: Question) {
        if self.is_settled(&question.kid) {
            question.answer.send(Ok(())).ok();
            return;
        }
        sleep_until(self.fetched_at + self.pace.pause).await;
        // Whoever asks from here on may have been shown a key that is younger than what is fetched now.
        let mut waiting = vec![question];
        while let Ok(question) = self.asked.try_recv() {
            waiting.push(question);
        }
        let fetched = self.fetch().await;
        for Question { kid, answer } in waiting {
            if fetched.is_ok() && !self.is_settled(&kid) {
                self.forget_oldest();
                self.unknown.push_back((kid, Instant::now() + self.pace.unknown_for));
            }
            answer.send(fetched).ok();
        }
    }

    fn forget_oldest(&mut self) {
        if self.unknown.len() == UNKNOWN_MAX {
            self.unknown.pop_front();
        }
    }

    /// Whether asking for this key would tell nothing new.
    fn is_settled(&mut self, kid: &str) -> bool {
        let now = Instant::now();
        while self.unknown.pop_front_if(|(_, until)| *until <= now).is_some() {}
        self.published.borrow().iter().any(|key| key.kid == kid) || self.unknown.iter().any(|(known, _)| known == kid)
    }

    async fn fetch(&mut self) -> Result<(), KeysUnavailable> {
        let fetched = fetch(&*self.source).await;
        self.fetched_at = Instant::now();
        match fetched {
            Ok(keys) => {
                let names = |keys: &[VerifyingKey]| keys.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
                let (before, now) = (names(&self.published.borrow()), names(&keys));
                if before != now {
                    tracing::info!(keys = ?now, "the control plane has other keys now");
                    self.published.send_replace(keys);
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "the keys stay as they are");
                Err(KeysUnavailable)
            }
        }
    }
}

/// An answer without any key of ours is none: it would shut everybody out.
async fn fetch(source: &dyn KeySource) -> Result<Arc<[VerifyingKey]>, FetchError> {
    let keys = VerifyingKey::of(&source.fetch().await?);
    if keys.is_empty() { Err(FetchError("there are none".to_owned())) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tempfile::TempDir;
    use tokio::task::JoinSet;

    use super::*;
    use crate::tokens::{GatewayClaims, TokenKeys};

    /// A control plane that may be away, and counts how often it is asked.
    struct City {
        data: TempDir,
        keys: TokenKeys,
        asked: Mutex<u32>,
        away: Mutex<bool>,
    }

    #[async_trait]
    impl KeySource for City {
        async fn fetch(&self) -> Result<Jwks, FetchError> {
            *self.asked.lock().unwrap() += 1;
            if *self.away.lock().unwrap() { Err(FetchError("away".to_owned())) } else { Ok(self.keys.jwks()) }
        }
    }

    impl City {
        fn new() -> Arc<Self> {
            let data = tempfile::tempdir().unwrap();
            let keys = TokenKeys::load_or_create(data.path()).unwrap();
            Arc::new(Self { data, keys, asked: Mutex::new(0), away: Mutex::new(false) })
        }

        fn rotate(&self) {
            TokenKeys::rotate(self.data.path()).unwrap();
            assert!(self.keys.refresh().unwrap());
        }

        fn token(&self) -> String {
            use orrery_protocol::id::{Epoch, GatewayId, OrgId};
            let id = uuid::Uuid::nil();
            let claims = GatewayClaims { gateway: GatewayId(id), org: OrgId(id), epoch: Epoch(1) };
            self.keys.sign_gateway(&claims, std::time::SystemTime::now()).unwrap().0
        }

        fn asked(&self) -> u32 {
            *self.asked.lock().unwrap()
        }
    }

    /// A token of a key that nobody publishes.
    fn invented() -> String {
        City::new().token()
    }

    /// Tests need not wait as long.
    const QUICK: Pace = Pace { pause: Duration::from_millis(20), ..PACE };

    async fn following(pace: Pace, city: &Arc<City>) -> VerifyingKeys {
        let (keys, follower) = Follower::start_at(pace, city.clone()).await.unwrap();
        tokio::spawn(follower.run());
        keys
    }

    async fn is_valid(keys: &VerifyingKeys, token: &str) -> bool {
        keys.catch_up(token).await.unwrap();
        keys.gateway(token, std::time::SystemTime::now()).is_ok()
    }

    #[tokio::test]
    async fn a_token_of_a_new_key_is_valid_at_once_and_one_of_an_old_key_stays_so() {
        let city = City::new();
        let keys = following(QUICK, &city).await;
        let old = city.token();
        city.rotate();
        assert!(is_valid(&keys, &city.token()).await);
        assert!(is_valid(&keys, &old).await);
        assert_eq!(city.asked(), 2);
    }

    #[tokio::test]
    async fn who_waits_for_the_same_key_waits_for_one_fetch() {
        let city = City::new();
        let keys = following(QUICK, &city).await;
        city.rotate();
        let mut waiting = JoinSet::new();
        for _ in 0..100 {
            let (keys, token) = (keys.clone(), city.token());
            waiting.spawn(async move { is_valid(&keys, &token).await });
        }
        assert_eq!(waiting.join_all().await, [true; 100]);
        assert_eq!(city.asked(), 2);
    }

    #[tokio::test]
    async fn between_two_fetches_for_invented_keys_there_is_a_pause_and_none_is_fetched_for_twice() {
        let city = City::new();
        let keys = following(QUICK, &city).await;
        let started = Instant::now();
        let same = invented();
        for _ in 0..50 {
            assert!(!is_valid(&keys, &same).await);
        }
        assert_eq!(city.asked(), 2);
        for _ in 0..10 {
            assert!(!is_valid(&keys, &invented()).await);
        }
        assert_eq!(city.asked(), 12);
        assert!(started.elapsed() >= QUICK.pause * 11);
        let forgetful = following(Pace { unknown_for: Duration::ZERO, ..QUICK }, &city).await;
        for fetches in 14..16 {
            assert!(!is_valid(&forgetful, &same).await);
            assert_eq!(city.asked(), fetches, "by now it could be published");
        }
    }

    #[tokio::test]
    async fn while_nobody_answers_known_keys_verify_and_others_are_not_called_wrong() {
        let city = City::new();
        let keys = following(QUICK, &city).await;
        let known = city.token();
        city.rotate();
        *city.away.lock().unwrap() = true;
        assert!(is_valid(&keys, &known).await);
        let fresh = city.token();
        assert_eq!(keys.catch_up(&fresh).await, Err(KeysUnavailable));
        *city.away.lock().unwrap() = false;
        assert!(is_valid(&keys, &fresh).await);
    }

    #[tokio::test]
    async fn a_key_that_is_withdrawn_ends_with_the_next_fetch() {
        let city = City::new();
        let keys = following(Pace { every: QUICK.pause, ..QUICK }, &city).await;
        let token = city.token();
        std::fs::remove_file(TokenKeys::path(city.data.path())).unwrap();
        TokenKeys::load_or_create(city.data.path()).unwrap();
        assert!(city.keys.refresh().unwrap());
        let mut published = keys.clone();
        published.changed().await;
        assert!(!is_valid(&keys, &token).await);
        assert!(is_valid(&keys, &city.token()).await);
    }

    #[tokio::test]
    async fn without_keys_there_is_no_start_and_what_is_no_token_is_not_asked_for() {
        struct Nobody;
        #[async_trait]
        impl KeySource for Nobody {
            async fn fetch(&self) -> Result<Jwks, FetchError> {
                Ok(Jwks { keys: Vec::new() })
            }
        }
        assert_eq!(Follower::start(Arc::new(Nobody)).await.err(), Some(FetchError("there are none".to_owned())));
        let city = City::new();
        let keys = following(QUICK, &city).await;
        for garbage in ["", "..", "e30.e30.e30", &"a".repeat(100_000)] {
            assert_eq!(keys.catch_up(garbage).await, Ok(()), "{garbage:.10}");
        }
        assert_eq!(city.asked(), 1);
    }
}
