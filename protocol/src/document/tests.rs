//! Properties of a document: whatever the order, repetition and batching in which updates of several editors come, it
//! ends where a plain replica ends that got them in order, and its clocks are those of yrs at every step.

mod hostile;

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;
use yrs::{
    Array, Doc, GetString, Map, MapPrelim, OffsetKind, Options, Text, UndoManager, WriteTxn, XmlElementPrelim,
    XmlFragment, XmlTextPrelim, types::ToJson, updates::encoder::Encode,
};

use super::*;

const TEXTS: [&str; 6] = ["a", "😀", "ß1", "𝒳y𝒵", "long enough to be split", "\u{1F468}\u{200D}\u{1F469}"];
const KEYS: [&str; 3] = ["one", "two", "three"];

/// A client whose blocks yrs integrates and then panics at when it commits. None is known that does, so it is made to.
pub(crate) const UNCOMMITTABLE: u64 = 0xBAD;

/// In place of yrs, see [`UNCOMMITTABLE`].
pub(super) fn panic_if_uncommittable(txn: &TransactionMut<'_>) {
    assert_eq!(txn.state_vector().get(&ClientID::new(UNCOMMITTABLE)), 0, "cannot be committed");
}

thread_local! {
    static REPLAYS: Cell<usize> = const { Cell::new(0) };
}

/// Stored updates are applied one by one, once more.
pub(super) fn count_replay() {
    REPLAYS.set(REPLAYS.get() + 1);
}

/// One step of an editor.
#[derive(Debug, Clone)]
enum Step {
    Type {
        at: u32,
        text: usize,
    },
    Erase {
        at: u32,
        len: u32,
    },
    Format {
        at: u32,
        len: u32,
    },
    PushItem {
        at: u32,
        nested: bool,
    },
    RemoveItem {
        at: u32,
    },
    SetKey {
        key: usize,
        nested: bool,
    },
    RemoveKey {
        key: usize,
    },
    AddElement {
        at: u32,
    },
    RemoveElement {
        at: u32,
    },
    Undo,
    /// Reads everything of the editor at this distance.
    Read {
        other: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..40_u32;
    prop_oneof![
        6 => (at.clone(), 0..TEXTS.len()).prop_map(|(at, text)| Step::Type { at, text }),
        4 => (at.clone(), 1..8_u32).prop_map(|(at, len)| Step::Erase { at, len }),
        1 => (at.clone(), 1..8_u32).prop_map(|(at, len)| Step::Format { at, len }),
        2 => (at.clone(), any::<bool>()).prop_map(|(at, nested)| Step::PushItem { at, nested }),
        2 => at.clone().prop_map(|at| Step::RemoveItem { at }),
        2 => (0..KEYS.len(), any::<bool>()).prop_map(|(key, nested)| Step::SetKey { key, nested }),
        1 => (0..KEYS.len()).prop_map(|key| Step::RemoveKey { key }),
        2 => at.clone().prop_map(|at| Step::AddElement { at }),
        1 => at.prop_map(|at| Step::RemoveElement { at }),
        1 => Just(Step::Undo),
        3 => (1..3_usize).prop_map(|other| Step::Read { other }),
    ]
}

/// A stock replica that collects what it writes.
struct Editor {
    doc: Doc,
    undo: UndoManager,
    written: Arc<Mutex<Vec<Bytes>>>,
}

fn replica(client: u64) -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(client)) })
}

impl Editor {
    fn new(client: u64) -> Self {
        let doc = replica(client);
        let written: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let sink = written.clone();
        doc.observe_update_v1("collect", move |_, event| sink.lock().unwrap().push(event.update.clone().into()))
            .unwrap();
        let mut undo = UndoManager::new();
        let text = open(&doc).get_or_insert_text("text");
        undo.expand_scope(&doc, &text);
        Self { doc, undo, written }
    }

