//! Everything that can happen to processes, wires and disks, one after another, while people type. Each cycle plays every
//! fault once, in an order that the printed seed decides; `make chaos` plays as many as fit its time.

mod containers;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    BRISK, Client, Clients, Process, Random, Relay, Server, SmallDisk, WallClock, nothing_is_lost, types_on, typists,
    wait_for,
};

const GATEWAYS: usize = 3;
const TYPISTS: usize = 6;
/// Lines of one typist while something is wrong.
const MEANWHILE: u64 = 20;
/// What clocks that nobody looks after differ by.
const SKEW_S: i64 = 30;
/// What a clock that was never set differs by.
const MISDATED_S: i64 = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillServing,
    KillSpare,
    TerminateServing,
    /// Stopped until its lease is over, then woken.
    SleepServing,
    /// Stopped for less than its lease.
    NapServing,
    KillGanymede,
    NapGanymede,
    /// The gateway cannot reach Ganymede; Ganymede reaches the gateway.
    CutOffServing,
    SlowWires,
    Drain,
    DropConnections,
    FillDisk,
    /// The gateway's wall clock is a little ahead, or behind.
    SkewServing,
    /// It is far ahead, or behind; whoever looks after the machine is told.
    MisdateServing,
}

impl Fault {
    const ALL: [Self; 14] = [
        Self::KillServing,
        Self::KillSpare,
        Self::TerminateServing,
        Self::SleepServing,
        Self::NapServing,
        Self::KillGanymede,
        Self::NapGanymede,
        Self::CutOffServing,
        Self::SlowWires,
        Self::Drain,
        Self::DropConnections,
        Self::FillDisk,
        Self::SkewServing,
        Self::MisdateServing,
    ];
}

/// A gateway process, its wire to Ganymede, and what it takes for the time.
struct Host {
    process: Process,
    wire: Relay,
    clock: Option<WallClock>,
}

struct Campaign<'a> {
    ganymede: Server,
    hosts: Vec<Host>,
    disk: Option<SmallDisk>,
    typists: Vec<Client<'a>>,
}

impl Campaign<'_> {
    fn play(&mut self, fault: Fault) {
        match fault {
            Fault::KillServing => {
                let serving = self.serving();
                self.hosts[serving].process.kill();
                self.is_served_by_another(serving);
                self.hosts[serving].process.start_again();
            }
            Fault::KillSpare => {
                let spare = (self.serving() + 1) % GATEWAYS;
                self.hosts[spare].process.kill();
                self.hosts[spare].process.start_again();
            }
            Fault::TerminateServing => {
                let serving = self.serving();
                assert!(self.hosts[serving].process.terminate().success());
                self.is_served_by_another(serving);
                self.hosts[serving].process.start_again();
            }
            Fault::SleepServing => {
                let serving = self.serving();
                self.hosts[serving].process.signal(Signal::STOP);
                self.is_served_by_another(serving);
                self.hosts[serving].process.signal(Signal::CONT);
            }
            Fault::NapServing => {
                let serving = self.serving();
                self.hosts[serving].process.signal(Signal::STOP);
                self.type_meanwhile();
                self.hosts[serving].process.signal(Signal::CONT);
            }
            Fault::KillGanymede => {
                self.ganymede.kill();
                self.ganymede.start_again();
            }
            Fault::NapGanymede => {
                self.ganymede.signal(Signal::STOP);
                self.type_meanwhile();
                self.ganymede.signal(Signal::CONT);
            }
            Fault::CutOffServing => {
                let serving = self.serving();
                self.hosts[serving].wire.cut();
                self.is_served_by_another(serving);
                self.hosts[serving].wire.mend();
            }
            Fault::SlowWires => {
                self.hosts.iter().for_each(|host| host.wire.slow(Duration::from_millis(150)));
                self.type_meanwhile();
                self.hosts.iter().for_each(|host| host.wire.mend());
            }
            Fault::Drain => {
                let slot = self.slot().expect("it is served")["slot"].clone();
                self.ganymede.administrator().post(&format!("/api/pool/slots/{slot}/drain"), json!({})).expect(200);
            }
            Fault::DropConnections => self.typists.iter().for_each(Client::drop_connection),
            Fault::FillDisk => self.fill_disk(),
            Fault::SkewServing => self.skew(),
            Fault::MisdateServing => self.misdate(),
        }
    }

    /// Whoever comes meanwhile is let in, and nobody who is there notices.
    fn skew(&mut self) {
        let serving = self.serving();
        for ahead_s in [SKEW_S, -SKEW_S] {
            let Some(clock) = &self.hosts[serving].clock else { return };
            clock.set(ahead_s);
            self.type_meanwhile();
            self.typists[1].drop_connection();
            types_on(&self.typists[1], 1);
            assert_eq!(self.serving(), serving, "it serves on");
            clock.set(0);
        }
    }

    fn misdate(&mut self) {
        let serving = self.serving();
        for ahead_s in [MISDATED_S, -MISDATED_S] {
            let Host { process, clock: Some(clock), .. } = &self.hosts[serving] else { return };
            let told = || process.log().matches("the clock of this machine is not Ganymede's").count();
            let before = told();
            clock.set(ahead_s);
            self.type_meanwhile();
            wait_for("it is said in words", || (told() > before).then_some(()));
            let seen_s = process.metric("orrery_clock_ahead_seconds");
            assert!((seen_s - ahead_s as f64).abs() < 60.0, "{seen_s} for {ahead_s}");
            clock.set(0);
            let agrees = || process.metric("orrery_clock_ahead_seconds").abs() < 60.0;
            wait_for("it agrees again", || agrees().then_some(()));
        }
    }

    /// Nothing can be stored for a while. Skipped, and said, where no disk can be mounted.
    fn fill_disk(&self) {
        let Some(disk) = &self.disk else { return };
        let place = disk.place().join("filler");
        let mut filler = fs::File::create(&place).expect("a file");
        while filler.write_all(&[0; 1 << 16]).is_ok() {}
        while filler.write_all(&[0]).is_ok() {}
        self.type_meanwhile();
        fs::remove_file(&place).expect("it is there");
    }

    /// Everybody can work again, and the pool is whole.
    fn recovers(&self) {
        for typist in &self.typists {
            let latest = || typist.order("latestConfirmed", json!({})).as_u64().expect("a clock");
            let before = latest();
            types_on(typist, 5);
            wait_for("its work is confirmed again", || (latest() > before).then_some(()));
        }
        wait_for("the pool is whole", || {
            let serving = self.slot().is_some_and(|slot| slot["step"] == "serving");
            (serving && self.ganymede.slots("ready") == GATEWAYS - 1).then_some(())
        });
    }

    fn type_meanwhile(&self) {
        let typist = &self.typists[0];
        let typed = || typist.order("typed", json!({})).as_u64().expect("a number");
        let before = typed();
        wait_for("it types", || (typed() >= before + MEANWHILE).then_some(()));
    }

    fn slot(&self) -> Option<Value> {
        self.ganymede.slot_of(self.ganymede.org())
    }

    /// Which host serves.
    fn serving(&self) -> usize {
        wait_for("it is served", || {
            let slot = self.slot().filter(|slot| slot["step"] == "serving")?;
            self.hosts.iter().position(|host| serves(&slot, host.process.address))
        })
    }

    fn is_served_by_another(&self, host: usize) {
        let address = self.hosts[host].process.address;
        wait_for("it is served elsewhere", || {
            self.slot().filter(|slot| slot["step"] == "serving" && !serves(slot, address))
        });
    }
}

