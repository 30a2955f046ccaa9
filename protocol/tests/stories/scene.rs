//! A room and its people, without sockets: performs a room's effects as the shell would, and keeps for every person a
//! stock replica and what it heard.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use orrery_protocol::{
    access::{Principal, Role},
    guard::{read_messages, walk_awareness},
    id::{DocumentName, OrgId, PeerId, ProjectId, UserId},
    lib0::{Reader, put_var_buf, put_var_str, put_var_uint},
    limits::WireLimits,
    record::StoredDocument,
    room::{Broadcast, CloseCode, Effect, Fault, Input, Join, Received, Room, RoomConfig},
    websocket::frame_len,
};
use uuid::Uuid;
use yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, TransactionMut, Update,
    WriteTxn,
    updates::{decoder::Decode, encoder::Encode},
};

pub(crate) const ALICE: PeerId = PeerId(1);
pub(crate) const BOB: PeerId = PeerId(2);
pub(crate) const CAROL: PeerId = PeerId(3);
/// Looks in for a moment, to see what a newcomer would.
const READER: PeerId = PeerId(1 << 50);

/// What a person heard: one message of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Step1(Bytes),
    Step2(Bytes),
    Update(Bytes),
    /// Client, clock and state, in the order of the message.
    Awareness(Vec<(u64, u32, String)>),
    Denied(String),
    SavedCount(u64),
    SavedEcho(Vec<u8>),
    Ephemeral(String),
}

/// A stock client.
pub(crate) struct Person {
    pub(crate) doc: Doc,
    pub(crate) heard: Vec<Heard>,
    /// Bytes of the room that a full socket holds back, and whether there are any.
    stalled: bool,
    /// Frames, and whether they may never be dropped.
    queue: Vec<(Bytes, bool)>,
}

impl Person {
    fn new(client: u64) -> Self {
        Self { doc: replica(client), heard: Vec::new(), stalled: false, queue: Vec::new() }
    }

    pub(crate) fn text(&self) -> String {
        let txn = self.doc.try_transact().expect("no write is open");
        txn.get_text("text").map(|text| text.get_string(&txn)).unwrap_or_default()
    }

    pub(crate) fn state_vector(&self) -> Bytes {
        self.doc.try_transact().expect("no write is open").state_vector().encode_v1().into()
    }

    /// Changes the replica and returns the update.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
        let mut txn = self.doc.try_transact_mut().expect("no transaction is open");
        change(&mut txn);
        txn.encode_update_v1().into()
    }

    pub(crate) fn types(&self, at: u32, text: &str) -> Bytes {
        self.edit(|txn| txn.get_or_insert_text("text").insert(txn, at, text))
    }

    pub(crate) fn deletes(&self, at: u32, len: u32) -> Bytes {
        self.edit(|txn| txn.get_or_insert_text("text").remove_range(txn, at, len))
    }

    pub(crate) fn applies(&self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("the room sends updates");
        self.doc.try_transact_mut().expect("no transaction is open").apply_update(update).expect("a sound update");
    }

    /// Everything it has, as an update.
    pub(crate) fn state(&self) -> Bytes {
        let txn = self.doc.try_transact().expect("no write is open");
        txn.encode_state_as_update_v1(&StateVector::default()).into()
    }

    fn hears(&mut self, frames: &[u8]) {
        for heard in messages(frames) {
            match &heard {
                Heard::Step2(update) | Heard::Update(update) => self.applies(update),
                Heard::Step1(_)
                | Heard::Awareness(_)
                | Heard::Denied(_)
                | Heard::SavedCount(_)
                | Heard::SavedEcho(_)
                | Heard::Ephemeral(_) => {}
            }
            self.heard.push(heard);
        }
    }
}

/// The messages of whole frames.
pub(crate) fn messages(mut frames: &[u8]) -> Vec<Heard> {
    let mut messages = Vec::new();
    while !frames.is_empty() {
        let len = frame_len(frames);
        messages.push(parse(&frames[..len]));
        frames.advance(len);
    }
    messages
}

pub(crate) fn replica(client: u64) -> Doc {
    let options = Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(client)) };
    Doc::with_options(options)
}

