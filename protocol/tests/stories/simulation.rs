//! Everything at once, in virtual time: links that are slow and break, connections that are half open, a store that confirms
//! late and crashes, a room that is opened again from what is durable, hostile peers. Whatever happens, no confirmed update is
//! missing from what is durable, and once things calm down everybody has the same.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use orrery_protocol::{
    access::{Principal, Role},
    document::Document,
    guard::read_messages,
    id::{DocumentName, OrgId, PeerId, ProjectId, UserId},
    limits::WireLimits,
    record::StoredDocument,
    room::{Broadcast, Effect, Input, Join, Received, Room, RoomConfig},
};
use uuid::Uuid;
use yrs::{
    ClientID, Doc, GetString, IdSet, Map, ReadTxn, StateVector, Text, Transact, Update, WriteTxn,
    updates::{decoder::Decode, encoder::Encode},
};

use crate::scene::{Heard, messages, replica, saved_query, step1, step2, update};

const SEEDS: u64 = 100;
const STEPS: usize = 600;
/// Wrote what the document began with.
const SEED_CLIENT: u64 = 50;
const SOCKET_BYTES: usize = 300;
const QUEUE_BYTES: usize = 600;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A connection: what is on its way in both directions, and what the shell queues.
#[derive(Default)]
struct Link {
    up: VecDeque<Bytes>,
    socket: VecDeque<Bytes>,
    /// Frames, and whether they may never be dropped.
    queue: VecDeque<(Bytes, bool)>,
    backlogged: bool,
}

impl Link {
    fn has_room(&self) -> bool {
        self.socket.iter().map(Bytes::len).sum::<usize>() < SOCKET_BYTES
    }
}

/// One update a client sent over its present connection.
struct Sent {
    clock: u32,
    deletes: IdSet,
}

struct Client {
    doc: Doc,
    extended: bool,
    peer: Option<PeerId>,
    /// Whether it got a step 2 over its present connection. Before that, what it hears may need what it has not.
    synced: bool,
    sent: Vec<Sent>,
    /// What it was told is durable.
    saved_clock: u32,
    saved_deletes: IdSet,
    /// Its questions whether all is saved that were answered.
    echoes: usize,
}

impl Client {
    fn id(&self) -> ClientID {
        self.doc.client_id()
    }

    fn state_vector(&self) -> StateVector {
        self.doc.try_transact().expect("no write is open").state_vector()
    }

    fn since(&self, known: &StateVector) -> Bytes {
        self.doc.try_transact().expect("no write is open").encode_state_as_update_v1(known).into()
    }

    fn edit(&mut self, dice: &mut Dice) -> Bytes {
        let mut txn = self.doc.try_transact_mut().expect("no transaction is open");
        let text = txn.get_or_insert_text("text");
        let map = txn.get_or_insert_map("map");
        let content: Vec<char> = text.get_string(&txn).chars().collect();
        let units = |chars: &[char]| chars.iter().map(|c| c.len_utf16() as u32).sum::<u32>();
        let at = dice.below(content.len() + 1);
        match dice.below(10) {
            0..6 => text.insert(&mut txn, units(&content[..at]), ["x", "word ", "😀", "ä𝒳"][dice.below(4)]),
            6..9 => {
                let end = content.len().min(at + dice.below(6));
                text.remove_range(&mut txn, units(&content[..at]), units(&content[at..end]));
            }
            _ => drop(map.insert(&mut txn, ["a", "b"][dice.below(2)], dice.below(100) as u32)),
        }
        let made: Bytes = txn.encode_update_v1().into();
        drop(txn);
        // Messages are counted per connection; what is written offline comes with a step 2.
        if self.peer.is_some() {
            let made = Update::decode_v1(&made).expect("an update");
            self.sent.push(Sent { clock: own_clock(&made, self.id()), deletes: made.delete_set().clone() });
        }
        made
    }

    /// What it hears; returns what it answers.
    fn hear(&mut self, heard: Heard) -> Option<Bytes> {
        match heard {
            Heard::Step1(known) => {
                let known = StateVector::decode_v1(&known).expect("a state vector");
                return Some(step2(&self.since(&known)));
            }
            Heard::Step2(ref bytes) | Heard::Update(ref bytes) => {
                self.synced |= matches!(heard, Heard::Step2(_));
                let update = Update::decode_v1(bytes).expect("an update");
                if !self.extended {
                    self.saved_clock = self.saved_clock.max(own_clock(&update, self.id()));
                }
                let mut txn = self.doc.try_transact_mut().expect("no transaction is open");
                txn.apply_update(update).expect("a sound update");
                assert!(!self.synced || !txn.has_missing_updates(), "nothing is sent that cannot be read");
            }
            Heard::SavedCount(count) => self.is_saved(count as usize),
            Heard::SavedEcho(payload) => {
                self.is_saved(u32::from_le_bytes(payload.try_into().expect("what was asked")) as usize);
                self.echoes += 1;
            }
            Heard::Awareness(_) | Heard::Denied(_) | Heard::Ephemeral(_) => {}
        }
        None
    }