fn serves(slot: &Value, address: SocketAddr) -> bool {
    slot["listen"].as_str().is_some_and(|listen| listen.contains(&address.to_string()))
}

fn shuffled(random: &mut Random) -> Vec<Fault> {
    let mut faults = Fault::ALL.to_vec();
    for end in (1..faults.len()).rev() {
        faults.swap(end, random.below(end as u64 + 1) as usize);
    }
    faults
}

/// How long to go on: `ORRERY_CHAOS_MINUTES`, or one cycle.
fn time_given() -> Duration {
    let given = std::env::vars().find(|(name, _)| name == "ORRERY_CHAOS_MINUTES");
    Duration::from_secs(60 * given.map_or(0, |(_, minutes)| minutes.parse().expect("a number of minutes")))
}

#[test]
fn whatever_happens_what_was_acknowledged_is_there() {
    let (mut random, started) = (Random::printed(), Instant::now());
    let folder = tempfile::tempdir().expect("a folder");
    let disk = SmallDisk::mount(&folder, "64m");
    let data = disk.as_ref().map_or(folder.path(), SmallDisk::place).join("data");
    let environment = [&BRISK[..], &[("ORRERY_STORE_RETRY_DELAY_MS_MAX", "200")]].concat();
    let ganymede = Server::ganymede_within(folder, data, &environment);
    let clocks = tempfile::tempdir().expect("a folder");
    let host = |number| {
        let (wire, clock) =
            (Relay::to(ganymede.address), WallClock::new(clocks.path().join(format!("clock-{number}"))));
        let told = clock.iter().flat_map(WallClock::environment);
        let environment: Vec<_> = environment.iter().copied().chain(told).collect();
        let process = ganymede.gateway_through(wire.address, 1, &environment);
        Host { process, wire, clock }
    };
    let hosts = (0..GATEWAYS).map(host).collect();
    let clients = Clients::start();
    let access = ganymede.access();
    let typists = typists(&clients, &access, TYPISTS, 50);
    let mut campaign = Campaign { ganymede, hosts, disk, typists };
    let mut played = BTreeMap::<Fault, u32>::new();
    let access = loop {
        for fault in shuffled(&mut random) {
            eprintln!("{:6.1} s  {fault:?}", started.elapsed().as_secs_f64());
            campaign.play(fault);
            campaign.recovers();
            *played.entry(fault).or_default() += 1;
        }
        // A token lasts a quarter of an hour.
        let access = campaign.ganymede.access();
        if started.elapsed() >= time_given() {
            break access;
        }
        campaign.typists.iter().for_each(|typist| typist.admit(&access));
    };
    nothing_is_lost(&clients, &access, &campaign.typists);
    let confirmed: u64 = campaign.typists.iter().filter_map(|typist| typist.confirmed()["latest"].as_u64()).sum();
    let epoch = campaign.slot().expect("it is served")["epoch"].clone();
    let seconds = started.elapsed().as_secs();
    eprintln!(
        "{} faults in {seconds} s, epoch {epoch}, {confirmed} confirmed, none lost: {played:?}",
        played.values().sum::<u32>()
    );
}