/// One frame, which must hold exactly one message: stock clients read no second one.
fn parse(frame: &[u8]) -> Heard {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    assert_eq!(frame[0], 0x82, "one whole binary message");
    let mut reader = Reader::new(&frame[header..]);
    let buf = |reader: &mut Reader<'_>| Bytes::copy_from_slice(reader.var_buf().expect("a buffer"));
    let heard = match reader.var_uint().expect("a type") {
        0 => match reader.var_uint().expect("a sync type") {
            0 => Heard::Step1(buf(&mut reader)),
            1 => Heard::Step2(buf(&mut reader)),
            2 => Heard::Update(buf(&mut reader)),
            other => panic!("sync type {other}"),
        },
        1 => {
            let mut entries = Vec::new();
            let body = buf(&mut reader);
            walk_awareness(&body, &WireLimits::default(), |entry| {
                entries.push((entry.client.get(), entry.clock, entry.state.to_owned()));
            })
            .expect("clients parse every entry");
            Heard::Awareness(entries)
        }
        2 => {
            assert_eq!(reader.var_uint(), Ok(0), "permission denied");
            Heard::Denied(reader.var_str().expect("a reason").to_owned())
        }
        100 => Heard::Ephemeral(reader.var_str().expect("JSON").to_owned()),
        101 => Heard::SavedCount(reader.var_uint().expect("a count")),
        102 => Heard::SavedEcho(buf(&mut reader).to_vec()),
        other => panic!("message type {other}"),
    };
    assert!(reader.is_empty(), "exactly one message in a frame");
    heard
}

/// What a person says.
pub(crate) fn step1(state_vector: &[u8]) -> Bytes {
    sync(0, state_vector)
}

pub(crate) fn step2(update: &[u8]) -> Bytes {
    sync(1, update)
}

pub(crate) fn update(update: &[u8]) -> Bytes {
    sync(2, update)
}

fn sync(kind: u64, payload: &[u8]) -> Bytes {
    let mut out = Vec::new();
    put_var_uint(&mut out, 0);
    put_var_uint(&mut out, kind);
    put_var_buf(&mut out, payload);
    out.into()
}

pub(crate) fn saved_query(payload: &[u8]) -> Bytes {
    let mut out = vec![102];
    put_var_buf(&mut out, payload);
    out.into()
}

pub(crate) fn query_awareness() -> Bytes {
    Bytes::from_static(&[3])
}

pub(crate) fn awareness(entries: &[(u64, u32, &str)]) -> Bytes {
    let mut body = Vec::new();
    put_var_uint(&mut body, entries.len() as u64);
    for &(client, clock, state) in entries {
        put_var_uint(&mut body, client);
        put_var_uint(&mut body, u64::from(clock));
        put_var_str(&mut body, state);
    }
    let mut out = vec![1];
    put_var_buf(&mut out, &body);
    out.into()
}

/// How a person comes in.
#[derive(Clone, Copy)]
pub(crate) struct Entrance {
    pub(crate) user: u128,
    pub(crate) role: Role,
    pub(crate) extended: bool,
}

pub(crate) const EDITOR: Entrance = Entrance { user: 0, role: Role::Editor, extended: false };
pub(crate) const VIEWER: Entrance = Entrance { user: 0, role: Role::Viewer, extended: false };
pub(crate) const EXTENDED: Entrance = Entrance { user: 0, role: Role::Editor, extended: true };

/// A room, its people and its store.
pub(crate) struct Scene {
    pub(crate) room: Room,
    pub(crate) now_ms: u64,
    pub(crate) people: BTreeMap<PeerId, Person>,
    pub(crate) store: StoredDocument,
    /// Updates that were appended and are not on disk yet.
    pub(crate) appended: Vec<Bytes>,
    /// Snapshots that are not stored yet: what they cover, and the state.
    pub(crate) snapshots: Vec<(u64, Bytes)>,
    pub(crate) closed: Vec<(PeerId, CloseCode)>,
    pub(crate) pinged: Vec<PeerId>,
    pub(crate) reloads: usize,
    /// Stored updates that could not be applied when the document was loaded again.
    pub(crate) left_out: usize,
    /// Whether the stored snapshot could not be applied.
    pub(crate) unreadable: bool,
    pub(crate) drained: usize,
    pub(crate) idle: usize,
    /// Whether extended people are here, as far as the room said.
    pub(crate) watched: bool,
    /// Bytes beyond which a stalled person's queue is dropped.
    pub(crate) queue_bytes_max: usize,
}

impl Scene {
    pub(crate) fn new(name: DocumentName) -> Self {
        Self::opened(name, RoomConfig::default(), StoredDocument::default())
    }

    pub(crate) fn board() -> Self {
        Self::new(DocumentName::Board)
    }

    pub(crate) fn opened(name: DocumentName, config: RoomConfig, store: StoredDocument) -> Self {
        let now_ms = 1_000_000;
        let (room, _) = Room::open(now_ms, name, config, &store);
        Self {
            room,
            now_ms,
            people: BTreeMap::new(),
            store,
            appended: Vec::new(),
            snapshots: Vec::new(),
            closed: Vec::new(),
            pinged: Vec::new(),
            reloads: 0,
            left_out: 0,
            unreadable: false,
            drained: 0,
            idle: 0,
            watched: false,
            queue_bytes_max: 4 << 10,
        }
    }

