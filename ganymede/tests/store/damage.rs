use std::{fs, path::PathBuf};

use bytes::Bytes;
use orrery_ganymede::store::{Cut, OpenError, Store};
use tempfile::TempDir;

use crate::support::{append, content, key, limits, open, options, text};

/// A closed store with five updates, each a write of its own, and where the records of its only segment begin.
async fn closed_store() -> (TempDir, PathBuf, Vec<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let path = folder.path().join("journal/0000000000000001.log");
    let mut offsets = Vec::new();
    for seq in 1..=5 {
        offsets.push(fs::metadata(&path).unwrap().len());
        append(&store, &key(1), seq, vec![text(seq)]).await;
    }
    offsets.push(fs::metadata(&path).unwrap().len());
    store.close().await.unwrap();
    (folder, path, offsets)
}

async fn reopened(folder: &TempDir) -> (Option<Cut>, Vec<Bytes>) {
    let (store, recovery) = open(folder.path());
    let content = content(&store.load(&key(1)).await.unwrap());
    store.close().await.unwrap();
    (recovery.cut, content)
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_is_cut_and_the_rest_is_there() {
    let (folder, path, offsets) = closed_store().await;
    let whole = fs::read(&path).unwrap();
    let last = offsets[4];
    for len in last..offsets[5] {
        fs::write(&path, &whole[..len as usize]).unwrap();
        let expected = Cut { path: path.clone(), offset: last, bytes: len - last };
        let (cut, content) = reopened(&folder).await;
        assert_eq!(cut, (len > last).then_some(expected), "{len}");
        assert_eq!(content, [text(1), text(2), text(3), text(4)], "{len}");
        assert_eq!(fs::metadata(&path).unwrap().len(), last, "{len}");
    }
}

#[tokio::test]
async fn after_a_cut_the_document_goes_on() {
    let (folder, path, offsets) = closed_store().await;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(offsets[5] - 1).unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 5, vec![Bytes::from_static(b"another five")]).await;
    store.close().await.unwrap();
    let (cut, content) = reopened(&folder).await;
    assert_eq!(cut, None);
    assert_eq!(content[3..], [text(4), Bytes::from_static(b"another five")]);
}

#[tokio::test]
async fn a_bit_flipped_at_any_byte_before_the_last_record_is_refused_and_nothing_changes() {
    let (folder, path, offsets) = closed_store().await;
    let whole = fs::read(&path).unwrap();
    for at in 0..offsets[4] {
        let mut bytes = whole.clone();
        bytes[at as usize] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let error = Store::open(folder.path(), options(limits())).unwrap_err();
        let offset = offsets.iter().copied().rfind(|offset| *offset <= at).unwrap_or(0);
        let OpenError::Corrupt(corruption) = &error else { panic!("{at}: {error}") };
        assert_eq!((&corruption.path, corruption.offset), (&path, offset), "{at}: {error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{at}: the file was changed");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(reopened(&folder).await.1.len(), 5);
}

/// Several segments, none of which may be damaged, shortened or lost, because each has a successor.
#[tokio::test]
async fn an_older_segment_is_never_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut limits = limits();
    limits.segment_bytes = 300;
    let (store, _) = Store::open(folder.path(), options(limits.clone())).unwrap();
    for seq in 1..=9 {
        append(&store, &key(1), seq, vec![text(seq)]).await;
    }
    assert!(store.status().segments >= 3);
    store.close().await.unwrap();
    let path = folder.path().join("journal/0000000000000002.log");
    let whole = fs::read(&path).unwrap();
    let refusal = || match Store::open(folder.path(), options(limits.clone())) {
        Err(OpenError::Corrupt(corruption)) => corruption,
        other => panic!("{other:?}"),
    };

    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(refusal().path, path);

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let shortened = refusal();
    assert_eq!((&shortened.path, shortened.offset), (&path, whole.len() as u64 - 1));

    fs::remove_file(&path).unwrap();
    assert!(refusal().to_string().contains("0000000000000002 before it is missing"), "{}", refusal());

    fs::write(&path, &whole).unwrap();
    assert_eq!(reopened(&folder).await.1.len(), 9);
}

/// Bytes beyond the length that the next segment remembers were given up after a failed fsync.
#[tokio::test]
async fn what_was_given_up_in_an_older_segment_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut limits = limits();
    limits.segment_bytes = 300;
    let (store, _) = Store::open(folder.path(), options(limits)).unwrap();
    for seq in 1..=9 {
        append(&store, &key(1), seq, vec![text(seq)]).await;
    }
    store.close().await.unwrap();
    let path = folder.path().join("journal/0000000000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_within(36..);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(reopened(&folder).await.1, (1..=9).map(text).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_snapshot_that_went_missing_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut limits = limits();
    limits.segment_bytes = 300;
    let (store, _) = Store::open(folder.path(), options(limits.clone())).unwrap();
    for seq in 1..=9 {
        append(&store, &key(1), seq, vec![text(seq)]).await;
    }
    let state = crate::support::state(&(1..=6).map(text).collect::<Vec<_>>());
    store.store_snapshot(&key(1), 6, state).await.unwrap();
    append(&store, &key(1), 10, vec![text(10)]).await;
    store.close().await.unwrap();
    fs::remove_dir_all(folder.path().join("documents")).unwrap();
    let error = Store::open(folder.path(), options(limits)).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt(_)), "{error}");
    assert!(error.to_string().contains("are missing"), "{error}");
}
