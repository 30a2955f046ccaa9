//! What is asked of a project: by members, by its containers, by time. Decided at once, on what is in memory; before the
//! project is open it waits.

use orrery_protocol::{
    command::{ContainerCommand, NewContainer, Refusal, Ticket},
    container::{Caller, Change, Containers, Desired, Entry, Rules},
    id::{ContainerId, ProjectId, UserId},
};
use rand::Rng as _;
use serde_json::Value;

use super::{Outcome, Projects, Slot, State, Then};
use crate::gateway::{OpenError, commands::Reply};

/// Something that is asked of a project.
pub(in crate::gateway) struct Order {
    pub(in crate::gateway) command: ContainerCommand,
    /// What the first random number is, wherever it is carried out.
    pub(in crate::gateway) draw: Option<u128>,
    pub(in crate::gateway) sender: Sender,
}

/// Who asks, and where the answer goes.
pub(in crate::gateway) enum Sender {
    Member(UserId, Ticket),
    /// The container, by a token of this generation.
    Container(ContainerId, u32, Reply),
}

impl Order {
    /// It cannot be carried out here, or not now.
    pub(super) fn fail(self, project: ProjectId, error: &OpenError, outcomes: &mut Vec<Outcome>) {
        let failed = Err(error.clone().into());
        match self.sender {
            Sender::Member(_, ticket) => outcomes.push(Outcome::Settled(project, ticket, failed)),
            Sender::Container(.., reply) => drop(reply.send(failed)),
        }
    }

    fn refuse(self, project: ProjectId, refusal: Refusal, outcomes: &mut Vec<Outcome>) {
        match self.sender {
            Sender::Member(_, ticket) => outcomes.push(Outcome::Settled(project, ticket, Ok(Err(refusal)))),
            Sender::Container(.., reply) => drop(reply.send(Ok(Err(refusal)))),
        }
    }

    /// Its answer, if a gateway of before carried it out.
    fn done_before(&self, containers: &Containers, rules: &Rules) -> Option<Change> {
        let (Sender::Member(user, _), ContainerCommand::New(new)) = (&self.sender, &self.command) else { return None };
        containers.made_before(rules, *user, new, ContainerId::from_random(self.draw?))
    }

    fn caller(&self) -> Caller {
        match &self.sender {
            Sender::Member(user, _) => Caller::Member(*user),
            Sender::Container(id, ..) => Caller::Container(*id),
        }
    }

    fn then(self, result: Value) -> Then {
        match self.sender {
            Sender::Member(_, ticket) => Then::Member(ticket, result),
            Sender::Container(.., reply) => Then::Container(reply, result),
        }
    }
}

impl Projects {
    /// Carries out a command, or has it wait until the project is open.
    pub(in crate::gateway) fn give(&mut self, id: ProjectId, order: Order, outcomes: &mut Vec<Outcome>) {
        if self.stopping {
            return order.fail(id, &OpenError::Moving, outcomes);
        }
        let Some(slot) = self.slots.get_mut(&id) else {
            return match order.sender {
                Sender::Member(..) => order.fail(id, &OpenError::UnknownProject, outcomes),
                Sender::Container(..) => order.refuse(id, Refusal::Gone, outcomes),
            };
        };
        match &slot.state {
            State::Loaded(project) if project.is_open() => self.decide(id, order, outcomes),
            State::Failed(error) => order.fail(id, &OpenError::Storage(error.clone()), outcomes),
            State::Loading | State::Loaded(_) => {
                slot.waiting.push_back(order);
                self.open_blank(id, outcomes);
            }
        }
    }

    /// The project is open: what waited for it is done, in order.
    pub(super) fn give_waiting(&mut self, id: ProjectId, outcomes: &mut Vec<Outcome>) {
        let waiting = self.slots.get_mut(&id).map(|slot| std::mem::take(&mut slot.waiting));
        for order in waiting.unwrap_or_default() {
            self.give(id, order, outcomes);
        }
    }