    fn take(&mut self, step: &Step) {
        if matches!(step, Step::Undo) {
            self.undo.undo_blocking();
            return;
        }
        let mut txn = open(&self.doc);
        let text = txn.get_or_insert_text("text");
        let list = txn.get_or_insert_array("list");
        let map = txn.get_or_insert_map("map");
        let xml = txn.get_or_insert_xml_fragment("xml");
        match *step {
            Step::Type { at, text: which } => {
                let at = boundary(&text.get_string(&txn), at);
                text.insert(&mut txn, at, TEXTS[which]);
            }
            Step::Erase { at, len } => {
                let content = text.get_string(&txn);
                let (start, end) = (boundary(&content, at), boundary(&content, at.saturating_add(len)));
                text.remove_range(&mut txn, start.min(end), start.abs_diff(end));
            }
            Step::Format { at, len } => {
                let content = text.get_string(&txn);
                let (start, end) = (boundary(&content, at), boundary(&content, at.saturating_add(len)));
                let bold = [("bold".into(), yrs::Any::Bool(true))].into_iter().collect();
                text.format(&mut txn, start.min(end), start.abs_diff(end), bold);
            }
            Step::PushItem { at, nested } => {
                let at = at % (list.len(&txn) + 1);
                if nested {
                    list.insert(&mut txn, at, MapPrelim::from([("in", at)]));
                } else {
                    list.insert(&mut txn, at, at);
                }
            }
            Step::RemoveItem { at } if list.len(&txn) > 0 => {
                let at = at % list.len(&txn);
                list.remove(&mut txn, at);
            }
            Step::SetKey { key, nested } => match map.get(&txn, KEYS[key]) {
                Some(yrs::Out::YMap(inner)) if nested => {
                    let count = inner.len(&txn);
                    inner.insert(&mut txn, "count", count);
                }
                _ if nested => {
                    map.insert(&mut txn, KEYS[key], MapPrelim::from([("count", 0)]));
                }
                _ => {
                    map.insert(&mut txn, KEYS[key], "value");
                }
            },
            Step::RemoveKey { key } => {
                map.remove(&mut txn, KEYS[key]);
            }
            Step::AddElement { at } => {
                let at = at % (xml.len(&txn) + 1);
                let element = xml.insert(&mut txn, at, XmlElementPrelim::empty("p"));
                element.insert(&mut txn, 0, XmlTextPrelim::new("text"));
            }
            Step::RemoveElement { at } if xml.len(&txn) > 0 => {
                let at = at % xml.len(&txn);
                xml.remove_range(&mut txn, at, 1);
            }
            Step::RemoveItem { .. } | Step::RemoveElement { .. } | Step::Undo | Step::Read { .. } => {}
        }
    }

    fn reads(&mut self, state: &[u8]) {
        integrate(&mut open(&self.doc), state).unwrap();
    }
}

/// The UTF-16 offset of the character at `at`, wrapped around.
fn boundary(text: &str, at: u32) -> u32 {
    let chars = text.chars().count() as u32;
    text.chars().take((at % (chars + 1)) as usize).map(|c| c.len_utf16() as u32).sum()
}

/// Everything the editors wrote, in an order in which every update finds what it needs.
fn history(steps: &[(usize, Step)]) -> Vec<Bytes> {
    let mut editors: Vec<Editor> = [7, 3_000_000_000, 1 << 52].into_iter().map(Editor::new).collect();
    let mut written = Vec::new();
    for (who, step) in steps {
        if let Step::Read { other } = step {
            let state = read(&editors[(who + other) % 3].doc).encode_diff_v1(&StateVector::default());
            editors[*who].reads(&state);
            editors[*who].written.lock().unwrap().clear();
        } else {
            editors[*who].take(step);
            written.append(&mut editors[*who].written.lock().unwrap());
        }
    }
    written
}

fn view(doc: &Doc) -> (String, String, String, String, StateVector, IdSet) {
    let mut txn = open(doc);
    let text = txn.get_or_insert_text("text").get_string(&txn);
    let list = txn.get_or_insert_array("list").to_json(&txn).to_string();
    let map = txn.get_or_insert_map("map");
    let map = KEYS.map(|key| map.get(&txn, key).map(|value| value.to_json(&txn).to_string()));
    let xml = txn.get_or_insert_xml_fragment("xml").get_string(&txn);
    let deleted = txn.snapshot().delete_set;
    (text, list, format!("{map:?}"), xml, txn.state_vector(), deleted)
}

fn plain(updates: &[Bytes]) -> Doc {
    // Without the clean-up of formatting by which an editor deletes marks that do nothing.
    let doc = Doc::with_options(replica::options());
    updates.iter().for_each(|update| integrate(&mut open(&doc), update).unwrap());
    doc
}

/// The first letter that `client` types.
pub(crate) fn letter(client: u64) -> Bytes {
    let editor = replica(client);
    let mut txn = open(&editor);
    txn.get_or_insert_text("text").push(&mut txn, "a");
    txn.encode_update_v1().into()
}

#[track_caller]
fn check_clocks(document: &Document) {
    let txn = read(document.replica.doc());
    assert!(!txn.has_missing_updates(), "nothing is ever pending in yrs");
    let theirs = txn.state_vector();
    assert_eq!(document.clocks.iter().len(), theirs.len());
    for (client, clock) in document.clocks.iter() {
        assert_eq!(theirs.get(&ClientID::new(client.get())), clock);
    }
}

