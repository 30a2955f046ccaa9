//! Files that only their owner may read. Owns how a secret reaches the disk; knows nothing of what it is.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Writes a new file with mode 0600 in a folder with mode 0700, durably and in one step: after a crash there is the
/// whole file or none. Fails if there is one already.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(name);
    let written = write_new(&temporary, content).and_then(|()| std::fs::hard_link(&temporary, path));
    // The link is what counts; a name left over is only untidy.
    std::fs::remove_file(&temporary).ok();
    written?;
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_file_is_for_its_owner_and_is_never_replaced() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("keys/secret");
        create(&path, b"one").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(create(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1, "nothing temporary is left");
    }
}