    /// It was told that so many of its updates are durable.
    fn is_saved(&mut self, count: usize) {
        for sent in &self.sent[..count] {
            self.saved_clock = self.saved_clock.max(sent.clock);
            self.saved_deletes.merge_with(sent.deletes.clone());
        }
    }
}

/// The end of what an update holds of a client; 0 for nothing.
fn own_clock(update: &Update, client: ClientID) -> u32 {
    let insertions = update.insertions(true);
    insertions.get(&client).and_then(|own| own.iter().map(|run| run.0.end).max()).unwrap_or_default()
}

struct World {
    dice: Dice,
    now_ms: u64,
    room: Room,
    clients: Vec<Client>,
    links: BTreeMap<PeerId, Link>,
    /// Connections whose end the room has not noticed.
    ghosts: Vec<PeerId>,
    peers: u64,
    store: StoredDocument,
    appended: VecDeque<Bytes>,
    snapshots: Vec<(u64, Bytes)>,
    reload: bool,
    reloads: usize,
}

fn config() -> RoomConfig {
    let mut config = RoomConfig::default();
    config.clocks.snapshot_ms = 5_000;
    config
}

impl World {
    fn new(dice: Dice) -> Self {
        let seed = replica(SEED_CLIENT);
        let title = {
            let mut txn = seed.try_transact_mut().expect("no transaction is open");
            txn.get_or_insert_text("title").push(&mut txn, "never deleted");
            txn.encode_update_v1().into()
        };
        let store = StoredDocument { snapshot: None, updates: vec![title], last_seq: 1 };
        let client = |id: u64| Client {
            doc: replica(id),
            extended: id.is_multiple_of(2),
            peer: None,
            synced: false,
            sent: Vec::new(),
            saved_clock: 0,
            saved_deletes: IdSet::new(),
            echoes: 0,
        };
        Self {
            dice,
            now_ms: 0,
            room: Room::open(0, DocumentName::Board, config(), &store).0,
            clients: (1..=4).map(client).collect(),
            links: BTreeMap::new(),
            ghosts: Vec::new(),
            peers: 0,
            store,
            appended: VecDeque::new(),
            snapshots: Vec::new(),
            reload: false,
            reloads: 0,
        }
    }

    fn join(&mut self, user: u64, extended: bool) -> PeerId {
        self.peers += 1;
        let peer = PeerId(self.peers);
        self.links.insert(peer, Link::default());
        let principal = Principal {
            user: UserId(Uuid::from_u128(u128::from(user))),
            name: String::new(),
            role: Role::Editor,
            org: OrgId(Uuid::nil()),
            project: ProjectId(Uuid::nil()),
        };
        self.handle(Input::Join(Join { peer, principal, extended }));
        peer
    }

    fn connect(&mut self, at: usize) {
        if self.clients[at].peer.is_none() {
            let peer = self.join(at as u64, self.clients[at].extended);
            let client = &mut self.clients[at];
            client.peer = Some(peer);
            client.sent.clear();
            client.synced = false;
            let hello = step1(&client.state_vector().encode_v1());
            self.say(peer, hello);
        }
    }

    fn disconnect(&mut self, at: usize) {
        if let Some(peer) = self.clients[at].peer.take() {
            // What was on its way is lost, and with it all that might arrive after the client is back.
            if let Some(link) = self.links.get_mut(&peer) {
                link.up.clear();
            }
            self.ghosts.push(peer);
        }
    }

