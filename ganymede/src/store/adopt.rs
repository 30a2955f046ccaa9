//! A store goes on where its own snapshots are, and nowhere else. Owns `snapshots.json` in the store's folder, which says where
//! that is, and the rule of who may take over a shelf in an object storage.
//!
//! A host that was lost is replaced by one with an empty folder, which becomes the shelf's owner. Should the first come back,
//! its journal may hold updates with numbers that were given again: it is refused.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
#[cfg(feature = "object-storage")]
use {
    bytes::Bytes,
    std::{fs::File, io::Write as _},
};

use super::error::{Corruption, FileError, OpenError};
#[cfg(feature = "object-storage")]
use super::{disk::sync_folder, files::FileShelf, objects::ObjectShelf, segment, shelf::SnapshotShelf as _};

/// Where a store's snapshots are, if not in its folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Home {
    place: String,
    /// The same is written there.
    owner: Uuid,
    /// Everything is there. Until it is, the folder alone has all.
    moved: bool,
}

/// The snapshots are to be in `folder`.
pub(super) fn stays_in(folder: &Path) -> Result<(), OpenError> {
    match Home::read(folder)? {
        Some(Home { place, moved: true, .. }) => {
            Err(OpenError::SnapshotsElsewhere { folder: folder.to_owned(), place })
        }
        Some(_) | None => Ok(()),
    }
}

/// The snapshots are to be on `shelf`. Brings there what `files` has, if the store did not live there before.
#[cfg(feature = "object-storage")]
pub(super) fn moves_to(folder: &Path, files: &FileShelf, shelf: &ObjectShelf) -> Result<(), OpenError> {
    let place = shelf.describe();
    let there = shelf.owner()?;
    let not_owner = || OpenError::NotOwner { folder: folder.to_owned(), place: place.clone() };
    let home = Home::read(folder)?;
    if let Some(home) = home.as_ref().filter(|home| home.moved) {
        if home.place != place {
            return Err(OpenError::SnapshotsElsewhere { folder: folder.to_owned(), place: home.place.clone() });
        }
        return if home.owns(&there) { Ok(()) } else { Err(not_owner()) };
    }
    let interrupted = home.filter(|home| home.place == place);
    let mut home = interrupted.unwrap_or_else(|| Home { place: place.clone(), owner: Uuid::new_v4(), moved: false });
    let documents = files.keys()?;
    let empty = documents.is_empty() && segment::list(&folder.join("journal"))?.is_empty();
    if !empty && there.is_some() && !home.owns(&there) {
        return Err(not_owner());
    }
    home.write(folder)?;
    for key in documents {
        let Some(record) = files.record(&key)? else { continue };
        if shelf.covered(&key)? < record.stamp.seq {
            shelf
                .write(&key, &record.stamp, &record.payload)
                .map_err(|error| OpenError::NotMoved { key: key.clone(), error: Box::new(error) })?;
        }
    }
    shelf.set_owner(home.owner.to_string().into())?;
    home.moved = true;
    home.write(folder)?;
    Ok(())
}

impl Home {
    fn path(folder: &Path) -> PathBuf {
        folder.join("snapshots.json")
    }

    fn read(folder: &Path) -> Result<Option<Self>, OpenError> {
        let path = Self::path(folder);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at(path)(error).into()),
        };
        let read = serde_json::from_slice(&bytes);
        Ok(Some(read.map_err(|error| Corruption { path, offset: 0, reason: error.to_string() })?))
    }
}

#[cfg(feature = "object-storage")]
impl Home {
    fn owns(&self, there: &Option<Bytes>) -> bool {
        there.as_deref() == Some(self.owner.to_string().as_bytes())
    }

    fn write(&self, folder: &Path) -> Result<(), FileError> {
        let path = Self::path(folder);
        let fresh = path.with_extension("json.new");
        let written = (|| {
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            sync_folder(folder)
        })();
        written.map_err(FileError::at(path))
    }
}
