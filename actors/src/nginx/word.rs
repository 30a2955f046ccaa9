//! What may stand in a configuration file. A template is given words and nothing else, and a word is made only of what
//! has a closed alphabet of its own.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use orrery_protocol::container::{Domain, HostName};
use serde::Serialize;

/// A text that can stand anywhere in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(super) struct Word(String);

/// A path that can stand in a configuration file as it is: absolute, of `[A-Za-z0-9._/-]`, without `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigPath(PathBuf);

/// A path that cannot stand in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no absolute path of letters, digits and . _ - /")]
pub struct InvalidPath(PathBuf);

/// An account of this machine, as it is usually named: `[a-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account(String);

/// A text that names no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no account name of [a-z0-9_-]")]
pub struct InvalidAccount(String);

impl FromStr for Account {
    type Err = InvalidAccount;

    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let plain = (1..=32).contains(&text.len()) && text.bytes().all(allowed);
        if plain { Ok(Self(text.to_owned())) } else { Err(InvalidAccount(text.to_owned())) }
    }
}

impl ConfigPath {
    /// As the file system takes it.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// A file or folder in it, by a name of ours.
    pub(super) fn join(&self, name: &'static str) -> Self {
        Self(self.0.join(name))
    }

    /// The same, named like a domain.
    pub(super) fn join_domain(&self, domain: &Domain) -> Self {
        Self(self.0.join(domain.as_str()))
    }

    /// The same, named like a host.
    pub(super) fn join_host(&self, name: &HostName, domain: &Domain) -> Self {
        Self(self.0.join(name.under(domain)))
    }

    /// The same, by number.
    pub(super) fn join_number(&self, number: u64) -> Self {
        Self(self.0.join(format!("{number:08}")))
    }
}

impl TryFrom<PathBuf> for ConfigPath {
    type Error = InvalidPath;

    fn try_from(path: PathBuf) -> Result<Self, InvalidPath> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
        let plain = path.is_absolute() && path.as_os_str().as_encoded_bytes().iter().copied().all(allowed);
        let upward = path.components().any(|part| part == std::path::Component::ParentDir);
        if plain && !upward { Ok(Self(path)) } else { Err(InvalidPath(path)) }
    }
}

impl Word {
    /// A host name as it is written under a domain.
    pub(super) fn host(name: &HostName, domain: &Domain) -> Self {
        Self(name.under(domain))
    }

    /// The same and every host name one label below it.
    pub(super) fn below(name: &HostName, domain: &Domain) -> Self {
        Self(format!("*.{}", name.under(domain)))
    }

    /// What follows the host in a URL that names the port.
    pub(super) fn port_suffix(port: u16) -> Self {
        Self(format!(":{port}"))
    }

    /// How long, as nginx counts it.
    pub(super) fn milliseconds(time: Duration) -> Self {
        Self(format!("{}ms", time.as_millis()))
    }
}

impl From<&Domain> for Word {
    fn from(domain: &Domain) -> Self {
        Self(domain.to_string())
    }
}

impl From<SocketAddr> for Word {
    fn from(address: SocketAddr) -> Self {
        match address {
            // A zone of an interface (`%eth0`) is nothing that nginx reads.
            SocketAddr::V6(v6) => Self(format!("[{}]:{}", v6.ip(), v6.port())),
            SocketAddr::V4(_) => Self(address.to_string()),
        }
    }
}

impl From<IpAddr> for Word {
    fn from(address: IpAddr) -> Self {
        Self(address.to_string())
    }
}

impl From<u64> for Word {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl From<&Account> for Word {
    fn from(account: &Account) -> Self {
        Self(account.0.clone())
    }
}

impl From<&ConfigPath> for Word {
    fn from(path: &ConfigPath) -> Self {
        Self(path.0.display().to_string())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_out_of_a_configuration_is_no_path() {
        for good in ["/", "/etc/orrery/tls", "/var/lib/a-b_c.d"] {
            assert!(ConfigPath::try_from(PathBuf::from(good)).is_ok(), "{good}");
        }
        for bad in ["", "tls", "./tls", "/a b", "/a;b", "/a{", "/a\"", "/a\n", "/a$b", "/a/../b", "/ä", "/a*", "/a#"] {
            assert!(ConfigPath::try_from(PathBuf::from(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_written_as_nginx_reads_them() {
        for (address, written) in [("192.0.2.1:80", "192.0.2.1:80"), ("[2001:db8::1]:80", "[2001:db8::1]:80")] {
            assert_eq!(Word::from(address.parse::<SocketAddr>().unwrap()).to_string(), written);
        }
        let scoped = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 2);
        assert_eq!(Word::from(SocketAddr::V6(scoped)).to_string(), "[fe80::1]:80");
    }
}
