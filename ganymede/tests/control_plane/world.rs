//! Alice, Bob and the others, with quick passwords and a clock that the story turns.

use std::future::Future;

use orrery_ganymede::{
    orgs::{Org, Orgs},
    people::{NewUser, PasswordHashing, People, SignUpError, User},
};
use tokio::task::JoinSet;

use crate::support::Scratch;

/// When stories begin: 2026-11-21T18:00:00Z, in unix milliseconds.
pub(crate) const START_MS: u64 = 1_795_284_000_000;

pub(crate) const SECOND_MS: u64 = 1000;
pub(crate) const HOUR_MS: u64 = 3600 * SECOND_MS;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) struct World {
    pub(crate) people: People,
    pub(crate) orgs: Orgs,
}

impl World {
    pub(crate) fn new(scratch: &Scratch) -> Self {
        let people = People::new(scratch.database.clone(), &quick()).unwrap();
        let orgs = Orgs::new(scratch.database.clone());
        Self { people, orgs }
    }

    /// `alice` becomes alice@example.com.
    pub(crate) async fn person(&self, name: &str) -> User {
        self.try_person(name).await.unwrap()
    }

    pub(crate) async fn try_person(&self, name: &str) -> Result<User, SignUpError> {
        self.people.sign_up(START_MS, new_user(&address(name), PASSWORD, name)).await
    }

    /// Somebody with an organization of their own.
    pub(crate) async fn owner(&self, name: &str) -> (User, Org) {
        let owner = self.person(name).await;
        let org = self.orgs.create(START_MS, owner.id, &format!("{name}'s")).await.unwrap();
        (owner, org)
    }
}

pub(crate) fn address(name: &str) -> String {
    format!("{name}@example.com")
}

pub(crate) fn new_user(email: &str, password: &str, name: &str) -> NewUser {
    NewUser { email: email.to_owned(), password: password.to_owned(), name: name.to_owned() }
}

/// The weakest hashes there are: these tests are about everything else.
pub(crate) fn quick() -> PasswordHashing {
    PasswordHashing { memory_kib: 8, iterations: 1, ..PasswordHashing::default() }
}

/// Everything at once, on several threads; the answers in the order of arrival.
pub(crate) async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    all: impl IntoIterator<Item = F>,
) -> Vec<T> {
    all.into_iter().collect::<JoinSet<_>>().join_all().await
}
