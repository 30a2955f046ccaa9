use std::{sync::atomic::AtomicU64, time::Duration};

use bytes::Bytes;
use orrery_protocol::{
    access::{OrgRole, Role},
    command::Refusal,
    guard::PeerMessage,
    id::{DocumentName, PeerId},
    idle::IdleClocks,
    lease::LeaseClocks,
    limits::{GatewayLimits, RoomClocks},
    room::{Join, Received, RoomConfig},
};
use serde_json::json;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use uuid::Uuid;

use super::*;
use crate::{
    clock::Clock,
    fake::{ALICE, BOB, EUROPA, FakeGanymede, IO, ORG, brief},
    inbox::Arrival,
    outbox::Outbox,
};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Inserts `a` into the root text `t`, as client 1.
const UPDATE: &[u8] = &[1, 1, 1, 0, 4, 1, 1, b't', 1, b'a', 0];
/// Another organization.
const OTHER: OrgId = OrgId(Uuid::from_u128(99));

fn config(ganymede: &FakeGanymede) -> GatewayConfig {
    let clocks = RoomClocks { refusal_hold_ms: 0, ..RoomClocks::default() };
    GatewayConfig {
        room: RoomConfig { clocks, ..RoomConfig::default() },
        limits: GatewayLimits::default(),
        idle: IdleClocks::default(),
        lease: LeaseClocks::default(),
        slots: 3,
        control_plane: Arc::new(ganymede.clone()),
        clock: Clock::new(),
    }
}

/// Serves `ORG` under epoch 1.
async fn serve(ganymede: &FakeGanymede, change: impl FnOnce(&mut GatewayConfig)) -> Gateways {
    let mut config = config(ganymede);
    change(&mut config);
    let gateways = Gateways::new(config);
    gateways.serve(brief(ORG, 1)).await.unwrap();
    gateways
}

fn key(org: OrgId, project: ProjectId) -> DocumentKey {
    DocumentKey { org, project, document: DocumentName::Board }
}

/// Waits until `reached`.
async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never happens: {what}"));
}

/// A peer: the other end of its socket, and its way into the room.
struct Visitor {
    socket: TcpStream,
    room: RoomHandle,
    peer: PeerId,
    outbox: Arc<Outbox>,
}

impl Visitor {
    async fn join(gateways: &Gateways, user: UserId, project: ProjectId) -> Self {
        static PEERS: AtomicU64 = AtomicU64::new(1);
        let principal = gateways.principal(ORG, user, project).expect("a member");
        let room = gateways.room(key(ORG, project)).await.unwrap();
        let peer = PeerId(PEERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let (socket, outbox) = pair().await;
        let join = Arrival::Join(Join { peer, principal, extended: false }, outbox.clone());
        assert!(room.inbox().push(&mut vec![join]));
        Self { socket, room, peer, outbox }
    }

    fn write(&self) {
        let update = Received::Message(PeerMessage::Update(Bytes::from_static(UPDATE)));
        assert!(self.room.inbox().push(&mut vec![Arrival::Received(self.peer, update, 0)]));
    }

    /// The code that the socket is closed with.
    async fn closed(mut self) -> u16 {
        let reading = async {
            let mut read = Vec::new();
            while close_code(&read).is_none() {
                tokio::select! {
                    bytes = self.socket.read_buf(&mut read) => assert_ne!(bytes.unwrap(), 0, "closed without a word"),
                    () = self.outbox.woken() => drop(self.outbox.flush(0)),
                }
            }
            close_code(&read).expect("just seen")
        };
        timeout(PATIENCE, reading).await.expect("the socket is closed")
    }

    fn is_open(&self) -> bool {
        !self.outbox.is_closing()
    }
}

async fn pair() -> (TcpStream, Arc<Outbox>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (ours, _) = listener.accept().await.unwrap();
    (socket, Arc::new(Outbox::new(ours, 1 << 20)))
}

/// The code of the first close frame among whole frames.
fn close_code(mut bytes: &[u8]) -> Option<u16> {
    while bytes.len() >= 2 {
        let (frame, rest) = bytes.split_at_checked(orrery_protocol::websocket::frame_len(bytes))?;
        if frame[0] & 0x0f == 8 {
            return Some(u16::from_be_bytes([frame[2], frame[3]]));
        }
        bytes = rest;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn serving_one_epoch_fifty_times_is_serving_it_once() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = Gateways::new(config(&ganymede));
    let serve = |_| {
        let gateways = gateways.clone();
        tokio::spawn(async move { gateways.serve(brief(ORG, 1)).await })
    };
    for task in (0..50).map(serve).collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(gateways.inspect().await.len(), 1);
}

#[tokio::test]
async fn an_organization_that_was_not_allocated_is_not_served() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    assert_eq!(gateways.room(key(OTHER, IO)).await.unwrap_err(), OpenError::NotServing);
    assert_eq!(gateways.principal(OTHER, ALICE, IO), None);
    let unknown = ProjectId(Uuid::from_u128(77));
    assert_eq!(gateways.room(key(ORG, unknown)).await.unwrap_err(), OpenError::UnknownProject);
    assert_eq!((gateways.org_of(IO), gateways.org_of(unknown)), (Some(ORG), None));
}

#[tokio::test]
async fn there_are_no_more_organizations_than_slots() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.slots = 1).await;
    ganymede.allocate(&brief(OTHER, 1));
    assert_eq!(gateways.serve(brief(OTHER, 1)).await, Err(ServeError::NoFreeSlot(1)));
    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(gateways.serve(brief(OTHER, 1)).await, Ok(()));
}