    fn decide(&mut self, id: ProjectId, order: Order, outcomes: &mut Vec<Outcome>) {
        let now_ms = self.config.clock.unix_ms();
        let Some(project) = self.slots.get(&id).and_then(Slot::loaded) else { return };
        let containers = project.containers();
        if let Sender::Container(container, generation, _) = &order.sender
            && !containers.get(*container).is_some_and(|entry| is_its(entry, *generation))
        {
            return order.refuse(id, Refusal::Gone, outcomes);
        }
        let mut draw = order.draw;
        let mut random = || draw.take().unwrap_or_else(|| rand::rng().random());
        let done = order.done_before(containers, &self.rules).map(Ok);
        let reduce = || containers.reduce(&self.rules, order.caller(), &order.command, now_ms, &mut random);
        match done.unwrap_or_else(reduce) {
            Err(rejection) => order.refuse(id, rejection.into(), outcomes),
            Ok(change) => {
                self.touch(id, &order.command, now_ms);
                let gated = !change.secrets.is_empty() || says_a_port(&order.command);
                let then = order.then(change.result.clone());
                self.apply(id, [change], Some(then), gated, outcomes);
            }
        }
    }

    /// That a container is used is use of its project; that it runs is not.
    fn touch(&self, id: ProjectId, command: &ContainerCommand, now_ms: u64) {
        if let ContainerCommand::Activity(at_ms) = command {
            let ago_ms = now_ms.saturating_sub(*at_ms);
            self.activity.of(id).touch(self.config.clock.now_ms().saturating_sub(ago_ms));
        }
    }

    /// Time passed.
    pub(in crate::gateway) fn tick(&mut self, outcomes: &mut Vec<Outcome>) {
        self.timer = None;
        let now_ms = self.config.clock.unix_ms();
        let is_due = |slot: &Slot| slot.deadline_ms().is_some_and(|at_ms| at_ms <= now_ms);
        let due: Vec<ProjectId> = self.slots.iter().filter(|(_, slot)| is_due(slot)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(project) = self.slots.get(&id).and_then(Slot::loaded) else { continue };
            let change = project.containers().tick(&self.rules, now_ms);
            self.apply(id, [change], None, false, outcomes);
        }
        self.set_timer();
    }

    /// Takes changes over in one write, and `then` waits for it; `gated`, also until what has to be kept beside is kept.
    pub(super) fn apply(
        &mut self,
        id: ProjectId,
        changes: impl IntoIterator<Item = Change>,
        then: Option<Then>,
        gated: bool,
        outcomes: &mut Vec<Outcome>,
    ) {
        for mut change in changes {
            let (live, mut secrets) = (change.live.take(), std::mem::take(&mut change.secrets));
            let Some(slot) = self.slots.get_mut(&id) else { return };
            let State::Loaded(project) = &mut slot.state else { return };
            project.stage(change);
            slot.notes.given.append(&mut secrets);
            if let Some((container, system)) = live {
                self.note_system(id, container, system);
            }
        }
        self.commit(id, then, gated, outcomes);
    }

    /// Writes what was staged, and keeps what has to be kept beside it.
    pub(super) fn commit(&mut self, id: ProjectId, then: Option<Then>, gated: bool, outcomes: &mut Vec<Outcome>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let State::Loaded(project) = &mut slot.state else { return };
        let mut effects = Vec::new();
        project.commit(then, &mut effects);
        let mut notes = slot.notes.now.clone();
        notes.secrets.append(&mut slot.notes.given);
        notes.follow(project.containers());
        slot.due_ms = project.containers().deadline_ms(&self.rules);
        slot.forget_systems();
        self.dirty = true;
        self.keep_notes(id, notes);
        self.gate(id, gated, effects, outcomes);
        self.set_timer();
    }
}

/// Whether a command says what only notes keep.
fn says_a_port(command: &ContainerCommand) -> bool {
    matches!(command, ContainerCommand::MapHttpService(..) | ContainerCommand::New(NewContainer { port: Some(_), .. }))
}

/// Whether a token of that generation is this container's.
pub(super) fn is_its(entry: &Entry, generation: u32) -> bool {
    entry.container.spec.desired != Desired::Deleted && entry.container.spec.generation == generation
}
