//! What is known of a container and never enters a document: heartbeats, ports, how often it failed.

use std::collections::BTreeMap;

use super::{
    Container, Listening, Phase, Reason, Rules, ServiceName, ServiceState, VariableName, VariableValue, plan::ObjectId,
};

/// One run of a container's program, as an engine tells it from others: when it began, in any unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run(pub u64);

/// What a gateway knows of a container by itself, and learns again after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// When it last reported in this run; `None` if it never did.
    pub watchdog_at_ms: Option<u64>,
    /// When somebody last did something in it.
    pub activity_at_ms: Option<u64>,
    /// Where the services listen that it named in this run.
    pub ports: BTreeMap<ServiceName, u16>,
    /// Where it listens in every run, if no definition says so; `None` while that is not known.
    pub listening: Option<Listening>,
    /// How often it was started again since it last ran for long, or since somebody started it.
    pub restarts: u32,
    /// When it will be started again; `None` if nothing keeps it from running.
    pub retry_at_ms: Option<u64>,
    /// Since when it has been running or said to be.
    pub up_since_ms: Option<u64>,
    /// The last run whose end is known.
    pub ended: Option<Run>,
    /// How many probes failed in a row.
    pub probe_failures: u32,
    /// Whether it was started anew because probes failed, and has not answered since.
    pub renewed: bool,
    /// How often in a row the engine did not list it.
    pub absences: u32,
    /// What of the engine it is.
    pub object: Option<ObjectId>,
    /// Its host names are not known to the world yet.
    pub unnamed: bool,
    /// How long the values of its secrets are together.
    pub secret_bytes: usize,
}

/// A container, and what is known of it beside the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What everybody sees.
    pub container: Container,
    /// What only the gateway knows.
    pub vitals: Vitals,
}

impl Entry {
    /// Where a service listens in the container: where it said, or where its image says, or who made it; `None` if nobody
    /// does.
    pub fn port(&self, rules: &Rules, service: &ServiceName) -> Option<u16> {
        let said = self.vitals.ports.get(service).copied();
        let declared = || {
            let image = rules.images.get(&self.container.spec.image.image)?;
            image.services.iter().find(|declared| declared.name == *service).map(|declared| declared.port)
        };
        said.or_else(declared).or_else(|| self.vitals.listening.as_ref()?.port(service))
    }

    /// How long its variables are together, names and values, those of secrets among them.
    pub(super) fn variables_bytes(&self) -> usize {
        let length = |(name, value): (&VariableName, &VariableValue)| {
            let value = if let VariableValue::Plain(text) = value { text.len() } else { 0 };
            name.as_str().len() + value
        };
        self.container.spec.env.iter().map(length).sum::<usize>() + self.vitals.secret_bytes
    }

    /// Goes over to a phase, and does to services and clocks what belongs to it.
    pub(super) fn turn(&mut self, now_ms: u64, phase: Phase, reason: Option<Reason>) {
        let was_up = self.container.status.phase.is_up();
        self.container.turn(now_ms, phase, reason);
        if phase != Phase::Pending {
            self.vitals.retry_at_ms = None;
        }
        if !phase.is_up() {
            self.vitals.watchdog_at_ms = None;
            self.vitals.ports.clear();
            self.vitals.probe_failures = 0;
        } else if !was_up {
            self.vitals.up_since_ms = Some(now_ms);
        }
        self.route();
    }

    /// A service is up while its container is, and while it is known where it listens.
    pub(super) fn route(&mut self) {
        let Entry { container, vitals } = self;
        let running = container.status.phase == Phase::Running;
        for (name, service) in &mut container.status.services {
            let known = container.spec.services_declared.contains(name) || vitals.ports.contains_key(name);
            service.state = match running && known {
                true if vitals.unnamed => ServiceState::DnsPending,
                true => ServiceState::Up,
                false => ServiceState::Withdrawn,
            };
        }
    }
}
