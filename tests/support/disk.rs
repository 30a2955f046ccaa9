//! A disk that fills up.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system with so little space that it fills up.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// With room for `size`, such as `2m`. None where mounting is not allowed; says so.
    pub(crate) fn mount(folder: &tempfile::TempDir, size: &str) -> Option<Self> {
        let place = folder.path().join("disk");
        fs::create_dir(&place).expect("a folder");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(&place).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(place));
        }
        eprintln!("SKIPPED: a full disk needs the right to mount one");
        None
    }

    pub(crate) fn place(&self) -> &Path {
        &self.0
    }

    pub(crate) fn enlarge(&self) {
        let status = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.0).status().expect("mount runs");
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}
