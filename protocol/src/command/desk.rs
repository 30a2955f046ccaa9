//! The desk that commands are handed in at: who may, and whether this one was handed in before. The answers of the last
//! ones of each project are kept and given again.

use std::{
    collections::{BTreeMap, VecDeque},
    str::FromStr,
};

use serde_json::Value;

use super::{Authority, Command, Refusal};
use crate::{
    access::Principal,
    id::{ProjectId, UserId},
};

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// What a member calls one giving of a command, so that giving it again is not doing it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A text that is no idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {KEY_BYTES_MAX} visible ASCII characters")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let bounded = (1..=KEY_BYTES_MAX).contains(&text.len());
        if bounded && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdempotencyKey)
        }
    }
}

/// What a command came to. What the world failed at is no answer: the command may be given again.
pub type Answer = Result<Value, Refusal>;

/// A command that is being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What becomes of a command that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Carry it out, and [`settle`](Desk::settle) it.
    Execute(Ticket),
    /// It is being carried out: its answer is this one's too.
    Join(Ticket),
    /// It was answered.
    Answered(Answer),
}

#[derive(Debug)]
enum State {
    UnderWay(Ticket),
    Answered(Answer),
}

#[derive(Debug)]
struct Entry {
    user: UserId,
    key: IdempotencyKey,
    command: Command,
    state: State,
}

/// The commands of one organization's projects.
#[derive(Debug)]
pub struct Desk {
    kept_max: usize,
    tickets: u64,
    projects: BTreeMap<ProjectId, VecDeque<Entry>>,
}

impl Desk {
    /// A desk that keeps the last `kept_max` commands of each project that had a key.
    pub fn new(kept_max: usize) -> Self {
        Self { kept_max, tickets: 0, projects: BTreeMap::new() }
    }

    /// Somebody hands in a command. Whether they may is looked at each time: an answer is not for who may not ask.
    pub fn admit(&mut self, principal: &Principal, command: &Command, key: Option<IdempotencyKey>) -> Admission {
        match command.authority() {
            Authority::Member(permission) if principal.role.allows(permission) => {}
            Authority::Member(_) => return Admission::Answered(Err(Refusal::Forbidden(command.kind()))),
            Authority::Container => return Admission::Answered(Err(Refusal::NotForMembers(command.kind()))),
        }
        let ticket = Ticket(self.tickets);
        if let Some(key) = key {
            let kept = self.projects.entry(principal.project).or_default();
            if let Some(entry) = kept.iter().find(|entry| entry.user == principal.user && entry.key == key) {
                return match &entry.state {
                    _ if entry.command != *command => Admission::Answered(Err(Refusal::KeyReused)),
                    State::UnderWay(ticket) => Admission::Join(*ticket),
                    State::Answered(answer) => Admission::Answered(answer.clone()),
                };
            }
            if !make_room(kept, self.kept_max) {
                return Admission::Answered(Err(Refusal::Busy));
            }
            let state = State::UnderWay(ticket);
            kept.push_back(Entry { user: principal.user, key, command: command.clone(), state });
        }
        self.tickets += 1;
        Admission::Execute(ticket)
    }

    /// A command was carried out, or refused by who should have; `None` if the world failed, and it may be given again.
    pub fn settle(&mut self, project: ProjectId, ticket: Ticket, answer: Option<Answer>) {
        let Some(kept) = self.projects.get_mut(&project) else { return };
        let is_it = |entry: &Entry| matches!(entry.state, State::UnderWay(other) if other == ticket);
        let Some(at) = kept.iter().position(is_it) else { return };
        match answer {
            Some(answer) => kept[at].state = State::Answered(answer),
            None => drop(kept.remove(at)),
        }
    }
}

