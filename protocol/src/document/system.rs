//! The `system` document as the gateway writes it: nested maps, one key for each leaf, and only leaves that changed.
//! Owns what is in it and when it is made anew; knows neither containers nor the phases they go through.
//!
//! A Yjs map remembers every value a key ever had, if only as a tombstone. Whole objects rewritten on every change grow a
//! document by megabytes a day; single leaves grow it by some ten bytes a change, and making it anew takes even those away.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use yrs::{Any, ClientID, Map, MapPrelim, Number, Out, ReadTxn, StateVector, TransactionMut, WriteTxn, types::ToJson};

use super::{
    Document,
    replica::{Replica, open, read},
};
use crate::{id::ClientId, limits::SYSTEM_GROWTH_MAX, record::StoredDocument};

/// Keys and values of a map.
pub type Fields = BTreeMap<String, Value>;

/// What a key holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, but the key is there.
    Null,
    /// A truth.
    Bool(bool),
    /// A number as JavaScript has it.
    Number(f64),
    /// A text, replaced as a whole.
    Text(String),
    /// A list, replaced as a whole.
    List(Vec<Value>),
    /// A map of its own: its keys change one by one.
    Map(Fields),
}

impl Value {
    /// The same as JSON. Whole numbers are written as such.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Number(number) => match Number::try_i64(*number) {
                Number::Int(whole) => whole.into(),
                Number::Float(number) => number.into(),
            },
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(fields) => fields.iter().map(|(key, value)| (key.clone(), value.to_json())).collect(),
        }
    }
}

/// What a path shall hold from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Names of the root and of the maps below it, and the key; at least two. Maps on the way are made as needed.
    pub path: Vec<String>,
    /// `None` removes the key.
    pub value: Option<Value>,
}

/// One key of one map to write.
#[derive(Debug)]
struct Write {
    path: Vec<String>,
    what: What,
}

#[derive(Debug)]
enum What {
    Leaf(Any),
    /// An empty map.
    Branch,
    Remove,
}

/// The document, and everything in it as plain values.
#[derive(Debug)]
pub struct SystemDocument {
    document: Document,
    values: Fields,
    /// Size of a fresh copy, when it was measured last.
    fresh_bytes: usize,
    /// Size of the encoding, at most.
    bytes_max: usize,
}

impl SystemDocument {
    /// A document that holds `values` and nothing else. Their first level are its roots, all of them maps. Replicas of an
    /// older one are told from it by `client`, which must never have written a document of this project before.
    pub fn fresh(client: ClientId, values: &Fields) -> Self {
        let mut fresh = Self {
            document: Document { replica: Replica::writing_as(ClientID::new(client.get())), ..Document::new() },
            values: Fields::new(),
            fresh_bytes: 0,
            bytes_max: 0,
        };
        let changes = values.iter().flat_map(|(root, value)| {
            let of_root = if let Value::Map(fields) = value { Some(fields) } else { None };
            of_root
                .into_iter()
                .flatten()
                .map(|(key, value)| Change { path: vec![root.clone(), key.clone()], value: Some(value.clone()) })
        });
        fresh.write(changes.collect());
        fresh.fresh_bytes = fresh.encoded().len();
        fresh.bytes_max = fresh.fresh_bytes;
        fresh
    }

    /// What a document of another gateway, or of an earlier run, holds: to make it anew from.
    pub fn stored_values(stored: &StoredDocument) -> Fields {
        let (document, _) = Document::load(stored);
        let txn = read(document.replica.doc());
        let roots: Vec<String> = txn.root_refs().map(|(name, _)| name.to_string()).collect();
        let maps = roots.into_iter().filter_map(|name| txn.get_map(name.as_str()).map(|map| (name, map)));
        maps.filter_map(|(name, map)| value_of(&map.to_json(&txn)).map(|value| (name, value))).collect()
    }

    /// Everything in it.
    pub fn values(&self) -> &Fields {
        &self.values
    }

    /// Writes what differs in one transaction and returns the update; `None` if nothing does.
    ///
    /// # Panics
    /// A path without a root and a key.
    pub fn write(&mut self, changes: Vec<Change>) -> Option<Bytes> {
        let mut writes = Vec::new();
        for change in changes {
            assert!(change.path.len() >= 2, "a path names a root and a key");
            self.plan(&change, &mut writes);
            store(&mut self.values, &change.path, change.value);
        }
        if writes.is_empty() {
            return None;
        }
        let mut txn = open(self.document.replica.doc());
        writes.into_iter().for_each(|write| perform(&mut txn, write));
        let update = Bytes::from(txn.encode_update_v1());
        drop(txn);
        self.bytes_max += update.len();
        Some(update)
    }

