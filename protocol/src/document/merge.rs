//! Joining updates by their bytes. A run of typing is many updates of one client with consecutive clocks; in the v1
//! encoding their structs stand one after another without knowing of each other, so they join by concatenation, at a
//! hundredth of the cost of decoding and merging them.

use bytes::{BufMut, Bytes};

use crate::{
    guard::{UpdateVisitor, walk_update},
    id::ClientId,
    lib0::put_var_uint,
    limits::WireLimits,
};

/// The one section of an update that can be joined.
#[derive(Debug, Clone)]
struct Section {
    client: ClientId,
    first_clock: u32,
    next_clock: u32,
    structs: u64,
}

/// What the joiner needs to know of an update.
#[derive(Default)]
struct Outline {
    sections: usize,
    runs: usize,
    run: (u32, u32),
    skips: bool,
    section: Option<(ClientId, u32, u64, std::ops::Range<usize>)>,
    deletes: Vec<(ClientId, u32, u32)>,
}

impl UpdateVisitor for Outline {
    fn run(&mut self, _client: ClientId, clock: u32, len: u32) {
        if self.runs > 0 && self.run.1 == clock {
            self.run.1 = clock + len;
        } else {
            self.runs += 1;
            self.run = (clock, clock + len);
        }
    }

    fn skip(&mut self, _client: ClientId, _clock: u32, _len: u32) {
        self.skips = true;
    }

    fn section(&mut self, client: ClientId, first_clock: u32, structs: u64, body: std::ops::Range<usize>) {
        self.sections += 1;
        self.section = Some((client, first_clock, structs, body));
    }

    fn delete(&mut self, client: ClientId, clock: u32, len: u32) {
        self.deletes.push((client, clock, len));
    }
}

/// Collects updates and gives back as few as their bytes allow, in order, with the same effect.
#[derive(Debug, Default)]
pub struct Joiner {
    done: Vec<Bytes>,
    /// The update that came last while it stands alone: given back as it is.
    single: Option<Bytes>,
    section: Option<Section>,
    body: Vec<u8>,
    deletes: Vec<(ClientId, u32, u32)>,
}

impl Joiner {
    /// Adds an update that the guard accepted.
    pub fn push(&mut self, update: &Bytes, limits: &WireLimits) {
        let mut outline = Outline::default();
        let walked = walk_update(update, limits, &mut outline).is_ok();
        if !walked || outline.sections > 1 || outline.runs > outline.sections || outline.skips {
            self.close();
            self.done.push(update.clone());
            return;
        }
        let (start, end) = outline.run;
        let follows = match (&self.section, &outline.section) {
            (Some(open), Some((client, ..))) => open.client == *client && open.next_clock == start,
            (None, _) | (_, None) => true,
        };
        if !follows {
            self.close();
        }
        let alone = self.single.is_none() && self.body.is_empty() && self.deletes.is_empty();
        self.single = alone.then(|| update.clone());
        if let Some((client, first_clock, structs, body)) = outline.section {
            self.body.extend_from_slice(&update[body]);
            let section = self.section.get_or_insert(Section { client, first_clock, next_clock: end, structs: 0 });
            section.next_clock = end;
            section.structs += structs;
        }
        self.deletes.append(&mut outline.deletes);
    }

    /// The joined updates, in order.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.done
    }

    fn close(&mut self) {
        let section = self.section.take();
        let body = std::mem::take(&mut self.body);
        let deletes = std::mem::take(&mut self.deletes);
        match self.single.take() {
            Some(update) => self.done.push(update),
            None if section.is_none() && deletes.is_empty() => {}
            None => self.done.push(encode(section, &body, deletes)),
        }
    }
}

/// Format: YJS update v1, a section of structs and a delete set.
fn encode(section: Option<Section>, body: &[u8], mut deletes: Vec<(ClientId, u32, u32)>) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 32 + deletes.len() * 8);
    match section {
        Some(section) => {
            put_var_uint(&mut out, 1);
            put_var_uint(&mut out, section.structs);
            put_var_uint(&mut out, section.client.get());
            put_var_uint(&mut out, u64::from(section.first_clock));
            out.put_slice(body);
        }
        None => put_var_uint(&mut out, 0),
    }
    deletes.sort_unstable();
    deletes.dedup_by(|next, last| {
        let touches = last.0 == next.0 && next.1 <= last.1 + last.2;
        if touches {
            last.2 = last.2.max(next.1 + next.2 - last.1);
        }
        touches
    });
    let clients = deletes.chunk_by(|a, b| a.0 == b.0);
    put_var_uint(&mut out, clients.clone().count() as u64);
    for ranges in clients {
        put_var_uint(&mut out, ranges[0].0.get());
        put_var_uint(&mut out, ranges.len() as u64);
        for &(_, clock, len) in ranges {
            put_var_uint(&mut out, u64::from(clock));
            put_var_uint(&mut out, u64::from(len));
        }
    }
    out.into()
}
