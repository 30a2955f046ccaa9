//! What becomes of it.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Story,
    sight::{Object, id},
};
use crate::support::wait_for;

/// What nothing changes any more stays so for this many passes.
const PASSES: f64 = 3.0;
/// How long nothing may change that is not yet as it shall be.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may change without ever being so.
const UNREST_MAX: Duration = Duration::from_secs(300);
/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(300);

impl Story {
    /// Waits until nothing is wrong, and says what is.
    fn until_right(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Vec<String>) {
        let (begun, mut since, mut told) = (Instant::now(), Instant::now(), Vec::new());
        loop {
            let wrong = look(self);
            if wrong.is_empty() {
                return self.say(what);
            }
            if wrong != told {
                self.say(&format!("not yet: {}", wrong.join("; ")));
                (since, told) = (Instant::now(), wrong);
            }
            let in_vain = since.elapsed() > PATIENCE || begun.elapsed() > UNREST_MAX;
            assert!(!in_vain, "in vain: {what}; but {told:#?}");
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Everybody can work again. Waits until all is as wanted.
    pub(super) fn settles(&mut self) {
        self.bring_back();
        self.let_engine_go();
        wait_for("it is served", || {
            let path = format!("/projects/{}/start", self.server.project());
            (self.server.administrator().post(&path, json!({})).status == 200).then_some(())
        });
        self.until_right("everything is as it is wanted", Self::wrong);
    }

    /// What is not as it is wanted: by what everybody sees; if that is well, in the engine; if that is, for visitors, and for
    /// what runs and has something to say.
    fn wrong(&mut self) -> Vec<String> {
        let Some(listed) = self.listed() else { return vec!["nobody serves it".to_owned()] };
        let on_their_way: Vec<&Value> = listed.iter().filter(|it| !is_at_its_end(it)).collect();
        if on_their_way.iter().any(|container| container["status"]["reason"]["code"] == "refused") {
            self.remove_what_is_lost();
        }
        if !on_their_way.is_empty() {
            return on_their_way.into_iter().map(state).collect();
        }
        let objects = self.objects();
        let wrong = wrong_in_the_engine(&listed, &objects);
        if !wrong.is_empty() {
            return wrong;
        }
        let deaf = objects.iter().filter(|object| object.state == "running" && object.reports);
        let deaf =
            deaf.filter(|object| !self.is_heard_inside(object)).map(|it| format!("nobody hears {}", it.container));
        listed.iter().filter_map(|container| self.wrong_at_its_host(container)).chain(deaf).collect()
    }

    /// As whoever runs the engine does.
    fn remove_what_is_lost(&mut self) {
        for Object { container, id, .. } in self.objects().into_iter().filter(|object| object.lost) {
            self.say(&format!("somebody: removes what is lost of {container}"));
            // One that runs by now is not lost.
            let _removed = self.engine.try_ask(&["rm", &id]);
        }
    }

    fn wrong_at_its_host(&self, container: &Value) -> Option<String> {
        let answer = self.visit(&id(&container["id"]));
        let has_service = container["spec"]["image"] == "test:web";
        let right =
            if runs(container) { !has_service || answer.body == "the container\n" } else { answer.status == 503 };
        (!right).then(|| format!("{}, and at its host {}", state(container), answer.body))
    }

    /// Nothing is done to what is as it is wanted: by our account, and by the engine's own.
    pub(super) fn stays_so(&self) {
        let now = || self.engine.ask(&["info", "--format", "{{.SystemTime}}"]).trim().to_owned();
        let (since, actions) = (now(), self.metric("orrery_engine_actions_total"));
        self.until_passes(PASSES);
        let events = self.engine.ask(&["events", "--since", &since, "--until", &now()]);
        assert_eq!(events, "", "nothing happens in the engine");
        assert_eq!(self.metric("orrery_engine_actions_total"), actions, "what is as wanted is left alone");
    }

    /// Whoever failed can be started again.
    pub(super) fn all_run_again(&mut self) {
        for container in self.containers() {
            let id = id(&container["id"]);
            wait_for("it is told to start", || self.tell("user-container:start", &id).then_some(()));
        }
        self.settles();
        for container in self.containers() {
            assert_eq!(container["status"]["phase"], "running", "{container}");
        }
    }

    pub(super) fn nothing_is_left(&mut self) {
        for container in self.containers() {
            let id = id(&container["id"]);
            assert!(self.made[&id].iter().any(|token| self.hears(token)), "{id} has a token");
        }
        self.until_right("all are deleted", |story| {
            let left = story.containers();
            for container in left.iter().filter(|container| container["spec"]["desired"] != "deleted") {
                story.tell("user-containers:delete", &id(&container["id"]));
            }
            left.iter().map(state).collect()
        });
        self.until_right("nothing is in the engine", |story| story.belongings());
        for (id, tokens) in &self.made {
            wait_for("its host is gone", || (self.visit(id).status == 404).then_some(()));
            assert!(!tokens.iter().any(|token| self.hears(token)), "a token of {id}");
        }
    }
}

fn wrong_in_the_engine(listed: &[Value], objects: &[Object]) -> Vec<String> {
    let mut states = BTreeMap::<&str, Vec<&str>>::new();
    for Object { container, state, .. } in objects {
        states.entry(container).or_default().push(state);
    }
    let mut wrong = Vec::new();
    for container in listed {
        let states = container["id"].as_str().and_then(|id| states.remove(id)).unwrap_or_default();
        let as_wanted = if runs(container) { states == ["running"] } else { is_at_rest(&states) };
        if !as_wanted {
            wrong.push(format!("{}, and in the engine {states:?}", state(container)));
        }
    }
    wrong.extend(states.keys().map(|id| format!("nobody wants {id}")));
    wrong
}

/// In few words.
fn state(container: &Value) -> String {
    let status = &container["status"];
    format!("{} is {} ({})", id(&container["id"]), status["phase"], status["reason"]["code"])
}

fn runs(container: &Value) -> bool {
    container["status"]["phase"] == "running"
}

/// Whether nothing more has to come of a container. One that failed does not run, whatever is wanted of it.
fn is_at_its_end(container: &Value) -> bool {
    let (desired, phase) = (&container["spec"]["desired"], &container["status"]["phase"]);
    phase == "failed" || (desired == phase && (phase == "running" || phase == "stopped"))
}

fn is_at_rest(states: &[&str]) -> bool {
    states.len() <= 1 && states.iter().all(|&state| state == "exited" || state == "created")
}