/// Lesson 14: Ganymede hears of a free slot before the old organization is quite gone.
#[tokio::test]
async fn a_slot_that_is_being_vacated_is_waited_for() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.slots = 1).await;
    ganymede.allocate(&brief(OTHER, 1));
    Visitor::join(&gateways, ALICE, IO).await.write();
    let leaving = gateways.release(ORG, Epoch(1), ReleaseReason::Ordered);
    let (served, ()) = tokio::join!(
        async {
            until("it is on its way out", async || gateways.room(key(ORG, IO)).await.is_err()).await;
            gateways.serve(brief(OTHER, 1)).await
        },
        leaving
    );
    assert_eq!(served, Ok(()));
}

#[tokio::test]
async fn a_newer_epoch_replaces_an_older_one_and_never_the_reverse() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    ganymede.allocate(&brief(ORG, 2));
    gateways.serve(brief(ORG, 2)).await.unwrap();
    assert_eq!(alice.closed().await, 1012);
    assert_eq!(gateways.epoch(ORG), Some(Epoch(2)));
    assert_eq!(gateways.serve(brief(ORG, 1)).await, Err(ServeError::Stale(Epoch(2))));
    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(gateways.epoch(ORG), Some(Epoch(2)), "the order was for an older epoch");
}

#[tokio::test]
async fn a_handshake_starts_what_it_is_for() {
    let ganymede = FakeGanymede::default();
    for name in ["one", "two"] {
        ganymede.world().handshakes.insert(name.to_owned(), brief(ORG, 4));
    }
    let gateways = Gateways::new(config(&ganymede));
    let handshake = |name: &str| Token(name.to_owned());
    assert_eq!(gateways.start(OTHER, &handshake("one")).await, Err(ServeError::OtherOrganization(ORG)));
    assert_eq!(gateways.start(ORG, &handshake("two")).await, Ok(Epoch(4)));
    let again = gateways.start(ORG, &handshake("two")).await;
    assert!(matches!(again, Err(ServeError::Control(ControlError::Refused(_)))), "{again:?}");
}

#[tokio::test]
async fn nothing_of_a_released_organization_is_left_but_what_is_stored() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.slots = 1).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    let handle = gateways.room(key(ORG, IO)).await.unwrap();
    until("the edit is stored", async || ganymede.world().appends == 1).await;

    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(alice.closed().await, 1012);
    assert_eq!((gateways.epoch(ORG), gateways.org_of(IO)), (None, None));
    assert_eq!(gateways.principal(ORG, ALICE, IO), None);
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::NotServing);
    assert!(gateways.inspect().await.is_empty());
    until("the room is gone", async || !handle.inbox().push(&mut Vec::new())).await;
    {
        let world = ganymede.world();
        let stored = &world.documents[&key(ORG, IO)];
        assert_eq!((stored.last_seq, stored.updates.len(), world.snapshots), (1, 0, 1), "all of it in a snapshot");
        assert!(world.stopped.is_empty(), "whoever ordered it knows");
    }

    let mut moons = brief(OTHER, 1);
    moons.projects.clear();
    ganymede.allocate(&moons);
    gateways.serve(moons).await.unwrap();
    assert_eq!(gateways.room(key(OTHER, IO)).await.unwrap_err(), OpenError::UnknownProject);
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::NotServing);
    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
}