    /// Joins with an empty replica whose client id is the peer's number, and says nothing.
    pub(crate) fn join(&mut self, peer: PeerId, entrance: Entrance) {
        self.people.insert(peer, Person::new(peer.0));
        self.join_as_is(peer, entrance);
    }

    /// Joins with the replica it has.
    pub(crate) fn join_as_is(&mut self, peer: PeerId, entrance: Entrance) {
        let user = if entrance.user == 0 { u128::from(peer.0) } else { entrance.user };
        let principal = Principal {
            user: UserId(Uuid::from_u128(user)),
            name: format!("user {user}"),
            role: entrance.role,
            org: OrgId(Uuid::from_u128(1)),
            project: ProjectId(Uuid::from_u128(2)),
        };
        self.handle(Input::Join(Join { peer, principal, extended: entrance.extended }));
    }

    /// Joins as stock clients do: asks for what it is missing, and answers what the room asks.
    pub(crate) fn enter(&mut self, peer: PeerId, entrance: Entrance) {
        self.join(peer, entrance);
        self.shake_hands(peer);
    }

    pub(crate) fn shake_hands(&mut self, peer: PeerId) {
        let person = self.person(peer);
        let asked: Vec<Bytes> = person
            .heard
            .iter()
            .filter_map(|heard| if let Heard::Step1(state_vector) = heard { Some(state_vector.clone()) } else { None })
            .collect();
        self.says(peer, &step1(&self.person(peer).state_vector()));
        for state_vector in asked {
            let missing = {
                let known = StateVector::decode_v1(&state_vector).expect("a state vector");
                let txn = self.person(peer).doc.try_transact().expect("no write is open");
                txn.encode_state_as_update_v1(&known)
            };
            self.says(peer, &step2(&missing));
        }
    }

    pub(crate) fn person(&self, peer: PeerId) -> &Person {
        &self.people[&peer]
    }

    /// Says one frame.
    pub(crate) fn says(&mut self, peer: PeerId, frame: &Bytes) {
        self.say_at_once(&[(peer, frame.clone())]);
    }

    /// Frames that reach the room in one batch.
    pub(crate) fn say_at_once(&mut self, frames: &[(PeerId, Bytes)]) {
        let mut received = Vec::new();
        for (peer, frame) in frames {
            let read = read_messages(frame, &WireLimits::default(), |message| {
                received.push((*peer, Received::Message(message)));
            });
            if let Err(malformed) = read {
                received.push((*peer, Received::Fault(CloseCode::Malformed, Fault::Malformed(malformed))));
            }
        }
        self.handle(Input::Received(received));
    }

    /// Edits and says so.
    pub(crate) fn types(&mut self, peer: PeerId, at: u32, text: &str) {
        let made = self.person(peer).types(at, text);
        self.says(peer, &update(&made));
    }

    pub(crate) fn leaves(&mut self, peer: PeerId) {
        self.handle(Input::Received(vec![(peer, Received::Left)]));
    }

    /// Stops reading. The room hears of it once it sends something.
    pub(crate) fn stalls(&mut self, peer: PeerId) {
        self.people.get_mut(&peer).expect("is there").stalled = true;
    }

    /// Reads again, all that was queued.
    pub(crate) fn reads(&mut self, peer: PeerId) {
        let person = self.people.get_mut(&peer).expect("is there");
        person.stalled = false;
        for (frames, _) in std::mem::take(&mut person.queue) {
            person.hears(&frames);
        }
        self.handle(Input::Drained(peer));
    }

    /// Everything appended is on disk now.
    pub(crate) fn save(&mut self) {
        self.store.last_seq += self.appended.len() as u64;
        self.store.updates.append(&mut self.appended);
        self.handle(Input::Durable(self.store.last_seq));
    }

    /// The oldest snapshot on its way is stored now.
    pub(crate) fn store_snapshot(&mut self) {
        let (covers_seq, state) = self.snapshots.remove(0);
        let first_seq = self.store.last_seq - self.store.updates.len() as u64;
        self.store.updates.drain(..(covers_seq - first_seq) as usize);
        self.store.snapshot = Some(state);
        self.handle(Input::SnapshotStored(covers_seq));
    }

    pub(crate) fn reload(&mut self) {
        self.save();
        self.handle(Input::Reloaded(self.store.clone()));
    }