/// Applies `updates` in batches, what waits again until it no longer does.
fn deliver(document: &mut Document, updates: &[Bytes], batch: usize) {
    let limits = WireLimits::default();
    let mut waiting: VecDeque<Bytes> = VecDeque::new();
    for updates in updates.chunks(batch) {
        let (before, known) = (document.clocks.clone(), document.state());
        let mut writer = document.write(&limits);
        let mut queue: VecDeque<Bytes> = waiting.drain(..).chain(updates.iter().cloned()).collect();
        while let Some(update) = queue.pop_front() {
            match writer.apply(&update) {
                Verdict::Accepted | Verdict::Trimmed(_) => queue.extend(waiting.drain(..)),
                Verdict::Nothing => {}
                Verdict::Waits(missing) => {
                    assert!(!missing.is_met(writer.clocks()));
                    waiting.push_back(update);
                }
                Verdict::TooDeep => panic!("nothing is deep here"),
                Verdict::Poison(reason) | Verdict::Broken(reason) => panic!("{reason}"),
            }
        }
        let session = writer.commit().unwrap();
        check_clocks(document);
        assert_eq!(session.clocks(document.clocks()), before);
        // Who had the state before it lacks nothing with the diff.
        let diff = document.since(&before);
        assert_eq!(view(&plain(&[known, diff])), view(document.replica.doc()));
    }
    assert!(waiting.is_empty(), "everything has arrived");
}

/// Two items, each the origin of the other.
#[test]
fn blocks_that_need_each_other_are_poison() {
    let update = [2, 1, 2, 0, 0x84, 1, 0, 1, b'b', 1, 1, 0, 0x84, 2, 0, 1, b'a', 0];
    let limits = WireLimits::default();
    assert_eq!(crate::guard::walk_update(&update, &limits, &mut ()), Ok(()));
    let mut document = Document::new();
    let mut writer = document.write(&limits);
    assert!(matches!(writer.apply(&Bytes::copy_from_slice(&update)), Verdict::Poison(_)));
}

#[test]
fn what_needs_a_quarantined_update_is_left_out_too() {
    let editor = replica(1);
    let [first, second] = ["a", "b"].map(|text| {
        let mut txn = open(&editor);
        let content = txn.get_or_insert_text("text");
        content.push(&mut txn, text);
        Bytes::from(txn.encode_update_v1())
    });
    let (document, quarantined) =
        Document::load(&StoredDocument { updates: vec![second, Bytes::from_static(&[9])], ..Default::default() });
    assert_eq!(quarantined.iter().map(|left_out| left_out.position).collect::<Vec<_>>(), [Some(0), Some(1)]);
    check_clocks(&document);
    let (document, quarantined) = Document::load(&StoredDocument { updates: vec![first], ..Default::default() });
    assert_eq!((quarantined.len(), document.clocks().get(ClientId::new(1).unwrap())), (0, 1));
}

/// yrs commits many updates at once; it is known of none which it was.
#[test]
fn what_follows_a_failed_commit_is_not_blamed() {
    let limits = WireLimits::default();
    let mut document = Document::new();
    let mut writer = document.write(&limits);
    assert_eq!(writer.apply(&letter(UNCOMMITTABLE)), Verdict::Accepted);
    let erased = Bytes::from_static(&[0, 1, 0xAD, 0x17, 1, 0, 1]);
    assert!(matches!(writer.apply(&erased), Verdict::Broken(_)));
    assert_eq!(writer.commit().map(|_| ()), Ok(()), "there is nothing left to commit");

    let mut document = Document::new();
    let mut writer = document.write(&limits);
    assert_eq!(writer.apply(&letter(1)), Verdict::Accepted);
    assert_eq!(writer.settle(), Ok(()));
    assert_eq!(writer.apply(&letter(UNCOMMITTABLE)), Verdict::Accepted);
    assert!(writer.settle().is_err(), "and then it is known");
}

#[test]
fn what_cannot_be_committed_is_left_out_of_what_is_loaded() {
    let updates = [1, UNCOMMITTABLE, 2].map(letter).to_vec();
    let bytes = updates[1].len();
    let (document, quarantined) = Document::load(&StoredDocument { updates, ..Default::default() });
    let left_out: Vec<_> = quarantined.iter().map(|left_out| (left_out.position, left_out.bytes)).collect();
    assert_eq!(left_out, [(Some(1), bytes)]);
    assert_eq!(document.clocks().iter().map(|(client, _)| client.get()).collect::<Vec<_>>(), [1, 2]);
}

