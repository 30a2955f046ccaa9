//! Updates, version 1: what changes in a document.
//!
//! ```text
//! update    := varUint sections • section{sections} • deleteSet
//! section   := varUint structs • client • clock • struct{structs}
//! struct    := 0 • varUint len                                        collected (GC)
//!            | 10 • varUint len                                       skipped
//!            | info • [origin id] • [right origin id] • [parent] • content
//! parent    := (1 • varString root | 0 • id) • [varString key]        only without origins
//! deleteSet := varUint clients • (client • varUint ranges • (clock • len){ranges}){clients}
//! ```

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::{
    Malformed, MalformedKind, any,
    clients::{Clients, Table},
    clock_end,
    visitor::{ANY, CONTENT, HAS_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Place, STRING, Structure, UpdateVisitor},
};
use crate::{
    id::ClientId,
    json,
    lib0::Reader,
    limits::{KEY_BYTES_MAX, WireLimits},
};

/// Info of a struct whose content was collected.
const COLLECTED: u8 = 0;
/// Info of a gap.
const SKIPPED: u8 = 10;

/// Number of structs, client, first clock, and one struct of two bytes.
const SECTION_BYTES_MIN: usize = 5;
/// Info and a length.
const STRUCT_BYTES_MIN: usize = 2;
/// A client and a number of ranges.
const DELETE_CLIENT_BYTES_MIN: usize = 2;
/// A clock and a length.
const DELETE_RANGE_BYTES_MIN: usize = 2;

/// A subdocument costs a document's worth of memory for six bytes: it counts as so many structs.
const SUBDOCUMENT_STRUCTS: u64 = 64;

/// Walks an update and tells `visitor` what is in it.
pub fn walk_update(bytes: &[u8], limits: &WireLimits, visitor: &mut impl UpdateVisitor) -> Result<(), Malformed> {
    let mut walk = Walk { reader: Reader::new(bytes), structs_left: limits.structs_max, content: 0, visitor };
    walk.sections(limits.clients_max)?;
    walk.visitor.delete_set_at(walk.reader.position());
    walk.delete_set(limits)?;
    walk.reader.end()
}

struct Walk<'a, 'v, V> {
    reader: Reader<'a>,
    structs_left: u64,
    /// Where the content of the last struct began.
    content: usize,
    visitor: &'v mut V,
}

impl<V: UpdateVisitor> Walk<'_, '_, V> {
    fn sections(&mut self, clients_max: u64) -> Result<(), Malformed> {
        let sections = self.reader.count(clients_max, SECTION_BYTES_MIN)?;
        with_clients(sections, |clients| self.section(clients))
    }

    fn section(&mut self, clients: &mut Clients<'_>) -> Result<(), Malformed> {
        let at = self.reader.position();
        let structs = self.reader.count(self.structs_left, STRUCT_BYTES_MIN)?;
        if structs == 0 {
            return Err(Malformed { what: MalformedKind::Empty, offset: at });
        }
        self.structs_left -= structs;
        let repeated = self.reader.malformed(MalformedKind::Clients);
        let client = self.reader.client()?;
        if !clients.insert(client) {
            return Err(repeated);
        }
        let first_clock = self.reader.clock()?;
        let body_start = self.reader.position();
        let mut run_start = first_clock;
        let mut clock = first_clock;
        for _ in 0..structs {
            let at = self.reader.position();
            let info = self.reader.u8()?;
            let (len, place) = self.structure(info, client, clock)?;
            if len == 0 {
                return Err(Malformed { what: MalformedKind::Empty, offset: at });
            }
            let end = clock_end(clock, len).ok_or(Malformed { what: MalformedKind::Clock, offset: at })?;
            let (start, content, after) = (at, self.content, self.reader.position());
            self.visitor.structure(&Structure { client, clock, len, info, start, content, end: after, place });
            if info == SKIPPED {
                self.run(client, run_start..clock);
                self.visitor.skip(client, clock, len);
                run_start = end;
            }
            clock = end;
        }
        self.run(client, run_start..clock);
        self.visitor.section(client, first_clock, structs, body_start..self.reader.position());
        Ok(())
    }