    fn plan(&self, change: &Change, writes: &mut Vec<Write>) {
        if change.value.is_some() {
            for end in 2..change.path.len() {
                let path = &change.path[..end];
                if !matches!(lookup(&self.values, path), Some(Value::Map(_))) {
                    writes.push(Write { path: path.to_vec(), what: What::Branch });
                }
            }
        }
        plan(&change.path, lookup(&self.values, &change.path), change.value.as_ref(), writes);
    }

    /// The whole state, encoded.
    pub fn encoded(&self) -> Bytes {
        read(self.document.replica.doc()).encode_diff_v1(&StateVector::default()).into()
    }

    /// Whether its encoding has outgrown a fresh copy so far that it should be made anew. Measures only when it may have.
    pub fn needs_recreation(&mut self) -> bool {
        if self.bytes_max <= self.fresh_bytes.saturating_mul(SYSTEM_GROWTH_MAX) {
            return false;
        }
        self.bytes_max = self.encoded().len();
        // Any client will do to measure; one byte shorter or longer changes nothing.
        let client = self.document.replica.doc().client_id();
        self.fresh_bytes =
            ClientId::new(client.get()).map_or(0, |client| Self::fresh(client, &self.values).fresh_bytes);
        self.bytes_max > self.fresh_bytes.saturating_mul(SYSTEM_GROWTH_MAX)
    }
}

/// What has to be written for `path` to hold `wanted` where it holds `known`.
fn plan(path: &[String], known: Option<&Value>, wanted: Option<&Value>, writes: &mut Vec<Write>) {
    let mut push = |what| writes.push(Write { path: path.to_vec(), what });
    match (known, wanted) {
        (None, None) => {}
        (Some(_), None) => push(What::Remove),
        (known, Some(Value::Map(wanted))) => {
            let nothing = Fields::new();
            let known = if let Some(Value::Map(known)) = known {
                known
            } else {
                push(What::Branch);
                &nothing
            };
            let gone = known.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key, None));
            for (key, value) in gone.chain(wanted.iter().map(|(key, value)| (key, Some(value)))) {
                let path = [path, std::slice::from_ref(key)].concat();
                plan(&path, known.get(key), value, writes);
            }
        }
        (known, Some(leaf)) => {
            if known != Some(leaf) {
                push(What::Leaf(any_of(leaf)));
            }
        }
    }
}

fn perform(txn: &mut TransactionMut<'_>, write: Write) {
    let Write { path, what } = write;
    let Some(((root, branches), key)) = path.split_last().and_then(|(key, above)| Some((above.split_first()?, key)))
    else {
        return;
    };
    let mut map = txn.get_or_insert_map(root.as_str());
    for branch in branches {
        map = if let Some(Out::YMap(inner)) = map.get(txn, branch) {
            inner
        } else {
            map.insert(txn, branch.as_str(), MapPrelim::default())
        };
    }
    match what {
        What::Leaf(value) => drop(map.insert(txn, key.as_str(), value)),
        What::Branch => drop(map.insert(txn, key.as_str(), MapPrelim::default())),
        What::Remove => drop(map.remove(txn, key)),
    }
}

fn lookup<'a>(values: &'a Fields, path: &[String]) -> Option<&'a Value> {
    let (key, below) = path.split_first()?;
    match (values.get(key)?, below) {
        (value, []) => Some(value),
        (Value::Map(fields), _) => lookup(fields, below),
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_), _) => None,
    }
}

fn store(values: &mut Fields, path: &[String], value: Option<Value>) {
    match (path, value) {
        ([], _) => {}
        ([key], Some(value)) => drop(values.insert(key.clone(), value)),
        ([key], None) => drop(values.remove(key)),
        ([key, below @ ..], value) => {
            // Removing from what is not there makes nothing.
            if value.is_none() && lookup(values, path).is_none() {
                return;
            }
            let held = values.entry(key.clone()).or_insert(Value::Null);
            if let Value::Map(fields) = held {
                return store(fields, below, value);
            }
            let mut fields = Fields::new();
            store(&mut fields, below, value);
            *held = Value::Map(fields);
        }
    }
}

fn any_of(value: &Value) -> Any {
    match value {
        Value::Null => Any::Null,
        Value::Bool(truth) => Any::Bool(*truth),
        Value::Number(number) => Any::Number(Number::try_i64(*number)),
        Value::Text(text) => Any::from(text.as_str()),
        Value::List(items) => Any::Array(items.iter().map(any_of).collect()),
        Value::Map(fields) => {
            Any::from(fields.iter().map(|(key, value)| (key.clone(), any_of(value))).collect::<HashMap<_, _>>())
        }
    }
}