/// Forgets the oldest answer if need be; `false` if everything kept is still under way.
fn make_room(kept: &mut VecDeque<Entry>, kept_max: usize) -> bool {
    if kept.len() < kept_max {
        return true;
    }
    let oldest = kept.iter().position(|entry| matches!(entry.state, State::Answered(_)));
    oldest.is_some_and(|at| kept.remove(at).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{access::Role, id::OrgId};

    const DISABLE: Command = Command::DisableShutdown { disabled: true };
    const ENABLE: Command = Command::DisableShutdown { disabled: false };

    fn who(user: u128, project: u128, role: Role) -> Principal {
        Principal {
            user: UserId(Uuid::from_u128(user)),
            name: String::new(),
            role,
            org: OrgId(Uuid::from_u128(1)),
            project: ProjectId(Uuid::from_u128(project)),
        }
    }

    fn key(text: &str) -> Option<IdempotencyKey> {
        Some(text.parse().unwrap())
    }

    fn execute(desk: &mut Desk, principal: &Principal, command: &Command, name: &str) -> Ticket {
        match desk.admit(principal, command, key(name)) {
            Admission::Execute(ticket) => ticket,
            other @ (Admission::Join(_) | Admission::Answered(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_given_twice_is_done_once() {
        let (mut desk, alice) = (Desk::new(4), who(1, 1, Role::Admin));
        let ticket = execute(&mut desk, &alice, &DISABLE, "a");
        assert_eq!(desk.admit(&alice, &DISABLE, key("a")), Admission::Join(ticket));
        desk.settle(alice.project, ticket, Some(Ok(json!(1))));
        assert_eq!(desk.admit(&alice, &DISABLE, key("a")), Admission::Answered(Ok(json!(1))));
        assert_eq!(desk.admit(&alice, &ENABLE, key("a")), Admission::Answered(Err(Refusal::KeyReused)));
    }

    #[test]
    fn a_key_belongs_to_its_user_and_project() {
        let (mut desk, alice) = (Desk::new(4), who(1, 1, Role::Admin));
        let ticket = execute(&mut desk, &alice, &DISABLE, "a");
        desk.settle(alice.project, ticket, Some(Ok(json!("alice's"))));
        for other in [who(2, 1, Role::Admin), who(1, 2, Role::Admin)] {
            execute(&mut desk, &other, &DISABLE, "a");
        }
    }

    #[test]
    fn a_member_who_lost_the_role_does_not_get_the_answer_either() {
        let mut desk = Desk::new(4);
        let ticket = execute(&mut desk, &who(1, 1, Role::Admin), &DISABLE, "a");
        desk.settle(ProjectId(Uuid::from_u128(1)), ticket, Some(Ok(json!(1))));
        for role in [Role::Viewer, Role::Editor] {
            let refused = Admission::Answered(Err(Refusal::Forbidden("gateway:disable-shutdown")));
            assert_eq!(desk.admit(&who(1, 1, role), &DISABLE, key("a")), refused);
        }
    }

    #[test]
    fn what_the_world_failed_at_may_be_given_again() {
        let (mut desk, alice) = (Desk::new(4), who(1, 1, Role::Admin));
        let ticket = execute(&mut desk, &alice, &DISABLE, "a");
        desk.settle(alice.project, ticket, None);
        assert_ne!(execute(&mut desk, &alice, &DISABLE, "a"), ticket);
    }

    #[test]
    fn the_last_answers_are_kept_and_what_is_under_way_is_never_forgotten() {
        let (mut desk, alice) = (Desk::new(2), who(1, 1, Role::Admin));
        let slow = execute(&mut desk, &alice, &DISABLE, "slow");
        for name in ["a", "b", "c"] {
            let ticket = execute(&mut desk, &alice, &DISABLE, name);
            desk.settle(alice.project, ticket, Some(Ok(json!(name))));
        }
        assert_eq!(desk.admit(&alice, &DISABLE, key("slow")), Admission::Join(slow));
        assert_eq!(desk.admit(&alice, &DISABLE, key("c")), Admission::Answered(Ok(json!("c"))));
        execute(&mut desk, &alice, &DISABLE, "a");
        assert_eq!(desk.admit(&alice, &DISABLE, key("d")), Admission::Answered(Err(Refusal::Busy)));
    }

    #[test]
    fn without_a_key_each_is_a_command_of_its_own() {
        let (mut desk, alice) = (Desk::new(1), who(1, 1, Role::Admin));
        let tickets = [(); 3].map(|()| desk.admit(&alice, &DISABLE, None));
        assert!(tickets.iter().all(|admission| matches!(admission, Admission::Execute(_))));
        assert_ne!(tickets[0], tickets[1]);
    }

    #[test]
    fn keys_are_bounded() {
        for bad in ["", " ", "a b", "ä", "a\n", "a".repeat(129).as_str()] {
            assert_eq!(bad.parse::<IdempotencyKey>(), Err(InvalidIdempotencyKey), "{bad:?}");
        }
        assert!("a".repeat(128).parse::<IdempotencyKey>().is_ok());
    }
}
