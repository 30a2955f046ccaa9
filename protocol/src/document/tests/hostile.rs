//! An editor who writes whatever the guard lets through, and neither stock Yjs nor yrs ever would. What yrs takes of it may depend
//! on the batches in which it comes; so some of it may be left out when a document is loaded, and nothing of anybody else.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::guard::walk_update;

const CLIENTS: u64 = 3;

/// A block that somebody writes.
#[derive(Debug, Clone)]
struct Block {
    /// Among all known blocks.
    origin: Option<u16>,
    right_origin: Option<u16>,
    /// A block, or a root.
    parent: Option<u16>,
    root: bool,
    key: bool,
    content: u8,
    len: u8,
}

/// An update that somebody writes.
#[derive(Debug, Clone)]
struct Written {
    client: u64,
    blocks: Vec<Block>,
    /// Known blocks that it deletes, and how many from there on.
    deletes: Vec<(u16, u8)>,
}

fn block() -> impl Strategy<Value = Block> {
    let place = (option::of(any::<u16>()), option::weighted(0.3, any::<u16>()), option::weighted(0.6, any::<u16>()));
    (place, any::<bool>(), any::<bool>(), 0..18_u8, 1..4_u8).prop_map(
        |((origin, right_origin, parent), root, key, content, len)| Block {
            origin,
            right_origin,
            parent,
            root,
            key,
            content,
            len,
        },
    )
}

fn written() -> impl Strategy<Value = Written> {
    let deletes = vec((any::<u16>(), 1..5_u8), 0..3);
    (1..=CLIENTS, vec(block(), 0..4), deletes).prop_map(|(client, blocks, deletes)| Written { client, blocks, deletes })
}

/// Blocks that may be referred to: as many clocks of each client.
struct Known([u32; CLIENTS as usize]);

impl Known {
    fn of(clocks: &Clocks) -> Self {
        Self(std::array::from_fn(|at| clocks.get(ClientId::new(at as u64 + 1).unwrap())))
    }