/// yrs reads memory that it freed when it collects one together with what it is in, see [`replica`](super::replica).
#[test]
fn a_deleted_subdocument_is_not_collected() {
    let limits = WireLimits::default();
    let options = Options { skip_gc: true, ..Options::with_client_id(ClientID::new(1)) };
    let editor = Doc::with_options(options);
    let written = |work: fn(&mut TransactionMut<'_>, yrs::MapRef)| {
        let mut txn = open(&editor);
        let map = txn.get_or_insert_map("map");
        work(&mut txn, map);
        Bytes::from(txn.encode_update_v1())
    };
    let updates = [
        written(|txn, map| {
            map.insert(txn, "one", MapPrelim::from([("in", 1)]));
        }),
        written(|txn, map| {
            map.remove(txn, "one");
        }),
        written(|txn, map| {
            map.insert(txn, "two", MapPrelim::default()).insert(txn, "sub", replica(9));
        }),
        written(|txn, map| {
            map.remove(txn, "two");
        }),
        written(|txn, map| {
            map.insert(txn, "three", "after it");
        }),
    ];
    let has_subdocument =
        |document: &mut Document| Footprint::of(&document.state(), &UNLIMITED).unwrap().subdocuments();

    for updates_of_a_session in [1, 5] {
        let mut document = Document::new();
        for updates in updates.chunks(updates_of_a_session) {
            let mut writer = document.write(&limits);
            for update in updates {
                assert_eq!(writer.apply(update), Verdict::Accepted);
                writer.settle().unwrap();
            }
            writer.commit().unwrap();
            check_clocks(&document);
        }
        assert!(has_subdocument(&mut document));
        assert_eq!(view(document.replica.doc()), view(&editor));
        let all_kept = read(&editor).encode_diff_v1(&StateVector::default());
        assert!(document.state().len() < all_kept.len(), "what was deleted before it came is");
    }
    let load = |snapshot: Option<Bytes>, updates: &[Bytes]| {
        let (document, quarantined) =
            Document::load(&StoredDocument { snapshot, updates: updates.to_vec(), ..StoredDocument::default() });
        assert_eq!(quarantined, []);
        assert!(document.replica.is_tidy(), "what was replaced is not kept until somebody writes");
        document
    };
    for (first, rest) in (0..=updates.len()).map(|at| updates.split_at(at)) {
        let mut document = load(Some(load(None, first).state()), rest);
        assert!(has_subdocument(&mut document));
        assert_eq!(view(document.replica.doc()), view(&editor));
    }
}

