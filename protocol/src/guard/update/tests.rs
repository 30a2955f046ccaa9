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
