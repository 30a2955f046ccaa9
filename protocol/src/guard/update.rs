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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lib0::put_var_uint;

    /// Writes down what it is told.
    #[derive(Default)]
    struct Notes(Vec<String>);

    impl UpdateVisitor for Notes {
        fn run(&mut self, client: ClientId, clock: u32, len: u32) {
            self.0.push(format!("run {client}:{clock}+{len}"));
        }

        fn reference(&mut self, client: ClientId, clock: u32) {
            self.0.push(format!("needs {client}:{clock}"));
        }

        fn delete(&mut self, client: ClientId, clock: u32, len: u32) {
            self.0.push(format!("delete {client}:{clock}+{len}"));
        }

        fn section(&mut self, client: ClientId, first_clock: u32, structs: u64, body: Range<usize>) {
            self.0.push(format!("section {client}:{first_clock} {structs} in {body:?}"));
        }

        fn delete_set_at(&mut self, offset: usize) {
            self.0.push(format!("delete set at {offset}"));
        }
    }

    fn limits() -> WireLimits {
        WireLimits { clients_max: 4, structs_max: 100, ..WireLimits::default() }
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &[&str]) {
        let mut notes = Notes::default();
        assert_eq!(walk_update(bytes, &limits(), &mut notes), Ok(()), "{bytes:?}");
        assert_eq!(notes.0, expected, "{bytes:?}");
    }

    #[track_caller]
    fn refuse(bytes: &[u8], what: MalformedKind) {
        let walked = walk_update(bytes, &limits(), &mut ());
        assert_eq!(walked.map_err(|fault| fault.what), Err(what), "{bytes:?}");
    }

    /// An update of client 1 with one item in root `r`.
    fn item(content: &[u8]) -> Vec<u8> {
        [&[1, 1, 1, 0, content[0], 1, 1, b'r'], &content[1..], &[0]].concat()
    }

    #[track_caller]
    fn accept_item(content: &[u8], len: u32) {
        let bytes = item(content);
        let section = format!("section 1:0 1 in 4..{}", bytes.len() - 1);
        let delete_set = format!("delete set at {}", bytes.len() - 1);
        check(&bytes, &[&format!("run 1:0+{len}"), &section, &delete_set]);
    }

    #[track_caller]
    fn refuse_item(content: &[u8], what: MalformedKind) {
        refuse(&item(content), what);
    }

    #[test]
    fn an_empty_update_is_fine() {
        check(&[0, 0], &["delete set at 1"]);
    }

    #[test]
    fn a_typed_character_is_one_run_that_needs_its_neighbour() {
        let bytes = [1, 1, 7, 5, 0x84, 7, 4, 1, b'x', 0];
        check(&bytes, &["needs 7:4", "run 7:5+1", "section 7:5 1 in 4..9", "delete set at 9"]);
    }

    #[test]
    fn skips_interrupt_runs() {
        check(
            &[1, 5, 7, 2, 0, 3, 0, 1, 10, 4, 10, 1, 0x81, 7, 2, 2, 0],
            &["run 7:2+4", "needs 7:2", "run 7:11+2", "section 7:2 5 in 4..16", "delete set at 16"],
        );
    }

    #[test]
    fn parents_and_both_origins_are_references() {
        check(
            &[1, 2, 7, 5, 0x21, 0, 3, 9, 1, b'k', 1, 0xe1, 2, 1, 4, 0, 1, 0],
            &["needs 3:9", "needs 2:1", "needs 4:0", "run 7:5+2", "section 7:5 2 in 4..17", "delete set at 17"],
        );
    }

    #[test]
    fn delete_sets_are_handed_over() {
        check(
            &[0, 2, 9, 2, 0, 1, 1, 3, 4, 1, 0x80, 1, 2],
            &["delete set at 1", "delete 9:0+1", "delete 9:1+3", "delete 4:128+2"],
        );
        check(&[0, 1, 9, 0], &["delete set at 1"]);
    }

    #[test]
    fn every_content_that_yjs_writes_is_accepted_with_its_length() {
        accept_item(&[1, 9], 9);
        accept_item(&[3, 2, 0xff, 0], 1);
        accept_item(&[3, 0], 1);
        accept_item(b"\x05\x07{\"a\":1}", 1);
        accept_item(b"\x06\x04bold\x04true", 1);
        for shared_type in [0, 1, 2, 4, 6] {
            accept_item(&[7, shared_type], 1);
        }
        accept_item(&[7, 3, 1, b'p'], 1);
        accept_item(&[8, 3, 126, 117, 0, 120], 3);
        accept_item(b"\x09\x02id\x76\x01\x02gc\x79", 1);
    }

    #[test]
    fn texts_are_as_long_as_javascript_says() {
        for (text, len) in [("a", 1), ("ä", 1), ("€", 1), ("😀", 2), ("a😀ä", 4), ("\u{fffd}", 1)] {
            accept_item(&[&[4, text.len() as u8], text.as_bytes()].concat(), len);
        }
    }

    #[test]
    fn contents_that_yrs_or_yjs_cannot_read_are_refused() {
        for kind in (11..=31).chain([2]) {
            refuse_item(&[kind, 1, 1], MalformedKind::Content);
        }
        for shared_type in [5, 7, 8, 9, 15, 0x80, 0xff] {
            refuse_item(&[7, shared_type, 0], MalformedKind::TypeRef);
        }
    }

    #[test]
    fn flags_on_collected_and_skipped_structs_are_refused() {
        for info in [0x80, 0x40, 0xc0, 0x8a, 0x4a, 0xca] {
            refuse(&[1, 1, 7, 5, info, 7, 1, 7, 1, 0], MalformedKind::Content);
        }
        refuse(&[1, 1, 7, 5, 0x20, 1, 0, 0, 1, 0], MalformedKind::Content);
        refuse(&[1, 1, 7, 5, 0x2a, 1, 0, 0, 1, 0], MalformedKind::Content);
    }

    #[test]
    fn texts_inside_structs_are_strict_utf8() {
        refuse_item(&[4, 1, 0xff], MalformedKind::Utf8);
        refuse_item(&[4, 3, 0xed, 0xa0, 0x80], MalformedKind::Utf8);
        refuse(&[1, 1, 1, 0, 1, 1, 1, 0xff, 1, 0], MalformedKind::Utf8);
    }

    #[test]
    fn json_inside_structs_is_checked_where_it_stands() {
        refuse_item(b"\x05\x09undefined", MalformedKind::Json);
        refuse_item(b"\x06\x01b\x03nul", MalformedKind::Json);
        refuse_item(b"\x05\x08\"\\ud83d\"", MalformedKind::Json);
        let bytes = item(b"\x06\x01b\x03[x]");
        assert_eq!(walk_update(&bytes, &limits(), &mut ()).map_err(|fault| fault.offset), Err(12));
    }

    #[test]
    fn structs_and_ranges_of_length_zero_are_refused() {
        refuse(&[1, 0, 1, 0, 0, 0, 0], MalformedKind::Empty);
        refuse(&[1, 1, 1, 0, 0, 0, 0], MalformedKind::Empty);
        refuse(&[1, 1, 1, 0, 10, 0, 0], MalformedKind::Empty);
        refuse_item(&[1, 0], MalformedKind::Empty);
        refuse_item(&[4, 0], MalformedKind::Empty);
        refuse_item(&[8, 0], MalformedKind::Empty);
        refuse(&[0, 1, 1, 1, 0, 0], MalformedKind::Empty);
    }

    #[test]
    fn structs_never_depend_on_themselves_or_on_later_ones() {
        refuse(&[1, 1, 7, 5, 0x81, 7, 5, 1, 0], MalformedKind::Reference);
        refuse(&[1, 1, 7, 5, 0x41, 7, 6, 1, 0], MalformedKind::Reference);
        refuse(&[1, 1, 7, 5, 0x01, 0, 7, 5, 1, 0], MalformedKind::Reference);
        refuse(&[1, 2, 7, 5, 0, 1, 0x81, 7, 6, 1, 0], MalformedKind::Reference);
    }

    #[test]
    fn clocks_stay_within_31_bits() {
        const MAX: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x07];
        const ABOVE: [u8; 5] = [0x80, 0x80, 0x80, 0x80, 0x08];
        check(
            &[&[1, 1, 7, 0, 0][..], &MAX, &[0]].concat(),
            &["run 7:0+2147483647", "section 7:0 1 in 4..10", "delete set at 10"],
        );
        refuse(&[&[1, 1, 7, 1, 0][..], &MAX, &[0]].concat(), MalformedKind::Clock);
        refuse(&[&[1, 1, 7][..], &ABOVE, &[0, 1, 0]].concat(), MalformedKind::Clock);
        refuse(&[&[1, 1, 7, 0, 0][..], &ABOVE, &[0]].concat(), MalformedKind::Clock);
        refuse(&[&[1, 1, 7, 1, 0x81, 8][..], &ABOVE, &[1, 0]].concat(), MalformedKind::Clock);
        refuse(&[&[0, 1, 7, 1][..], &MAX, &[1]].concat(), MalformedKind::Clock);
        refuse(&[&[0, 1, 7, 1, 1][..], &ABOVE].concat(), MalformedKind::Clock);
    }

    #[test]
    fn claimed_counts_of_2_pow_32_are_refused_before_the_loop() {
        const HUGE: [u8; 5] = [0x80, 0x80, 0x80, 0x80, 0x10];
        refuse(&[&HUGE[..], &[1, 1, 0, 0, 1, 0]].concat(), MalformedKind::Count);
        refuse(&[&[1][..], &HUGE, &[1, 0, 0, 1, 0]].concat(), MalformedKind::Count);
        refuse(&[&[0][..], &HUGE, &[1, 1, 0, 1]].concat(), MalformedKind::Count);
        refuse(&[&[0, 1, 1][..], &HUGE, &[0, 1]].concat(), MalformedKind::Count);
        refuse_item(&[&[8][..], &HUGE, &[126]].concat(), MalformedKind::Count);
        refuse_item(&[&[4][..], &HUGE, b"a"].concat(), MalformedKind::Truncated);
    }

    #[test]
    fn clients_appear_once() {
        refuse(&[2, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0], MalformedKind::Clients);
        refuse(&[0, 2, 1, 1, 0, 1, 1, 1, 1, 1], MalformedKind::Clients);
        let section = |client| [1, client, 0, 0, 1];
        let sections = [section(5), section(1), section(3), section(1)].concat();
        refuse(&[&[4][..], &sections, &[0]].concat(), MalformedKind::Clients);
        let sections = [section(5), section(1), section(3)].concat();
        assert_eq!(walk_update(&[&[3][..], &sections, &[0]].concat(), &limits(), &mut ()), Ok(()));
    }

    #[test]
    fn clients_that_were_chosen_to_collide_are_refused() {
        let sections = (0..20_000_u64).flat_map(|n| {
            let mut section = vec![1];
            put_var_uint(&mut section, n << 21);
            section.extend([0, 0, 1]);
            section
        });
        let mut bytes = Vec::new();
        put_var_uint(&mut bytes, 20_000);
        bytes.extend(sections);
        bytes.push(0);
        let walked = walk_update(&bytes, &WireLimits::default(), &mut ());
        assert_eq!(walked.map_err(|fault| fault.what), Err(MalformedKind::Clients));
    }

    #[test]
    fn delete_ranges_ascend_without_overlap() {
        refuse(&[0, 1, 1, 2, 5, 1, 0, 1], MalformedKind::Ranges);
        refuse(&[0, 1, 1, 2, 0, 3, 2, 1], MalformedKind::Ranges);
        refuse(&[0, 1, 1, 2, 0, 1, 0, 1], MalformedKind::Ranges);
    }

    #[test]
    fn limits_are_kept() {
        let sections: Vec<u8> = (0..5).flat_map(|client| [1, client, 0, 0, 1]).collect();
        refuse(&[&[5][..], &sections, &[0]].concat(), MalformedKind::TooMany);
        refuse(&[&[1, 101, 1, 0][..], &[0, 1].repeat(101), &[0]].concat(), MalformedKind::TooMany);
        refuse(&[&[0, 1, 1, 101][..], &[0, 1].repeat(101)].concat(), MalformedKind::TooMany);
        let long = [&[1, 1, 1, 0, 1, 1, 0x81, 0x08][..], &[b'r'; 1025], &[1, 0]].concat();
        refuse(&long, MalformedKind::TooLong);
        let fits = [&[1, 1, 1, 0, 1, 1, 0x80, 0x08][..], &[b'r'; 1024], &[1, 0]].concat();
        assert_eq!(walk_update(&fits, &limits(), &mut ()), Ok(()));
    }

    #[test]
    fn subdocuments_weigh_more_than_other_structs() {
        let two = [1, 2, 1, 0, 9, 1, 1, b'r', 0, 118, 0, 0x89, 1, 0, 0, 118, 0, 0];
        refuse(&two, MalformedKind::TooMany);
        accept_item(&[9, 0, 118, 0], 1);
    }

    #[test]
    fn unknown_kinds_of_parents_are_refused() {
        refuse(&[1, 1, 1, 0, 1, 2, 1, b'r', 1, 0], MalformedKind::Parent);
    }

    #[test]
    fn every_shorter_prefix_is_refused_and_so_is_a_longer_one() {
        let bytes = [2, 2, 9, 5, 0x21, 0, 3, 9, 1, b'k', 1, 0xe4, 2, 1, 4, 0, 1, b'x', 1, 4, 0, 0, 2, 1, 9, 1, 0, 1];
        assert_eq!(walk_update(&bytes, &limits(), &mut ()), Ok(()));
        for end in 0..bytes.len() {
            assert!(walk_update(&bytes[..end], &limits(), &mut ()).is_err(), "{end}");
        }
        refuse(&[&bytes[..], &[0]].concat(), MalformedKind::Trailing);
    }
}