/// Honest peers put nothing into a string. Into a deleted one yrs takes it, once it has collected the string.
#[test]
fn what_was_accepted_is_accepted_again_from_the_store() {
    let limits = WireLimits::default();
    let editor = replica(1);
    let typed = {
        let mut txn = open(&editor);
        txn.get_or_insert_text("text").push(&mut txn, "a");
        Bytes::from(txn.encode_update_v1())
    };
    let erased = Bytes::from_static(&[0, 1, 1, 1, 0, 1]);
    let inside = Bytes::from_static(&[1, 1, 66, 0, 4, 0, 1, 0, 1, b'x', 0]);
    let after = Bytes::from_static(&[1, 1, 66, 1, 4, 1, 4, b't', b'e', b'x', b't', 1, b'y', 0]);
    let updates = vec![typed, erased, inside, after];
    let mut document = Document::new();
    for update in &updates {
        let mut writer = document.write(&limits);
        assert_eq!(writer.apply(update), Verdict::Accepted);
        writer.commit().unwrap();
    }
    let (loaded, quarantined) = Document::load(&StoredDocument { updates, ..Default::default() });
    assert_eq!(quarantined, []);
    check_clocks(&loaded);
    assert_eq!(view(loaded.replica.doc()), view(document.replica.doc()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn any_order_repetition_and_batching_converges(
        steps in prop::collection::vec((0..3_usize, step()), 1..60),
        order in prop::collection::vec(any::<u32>(), 60),
        repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        batch in 1..9_usize,
    ) {
        let written = history(&steps);
        prop_assume!(!written.is_empty());
        let mut shuffled: Vec<(u32, Bytes)> =
            written.iter().enumerate().map(|(at, update)| (order[at % order.len()], update.clone())).collect();
        for (at, again) in repeated.iter().enumerate() {
            shuffled.push((order[at], again.get(&written).clone()));
        }
        shuffled.sort_by_key(|&(key, _)| key);
        let shuffled: Vec<Bytes> = shuffled.into_iter().map(|(_, update)| update).collect();

        let reference = plain(&written);
        let mut document = Document::new();
        deliver(&mut document, &shuffled, batch);
        prop_assert_eq!(view(document.replica.doc()), view(&reference));

        // What a newcomer is sent, and what is loaded again, is the same.
        let whole = document.answer(&Bytes::from_static(&[0]), &WireLimits::default()).unwrap();
        prop_assert_eq!(view(&plain(&[whole])), view(&reference));
        let stored = StoredDocument { snapshot: None, updates: written, last_seq: 0 };
        let (loaded, quarantined) = Document::load(&stored);
        prop_assert_eq!(quarantined, vec![]);
        check_clocks(&loaded);
        prop_assert_eq!(view(loaded.replica.doc()), view(&reference));
        let stored = StoredDocument { snapshot: Some(document.state()), ..StoredDocument::default() };
        prop_assert_eq!(view(Document::load(&stored).0.replica.doc()), view(&reference));
    }

    #[test]
    fn joined_updates_have_the_effect_of_the_single_ones(
        steps in prop::collection::vec((0..3_usize, step()), 1..60),
        alone in any::<bool>(),
    ) {
        let steps: Vec<_> = steps.into_iter().map(|(who, step)| (if alone { 0 } else { who }, step)).collect();
        let written = history(&steps);
        let mut joiner = Joiner::default();
        for update in &written {
            joiner.push(update, &WireLimits::default());
        }
        let joined = joiner.finish();
        prop_assert!(joined.len() <= written.len());
        for update in &joined {
            let walked = crate::guard::walk_update(update, &WireLimits::default(), &mut ());
            prop_assert_eq!(walked, Ok(()), "the guard takes what the joiner makes");
        }
        prop_assert_eq!(view(&plain(&joined)), view(&plain(&written)));
    }

    #[test]
    fn a_diff_from_any_clock_can_be_taken(
        steps in prop::collection::vec((0..3_usize, step()), 1..40),
        clocks in prop::array::uniform3(0..60_u32),
    ) {
        let written = history(&steps);
        let mut document = Document::new();
        deliver(&mut document, &written, written.len().max(1));
        let mut known = StateVector::default();
        for (client, clock) in [7, 3_000_000_000, 1 << 52].into_iter().zip(clocks) {
            known.set_max(ClientID::new(client), clock);
        }
        // Also from the middle of a character, which only hostile peers ask for.
        let answer = document.answer(&known.encode_v1().into(), &WireLimits::default()).unwrap();
        prop_assert!(Update::decode_v1(&answer).is_ok());
    }

    #[test]
    fn deletions_are_told_from_writes(steps in prop::collection::vec((0..3_usize, step()), 1..60)) {
        let written = history(&steps);
        let mut document = Document::new();
        let limits = WireLimits::default();
        for update in &written {
            let nothing = document.adds_nothing(update, &limits).unwrap();
            let mut writer = document.write(&limits);
            let verdict = writer.apply(update);
            writer.commit().unwrap();
            prop_assert_eq!(nothing, verdict == Verdict::Nothing);
            prop_assert!(document.adds_nothing(update, &limits).unwrap());
        }
        let state = document.state();
        prop_assert!(document.adds_nothing(&state, &limits).unwrap());
    }
}

/// `client` 1 has typed `text` from clock 0 on, at the beginning of root `text`.
fn typed_from_the_start(text: &str) -> Bytes {
    let mut out = vec![1, 1, 1, 0, 4, 1, 4, b't', b'e', b'x', b't', u8::try_from(text.len()).unwrap()];
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    out.into()
}

#[test]
fn what_repeats_known_blocks_is_relayed_without_them() {
    let limits = WireLimits::default();
    let mut document = Document::new();
    let known = typed_from_the_start("ab");
    let mut writer = document.write(&limits);
    assert_eq!(writer.apply(&known), Verdict::Accepted);
    // A second content for known blocks: stock Yjs throws on it.
    let verdict = writer.apply(&typed_from_the_start("XYc"));
    writer.commit().unwrap();
    let Verdict::Trimmed(rest) = verdict else { panic!("{verdict:?}") };
    let view_of = |updates: &[Bytes]| view(&plain(updates));
    assert_eq!(view_of(&[known.clone(), rest]), view_of(&[typed_from_the_start("abc")]));
    assert_eq!(view_of(&[document.state()]), view_of(&[typed_from_the_start("abc")]));
}