/// `None` for what is never written here.
fn value_of(any: &Any) -> Option<Value> {
    Some(match any {
        Any::Null => Value::Null,
        Any::Bool(truth) => Value::Bool(*truth),
        Any::Number(number) => Value::Number(number.as_f64()?),
        Any::String(text) => Value::Text(text.to_string()),
        Any::Array(items) => Value::List(items.iter().filter_map(value_of).collect()),
        Any::Map(fields) => {
            Value::Map(fields.iter().filter_map(|(key, value)| Some((key.clone(), value_of(value)?))).collect())
        }
        Any::Undefined | Any::Buffer(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use yrs::{Doc, Transact, Update, updates::decoder::Decode};

    use super::*;

    const CLIENT: u64 = 3_000_000_001;

    fn client(id: u64) -> ClientId {
        ClientId::new(id).unwrap()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn map(fields: &[(&str, Value)]) -> Value {
        Value::Map(fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    fn change(path: &[&str], value: Option<Value>) -> Change {
        Change { path: path.iter().map(|&name| name.to_owned()).collect(), value }
    }

    fn container(at: usize) -> Value {
        map(&[
            (
                "spec",
                map(&[
                    ("name", text(&format!("notebook {at}"))),
                    ("slug", text(&format!("notebook-{at}-3fa9"))),
                    ("image", text("jupyterlab:4.2")),
                    ("runner", Value::Null),
                    ("env", map(&[("TZ", text("UTC")), ("TOKEN", map(&[("secret", text("sec_1"))]))])),
                    ("limits", map(&[("cpus", Value::Number(0.5)), ("memory_mb", Value::Number(2048.0))])),
                    (
                        "services_declared",
                        Value::List(vec![map(&[("name", text("web")), ("port", Value::Number(8888.0))])]),
                    ),
                    ("desired", text("running")),
                    ("generation", Value::Number(1.0)),
                    ("created_by", text("018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f")),
                    ("created_at", text("2026-11-21T08:00:00Z")),
                ]),
            ),
            (
                "status",
                map(&[
                    ("phase", text("pending")),
                    ("observed_generation", Value::Number(1.0)),
                    ("reason", map(&[("code", Value::Null), ("text", Value::Null)])),
                    ("since", text("2026-11-21T08:00:00Z")),
                    (
                        "services",
                        map(&[("web", map(&[("url", text("http://uc-x.localhost")), ("state", text("up"))]))]),
                    ),
                ]),
            ),
        ])
    }

    fn containers(count: usize) -> Fields {
        let all = (0..count).map(|at| (format!("uc_{at:016}"), container(at))).collect();
        Fields::from([("userContainers".to_owned(), Value::Map(all))])
    }

    fn apply(doc: &Doc, update: &[u8]) {
        let update = Update::decode_v1(update).unwrap();
        doc.try_transact_mut().unwrap().apply_update(update).unwrap();
    }

    /// What a browser sees.
    #[track_caller]
    fn check_seen(doc: &Doc, values: &Fields) {
        let mut txn = open(doc);
        for (root, value) in values {
            let seen = txn.get_or_insert_map(root.as_str()).to_json(&txn);
            assert_eq!(value_of(&seen).as_ref(), Some(value));
        }
    }

    #[test]
    fn only_leaves_that_changed_are_written() {
        let mut system = SystemDocument::fresh(client(CLIENT), &containers(2));
        let browser = Doc::new();
        apply(&browser, &system.encoded());
        let id = "uc_0000000000000001";
        let status = |phase| map(&[("phase", text(phase)), ("observed_generation", Value::Number(1.0))]);
        let path = ["userContainers", id, "status"];
        assert!(system.write(vec![change(&path, Some(status("starting")))]).is_some(), "others are removed");
        assert_eq!(system.write(vec![change(&path, Some(status("starting")))]), None);
        let update = system.write(vec![change(&path, Some(status("running")))]).expect("one leaf");
        assert!(update.len() < 48, "{} bytes", update.len());
        assert_eq!(lookup(system.values(), &change(&path, None).path), Some(&status("running")));
        apply(&browser, &system.encoded());
        check_seen(&browser, system.values());
    }

    #[test]
    fn later_changes_see_earlier_ones() {
        let mut system = SystemDocument::fresh(client(CLIENT), &Fields::new());
        let browser = Doc::new();
        let updates = [
            vec![
                change(&["gateway", "epoch"], Some(Value::Number(1.0))),
                change(&["a", "b", "c", "d"], Some(Value::Bool(true))),
            ],
            vec![
                change(&["gateway", "epoch"], Some(Value::Number(2.0))),
                change(&["gateway", "epoch"], Some(Value::Number(1.0))),
            ],
            vec![change(&["a", "b"], Some(Value::Null)), change(&["a", "b", "e"], Some(Value::Number(0.25)))],
            vec![change(&["a", "x", "y"], None), change(&["a", "b"], None)],
        ];
        for changes in updates {
            if let Some(update) = system.write(changes) {
                apply(&browser, &update);
            }
            check_seen(&browser, system.values());
        }
        assert_eq!(system.values()["gateway"], map(&[("epoch", Value::Number(1.0))]));
        assert_eq!(system.values()["a"], map(&[]));
    }

    #[test]
    fn a_fresh_copy_has_the_values_and_none_of_the_clients() {
        let mut old = SystemDocument::fresh(client(CLIENT), &containers(3));
        old.write(vec![change(&["gateway", "epoch"], Some(Value::Number(7.0)))]);
        let stored = StoredDocument { snapshot: Some(old.encoded()), ..StoredDocument::default() };
        let values = SystemDocument::stored_values(&stored);
        assert_eq!(&values, old.values());
        let fresh = SystemDocument::fresh(client(CLIENT + 1), &values);
        let browser = Doc::new();
        apply(&browser, &fresh.encoded());
        check_seen(&browser, &values);
        let seen = read(&browser).state_vector();
        assert!(!seen.contains_client(&ClientID::new(CLIENT)) && seen.contains_client(&ClientID::new(CLIENT + 1)));
    }

    #[test]
    fn a_day_of_fifty_containers_stays_small() {
        const PHASES: [&str; 5] = ["starting", "running", "unhealthy", "stopping", "stopped"];
        let mut system = SystemDocument::fresh(client(CLIENT), &containers(50));
        let watcher = Doc::new();
        apply(&watcher, &system.encoded());
        let fresh_bytes = system.fresh_bytes;
        let mut heartbeats = 0;
        for transition in 0..20 {
            for at in 0..50 {
                let id = format!("uc_{at:016}");
                let since = format!("2026-11-21T{:02}:{at:02}:00Z", transition + 1);
                let path = |leaf| change(&["userContainers", &id, "status", leaf], Some(text(&since)));
                let phase = Change { value: Some(text(PHASES[transition % 5])), ..path("phase") };
                let update = system.write(vec![phase.clone(), path("since")]).expect("a transition");
                apply(&watcher, &update);
                // Heartbeats until the next one: the same again.
                for _ in 0..24 {
                    let again = system.write(vec![phase.clone(), path("since")]);
                    heartbeats += again.map_or(0, |update| update.len());
                }
            }
        }
        let encoded = system.encoded().len();
        let recreated = SystemDocument::fresh(client(CLIENT + 1), system.values());
        let again = recreated.encoded().len();
        eprintln!(
            "fresh {fresh_bytes} B, after a day {encoded} B ({:.2} x), made anew {again} B, heartbeats {heartbeats} B",
            encoded as f64 / fresh_bytes as f64
        );
        assert_eq!(heartbeats, 0);
        assert!(encoded * 2 <= fresh_bytes * 5, "at most 2.5 times a fresh copy");
        assert!(again * 100 <= fresh_bytes * 102, "within 2 % of a fresh copy");
        assert!(!system.needs_recreation());
        for encoded in [system.encoded(), recreated.encoded()] {
            let newcomer = Doc::new();
            apply(&newcomer, &encoded);
            check_seen(&newcomer, system.values());
        }
        check_seen(&watcher, system.values());
    }

    #[test]
    fn what_outgrew_a_fresh_copy_four_times_is_made_anew() {
        let mut system = SystemDocument::fresh(client(CLIENT), &containers(1));
        let mut writes = 0;
        while !system.needs_recreation() {
            writes += 1;
            // Tombstones of one key alone would join.
            for leaf in ["since", "phase"] {
                let path = ["userContainers", "uc_0000000000000000", "status", leaf];
                system.write(vec![change(&path, Some(Value::Number(f64::from(writes))))]);
            }
            assert!(writes < 2_000, "it grows");
        }
        assert!(system.encoded().len() > 4 * system.fresh_bytes);
        let mut fresh = SystemDocument::fresh(client(CLIENT + 1), system.values());
        assert!(!fresh.needs_recreation() && fresh.values() == system.values());
    }
}
