//! Snapshots in an object storage. Owns the names of objects and the order of requests; knows no protocol.
//!
//! ```text
//! documents/{org}/{project}/{document}/{sequence}-{revision}   whole and verified, or not there
//! unverified/{org}/{project}/{document}                        what was uploaded last, until it was read back
//! owner                                                        the store that may go on from here
//! ```
//!
//! - The name says what a snapshot covers: one listing at start tells it of every document, and nobody asks the service later.
//! - An object gets its final name by a copy within the service, after it was read back. So whatever has such a name was
//!   verified, also by a process that ended right after.
//! - Objects with a final name are never replaced. Of several the one with the highest name counts; the others are removed
//!   with the next snapshot of that document.

use std::{
    collections::HashMap,
    mem,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentKey, DocumentName, OrgId},
    record::{Record, Stamp},
};

use super::{
    error::{Corruption, ObjectError, ReadError, SnapshotError},
    shelf::SnapshotShelf,
    snapshot,
};

/// What is asked of a service that keeps objects. Calls block. Names are relative to the store's part of it.
pub(super) trait Objects: Send + Sync {
    /// The object as people know it, for errors.
    fn describe(&self, name: &str) -> String;
    /// Writes all of it or nothing.
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError>;
    /// Reads all of it; none if there is no such object.
    fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectError>;
    /// Copies within the service, all of it or nothing.
    fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError>;
    /// Removes it; one that is not there is fine.
    fn delete(&self, name: &str) -> Result<(), ObjectError>;
    /// The names of all objects in `folder`.
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError>;
}

const DOCUMENTS: &str = "documents";
const UNVERIFIED: &str = "unverified";
const OWNER: &str = "owner";

/// Whether the service answers and lets us in.
pub(super) fn reach(objects: &impl Objects) -> Result<(), ObjectError> {
    objects.list(UNVERIFIED).map(drop)
}

/// Which snapshot of its document an object is. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    covers_seq: u64,
    /// Grows when a document is written again without new updates.
    revision: u32,
}

/// The snapshots of one document: the last counts, the others can go.
#[derive(Debug, Default)]
struct Entry {
    versions: Vec<Version>,
}

pub(super) struct ObjectShelf {
    objects: Arc<dyn Objects>,
    /// What lies there. It is true for as long as this is the only store that writes there.
    catalogue: Mutex<HashMap<DocumentKey, Entry>>,
}

impl ObjectShelf {
    /// Lists what is there, but reads none of it.
    pub(super) fn open(objects: Arc<dyn Objects>) -> Result<Self, ReadError> {
        let mut catalogue: HashMap<DocumentKey, Entry> = HashMap::new();
        for name in objects.list(DOCUMENTS)? {
            let Some((key, version)) = parse(&name) else {
                let (path, reason) = (objects.describe(&name).into(), "it has no name of a snapshot".to_owned());
                return Err(Corruption { path, offset: 0, reason }.into());
            };
            catalogue.entry(key).or_default().versions.push(version);
        }
        catalogue.values_mut().for_each(|entry| entry.versions.sort_unstable());
        Ok(Self { objects, catalogue: Mutex::new(catalogue) })
    }

    /// The store that may go on from here, if one said so.
    pub(super) fn owner(&self) -> Result<Option<Bytes>, ObjectError> {
        self.objects.get(OWNER)
    }

    pub(super) fn set_owner(&self, owner: Bytes) -> Result<(), ObjectError> {
        self.objects.put(OWNER, owner)
    }

    pub(super) fn describe(&self) -> String {
        self.objects.describe("")
    }

