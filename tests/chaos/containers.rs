//! Faults by chance, with everything real: gateway processes, an engine of the test's own, and twenty containers in it. Members
//! change their minds, somebody works by hand, processes are killed and held, the engine is stopped, killed and held, the
//! organization moves. Then all of it ends, and everything has to be as it is wanted, for good. Each round plays every step, in
//! an order that the printed seed decides; `make chaos` plays as many as fit its time.

mod outcome;
mod sight;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use orrery_test_docker::PrivateDocker;

use super::time_given;
use crate::{
    containers::module,
    support::{Process, Random, Server},
};

const CONTAINERS: usize = 20;
const GATEWAYS: usize = 3;

/// Programs, and what they are told.
const PROGRAMS: [(&str, &str); 3] = [
    (
        "web",
        "options = { command = [\"serve\", \"8080\"] }\nports = [8080]\nservices = [{ name = \"web\", port = 8080 }]\n",
    ),
    ("idle", "options = { command = [\"idle\"] }\n"),
    ("reporter", "options = { command = [\"report\", \"9090\"] }\n"),
];

/// Clocks that tests need not wait for long.
const BRISK: [(&str, &str); 13] = [
    ("ORRERY_POOL_LEASE_MS", "3000"),
    ("ORRERY_LEASE_RENEW_MS", "1000"),
    ("ORRERY_ENGINE_CLOCKS_PERIOD_MS", "2000"),
    ("ORRERY_ENGINE_CLOCKS_BUSY_PERIOD_MS", "300"),
    ("ORRERY_ENGINE_CLOCKS_RETRY_MS", "200"),
    ("ORRERY_ENGINE_CLOCKS_RETRY_MS_MAX", "2000"),
    ("ORRERY_ENGINE_CLOCKS_PROBE_MS", "2000"),
    ("ORRERY_ENGINE_CLOCKS_PROBE_STARTING_MS", "200"),
    ("ORRERY_ENGINE_CLOCKS_ORPHAN_MS", "1000"),
    ("ORRERY_ENGINE_CLOCKS_STOP_GRACE_MS", "2000"),
    ("ORRERY_CONTAINERS_CLOCKS_STOP_GRACE_MS", "2000"),
    ("ORRERY_CONTAINERS_CLOCKS_RESTART_MS", "100"),
    ("ORRERY_CONTAINERS_CLOCKS_DELETED_KEPT_MS", "500"),
];

/// A gateway process that serves nobody now.
enum Away {
    Dead(usize),
    Held(usize),
}

struct Story {
    dice: Random,
    begun: Instant,
    // What runs here goes before the folder with its logs, and the engine after all who use it.
    gateways: Vec<Process>,
    away: Option<Away>,
    server: Server,
    engine: PrivateDocker,
    engine_is_held: bool,
    /// Tokens of every container that there was, whatever became of it.
    made: BTreeMap<String, BTreeSet<String>>,
    _modules: tempfile::TempDir,
}

impl Story {
    fn begin(dice: Random) -> Option<Self> {
        let engine = PrivateDocker::start()?;
        let modules = tempfile::tempdir().expect("a folder");
        PROGRAMS.iter().for_each(|(name, more)| module(modules.path(), name, more));
        let (images, socket) = (modules.path().to_string_lossy(), engine.socket().to_string_lossy());
        let own = [
            ("ORRERY_ENGINE_ENABLED", "on"),
            ("ORRERY_ENGINE_SOCKET", &*socket),
            ("ORRERY_CONTAINERS_IMAGES", &*images),
        ];
        let server = Server::ganymede(&BRISK);
        let gateways = (0..GATEWAYS).map(|_| server.gateway(1, &[own.as_slice(), &BRISK].concat())).collect();
        server.access();
        let (begun, made) = (Instant::now(), BTreeMap::new());
        let (away, engine_is_held) = (None, false);
        let mut story = Self { dice, begun, gateways, away, server, engine, engine_is_held, made, _modules: modules };
        (0..CONTAINERS).for_each(|number| story.create(PROGRAMS[number % PROGRAMS.len()].0));
        Some(story)
    }

    fn say(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // Whoever takes everything away asks it.
        self.engine.thaw();
    }
}

#[test]
fn whatever_happens_ends_as_it_is_wanted() {
    let Some(mut story) = Story::begin(Random::printed()) else { return };
    let mut steps = 0;
    loop {
        steps += story.round();
        story.settles();
        story.stays_so();
        if story.begun.elapsed() >= time_given() {
            break;
        }
    }
    story.all_run_again();
    story.stays_so();
    story.nothing_is_left();
    story.say(&format!("{steps} steps, {} containers, nothing left", story.made.len()));
}