    fn say(&mut self, peer: PeerId, frame: Bytes) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.up.push_back(frame);
        }
    }

    fn edit(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let made = client.edit(&mut self.dice);
        let sent = client.sent.len() as u32;
        if let Some(peer) = client.peer {
            self.say(peer, update(&made));
            if self.dice.chance(20) {
                self.say(peer, saved_query(&sent.to_le_bytes()));
            }
        }
    }

    /// Some of what clients said reaches the room, in one batch.
    fn up(&mut self) {
        if !self.room.takes_input() {
            return;
        }
        let mut received = Vec::new();
        let peers: Vec<PeerId> = self.links.keys().copied().collect();
        for _ in 0..self.dice.below(6) {
            let Some(&peer) = peers.get(self.dice.below(peers.len().max(1))) else { break };
            let Some(frame) = self.links.get_mut(&peer).and_then(|link| link.up.pop_front()) else { continue };
            read_messages(&frame, &WireLimits::default(), |message| received.push((peer, Received::Message(message))))
                .expect("clients send messages");
        }
        self.handle(Input::Received(received));
    }

    /// Some of what the room said reaches a client.
    fn down(&mut self, at: usize) {
        let Some(peer) = self.clients[at].peer else { return };
        for _ in 0..1 + self.dice.below(4) {
            let Some(link) = self.links.get_mut(&peer) else { return };
            if let Some(frames) = link.socket.pop_front() {
                for heard in messages(&frames) {
                    if let Some(answer) = self.clients[at].hear(heard) {
                        self.say(peer, answer);
                    }
                }
            }
            self.refill(peer);
        }
    }

    fn refill(&mut self, peer: PeerId) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        while link.has_room()
            && let Some((frames, _)) = link.queue.pop_front()
        {
            link.socket.push_back(frames);
        }
        if link.backlogged && link.queue.is_empty() && link.has_room() {
            link.backlogged = false;
            self.handle(Input::Drained(peer));
        }
    }

    /// Some of what was appended is on disk, and the room may hear of it.
    fn save(&mut self) {
        for _ in 0..self.dice.below(8) {
            let Some(update) = self.appended.pop_front() else { break };
            self.store.updates.push(update);
            self.store.last_seq += 1;
        }
        if self.dice.chance(70) {
            self.handle(Input::Durable(self.store.last_seq));
        }
        if self.reload && self.appended.is_empty() {
            self.reload = false;
            self.handle(Input::Durable(self.store.last_seq));
            self.handle(Input::Reloaded(self.store.clone()));
        }
        if let Some((covers_seq, state)) = self.snapshots.pop() {
            if self.dice.chance(30) {
                return self.handle(Input::SnapshotFailed);
            }
            let first_seq = self.store.last_seq - self.store.updates.len() as u64;
            self.store.updates.drain(..(covers_seq - first_seq) as usize);
            self.store.snapshot = Some(state);
            self.handle(Input::SnapshotStored(covers_seq));
        }
    }

    /// The process is killed; what was not on disk is lost, and so are all connections.
    fn crash(&mut self) {
        self.appended.clear();
        self.snapshots.clear();
        self.links.clear();
        self.ghosts.clear();
        self.reload = false;
        self.clients.iter_mut().for_each(|client| client.peer = None);
        self.check_durable();
        let (room, quarantined) = Room::open(self.now_ms, DocumentName::Board, config(), &self.store);
        assert_eq!(quarantined, []);
        self.room = room;
    }

    /// A stranger puts something into a string.
    fn poison(&mut self) {
        let peer = self.join(99, false);
        let bytes = [&[1, 1, 66, 0, 4, 0][..], &[SEED_CLIENT as u8, 0, 1, b'x', 0]].concat();
        self.say(peer, update(&bytes));
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        if self.room.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= self.now_ms) {
            self.handle(Input::Tick);
        }
    }

    fn handle(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let mut effects = Vec::new();
            for input in std::mem::take(&mut inputs) {
                self.room.handle(self.now_ms, input, &mut effects);
            }
            effects.into_iter().for_each(|effect| self.perform(effect, &mut inputs));
        }
    }

    fn perform(&mut self, effect: Effect, inputs: &mut Vec<Input>) {
        match effect {
            Effect::Send(peer, frames) => self.deliver(peer, frames, false, inputs),
            Effect::Resync(peer, frames) => self.deliver(peer, frames, true, inputs),
            Effect::Broadcast(broadcast) => self.broadcast(&broadcast, inputs),
            Effect::Append { first_seq, updates } => {
                assert_eq!(first_seq, self.store.last_seq + self.appended.len() as u64 + 1);
                self.appended.extend(updates);
            }
            Effect::Snapshot { covers_seq, state } => self.snapshots.push((covers_seq, state)),
            Effect::Close(peer, ..) => {
                self.links.remove(&peer);
                self.clients
                    .iter_mut()
                    .filter(|client| client.peer == Some(peer))
                    .for_each(|client| client.peer = None);
            }
            Effect::Reload => {
                self.reload = true;
                self.reloads += 1;
            }
            Effect::LeftOut(left_out) => panic!("what was accepted cannot be applied again: {left_out:?}"),
            Effect::Unreadable(reason) => panic!("the room's own snapshot: {reason}"),
            Effect::Ping(_) | Effect::Drained | Effect::Idle | Effect::Watched(_) => {}
        }
    }

    fn broadcast(&mut self, broadcast: &Broadcast, inputs: &mut Vec<Input>) {
        let peers: Vec<PeerId> = self.links.keys().copied().filter(|peer| !broadcast.except.contains(peer)).collect();
        for peer in peers {
            let mut start = 0;
            let mut frames = Vec::new();
            for &(sender, end) in broadcast.parts.iter().chain([&(PeerId(0), broadcast.frames.len())]) {
                if sender != peer {
                    frames.extend_from_slice(&broadcast.frames[start..end]);
                }
                start = end;
            }
            self.deliver(peer, frames.into(), false, inputs);
        }
    }

    fn deliver(&mut self, peer: PeerId, frames: Bytes, kept: bool, inputs: &mut Vec<Input>) {
        let Some(link) = self.links.get_mut(&peer).filter(|_| !frames.is_empty()) else { return };
        if !link.backlogged && link.has_room() {
            return link.socket.push_back(frames);
        }
        if !link.backlogged {
            link.backlogged = true;
            inputs.push(Input::Backlogged(peer));
        }
        link.queue.push_back((frames, kept));
        let droppable = link.queue.iter().filter(|(_, kept)| !kept).map(|(frames, _)| frames.len());
        if !kept && droppable.sum::<usize>() > QUEUE_BYTES {
            link.queue.retain(|&(_, kept)| kept);
            inputs.push(Input::Overflowed(peer));
        }
    }

    fn durable(&self) -> Doc {
        let (mut document, quarantined) = Document::load(&self.store);
        assert_eq!(quarantined, [], "all that was accepted can be loaded");
        let doc = replica(1 << 40);
        let state = Update::decode_v1(&document.state()).expect("an update");
        doc.try_transact_mut().expect("no transaction is open").apply_update(state).expect("sound");
        doc
    }

    fn check_durable(&self) {
        let durable = self.durable();
        let txn = durable.try_transact().expect("no write is open");
        let deleted = txn.snapshot().delete_set;
        for client in &self.clients {
            let (durable, saved) = (txn.state_vector().get(&client.id()), client.saved_clock);
            assert!(durable >= saved, "client {}: {saved} confirmed, {durable} durable", client.id());
            assert!(client.saved_deletes.diff(&deleted).is_empty(), "a deletion that was confirmed is lost");
        }
    }

    fn step(&mut self) {
        let at = self.dice.below(self.clients.len());
        match self.dice.below(100) {
            0..30 => self.edit(at),
            30..50 => self.up(),
            50..65 => self.down(at),
            65..80 => self.save(),
            80..87 => self.connect(at),
            87..90 => self.disconnect(at),
            90..93 => {
                if !self.ghosts.is_empty() {
                    let ghost = self.ghosts.swap_remove(self.dice.below(self.ghosts.len()));
                    self.links.remove(&ghost);
                    self.handle(Input::Received(vec![(ghost, Received::Left)]));
                }
            }
            93 => self.poison(),
            94 => self.crash(),
            _ => {
                let ms = self.dice.next() % 400;
                self.pass(ms);
            }
        }
    }

    fn calm_down(&mut self) {
        for round in 0..4_000 {
            (0..self.clients.len()).for_each(|at| self.connect(at));
            self.up();
            (0..self.clients.len()).for_each(|at| self.down(at));
            self.save();
            self.handle(Input::Durable(self.store.last_seq));
            self.pass(100);
            let quiet = self.links.values().all(|link| link.up.is_empty() && link.socket.is_empty());
            if quiet && round > 100 && self.appended.is_empty() && self.room.takes_input() {
                return;
            }
        }
        panic!("never calm: {:?}", self.room.report());
    }

    fn check_converged(&self) {
        self.check_durable();
        let view = |doc: &Doc| {
            let txn = doc.try_transact().expect("no write is open");
            let text = txn.get_text("text").map(|text| text.get_string(&txn));
            let mut map: Vec<_> = txn
                .get_map("map")
                .map(|map| map.iter(&txn).map(|(key, value)| format!("{key}={value:?}")).collect())
                .unwrap_or_default();
            map.sort();
            (text.unwrap_or_default(), map, txn.state_vector())
        };
        let durable = view(&self.durable());
        for client in &self.clients {
            assert_eq!(view(&client.doc), durable, "client {}", client.id());
        }
    }
}

#[test]
fn nothing_confirmed_is_lost_and_everybody_converges() {
    let (mut reloads, mut overflows, mut echoes) = (0, 0, 0);
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(Dice(seed));
            (0..STEPS).for_each(|_| world.step());
            world.calm_down();
            world.check_converged();
            let echoes: usize = world.clients.iter().map(|client| client.echoes).sum();
            (world.reloads, world.room.report().counts.overflows, echoes)
        });
        match run {
            Ok(seen) => (reloads, overflows, echoes) = (reloads + seen.0, overflows + seen.1, echoes + seen.2),
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // It would prove little if none of this had happened.
    let seen = format!("{reloads} reloads, {overflows} overflows, {echoes} echoes");
    assert!(reloads > 0 && overflows > 0 && echoes > 0, "{seen}");
}
