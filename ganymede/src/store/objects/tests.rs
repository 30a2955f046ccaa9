//! A service that lies, loses and goes away at the worst moments.

use std::{collections::BTreeMap, path::Path};

use orrery_protocol::{
    id::{OrgId, ProjectId},
    record::RecordKind,
};
use uuid::Uuid;

use super::*;

/// What becomes of the requests from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Uploads succeed and arrive damaged.
    Lying,
    /// Uploads succeed and are not there.
    Losing,
    /// Only as many requests as this succeed.
    AwayAfter(u32),
}

struct Service {
    objects: Mutex<BTreeMap<String, Bytes>>,
    weather: Mutex<Weather>,
}

impl Service {
    fn new() -> Arc<Self> {
        Arc::new(Self { objects: Mutex::default(), weather: Mutex::new(Weather::Fair) })
    }

    fn becomes(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    fn names(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    /// Counts a request.
    fn ask(&self, name: &str) -> Result<Weather, ObjectError> {
        let mut weather = self.weather.lock().unwrap();
        if let Weather::AwayAfter(left) = &mut *weather {
            let away = || ObjectError { object: self.describe(name), reason: "it is away".to_owned() };
            *left = left.checked_sub(1).ok_or_else(away)?;
        }
        Ok(*weather)
    }
}

impl Objects for Service {
    fn describe(&self, name: &str) -> String {
        format!("test://{name}")
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let weather = self.ask(name)?;
        let mut bytes = bytes.to_vec();
        if weather == Weather::Lying {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        if weather != Weather::Losing {
            self.objects.lock().unwrap().insert(name.to_owned(), bytes.into());
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectError> {
        self.ask(name)?;
        Ok(self.objects.lock().unwrap().get(name).cloned())
    }

    fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        self.ask(to)?;
        let mut objects = self.objects.lock().unwrap();
        let bytes = objects.get(from).expect("only what was read back is copied").clone();
        objects.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.ask(name)?;
        self.objects.lock().unwrap().remove(name);
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        self.ask(folder)?;
        Ok(self.names().into_iter().filter(|name| name.starts_with(&format!("{folder}/"))).collect())
    }
}

fn key() -> DocumentKey {
    let document = DocumentName::Named("a".to_owned());
    DocumentKey { org: OrgId(Uuid::from_u128(1)), project: ProjectId(Uuid::from_u128(2)), document }
}

fn stamp(seq: u64) -> Stamp {
    Stamp { kind: RecordKind::Snapshot, position: 0, epoch: 1, seq, time_ms: 5 }
}

fn open(service: &Arc<Service>) -> ObjectShelf {
    let objects = Arc::clone(service);
    ObjectShelf::open(objects).unwrap()
}

fn check(shelf: &ObjectShelf, seq: u64, state: &'static [u8]) {
    assert_eq!(shelf.covered(&key()).unwrap(), seq);
    assert_eq!(shelf.read(&key()).unwrap(), Some((seq, Bytes::from_static(state))));
}

/// Requests of one write: upload, read back, copy, remove the upload, remove the snapshot before.
const REQUESTS: u32 = 5;

#[test]
fn a_service_that_goes_away_between_any_two_requests_leaves_one_whole_snapshot() {
    for requests in 0..REQUESTS {
        let service = Service::new();
        let shelf = open(&service);
        shelf.write(&key(), &stamp(3), b"three").unwrap();
        service.becomes(Weather::AwayAfter(requests));
        let written = shelf.write(&key(), &stamp(5), b"five");
        service.becomes(Weather::Fair);
        let (seq, state): (u64, &[u8]) = if requests < 3 { (3, b"three") } else { (5, b"five") };
        assert_eq!(written.is_ok(), requests >= 3, "{requests}: {written:?}");
        check(&shelf, seq, state);
        // Another process finds the same, and the next snapshot clears away what was left.
        let next = open(&service);
        check(&next, seq, state);
        next.write(&key(), &stamp(8), b"eight").unwrap();
        assert_eq!(service.names(), [name(&key(), Version { covers_seq: 8, revision: 0 })], "{requests}");
    }
}

#[test]
fn what_does_not_come_back_as_it_was_written_is_refused_by_name() {
    for (weather, reason) in [(Weather::Lying, "not what was written"), (Weather::Losing, "is not there")] {
        let service = Service::new();
        let shelf = open(&service);
        shelf.write(&key(), &stamp(3), b"three").unwrap();
        service.becomes(weather);
        let error = shelf.write(&key(), &stamp(5), b"five").unwrap_err();
        assert!(matches!(error, SnapshotError::Read(ReadError::Corrupt(_))), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("test://unverified/{}", key())) && text.contains(reason), "{text}");
        check(&shelf, 3, b"three");
        check(&open(&service), 3, b"three");
    }
}

#[test]
fn a_document_written_again_without_new_updates_takes_the_place() {
    let service = Service::new();
    let shelf = open(&service);
    for state in [&b"one"[..], b"two", b"three"] {
        shelf.write(&key(), &stamp(3), state).unwrap();
        assert_eq!(service.names().len(), 1);
    }
    check(&shelf, 3, b"three");
    check(&open(&service), 3, b"three");
}

#[test]
fn a_missing_object_is_named() {
    let service = Service::new();
    let shelf = open(&service);
    shelf.write(&key(), &stamp(3), b"three").unwrap();
    let name = service.names().remove(0);
    service.objects.lock().unwrap().clear();
    let error = shelf.read(&key()).unwrap_err();
    let expected =
        Corruption { path: format!("test://{name}").into(), offset: 0, reason: "the object is missing".to_owned() };
    assert!(matches!(&error, ReadError::Corrupt(corruption) if *corruption == expected), "{error}");
}

#[test]
fn every_damaged_byte_and_a_moved_object_are_named() {
    let service = Service::new();
    let shelf = open(&service);
    shelf.write(&key(), &stamp(3), b"three").unwrap();
    let name = service.names().remove(0);
    let whole = service.objects.lock().unwrap()[&name].clone();
    let path = format!("test://{name}");
    let refused = |bytes: Bytes, case: usize| {
        service.objects.lock().unwrap().insert(name.clone(), bytes);
        let error = shelf.read(&key()).unwrap_err();
        assert!(matches!(&error, ReadError::Corrupt(found) if found.path == Path::new(&path)), "{case}: {error}");
    };
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        refused(bytes.into(), at);
    }
    // Whole, but of another moment.
    refused(snapshot::encode(&key(), &stamp(4), b"four").unwrap().into(), whole.len());
}

#[test]
fn an_object_without_a_name_of_ours_is_refused() {
    for name in ["documents/notes.txt", "documents/a/b/c/d", "documents"] {
        assert_eq!(parse(name), None, "{name}");
    }
    let version = Version { covers_seq: u64::MAX, revision: 7 };
    assert_eq!(parse(&name(&key(), version)), Some((key(), version)));
    let service = Service::new();
    service.objects.lock().unwrap().insert("documents/notes.txt".to_owned(), Bytes::from_static(b"mine"));
    let error = ObjectShelf::open(service).err().expect("it is refused");
    assert!(error.to_string().contains("test://documents/notes.txt"), "{error}");
}
