use std::{fs, process::Command};

use orrery_ganymede::store::{OpenError, Store};

use crate::support::{append, content, key, limits, open, options, text};

#[tokio::test]
async fn a_second_store_is_locked_out_until_the_first_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let error = Store::open(folder.path(), options(limits())).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().ends_with("is locked by another process"), "{error}");
    append(&store, &key(1), 1, vec![text(1)]).await;
    store.close().await.unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(1)]);
}

/// A store that is dropped finishes what is queued and gives the folder free by itself.
#[tokio::test]
async fn a_dropped_store_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let acknowledged = crate::support::queue(&store, &key(1), 1, 1, vec![text(1)]);
    drop(store);
    assert_eq!(crate::support::within(acknowledged).await, Ok(1));
    let mut reopened = None;
    crate::support::eventually("the lock is free", || {
        reopened = Store::open(folder.path(), options(limits())).ok();
        reopened.is_some()
    })
    .await;
    let (store, _) = reopened.unwrap();
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(1)]);
}

/// A read-only file system stops even root, who is not stopped by permissions.
#[tokio::test]
async fn a_folder_that_takes_no_files_is_refused() {
    let mounted = Mounted::new("size=1m");
    let folder = mounted.folder.path();
    open(folder).0.close().await.unwrap();
    mounted.remount("ro");
    let error = Store::open(folder, options(limits())).unwrap_err();
    assert!(matches!(error, OpenError::Unwritable(_)), "{error}");
    assert!(error.to_string().starts_with("the data folder is not writable: "), "{error}");
    mounted.remount("rw");
    open(folder).0.close().await.unwrap();
}

#[tokio::test]
async fn files_of_others_and_of_a_crash_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 1, vec![text(1)]).await;
    store.close().await.unwrap();
    let journal = folder.path().join("journal");
    fs::write(journal.join("notes.txt"), "mine").unwrap();
    fs::write(journal.join("0000000000000002.new"), "half a head").unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(1)]);
    assert_eq!(fs::read_to_string(journal.join("notes.txt")).unwrap(), "mine");
}

/// A file system of its own, to fill or to forbid.
pub(crate) struct Mounted {
    pub(crate) folder: tempfile::TempDir,
}

impl Mounted {
    pub(crate) fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()));
        Self { folder }
    }

    pub(crate) fn remount(&self, options: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.folder.path()));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: the store's thread may still hold a file.
        run(Command::new("umount").arg("--lazy").arg(self.folder.path()));
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("mount and umount are there");
    assert!(status.success(), "{command:?}: {status}; mounting needs root");
}
