//! Updates, against yrs: what the guard accepts and a room would apply, yrs decodes, applies and encodes.

use std::collections::BTreeMap;

use orrery_protocol::{
    guard::{UpdateVisitor, walk_update},
    id::ClientId,
    lib0::Reader,
    limits::WireLimits,
};
use yrs::{
    Doc, IdSet, OffsetKind, Options, ReadTxn, StateVector, Transact, Update, block::ClientID, updates::decoder::Decode,
    updates::encoder::Encode,
};

/// What an update says about itself.
#[derive(Default)]
struct Contents {
    runs: Vec<(u64, u32, u32)>,
    references: Vec<(u64, u32)>,
    deletes: Vec<(u64, u32, u32)>,
    structs_end: usize,
}

impl UpdateVisitor for Contents {
    fn run(&mut self, client: ClientId, clock: u32, len: u32) {
        self.runs.push((client.get(), clock, len));
    }

    fn reference(&mut self, client: ClientId, clock: u32) {
        self.references.push((client.get(), clock));
    }

    fn delete(&mut self, client: ClientId, clock: u32, len: u32) {
        self.deletes.push((client.get(), clock, len));
    }

    fn section(&mut self, _client: ClientId, _first_clock: u32, structs: u64, body: std::ops::Range<usize>) {
        assert!(structs > 0 && body.start < body.end && self.structs_end < body.start);
        self.structs_end = body.end;
    }

    fn delete_set_at(&mut self, offset: usize) {
        assert!(offset >= self.structs_end);
        self.structs_end = offset;
    }
}

/// Blocks that a document has: as many clocks of each client.
#[derive(Default)]
struct Known(BTreeMap<u64, u32>);

impl Known {
    /// Adds the runs of an update; `false` if it leaves a gap or needs a block that is not there, as a room would
    /// find out before it applies anything.
    fn extend(&mut self, contents: &Contents) -> bool {
        for &(client, clock, len) in &contents.runs {
            let known = self.0.entry(client).or_default();
            if clock > *known {
                return false;
            }
            *known = (*known).max(clock + len);
        }
        let has = |(client, clock): &(u64, u32)| self.0.get(client).is_some_and(|known| clock < known);
        contents.references.iter().all(has)
    }
}

/// Takes one update, or several with their lengths in front.
pub fn update(data: &[u8]) {
    check_sequence(&[data]);
    let mut reader = Reader::new(data);
    let mut updates = Vec::new();
    while let Ok(update) = reader.var_buf() {
        updates.push(update);
    }
    check_sequence(&updates);
}

fn check_sequence(updates: &[&[u8]]) {
    let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
    let mut known = Known::default();
    for bytes in updates {
        let mut contents = Contents::default();
        if let Err(fault) = walk_update(bytes, &WireLimits::default(), &mut contents) {
            assert!(fault.offset <= bytes.len(), "{fault}");
            continue;
        }
        let update = Update::decode_v1(bytes).expect("yrs reads what the guard accepts");
        check_contents(&update, &contents);
        check_encoding(&update);
        if !known.extend(&contents) {
            return;
        }
        let mut transaction = doc.try_transact_mut().expect("no other transaction");
        // An item whose parent turns out to be no shared type is an error, which a room survives.
        if transaction.apply_update(update).is_err() {
            return;
        }
    }
    let transaction = doc.try_transact().expect("no other transaction");
    let state = transaction.encode_state_as_update_v1(&StateVector::default());
    let copy = Doc::new();
    let mut transaction = copy.try_transact_mut().expect("no other transaction");
    let update = Update::decode_v1(&state).expect("yrs reads what it wrote");
    let _ = transaction.apply_update(update);
}

/// yrs finds the same blocks and deletions.
fn check_contents(update: &Update, contents: &Contents) {
    let set = |runs: &[(u64, u32, u32)]| {
        let mut set = IdSet::new();
        for &(client, clock, len) in runs {
            set.insert(yrs::ID::new(ClientID::new(client), clock), len);
        }
        set
    };
    assert_eq!(update.insertions(true), set(&contents.runs));
    let mut deletes = contents.deletes.clone();
    deletes.sort_unstable();
    let ranges = update
        .delete_set()
        .iter()
        .flat_map(|(client, ranges)| ranges.iter().map(|range| (client.get(), range.start, range.end - range.start)));
    assert_eq!(ranges.collect::<Vec<_>>(), deletes);
}

/// What yrs writes of an update, the guard accepts.
fn check_encoding(update: &Update) {
    let bytes = update.encode_v1();
    assert_eq!(walk_update(&bytes, &WireLimits::default(), &mut ()), Ok(()));
}
