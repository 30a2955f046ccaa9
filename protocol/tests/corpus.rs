//! Replays the committed corpus of every fuzz target.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own when fuzzing")]
mod fuzz;

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use orrery_protocol::{
    guard::{read_messages, walk_awareness, walk_update},
    lib0::Reader,
    limits::WireLimits,
};

/// The files of one target whose names start with `prefix`.
#[track_caller]
fn corpus(target: &str, prefix: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).expect("the corpus is committed");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let named = paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)));
    let files: Vec<_> = named.map(|path| (path.clone(), fs::read(path).expect("readable"))).collect();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

#[track_caller]
fn replay(target: &str, body: fn(&[u8])) {
    for (path, data) in corpus(target, "") {
        if let Err(panic) = std::panic::catch_unwind(|| body(&data)) {
            eprintln!("while replaying {}", path.display());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn frames() {
    replay("frame", fuzz::frame);
}

#[test]
fn updates() {
    replay("update", fuzz::update);
}

#[test]
fn awareness() {
    replay("awareness", fuzz::awareness);
}

#[test]
fn records() {
    replay("record", fuzz::record);
}

#[test]
fn websockets() {
    replay("websocket", fuzz::websocket);
}

#[test]
fn what_stock_yjs_writes_is_accepted() {
    let limits = WireLimits::default();
    for (path, data) in corpus("update", "stock-") {
        let mut reader = Reader::new(&data);
        let steps =
            std::iter::from_fn(|| (!reader.is_empty()).then(|| reader.var_buf().expect("a length and an update")));
        let steps = if path.to_string_lossy().ends_with("-steps") { steps.collect() } else { vec![data.as_slice()] };
        for step in steps {
            assert_eq!(walk_update(step, &limits, &mut ()), Ok(()), "{}", path.display());
        }
    }
    for (path, data) in corpus("awareness", "stock-") {
        assert_eq!(walk_awareness(&data, &limits, |_| {}), Ok(()), "{}", path.display());
    }
    for (path, data) in corpus("frame", "stock-") {
        assert_eq!(read_messages(&Bytes::from(data), &limits, |_| {}), Ok(()), "{}", path.display());
    }
}
