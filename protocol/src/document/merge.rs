//! Joining updates by their bytes. A run of typing is many updates of one client with consecutive clocks; in the v1
//! encoding their structs stand one after another without knowing of each other, so they join by concatenation, and a
//! text that came letter by letter joins into one string. It costs a hundredth of decoding, applying and encoding them,
//! and every reader is spared the rest.
//!
//! yrs merges such letters too, but by copying all that follows into each: 100,000 in one transaction cost it 5 GB.

use bytes::{BufMut, Bytes};
use smallvec::SmallVec;

use crate::{
    guard::{Structure, UpdateVisitor, walk_update},
    id::ClientId,
    lib0::{Reader, put_var_uint},
    limits::WireLimits,
};

/// An update with more structs than this is rewritten even if it stands alone.
const STRUCTS_ALONE_MAX: u64 = 64;
/// A joined update grows no further than this, in bytes.
const JOINED_BYTES_MAX: usize = 256 << 10;

/// A struct that the next one may go on with.
#[derive(Debug)]
struct OpenStruct {
    last: Structure,
    /// Info, ids, parent.
    head: SmallVec<[u8; 32]>,
    /// Text, or `Any` values.
    payload: Vec<u8>,
    /// Of the values.
    count: u64,
}

impl OpenStruct {
    fn new(structure: &Structure, update: &[u8]) -> Self {
        let head = SmallVec::from_slice(&update[structure.start..structure.content]);
        let mut open = Self { last: *structure, head, payload: Vec::new(), count: 0 };
        open.extend(structure, update);
        open
    }

    fn extend(&mut self, structure: &Structure, update: &[u8]) {
        let mut content = Reader::new(&update[structure.content..structure.end]);
        // The guard has read this number.
        let number = content.var_uint().unwrap_or_default();
        self.count += number;
        self.payload.extend_from_slice(&update[structure.content + content.position()..structure.end]);
        self.last = *structure;
    }

    fn close(self, body: &mut Vec<u8>) {
        body.put_slice(&self.head);
        put_var_uint(body, if self.last.is_string() { self.payload.len() as u64 } else { self.count });
        body.put_slice(&self.payload);
    }
}

/// The structs of one client.
#[derive(Debug)]
struct Section {
    client: ClientId,
    first_clock: u32,
    structs: u64,
    body: Vec<u8>,
    open: Option<OpenStruct>,
}

impl Section {
    fn push(&mut self, structure: &Structure, update: &[u8]) {
        if let Some(open) = &mut self.open
            && open.last.is_continued_by(structure)
        {
            return open.extend(structure, update);
        }
        self.close();
        self.structs += 1;
        if structure.is_mergeable() {
            self.open = Some(OpenStruct::new(structure, update));
        } else {
            self.body.extend_from_slice(&update[structure.start..structure.end]);
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.close(&mut self.body);
        }
    }
}

/// Several updates as one.
#[derive(Debug, Default)]
struct Union {
    sections: Vec<Section>,
    deletes: Vec<(ClientId, u32, u32)>,
    bytes: usize,
}

impl Union {
    fn add(&mut self, update: &[u8], limits: &WireLimits) {
        self.bytes += update.len();
        let before = self.sections.len();
        let walked = walk_update(update, limits, &mut Adding { union: self, update, before, current: None });
        debug_assert_eq!(walked, Ok(()), "the guard accepted these bytes");
    }

    /// Format: Yjs update v1, sections of structs and a delete set, clients in descending order as Yjs writes them.
    fn encode(mut self) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes + 16);
        self.sections.sort_unstable_by_key(|section| std::cmp::Reverse(section.client));
        put_var_uint(&mut out, self.sections.len() as u64);
        for mut section in self.sections {
            section.close();
            put_var_uint(&mut out, section.structs);
            put_var_uint(&mut out, section.client.get());
            put_var_uint(&mut out, u64::from(section.first_clock));
            out.put_slice(&section.body);
        }
        put_deletes(&mut out, self.deletes);
        out.into()
    }
}

struct Adding<'u> {
    union: &'u mut Union,
    update: &'u [u8],
    /// Sections of earlier updates. One update names a client once, so only these can be gone on with.
    before: usize,
    current: Option<usize>,
}