/// Each either gets in and is closed with 1012, or is refused before; none waits in a room that nobody serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_joins_during_a_release_never_land_on_a_dead_gateway() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let principal = gateways.principal(ORG, BOB, IO).unwrap();
    let join = |number: u64| {
        let (gateways, principal) = (gateways.clone(), principal.clone());
        tokio::spawn(async move {
            // Some documents are open, some are being opened, some are new.
            let document = DocumentName::Named(format!("d{}", number % 40));
            let room = match gateways.room(DocumentKey { document, ..key(ORG, IO) }).await {
                Ok(room) => room,
                Err(refused) => return Err(refused),
            };
            let (socket, outbox) = pair().await;
            let peer = PeerId(1_000_000 + number);
            let arrival = Arrival::Join(Join { peer, principal, extended: false }, outbox.clone());
            if !room.inbox().push(&mut vec![arrival]) {
                return Ok(());
            }
            let visitor = Visitor { socket, room, peer, outbox };
            assert_eq!(visitor.closed().await, 1012);
            Ok(())
        })
    };
    let mut joins: Vec<_> = (0..500).map(join).collect();
    until("rooms are open", async || gateways.inspect().await[0].0.rooms.len() >= 10).await;
    let releasing = tokio::spawn({
        let gateways = gateways.clone();
        async move { gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await }
    });
    joins.extend((500..1000).map(join));
    let mut entered = 0;
    for join in joins {
        match timeout(PATIENCE, join).await.expect("nobody waits for ever").unwrap() {
            Ok(()) => entered += 1,
            Err(refused) => assert!(matches!(refused, OpenError::Moving | OpenError::NotServing), "{refused:?}"),
        }
    }
    releasing.await.unwrap();
    assert!(entered > 0);
    assert_eq!(gateways.epoch(ORG), None);
}

#[tokio::test]
async fn a_gateway_that_cannot_renew_stops_serving_and_stores_nothing_more() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let fault = ControlError::Unavailable("the network is gone".to_owned());
    ganymede.world().no_renewals = Some(fault);
    let gateways = Gateways::new(config(&ganymede));
    gateways.serve(GatewayBrief { lease_ms: 300, ..brief(ORG, 1) }).await.unwrap();
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    until("the edit is stored", async || ganymede.world().appends == 1).await;
    assert_eq!(alice.closed().await, 1012);
    until("the place is free", async || gateways.epoch(ORG).is_none()).await;
    let world = ganymede.world();
    assert_eq!((world.snapshots, world.stopped.len()), (0, 0));
}

#[tokio::test]
async fn a_lease_that_is_renewed_goes_on() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    ganymede.world().lease_ms = Some(200);
    let gateways = Gateways::new(config(&ganymede));
    gateways.serve(GatewayBrief { lease_ms: 200, ..brief(ORG, 1) }).await.unwrap();
    until("many renewals", async || ganymede.world().renewals >= 10).await;
    assert_eq!(gateways.epoch(ORG), Some(Epoch(1)));
}

#[tokio::test]
async fn a_stale_epoch_ends_it_at_once_whoever_hears_of_it() {
    for by_renewal in [true, false] {
        let ganymede = FakeGanymede::with(&brief(ORG, 1));
        let gateways = Gateways::new(config(&ganymede));
        let lease_ms = if by_renewal { 300 } else { 60_000 };
        gateways.serve(GatewayBrief { lease_ms, ..brief(ORG, 1) }).await.unwrap();
        let alice = Visitor::join(&gateways, ALICE, IO).await;
        ganymede.allocate(&brief(ORG, 2));
        if !by_renewal {
            alice.write();
        }
        assert_eq!(alice.closed().await, 1012, "{by_renewal}");
        until("the place is free", async || gateways.epoch(ORG).is_none()).await;
        assert!(ganymede.world().documents.is_empty(), "nothing of epoch 1 is written");
    }
}