    /// The block that a number stands for.
    fn pick(&self, number: u16) -> Option<(u64, u32)> {
        let all: u32 = self.0.iter().sum();
        let mut at = u32::from(number).checked_rem(all)?;
        (1..).zip(self.0).find_map(|(client, clocks)| {
            let found = (at < clocks).then_some((client, at));
            at = at.saturating_sub(clocks);
            found
        })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_var_uint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_id(out: &mut Vec<u8>, (client, clock): (u64, u32)) {
    put_var_uint(out, client);
    put_var_uint(out, u64::from(clock));
}

/// Writes a content and returns the number of its kind, and how many clocks it takes.
fn put_content(out: &mut Vec<u8>, kind: u8, len: u8) -> (u8, u32) {
    let many = u32::from(len);
    match kind {
        0 | 1 => {
            put_var_uint(out, u64::from(len));
            return (kind, many);
        }
        2 => {
            put_var_uint(out, u64::from(len));
            (0..len).for_each(|_| put_text(out, "1"));
            return (2, many);
        }
        3 => put_text(out, "bytes"),
        4 | 10..=12 => {
            put_text(out, &"abcd"[..usize::from(len)]);
            return (4, many);
        }
        5 => put_text(out, "{}"),
        6 => {
            put_text(out, "bold");
            put_text(out, "true");
        }
        8 => {
            put_var_uint(out, u64::from(len));
            (0..len).for_each(|_| out.push(120));
            return (8, many);
        }
        9 => {
            put_text(out, "guid");
            out.extend_from_slice(&[118, 0]);
        }
        _ => {
            let shape = if kind == 7 { 6 } else { kind - 13 };
            put_var_uint(out, u64::from(shape));
            if matches!(shape, 3 | 5) {
                put_text(out, "p");
            }
            return (7, 1);
        }
    }
    (kind, 1)
}

impl Written {
    fn encode(&self, clocks: &Clocks) -> Bytes {
        let mut known = Known::of(clocks);
        let mut out = Vec::new();
        put_var_uint(&mut out, u64::from(!self.blocks.is_empty()));
        let next = |known: &Known| known.0[usize::try_from(self.client).unwrap() - 1];
        if !self.blocks.is_empty() {
            put_var_uint(&mut out, self.blocks.len() as u64);
            put_id(&mut out, (self.client, next(&known)));
        }
        for block in &self.blocks {
            let mut content = Vec::new();
            let (kind, clocks) = put_content(&mut content, block.content, block.len);
            let [origin, right_origin] =
                [block.origin, block.right_origin].map(|at| at.filter(|_| kind != 0).and_then(|at| known.pick(at)));
            let alone = kind != 0 && origin.is_none() && right_origin.is_none();
            let flag = |set: bool, bit: u8| if set { bit } else { 0 };
            let key = alone && block.key;
            out.push(kind | flag(origin.is_some(), 0x80) | flag(right_origin.is_some(), 0x40) | flag(key, 0x20));
            origin.into_iter().chain(right_origin).for_each(|id| put_id(&mut out, id));
            if alone {
                match block.parent.and_then(|at| known.pick(at)) {
                    Some(id) => {
                        out.push(0);
                        put_id(&mut out, id);
                    }
                    None => {
                        out.push(1);
                        put_text(&mut out, if block.root { "a" } else { "b" });
                    }
                }
                if key {
                    put_text(&mut out, "key");
                }
            }
            out.extend_from_slice(&content);
            known.0[usize::try_from(self.client).unwrap() - 1] += clocks;
        }
        let deletes: Vec<_> = self.deletes.iter().filter_map(|&(at, len)| Some((known.pick(at)?, len))).collect();
        let clients = 1..=CLIENTS;
        let of = |client| deletes.iter().filter(move |((of, _), _)| *of == client);
        put_var_uint(&mut out, clients.clone().filter(|&client| of(client).next().is_some()).count() as u64);
        for client in clients.filter(|&client| of(client).next().is_some()) {
            put_var_uint(&mut out, client);
            put_var_uint(&mut out, of(client).count() as u64);
            for ((_, clock), len) in of(client) {
                put_var_uint(&mut out, u64::from(*clock));
                put_var_uint(&mut out, u64::from(*len));
            }
        }
        out.into()
    }
}

/// Somebody else, who writes into a root of their own and minds nobody.
struct Honest {
    editor: Doc,
    text: String,
}

impl Honest {
    const CLIENT: u64 = 9;

    fn new() -> Self {
        Self { editor: replica(Self::CLIENT), text: String::new() }
    }

    fn types(&mut self) -> Bytes {
        self.text.push('x');
        let mut txn = open(&self.editor);
        txn.get_or_insert_text("honest").push(&mut txn, "x");
        txn.encode_update_v1().into()
    }

    fn is_whole_in(&self, document: &Document) -> bool {
        let mut txn = open(document.replica.doc());
        txn.get_or_insert_text("honest").get_string(&txn) == self.text
    }
}

#[derive(Debug, Clone)]
enum Arrival {
    Hostile(Written),
    Honest(Bytes),
}

/// As much of a room as it takes: a batch is written in one session, and a document that broke is loaded from what is stored.
#[derive(Default)]
struct Room {
    document: Document,
    stored: StoredDocument,
    queue: VecDeque<Arrival>,
    /// One by one, to find out which it is that cannot be committed.
    wary: bool,
}

impl Room {
    fn take(&mut self, batch: usize) {
        while !self.queue.is_empty() {
            let batch = if self.wary { 1 } else { batch.min(self.queue.len()) };
            let arrivals: Vec<_> = self.queue.drain(..batch).collect();
            match write(&mut self.document, &arrivals) {
                Session::Whole(accepted) => {
                    self.stored.updates.extend(accepted);
                    self.wary = false;
                }
                Session::Poisoned(accepted, looked_at) => {
                    self.stored.updates.extend(accepted);
                    self.put_back(&arrivals[looked_at..]);
                    self.reload();
                }
                Session::Uncommitted => {
                    self.put_back(if self.wary { &[] } else { &arrivals });
                    self.wary = !self.wary;
                    self.reload();
                }
            }
        }
    }

    fn put_back(&mut self, arrivals: &[Arrival]) {
        arrivals.iter().rev().for_each(|arrival| self.queue.push_front(arrival.clone()));
    }

    fn reload(&mut self) {
        self.document = Document::load(&self.stored).0;
    }
}

enum Session {
    /// What was accepted.
    Whole(Vec<Bytes>),
    /// What was accepted before the document broke, and how many arrivals were looked at.
    Poisoned(Vec<Bytes>, usize),
    Uncommitted,
}

fn write(document: &mut Document, arrivals: &[Arrival]) -> Session {
    let limits = WireLimits::default();
    let mut accepted = Vec::new();
    let mut writer = document.write(&limits);
    let mut poisoned = None;
    for (at, arrival) in arrivals.iter().enumerate() {
        let update = match arrival {
            Arrival::Hostile(written) => written.encode(writer.clocks()),
            Arrival::Honest(update) => update.clone(),
        };
        if walk_update(&update, &limits, &mut ()).is_err() {
            continue;
        }
        match writer.apply(&update) {
            Verdict::Accepted => accepted.push(update),
            Verdict::Trimmed(rest) => accepted.push(rest),
            Verdict::Nothing | Verdict::Waits(_) | Verdict::TooDeep => {}
            Verdict::Poison(_) => {
                poisoned = Some(at + 1);
                break;
            }
            Verdict::Broken(_) => return Session::Uncommitted,
        }
    }
    match (writer.commit(), poisoned) {
        (Err(_), _) => Session::Uncommitted,
        (Ok(_), Some(looked_at)) => Session::Poisoned(accepted, looked_at),
        (Ok(_), None) => Session::Whole(accepted),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_one_writes_nothing_of_another_is_left_out(
        written in vec(written(), 1..30),
        batch in 1..9_usize,
        snapshot_after in 0..30_usize,
        covers in 0..6_usize,
    ) {
        let (mut room, mut honest) = (Room::default(), Honest::new());
        for (at, written) in written.into_iter().enumerate() {
            if at == snapshot_after {
                // It may hold more than it covers.
                room.stored.snapshot = Some(room.document.state());
                let uncovered = room.stored.updates.len().saturating_sub(covers);
                room.stored.updates.drain(..uncovered);
            }
            room.queue.extend([Arrival::Hostile(written), Arrival::Honest(honest.types())]);
            if at % batch == 0 {
                room.take(batch);
                prop_assert!(honest.is_whole_in(&room.document));
                prop_assert!(honest.is_whole_in(&Document::load(&room.stored).0));
            }
        }
    }
}

/// How often stored updates are applied one by one to load what is stored.
fn replays(updates: Vec<Bytes>) -> (usize, Document, Vec<Quarantined>) {
    let before = REPLAYS.get();
    let (document, left_out) = Document::load(&StoredDocument { updates, ..StoredDocument::default() });
    (REPLAYS.get() - before, document, left_out)
}

/// A block in a deleted letter: yrs takes it from who writes it now, and may not take it from the store.
#[test]
fn however_much_is_refused_a_document_is_loaded_once() {
    let mut honest = Honest::new();
    let parent = letter(1);
    let mut updates = vec![honest.types(), parent];
    for client in 1_000..2_000 {
        let mut update = vec![1, 1];
        put_id(&mut update, (client, 0));
        update.extend_from_slice(&[4, 0, 1, 0, 1, b'x', 0]);
        assert_eq!(walk_update(&update, &WireLimits::default(), &mut ()), Ok(()));
        updates.extend([update.into(), honest.types()]);
    }
    let (replays, document, left_out) = replays(updates);
    assert_eq!((replays, left_out.len()), (1, 1_000));
    assert!(honest.is_whole_in(&document));
}

#[test]
fn however_often_yrs_panics_a_document_is_loaded_in_bounded_time() {
    let mut honest = Honest::new();
    let mut updates = Vec::new();
    for _ in 0..8 {
        updates.extend([honest.types(), letter(UNCOMMITTABLE)]);
    }
    let (few, document, left_out) = replays(updates.clone());
    assert_eq!((few, left_out.len()), (9, 8), "one by one");
    assert!(honest.is_whole_in(&document));

    let before = honest.text.clone();
    updates.extend((0..5_000).map(|_| letter(UNCOMMITTABLE)));
    let (many, document, left_out) = replays(updates);
    assert!(many < 32 && left_out.len() == 5_008, "{many} replays, {} left out", left_out.len());
    assert!(before == honest.text && honest.is_whole_in(&document));
}