    /// Time passes; the room is ticked whenever it asked to be.
    pub(crate) fn passes_ms(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.room.deadline_ms().filter(|&deadline_ms| deadline_ms <= until_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.handle(Input::Tick);
            let next_ms = self.room.deadline_ms().expect("a room always wants to be ticked again");
            assert!(next_ms > self.now_ms, "a tick makes progress");
        }
        self.now_ms = until_ms;
    }

    pub(crate) fn handle(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let mut effects = Vec::new();
            for input in std::mem::take(&mut inputs) {
                self.room.handle(self.now_ms, input, &mut effects);
            }
            for effect in effects {
                self.perform(effect, &mut inputs);
            }
        }
    }

    fn perform(&mut self, effect: Effect, inputs: &mut Vec<Input>) {
        match effect {
            Effect::Send(peer, frames) => self.deliver(peer, frames, false, inputs),
            Effect::Resync(peer, frames) => self.deliver(peer, frames, true, inputs),
            Effect::Broadcast(broadcast) => self.broadcast(&broadcast, inputs),
            Effect::Append { first_seq, mut updates } => {
                assert_eq!(first_seq, self.store.last_seq + self.appended.len() as u64 + 1, "the journal has no gaps");
                self.appended.append(&mut updates);
            }
            Effect::Snapshot { covers_seq, state } => self.snapshots.push((covers_seq, state)),
            Effect::Ping(peer) => self.pinged.push(peer),
            Effect::Close(peer, code, _) => self.closed.push((peer, code)),
            Effect::Reload => self.reloads += 1,
            Effect::LeftOut(left_out) => self.left_out += left_out.len(),
            Effect::Unreadable(_) => self.unreadable = true,
            Effect::Drained => self.drained += 1,
            Effect::Idle => self.idle += 1,
            Effect::Watched(watched) => self.watched = watched,
        }
    }

    fn broadcast(&mut self, broadcast: &Broadcast, inputs: &mut Vec<Input>) {
        let peers: Vec<PeerId> = self.people.keys().copied().filter(|peer| !broadcast.except.contains(peer)).collect();
        let closed: Vec<PeerId> = self.closed.iter().map(|&(peer, _)| peer).collect();
        for peer in peers.into_iter().filter(|peer| !closed.contains(peer)) {
            let mut start = 0;
            let mut frames = Vec::new();
            for &(sender, end) in &broadcast.parts {
                if sender != peer {
                    frames.extend_from_slice(&broadcast.frames[start..end]);
                }
                start = end;
            }
            frames.extend_from_slice(&broadcast.frames[start..]);
            self.deliver(peer, frames.into(), false, inputs);
        }
    }

    fn deliver(&mut self, peer: PeerId, frames: Bytes, kept: bool, inputs: &mut Vec<Input>) {
        let Some(person) = self.people.get_mut(&peer) else { return };
        if frames.is_empty() {
            return;
        }
        if !person.stalled {
            return person.hears(&frames);
        }
        if person.queue.is_empty() {
            inputs.push(Input::Backlogged(peer));
        }
        person.queue.push((frames, kept));
        let droppable = person.queue.iter().filter(|(_, kept)| !kept).map(|(frames, _)| frames.len());
        if !kept && droppable.sum::<usize>() > self.queue_bytes_max {
            person.queue.retain(|&(_, kept)| kept);
            inputs.push(Input::Overflowed(peer));
        }
    }

    /// What `peer` heard since this was asked last.
    pub(crate) fn heard(&mut self, peer: PeerId) -> Vec<Heard> {
        std::mem::take(&mut self.people.get_mut(&peer).expect("is there").heard)
    }

    pub(crate) fn forget_what_was_heard(&mut self) {
        self.people.values_mut().for_each(|person| person.heard.clear());
    }

    /// Two people see the same text. Prints where it differs, not all of it.
    #[track_caller]
    pub(crate) fn assert_same(&self, one: PeerId, other: PeerId) {
        let (left, right) = (self.person(one).text(), self.person(other).text());
        let at = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
        assert!(left == right, "{} and {} bytes, the same until {at}", left.len(), right.len());
    }

    /// What a newcomer would see.
    pub(crate) fn text(&mut self) -> String {
        self.people.remove(&READER);
        self.enter(READER, VIEWER);
        let text = self.person(READER).text();
        self.leaves(READER);
        self.people.remove(&READER);
        text
    }

    /// Everything that is durable, replayed into a plain replica.
    pub(crate) fn durable_text(&self) -> String {
        let reader = Person::new(1 << 40);
        self.store.snapshot.iter().chain(&self.store.updates).for_each(|update| reader.applies(update));
        reader.text()
    }
}