#[tokio::test]
async fn an_idle_gateway_gives_its_slot_back() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let idle = IdleClocks { project_ms: 1_000, gateway_ms: 1_000 };
    let gateways = serve(&ganymede, |config| config.idle = idle).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    assert_eq!(alice.closed().await, 1012, "the project is unloaded");
    until("the place is free", async || gateways.epoch(ORG).is_none()).await;
    let world = ganymede.world();
    assert_eq!((world.stopped.as_slice(), world.snapshots), ([(ORG, Epoch(1))].as_slice(), 1));
}

#[tokio::test]
async fn a_project_in_use_is_not_unloaded() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let idle = IdleClocks { project_ms: 1_000, gateway_ms: 60_000 };
    let clock = Clock::new();
    let gateways = serve(&ganymede, |config| (config.idle, config.clock) = (idle, clock)).await;
    let [alice, bob] = [Visitor::join(&gateways, ALICE, IO).await, Visitor::join(&gateways, BOB, EUROPA).await];
    // Both came at the same time; Alice goes on when Bob is gone for doing nothing.
    let typing = async {
        loop {
            alice.room.touch(clock.now_ms());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = typing => {}
        code = bob.closed() => assert_eq!(code, 1012),
    }
    assert!(alice.is_open());
    assert_eq!(alice.closed().await, 1012, "after she stopped");
}

#[tokio::test]
async fn a_slot_is_given_back_again_and_again_until_ganymede_hears_of_it() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let fault = || ControlError::Unavailable("the network is gone".to_owned());
    ganymede.world().faults.extend([fault(), fault()]);
    let _gateways = serve(&ganymede, |config| config.idle = IdleClocks { project_ms: 10, gateway_ms: 10 }).await;
    until("the slot is given back", async || ganymede.world().stopped == [(ORG, Epoch(1))]).await;
}

#[tokio::test]
async fn a_removed_member_is_closed_and_nobody_else() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    let bobs = [Visitor::join(&gateways, BOB, IO).await, Visitor::join(&gateways, BOB, EUROPA).await];
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members.retain(|member| member.user_id != BOB);
    gateways.refresh(newer);
    assert_eq!(gateways.principal(ORG, BOB, IO), None);
    for bob in bobs {
        assert_eq!(bob.closed().await, 4401);
    }
    assert!(alice.is_open());
}

#[tokio::test]
async fn a_member_who_was_on_the_way_in_when_removed_is_closed_too() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let principal = gateways.principal(ORG, BOB, IO).unwrap();
    let room = gateways.room(key(ORG, IO)).await.unwrap();
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members.retain(|member| member.user_id != BOB);
    gateways.refresh(newer);
    // The gateway has acted upon it.
    until("the brief is known", async || gateways.inspect().await[0].1.version == 2).await;
    let (socket, outbox) = pair().await;
    let peer = PeerId(7);
    let join = Arrival::Join(Join { peer, principal, extended: false }, outbox.clone());
    assert!(room.inbox().push(&mut vec![join]));
    assert_eq!(Visitor { socket, room, peer, outbox }.closed().await, 4401);
}

#[tokio::test]
async fn a_changed_role_closes_and_is_there_on_return() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let [there, elsewhere] = [Visitor::join(&gateways, BOB, IO).await, Visitor::join(&gateways, BOB, EUROPA).await];
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members[1].projects.insert(IO, Role::Viewer);
    gateways.refresh(newer.clone());
    assert_eq!(there.closed().await, 1012);
    assert!(elsewhere.is_open(), "the role in another project is what it was");
    let back = Visitor::join(&gateways, BOB, IO).await;
    assert_eq!(gateways.principal(ORG, BOB, IO).unwrap().role, Role::Viewer);
    let older = GatewayBrief { version: 1, ..brief(ORG, 1) };
    gateways.refresh(older);
    assert_eq!(gateways.principal(ORG, BOB, IO).unwrap().role, Role::Viewer, "an older brief changes nothing");
    assert!(back.is_open());
}

