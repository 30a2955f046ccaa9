//! What a pass of the reconciler costs while nothing is to be done: `reconcile CONTAINERS PASSES` prints it as JSON. The load
//! `reconcile` of `benches` runs this; it is here because the engine that is none is for this crate's own targets alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{self, Write},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use nix::time::{ClockId, clock_gettime};
use orrery_actors::{
    ControlError,
    engine::{
        Blueprint, Credentials, Engine, EngineClocks, Entrance, Live, Porch, Reports, Sightings, World,
        fake::FakeEngine,
    },
};
use orrery_protocol::{
    container::{
        Observation, Resources,
        plan::{Wanted, WantedContainer, WantedProject, WantedState},
    },
    id::{ContainerId, OrgId, ProjectId},
    image::{ImageOptions, Reference},
};
use tokio::{
    sync::watch,
    time::{interval, timeout},
};
use uuid::Uuid;

const ORG: OrgId = OrgId(Uuid::from_u128(1));
const PROJECT: ProjectId = ProjectId(Uuid::from_u128(2));

/// Passes without an action before what follows is measured.
const QUIET_PASSES: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        || arguments.next().ok_or("usage: reconcile CONTAINERS PASSES")?.parse::<u64>().map_err(Box::<dyn Error>::from);
    let (containers, passes) = (number()?, number()?);

    let image: Reference = "bench/program:1".parse()?;
    let engine = FakeEngine::new(1);
    engine.add_image(&image);
    let gateway = Arc::new(Gateway {
        world: watch::Sender::new(Arc::new(world(containers, &image))),
        passes: watch::Sender::new(0),
    });
    // One pass after the other, without a rest.
    let clocks = EngineClocks { period_ms: 0, busy_period_ms: 0, ..EngineClocks::default() };
    let began = Instant::now();
    let now_ms = Arc::new(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let reconciler = Engine::new(Arc::new(engine.clone()), Arc::new(Doorstep), clocks, now_ms);
    let _reconciling = reconciler.reconcile(ORG, gateway.world.subscribe(), gateway.clone(), Arc::new(Vault));

    timeout(PATIENCE, gateway.converge(&engine)).await?;
    let (before, actions) = (Reading::now(&gateway)?, engine.actions());
    timeout(PATIENCE, gateway.until(before.passes + passes)).await?;
    let (after, actions) = (Reading::now(&gateway)?, engine.actions() - actions);

    let each = |time: Duration| time.as_secs_f64() * 1e6 / (after.passes - before.passes) as f64;
    let (time_us, cpu_us) = (each(after.at - before.at), each(after.cpu - before.cpu));
    let running = engine.objects().len();
    writeln!(
        io::stdout(),
        "{}",
        serde_json::json!({"time_us": time_us, "cpu_us": cpu_us, "actions": actions, "running": running})
    )?;
    Ok(())
}

/// Clocks at one moment.
struct Reading {
    passes: u64,
    at: Instant,
    cpu: Duration,
}

impl Reading {
    fn now(gateway: &Gateway) -> Result<Self, Box<dyn Error>> {
        let cpu = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into();
        Ok(Self { passes: *gateway.passes.borrow(), at: Instant::now(), cpu })
    }
}

/// Takes note of what is seen, and wants the same for ever.
struct Gateway {
    world: watch::Sender<Arc<World>>,
    passes: watch::Sender<u64>,
}

impl Gateway {
    /// Waits until the engine is not asked for anything any more.
    async fn converge(&self, engine: &FakeEngine) {
        let mut ticks = interval(Duration::from_millis(20));
        loop {
            let (passes, actions) = (*self.passes.borrow(), engine.actions());
            self.until(passes + QUIET_PASSES).await;
            ticks.tick().await;
            if actions > 0 && engine.actions() == actions {
                return;
            }
        }
    }

    async fn until(&self, passes: u64) {
        let mut seen = self.passes.subscribe();
        seen.wait_for(|&made| made >= passes).await.expect("its sender is here");
    }
}

impl Reports for Gateway {
    fn sighted(&self, sightings: Sightings) {
        let mut world = World::clone(&self.world.borrow());
        world.pass = sightings.pass;
        let Some(WantedProject::Loaded(wanted)) = world.wanted.projects.get_mut(&PROJECT) else { return };
        for (_, container, observation) in sightings.observations {
            if let (Observation::Adopted(object), Some(wanted)) = (observation, wanted.get_mut(&container)) {
                wanted.object = Some(object);
            }
        }
        self.world.send_replace(Arc::new(world));
        self.passes.send_modify(|passes| *passes += u64::from(sightings.addresses.is_some()));
    }

    fn live(&self, _project: ProjectId, _container: ContainerId, _live: Live) {}
}

/// So many containers in one project, all of which shall run.
fn world(containers: u64, image: &Reference) -> World {
    let ids: Vec<ContainerId> = (0..containers).map(|number| ContainerId::from_random(u128::from(number))).collect();
    let wanted = |&id: &ContainerId| {
        let (state, generation) = (WantedState::Running, 1);
        (id, WantedContainer { state, generation, image: Some(image.clone()), stop_at_ms: None, object: None })
    };
    let blueprint = |&id: &ContainerId| {
        let blueprint = Blueprint {
            project: PROJECT,
            generation: 1,
            hostname: id.label(),
            env: [("PUBLIC_URL".to_owned(), format!("http://{}.org-{ORG}.localhost", id.label()))].into(),
            secrets: Vec::new(),
            limits: Resources::default(),
            options: ImageOptions { command: vec!["idle".to_owned()], ..ImageOptions::default() },
            ports: Vec::new(),
            ports_open: false,
            probes: Vec::new(),
            image: Some(image.clone()),
        };
        (id, blueprint)
    };
    let projects = [(PROJECT, WantedProject::Loaded(ids.iter().map(wanted).collect()))].into();
    World {
        wanted: Wanted { org: ORG, projects },
        blueprints: ids.iter().map(blueprint).collect(),
        watched: BTreeSet::new(),
        pass: 0,
    }
}

struct Vault;

#[async_trait]
impl Credentials for Vault {
    async fn environment(
        &self,
        _project: ProjectId,
        _container: ContainerId,
        _generation: u32,
    ) -> Result<BTreeMap<String, String>, ControlError> {
        Ok(BTreeMap::new())
    }
}

struct Doorstep;

#[async_trait]
impl Porch for Doorstep {
    async fn entrance(&self, _org: OrgId, network_gateway: IpAddr) -> io::Result<Entrance> {
        Ok(Entrance { url: format!("http://{network_gateway}:7001"), open: None })
    }
}