    fn catalogue(&self) -> MutexGuard<'_, HashMap<DocumentKey, Entry>> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, key: &DocumentKey) -> Option<Version> {
        self.catalogue().get(key)?.versions.last().copied()
    }

    /// Uploads under a name that nobody reads and compares what arrived.
    fn upload(&self, name: &str, bytes: Bytes) -> Result<(), SnapshotError> {
        self.objects.put(name, bytes.clone()).map_err(ReadError::from)?;
        let read_back = self.objects.get(name).map_err(ReadError::from)?;
        let reason = match read_back {
            Some(read_back) if read_back == bytes => return Ok(()),
            Some(_) => "what was read back is not what was written",
            None => "what was written is not there",
        };
        let path = self.objects.describe(name).into();
        Err(ReadError::from(Corruption { path, offset: 0, reason: reason.to_owned() }).into())
    }

    /// Garbage costs space and nothing else: what cannot be removed now is tried again with the next snapshot.
    fn remove_older(&self, key: &DocumentKey, unverified: &str) {
        if let Err(error) = self.objects.delete(unverified) {
            tracing::debug!(%error, "an upload stays until the next one of its document takes its place");
        }
        let older = match self.catalogue().get_mut(key) {
            Some(entry) => {
                let newest = entry.versions.split_off(entry.versions.len().saturating_sub(1));
                mem::replace(&mut entry.versions, newest)
            }
            None => return,
        };
        for version in older {
            if let Err(error) = self.objects.delete(&name(key, version)) {
                tracing::debug!(%error, "a replaced snapshot stays until the next one");
                if let Some(entry) = self.catalogue().get_mut(key) {
                    entry.versions.insert(0, version);
                }
            }
        }
    }
}

impl SnapshotShelf for ObjectShelf {
    fn covered(&self, key: &DocumentKey) -> Result<u64, ReadError> {
        Ok(self.current(key).map_or(0, |version| version.covers_seq))
    }

    fn read(&self, key: &DocumentKey) -> Result<Option<(u64, Bytes)>, ReadError> {
        let mut current = self.current(key);
        while let Some(version) = current {
            let name = name(key, version);
            let path = PathBuf::from(self.objects.describe(&name));
            if let Some(bytes) = self.objects.get(&name)? {
                let Record { stamp: Stamp { seq, .. }, payload, .. } = snapshot::decode(&path, &bytes, key)?;
                if seq != version.covers_seq {
                    let reason = format!("it covers update {seq}, its name says another");
                    return Err(Corruption { path, offset: 0, reason }.into());
                }
                return Ok(Some((seq, payload)));
            }
            // It may have been replaced since it was looked up; a newer one is there then.
            let newest = self.current(key);
            if newest == current {
                return Err(Corruption { path, offset: 0, reason: "the object is missing".to_owned() }.into());
            }
            current = newest;
        }
        Ok(None)
    }

    fn documents(&self, org: OrgId) -> Result<Vec<DocumentKey>, ReadError> {
        Ok(self.catalogue().keys().filter(|key| key.org == org).cloned().collect())
    }

    fn write(&self, key: &DocumentKey, stamp: &Stamp, state: &[u8]) -> Result<(), SnapshotError> {
        let bytes = snapshot::encode(key, stamp, state)?;
        let unverified = format!("{UNVERIFIED}/{key}");
        self.upload(&unverified, bytes.into())?;
        let revision = match self.current(key) {
            Some(current) if current.covers_seq == stamp.seq => current.revision + 1,
            Some(_) | None => 0,
        };
        let version = Version { covers_seq: stamp.seq, revision };
        self.objects.copy(&unverified, &name(key, version)).map_err(ReadError::from)?;
        self.catalogue().entry(key.clone()).or_default().versions.push(version);
        self.remove_older(key, &unverified);
        Ok(())
    }
}

fn name(key: &DocumentKey, Version { covers_seq, revision }: Version) -> String {
    // Ids and names come from closed alphabets: no separator.
    format!("{DOCUMENTS}/{key}/{covers_seq:016x}-{revision:08x}")
}

fn parse(name: &str) -> Option<(DocumentKey, Version)> {
    let mut parts = name.strip_prefix(DOCUMENTS)?.strip_prefix('/')?.split('/');
    let (org, project) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let document: DocumentName = parts.next()?.parse().ok()?;
    let (seq, revision) = parts.next()?.split_once('-')?;
    if parts.next().is_some() || (seq.len(), revision.len()) != (16, 8) {
        return None;
    }
    let covers_seq = u64::from_str_radix(seq, 16).ok()?;
    let revision = u32::from_str_radix(revision, 16).ok()?;
    Some((DocumentKey { org, project, document }, Version { covers_seq, revision }))
}

#[cfg(test)]
mod tests;