#[tokio::test]
async fn a_deleted_project_is_closed() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.projects.retain(|project| project.id != IO);
    gateways.refresh(newer);
    assert_eq!(alice.closed().await, 1012);
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::UnknownProject);
}

#[tokio::test]
async fn a_lease_that_tells_of_a_newer_version_brings_the_brief() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    ganymede.world().lease_ms = Some(300);
    let gateways = Gateways::new(config(&ganymede));
    gateways.serve(GatewayBrief { lease_ms: 300, ..brief(ORG, 1) }).await.unwrap();
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members[1].role = OrgRole::Admin;
    ganymede.allocate(&newer);
    let role = || gateways.principal(ORG, BOB, IO).map(|bob| bob.role);
    until("Bob is an admin", async || role() == Some(Role::Admin)).await;
}

#[tokio::test]
async fn a_gateway_that_fails_is_made_anew() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    until("the edit is stored", async || ganymede.world().appends == 1).await;
    gateways.places.serving()[0].2.gateway.kill();
    assert_eq!(alice.closed().await, 1012);
    until("the room opens again", async || gateways.room(key(ORG, IO)).await.is_ok()).await;
    let reports = gateways.inspect().await;
    assert_eq!(reports[0].0.rooms[0].1.report.last_seq, 1);
}

#[tokio::test]
async fn shutting_down_stores_everything_and_takes_nobody_on() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    ganymede.allocate(&brief(OTHER, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    gateways.serve(brief(OTHER, 1)).await.unwrap();
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    until("the edit is stored", async || ganymede.world().appends == 1).await;
    gateways.shutdown().await;
    assert_eq!(alice.closed().await, 1012);
    {
        let world = ganymede.world();
        assert_eq!((world.snapshots, world.stopped.len()), (1, 0));
    }
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::Stopping);
    assert_eq!(gateways.serve(brief(ORG, 1)).await, Err(ServeError::Stopping));
}

#[tokio::test]
async fn a_command_is_done_once_by_who_may() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let [alice, bob] = [ALICE, BOB].map(|user| gateways.principal(ORG, user, IO).unwrap());
    let event = json!({"type": "gateway:disable-shutdown", "disabled": true});
    let key = || Some("once".parse::<IdempotencyKey>().unwrap());

    let refused = gateways.command(bob, &event, None).await;
    assert_eq!(refused, Err(Refusal::Forbidden("gateway:disable-shutdown").into()));
    assert_eq!(ganymede.world().shutdown_disabled, None);
    let unknown = gateways.command(alice.clone(), &json!({"type": "no:such"}), None).await;
    assert_eq!(unknown, Err(Refusal::Unknown("no:such".to_owned()).into()));

    let fault = ControlError::Unavailable("the network is gone".to_owned());
    ganymede.world().faults.push_back(fault.clone());
    assert_eq!(gateways.command(alice.clone(), &event, key()).await, Err(fault.into()));
    assert_eq!(gateways.command(alice.clone(), &event, key()).await, Ok(json!({"disabled": true})));
    assert_eq!(ganymede.world().shutdown_disabled.take(), Some(true));
    assert_eq!(gateways.command(alice.clone(), &event, key()).await, Ok(json!({"disabled": true})));
    assert_eq!(ganymede.world().shutdown_disabled, None, "answered, not done again");
    until("the clock is off", async || gateways.inspect().await[0].1.shutdown_disabled).await;

    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(gateways.command(alice, &event, key()).await, Err(OpenError::NotServing.into()));
}

#[tokio::test]
async fn a_gateway_that_must_not_shut_down_stays() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let mut config = config(&ganymede);
    config.idle = IdleClocks { project_ms: 1_000, gateway_ms: 1_000 };
    let gateways = Gateways::new(config);
    gateways.serve(GatewayBrief { disable_shutdown: true, ..brief(ORG, 1) }).await.unwrap();
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    assert_eq!(alice.closed().await, 1012, "its projects are unloaded all the same");
    let alice = gateways.principal(ORG, ALICE, IO).expect("served");
    let enable = json!({"type": "gateway:disable-shutdown", "disabled": false});
    gateways.command(alice, &enable, None).await.unwrap();
    until("the place is free", async || gateways.epoch(ORG).is_none()).await;
}
