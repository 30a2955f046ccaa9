//! What happens.

use rustix::process::Signal;
use serde_json::json;

use super::{Away, CONTAINERS, PROGRAMS, Story, sight::id};
use crate::support::wait_for;

/// So many things members do in a round.
const WISHES: usize = 10;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A member wants something.
    Wish,
    /// Somebody does this at the engine's own command.
    ByHand(&'static [&'static str]),
    StopEngine,
    KillEngine,
    /// It answers nobody until somebody needs it.
    HoldEngine,
    KillGateway,
    /// And it is started again at once.
    RestartGateway,
    /// Stopped until its lease is over, with all that it listens at; it goes on when another one goes away, or in the end.
    HoldGateway,
    KillGanymede,
    Swap,
}

const FAULTS: [Step; 14] = [
    Step::ByHand(&["kill"]),
    Step::ByHand(&["rm", "--force"]),
    Step::ByHand(&["start"]),
    Step::ByHand(&["pause"]),
    Step::ByHand(&["stop", "--time", "1"]),
    Step::StopEngine,
    Step::KillEngine,
    Step::HoldEngine,
    Step::KillGateway,
    Step::RestartGateway,
    Step::HoldGateway,
    Step::KillGanymede,
    Step::Swap,
    Step::Swap,
];

impl Story {
    /// Everything once; how much that was.
    pub(super) fn round(&mut self) -> usize {
        let mut steps = [&FAULTS[..], &[Step::Wish; WISHES]].concat();
        for end in (1..steps.len()).rev() {
            steps.swap(end, self.dice.below(end as u64 + 1) as usize);
        }
        for step in &steps {
            self.play(*step);
            // Sometimes the next thing happens at once, sometimes when the last has been seen.
            if !self.engine_is_held && self.dice.below(2) == 0 {
                self.until_passes(1.0);
            }
        }
        steps.len()
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Wish => self.wish(),
            Step::ByHand(verb) => self.by_hand(verb),
            Step::StopEngine => {
                self.say("the engine: stopped, started again");
                self.engine.stop();
                self.run_engine();
            }
            Step::KillEngine => {
                // What an engine before 23 is starting when it is killed it never starts again.
                self.settles();
                self.say("the engine: killed, started again");
                self.engine.kill();
                self.run_engine();
            }
            Step::HoldEngine => {
                self.say("the engine: held");
                self.engine.freeze();
                self.engine_is_held = true;
            }
            Step::KillGateway => self.kill_gateway(),
            Step::RestartGateway => {
                self.kill_gateway();
                self.bring_back();
            }
            Step::HoldGateway => self.hold_gateway(),
            Step::KillGanymede => {
                self.say("the control plane: killed, started again");
                self.server.kill();
                self.server.start_again();
            }
            Step::Swap => self.swap(),
        }
    }

    fn wish(&mut self) {
        let listed = self.listed().unwrap_or_default();
        if listed.is_empty() || (listed.len() < CONTAINERS && self.dice.below(2) == 0) {
            let program = PROGRAMS[self.dice.below(PROGRAMS.len() as u64) as usize].0;
            self.say(&format!("a member: a new {program}"));
            return self.create(program);
        }
        let id = id(&listed[self.dice.below(listed.len() as u64) as usize]["id"]);
        let kinds = ["container:start", "container:stop", "container:restart", "containers:delete"];
        let kind = kinds[self.dice.below(kinds.len() as u64) as usize];
        self.say(&format!("a member: {kind} {id}"));
        if kind == "containers:delete" && !self.engine_is_held {
            // Its tokens are known from then on.
            self.objects();
        }
        self.tell(&format!("user-{kind}"), &id);
    }

    fn by_hand(&mut self, verb: &[&str]) {
        self.let_engine_go();
        let objects = self.engine.words(&["ps", "--all", "--quiet", "--filter", "label=orrery.org"]);
        let Some(object) = objects.get(self.dice.below(objects.len().max(1) as u64) as usize) else { return };
        self.say(&format!("somebody: {verb:?} {object}"));
        // What does not run cannot be killed, and so on.
        let _done = self.engine.try_ask(&[verb, &[object.as_str()]].concat());
    }

    fn run_engine(&mut self) {
        self.engine_is_held = false;
        self.engine.run();
    }

    pub(super) fn let_engine_go(&mut self) {
        if self.engine_is_held {
            self.say("the engine: goes on");
            self.engine.thaw();
            self.engine_is_held = false;
        }
    }

    fn kill_gateway(&mut self) {
        self.bring_back();
        let at = self.dice.below(self.gateways.len() as u64) as usize;
        self.say(&format!("gateway {at}: killed"));
        self.gateways[at].kill();
        self.away = Some(Away::Dead(at));
    }

    fn hold_gateway(&mut self) {
        self.bring_back();
        let at = wait_for("it is served", || self.serving());
        self.say(&format!("gateway {at}: held"));
        self.gateways[at].signal(Signal::STOP);
        self.away = Some(Away::Held(at));
        wait_for("it is served elsewhere", || self.serving().filter(|serving| *serving != at));
    }

    /// A gateway process that was away is there again.
    pub(super) fn bring_back(&mut self) {
        match self.away.take() {
            None => {}
            Some(Away::Dead(at)) => {
                self.say(&format!("gateway {at}: started again"));
                self.gateways[at].start_again();
            }
            Some(Away::Held(at)) => {
                self.say(&format!("gateway {at}: goes on"));
                self.gateways[at].signal(Signal::CONT);
            }
        }
    }

    fn swap(&mut self) {
        let Some(slot) = self.server.slot_of(self.server.org()) else { return };
        self.say(&format!("the organization: moved from slot {}", slot["slot"]));
        // Without a free slot elsewhere it stays.
        let _answer = self.server.administrator().post(&format!("/api/pool/slots/{}/drain", slot["slot"]), json!({}));
    }
}
