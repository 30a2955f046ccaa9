//! The data folder: who may use it, and the small files of ours in it. What the store and the keys keep there is theirs.
//!
//! ```text
//! lock             held by the process that serves from this folder
//! running.json     where that process is reached; left behind by a kill, rewritten by the next start (0600)
//! keys/  store/  ganymede.db    of Ganymede
//! gateways/        logs and configuration of the gateway processes that `orrery pool create` started
//! ```

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use orrery_ganymede::private_file;
use serde::{Deserialize, Serialize};

/// A data folder that this process alone uses, for as long as it holds this.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Where the process that serves from this folder is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reach {
    /// The address that it really listens on.
    pub(crate) listen: SocketAddr,
    /// The domain below which organizations have their host names.
    pub(crate) domain: String,
}

impl DataFolder {
    /// Makes the folder if it is missing, and locks it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let unwritable = || format!("data folder {} is not writable", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(unwritable)?;
        let lock = File::create(path.join("lock")).with_context(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("data folder {} is locked by another process", path.display()),
            Err(TryLockError::Error(error)) => Err(error).with_context(unwritable),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells other commands on this machine where we are reached.
    pub(crate) fn announce(&self, reach: &Reach) -> anyhow::Result<()> {
        let path = Reach::path(&self.path);
        self.withdraw();
        private_file::create(&path, &serde_json::to_vec_pretty(reach)?).with_context(|| path.display().to_string())
    }

    /// Takes the announcement back.
    pub(crate) fn withdraw(&self) {
        fs::remove_file(Reach::path(&self.path)).ok();
    }
}

impl Reach {
    fn path(data: &Path) -> PathBuf {
        data.join("running.json")
    }

    /// The announcement of the process that serves from this folder, if there is one.
    pub(crate) fn load(data: &Path) -> anyhow::Result<Option<Self>> {
        read(&Self::path(data))
    }

    /// The URL to open.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.near())
    }

    /// The address as this machine reaches it: "any address" is one to listen on, not one to connect to.
    pub(crate) fn near(&self) -> SocketAddr {
        let mut near = self.listen;
        match near.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => near.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => near.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        near
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<Option<T>> {
    let named = || path.display().to_string();
    match fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text).with_context(named)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let folder = DataFolder::open(&path).unwrap();
        let second = DataFolder::open(&path).unwrap_err().to_string();
        assert_eq!(second, format!("data folder {} is locked by another process", path.display()));
        drop(folder);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(&path, "").unwrap();
        let error = DataFolder::open(&path).unwrap_err().to_string();
        assert_eq!(error, format!("data folder {} is not writable", path.display()));
    }

    #[test]
    fn urls_can_be_connected_to() {
        let reach = |listen: &str| Reach { listen: listen.parse().unwrap(), domain: "localhost".to_owned() };
        assert_eq!(reach("0.0.0.0:7000").url(), "http://127.0.0.1:7000");
        assert_eq!(reach("[::]:1").url(), "http://[::1]:1");
    }

    #[test]
    fn an_announcement_replaces_the_one_a_kill_left() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(place.path()).unwrap();
        for port in [1, 2] {
            let reach = Reach { listen: SocketAddr::from(([127, 0, 0, 1], port)), domain: "localhost".to_owned() };
            folder.announce(&reach).unwrap();
            assert_eq!(Reach::load(place.path()).unwrap(), Some(reach));
        }
        folder.withdraw();
        assert_eq!(Reach::load(place.path()).unwrap(), None);
    }
}
