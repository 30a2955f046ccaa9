//! The data folder: who may use it, and the small files of ours in it. What the store and the keys keep there is theirs.
//!
//! ```text
//! lock             held by the process that serves from this folder
//! first.json       the first organization, project and user (0600)
//! running.json     where that process is reached; left behind by a kill, rewritten by the next start (0600)
//! keys/  store/    of Ganymede
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
use orrery_protocol::id::{OrgId, ProjectId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A data folder that this process alone uses, for as long as it holds this.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Who there is before anybody signed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct First {
    pub(crate) org: OrgId,
    pub(crate) project: ProjectId,
    pub(crate) user: UserId,
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

    /// The first organization, project and user, made once.
    pub(crate) fn first_or_create(&self) -> anyhow::Result<First> {
        let path = First::path(&self.path);
        if !path.exists() {
            let first =
                First { org: OrgId(Uuid::now_v7()), project: ProjectId(Uuid::now_v7()), user: UserId(Uuid::now_v7()) };
            private_file::create(&path, &serde_json::to_vec_pretty(&first)?)
                .with_context(|| path.display().to_string())?;
        }
        First::load(&self.path)
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

impl First {
    fn path(data: &Path) -> PathBuf {
        data.join("first.json")
    }

    /// As `orrery up` made it.
    pub(crate) fn load(data: &Path) -> anyhow::Result<Self> {
        read(&Self::path(data))?
            .with_context(|| format!("{} was never used; start `orrery up` with this data folder once", data.display()))
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

    /// What a stock client takes as its server URL, before `/{project}`.
    pub(crate) fn ws_url(&self, org: OrgId) -> String {
        if self.domain == "localhost" {
            // The path form: it needs no name to resolve.
            format!("ws://{}/-/gw/org-{org}/collab", self.near())
        } else {
            format!("ws://org-{org}.{}:{}/collab", self.domain, self.listen.port())
        }
    }

    /// The address as this machine reaches it: "any address" is one to listen on, not one to connect to.
    fn near(&self) -> SocketAddr {
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
    fn a_folder_has_one_user_and_one_first_organization() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let folder = DataFolder::open(&path).unwrap();
        let second = DataFolder::open(&path).unwrap_err().to_string();
        assert_eq!(second, format!("data folder {} is locked by another process", path.display()));
        let first = folder.first_or_create().unwrap();
        drop(folder);
        assert_eq!(DataFolder::open(&path).unwrap().first_or_create().unwrap(), first);
        assert_eq!(First::load(&path).unwrap(), first);
    }

    #[test]
    fn an_unused_folder_says_what_to_do() {
        let place = tempfile::tempdir().unwrap();
        assert!(First::load(place.path()).unwrap_err().to_string().contains("orrery up"));
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
        let org: OrgId = "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f".parse().unwrap();
        let reach = |listen: &str, domain: &str| Reach { listen: listen.parse().unwrap(), domain: domain.to_owned() };
        let local = reach("0.0.0.0:7000", "localhost");
        assert_eq!(local.url(), "http://127.0.0.1:7000");
        assert_eq!(local.ws_url(org), format!("ws://127.0.0.1:7000/-/gw/org-{org}/collab"));
        assert_eq!(reach("[::]:1", "localhost").url(), "http://[::1]:1");
        assert_eq!(reach("10.0.0.1:80", "team.example").ws_url(org), format!("ws://org-{org}.team.example:80/collab"));
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