    fn run(&mut self, client: ClientId, clocks: Range<u32>) {
        if !clocks.is_empty() {
            self.visitor.run(client, clocks.start, clocks.end - clocks.start);
        }
    }

    /// Walks what follows the info byte of a struct at `client:clock`; returns its length in clock ticks and its place.
    #[inline]
    fn structure(&mut self, info: u8, client: ClientId, clock: u32) -> Result<(u32, Option<Place>), Malformed> {
        self.content = self.reader.position();
        match info {
            COLLECTED => {
                let len = self.reader.clock()?;
                self.visitor.place(client, clock, len, Place::Collected);
                return Ok((len, Some(Place::Collected)));
            }
            SKIPPED => return Ok((self.reader.clock()?, None)),
            _ => {}
        }
        let origin = if info & HAS_ORIGIN != 0 { Some(self.reference(client, clock)?) } else { None };
        let right_origin = if info & HAS_RIGHT_ORIGIN != 0 { Some(self.reference(client, clock)?) } else { None };
        // An item between neighbours takes its parent and key from them.
        let place = if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) != 0 {
            Place::Beside(origin, right_origin)
        } else {
            let place = self.parent(client, clock)?;
            if info & HAS_KEY != 0 {
                self.key()?;
            }
            place
        };
        self.content = self.reader.position();
        let len = self.content(info & CONTENT)?;
        self.visitor.place(client, clock, len, place);
        Ok((len, Some(place)))
    }

    #[inline]
    fn parent(&mut self, client: ClientId, clock: u32) -> Result<Place, Malformed> {
        let unknown = self.reader.malformed(MalformedKind::Parent);
        match self.reader.u8()? {
            1 => self.key().map(|()| Place::Root),
            0 => self.reference(client, clock).map(Place::Inside),
            _ => Err(unknown),
        }
    }

    /// An id that the struct at `client:clock` depends on.
    #[inline]
    fn reference(&mut self, client: ClientId, clock: u32) -> Result<(ClientId, u32), Malformed> {
        let fault = self.reader.malformed(MalformedKind::Reference);
        let target = self.reader.client()?;
        let target_clock = self.reader.clock()?;
        // Yjs looks such a block up before it exists, and throws; yrs waits for it for ever.
        if target == client && target_clock >= clock {
            return Err(fault);
        }
        self.visitor.reference(target, target_clock);
        Ok((target, target_clock))
    }

    fn key(&mut self) -> Result<(), Malformed> {
        self.reader.bounded_str(KEY_BYTES_MAX).map(|_| ())
    }

    /// Walks the content of an item; returns its length in clock ticks.
    #[inline]
    fn content(&mut self, kind: u8) -> Result<u32, Malformed> {
        let before = self.reader.clone();
        match kind {
            // Deleted.
            1 => return self.reader.clock(),
            // Binary.
            3 => {
                self.reader.var_buf()?;
            }
            // String.
            STRING => return utf16_len(self.reader.var_str()?).ok_or(before.malformed(MalformedKind::Clock)),
            // Embed.
            5 => self.json()?,
            // Format.
            6 => {
                self.key()?;
                self.json()?;
            }
            // Type.
            7 => self.shared_type()?,
            // Any.
            ANY => return self.any_values(),
            // Document.
            9 => self.subdocument()?,
            // 2 is JSON, which no Yjs since 13.0 creates: yrs 0.28.1 reads one text more than were written.
            _ => return Err(before.malformed(MalformedKind::Content)),
        }
        Ok(1)
    }

    fn json(&mut self) -> Result<(), Malformed> {
        let text = self.reader.var_str()?;
        let start = self.reader.position() - text.len();
        json::validate_for_document(text).map_err(|fault| fault.within(start))
    }

    fn shared_type(&mut self) -> Result<(), Malformed> {
        self.visitor.shared_type();
        let unknown = self.reader.malformed(MalformedKind::TypeRef);
        // One byte, not a varUint: yrs reads it so.
        match self.reader.u8()? {
            // Array, Map, Text, XmlFragment, XmlText.
            0 | 1 | 2 | 4 | 6 => Ok(()),
            // XmlElement.
            3 => self.key(),
            // 5 is XmlHook, whose name yrs 0.28.1 does not read; 7 is WeakLink, which Yjs does not know.
            _ => Err(unknown),
        }
    }

    fn any_values(&mut self) -> Result<u32, Malformed> {
        let count = self.reader.count(u64::from(super::CLOCK_MAX), 1)?;
        for _ in 0..count {
            any::walk_any(&mut self.reader)?;
        }
        Ok(u32::try_from(count).expect("at most CLOCK_MAX"))
    }

    fn subdocument(&mut self) -> Result<(), Malformed> {
        self.visitor.subdocument();
        let too_many = self.reader.malformed(MalformedKind::TooMany);
        self.structs_left = self.structs_left.checked_sub(SUBDOCUMENT_STRUCTS - 1).ok_or(too_many)?;
        self.key()?;
        any::walk_subdocument_options(&mut self.reader)
    }

    fn delete_set(&mut self, limits: &WireLimits) -> Result<(), Malformed> {
        let count = self.reader.count(limits.clients_max, DELETE_CLIENT_BYTES_MIN)?;
        let mut ranges_left = limits.structs_max;
        with_clients(count, |clients| {
            // yrs keeps only the last entry of a repeated client; Yjs keeps all.
            let repeated = self.reader.malformed(MalformedKind::Clients);
            let client = self.reader.client()?;
            if !clients.insert(client) {
                return Err(repeated);
            }
            let ranges = self.reader.count(ranges_left, DELETE_RANGE_BYTES_MIN)?;
            ranges_left -= ranges;
            self.delete_ranges(client, ranges)
        })
    }

    fn delete_ranges(&mut self, client: ClientId, ranges: u64) -> Result<(), Malformed> {
        let mut previous_end = 0;
        for _ in 0..ranges {
            let at = self.reader.position();
            let clock = self.reader.clock()?;
            let len = self.reader.clock()?;
            let fault = |what| Malformed { what, offset: at };
            if len == 0 {
                return Err(fault(MalformedKind::Empty));
            }
            // yrs takes the order for granted.
            if clock < previous_end {
                return Err(fault(MalformedKind::Ranges));
            }
            previous_end = clock_end(clock, len).ok_or(fault(MalformedKind::Clock))?;
            self.visitor.delete(client, clock, len);
        }
        Ok(())
    }
}