impl Adding<'_> {
    fn section(&mut self, structure: &Structure) -> &mut Section {
        let sections = &mut self.union.sections;
        let is_it = |section: &Section| section.client == structure.client;
        let at =
            self.current.filter(|&at| is_it(&sections[at])).or_else(|| sections[..self.before].iter().position(is_it));
        let at = at.unwrap_or_else(|| {
            let (client, first_clock) = (structure.client, structure.clock);
            sections.push(Section { client, first_clock, structs: 0, body: Vec::new(), open: None });
            sections.len() - 1
        });
        self.current = Some(at);
        &mut sections[at]
    }
}

impl UpdateVisitor for Adding<'_> {
    fn structure(&mut self, structure: &Structure) {
        let update = self.update;
        self.section(structure).push(structure, update);
    }

    fn delete(&mut self, client: ClientId, clock: u32, len: u32) {
        self.union.deletes.push((client, clock, len));
    }
}

fn put_deletes(out: &mut Vec<u8>, mut deletes: Vec<(ClientId, u32, u32)>) {
    deletes.sort_unstable_by_key(|&(client, clock, len)| (std::cmp::Reverse(client), clock, len));
    deletes.dedup_by(|next, last| {
        let touches = last.0 == next.0 && next.1 <= last.1 + last.2;
        if touches {
            last.2 = last.2.max(next.1 + next.2 - last.1);
        }
        touches
    });
    let clients = deletes.chunk_by(|a, b| a.0 == b.0);
    put_var_uint(out, clients.clone().count() as u64);
    for ranges in clients {
        put_var_uint(out, ranges[0].0.get());
        put_var_uint(out, ranges.len() as u64);
        for &(_, clock, len) in ranges {
            put_var_uint(out, u64::from(clock));
            put_var_uint(out, u64::from(len));
        }
    }
}

/// Where the sections of an update begin and end.
#[derive(Default)]
struct Outline {
    sections: SmallVec<[(ClientId, u32, u32); 2]>,
    next_clock: u32,
    structs: u64,
}

impl UpdateVisitor for Outline {
    fn structure(&mut self, structure: &Structure) {
        self.next_clock = structure.clock + structure.len;
    }

    fn section(&mut self, client: ClientId, first_clock: u32, structs: u64, _body: std::ops::Range<usize>) {
        self.structs += structs;
        self.sections.push((client, first_clock, self.next_clock));
    }
}

/// Collects updates and gives back as few as their bytes allow, in order, with the same effect.
#[derive(Debug, Default)]
pub struct Joiner {
    done: Vec<Bytes>,
    /// The last update while it stands alone: given back as it is.
    single: Option<Bytes>,
    union: Union,
    /// Each client's next clock in what is being joined.
    ends: SmallVec<[(ClientId, u32); 2]>,
    bytes: usize,
}

impl Joiner {
    /// Adds an update that the guard accepted; whether it joins the one before.
    pub fn push(&mut self, update: &Bytes, limits: &WireLimits) -> bool {
        let mut outline = Outline::default();
        if walk_update(update, limits, &mut outline).is_err() {
            self.close();
            self.done.push(update.clone());
            return false;
        }
        let begun = self.bytes > 0;
        let joins = begun && self.fits(&outline, update.len());
        if !joins {
            self.close();
        }
        self.bytes += update.len();
        for &(client, _, end) in &outline.sections {
            // Without others before it, an update names each client for the first time.
            let known = if joins { self.ends.iter_mut().find(|(other, _)| *other == client) } else { None };
            match known {
                Some((_, last)) => *last = end,
                None => self.ends.push((client, end)),
            }
        }
        if !joins && outline.structs <= STRUCTS_ALONE_MAX {
            self.single = Some(update.clone());
        } else {
            if let Some(single) = self.single.take() {
                self.union.add(&single, limits);
            }
            self.union.add(update, limits);
        }
        joins
    }

    /// The joined updates, in order.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.done
    }

    /// Joined, an update must say of each client what follows on what was said of it, and stay small: large ones that
    /// name many clients would be searched for each.
    fn fits(&self, outline: &Outline, bytes: usize) -> bool {
        let follows = |&(client, start, _): &(ClientId, u32, u32)| {
            self.ends.iter().find(|(other, _)| *other == client).is_none_or(|&(_, end)| end == start)
        };
        let few = self.ends.len() + outline.sections.len() <= 16;
        few && self.bytes + bytes <= JOINED_BYTES_MAX && outline.sections.iter().all(follows)
    }

    fn close(&mut self) {
        let union = std::mem::take(&mut self.union);
        self.ends.clear();
        if std::mem::take(&mut self.bytes) > 0 {
            self.done.push(self.single.take().unwrap_or_else(|| union.encode()));
        }
    }
}
