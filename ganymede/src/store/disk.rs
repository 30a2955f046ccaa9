//! The two calls on which durability rests, behind a seam so that tests can make them fail.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

pub(super) trait Disk: Send + Sync {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

pub(super) struct RealDisk;

impl Disk for RealDisk {}

/// Makes renames and removals in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