/// Calls `each` once for each of `count` clients, with those before it.
#[inline]
fn with_clients(count: u64, mut each: impl FnMut(&mut Clients<'_>) -> Result<(), Malformed>) -> Result<(), Malformed> {
    if count > Clients::ORDERED {
        return with_remembered_clients(count, each);
    }
    let mut clients = Clients::ordered();
    (0..count).try_for_each(|_| each(&mut clients))
}

/// Apart from its caller, because the table makes the stack frame expensive to enter.
#[inline(never)]
fn with_remembered_clients(
    count: u64,
    mut each: impl FnMut(&mut Clients<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut table = Table::new();
    let mut clients = Clients::remembered(&mut table);
    (0..count).try_for_each(|_| each(&mut clients))
}

/// Length of a text in UTF-16 units, the ticks of Yjs: one for each character, two for those beyond the basic plane.
#[inline]
fn utf16_len(text: &str) -> Option<u32> {
    /// Two units for each byte, of which there are never so many, fit a `u8`: so the compiler counts many at once.
    const CHUNK: usize = 127;
    let units =
        |chunk: &[u8]| -> u8 { chunk.iter().map(|&byte| u8::from(byte & 0xc0 != 0x80) + u8::from(byte >= 0xf0)).sum() };
    let units: usize = text.as_bytes().chunks(CHUNK).map(|chunk| usize::from(units(chunk))).sum();
    u32::try_from(units).ok()
}
