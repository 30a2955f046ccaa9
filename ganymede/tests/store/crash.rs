//! `kill -9` of a real process that appends as fast as it is acknowledged.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use orrery_ganymede::store::{Append, OpenError, Store, StoreLimits};
use tokio::runtime::Runtime;

use crate::support::{content, key, limits, options, state};

/// Set for the child only, to the folder of its store.
const FOLDER: &str = "ORRERY_TEST_CRASH_FOLDER";
const DOCUMENTS: u128 = 8;
const KILLS: usize = 40;

fn crash_limits() -> StoreLimits {
    StoreLimits { segment_bytes: 20_000, fold_after_ms: 20, ..limits() }
}

/// Differs in length and content from its neighbours, so that nothing can pass for something else.
fn update(document: u128, seq: u64) -> Bytes {
    Bytes::from(format!("{document}:{seq};").repeat(1 + (seq % 17) as usize * (seq % 5) as usize))
}

#[test]
fn nothing_acknowledged_is_missing_after_any_kill() {
    #[expect(clippy::disallowed_methods, reason = "how the parent tells its child that it is one")]
    if let Ok(folder) = env::var(FOLDER) {
        append_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = HashMap::new();
    for kill in 0..KILLS {
        let lines = 5 + kill * 37 % 400;
        run_and_kill(folder.path(), lines, &mut acknowledged);
        let runtime = Runtime::new().unwrap();
        let (store, recovery) = Store::open(folder.path(), options(crash_limits())).unwrap();
        for document in 0..DOCUMENTS {
            let stored = runtime.block_on(store.load(&key(document))).unwrap();
            let last = acknowledged.get(&document).copied().unwrap_or(0);
            assert!(stored.last_seq >= last, "kill {kill}: {} of {last}; {recovery:?}", stored.last_seq);
            let expected: Vec<_> = (1..=stored.last_seq).map(|seq| update(document, seq)).collect();
            assert!(content(&stored) == expected, "kill {kill}: document {document} has other content");
        }
        runtime.block_on(store.close()).unwrap();
    }
    assert!(acknowledged.values().sum::<u64>() > 1_000, "hardly anything was tried: {acknowledged:?}");
}

/// Starts a child, reads this many acknowledgements, kills it, and reads what it had still said.
fn run_and_kill(folder: &Path, lines: usize, acknowledged: &mut HashMap<u128, u64>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::nothing_acknowledged_is_missing_after_any_kill", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut note = |line: io::Result<String>| {
        // The last line may be cut by the kill, and the test runner says a few words of its own.
        let line = line.ok()?;
        let (document, seq) = line.strip_prefix("saved ")?.strip_suffix('.')?.split_once(' ')?;
        let (document, seq) = (document.parse().ok()?, seq.parse().ok()?);
        let last = acknowledged.insert(document, seq);
        assert!(last < Some(seq), "acknowledged twice or out of order");
        Some(())
    };
    let mut seen = 0;
    while seen < lines {
        let line = output.next().expect("the child ended by itself");
        seen += usize::from(note(line).is_some());
    }
    let second = Store::open(folder, options(crash_limits()));
    assert!(matches!(second, Err(OpenError::Locked { .. })), "two processes write to one folder: {second:?}");
    child.kill().unwrap();
    for line in output {
        note(line);
    }
    child.wait().unwrap();
}

/// Keeps every document busy: each acknowledgement is printed and answered by the next append; snapshots now and then.
fn append_until_killed(folder: &Path) {
    let runtime = Runtime::new().unwrap();
    let (store, _) = Store::open(folder, options(crash_limits())).unwrap();
    for document in 0..DOCUMENTS {
        let last_seq = runtime.block_on(store.load(&key(document))).unwrap().last_seq;
        for ahead in 1..=3 {
            append_next(&store, document, last_seq + ahead);
        }
    }
    let mut document = 0;
    loop {
        let stored = runtime.block_on(store.load(&key(document))).unwrap();
        let state = state(&content(&stored));
        runtime.block_on(store.store_snapshot(&key(document), stored.last_seq, state)).unwrap();
        document = (document + 1) % DOCUMENTS;
    }
}

/// Three appends of each document are always under way.
fn append_next(store: &Store, document: u128, seq: u64) {
    let again = store.clone();
    let durable = Box::new(move |seq| {
        let line = format!("saved {document} {seq}.\n");
        io::stdout().write_all(line.as_bytes()).expect("the parent reads");
        append_next(&again, document, seq + 3);
    });
    let updates = vec![update(document, seq)];
    store.append(Append { key: Arc::new(key(document)), epoch: 1, first_seq: seq, updates, durable });
}
