//! The `[nginx]` table.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::word::{Account, ConfigPath};

/// The `[nginx]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NginxConfig {
    /// Whether nginx is told of routes. Without it the built-in proxy does all.
    pub enabled: bool,
    /// Whether nginx is started, watched and ended from here. If not, it is only told to read its configuration again.
    pub manage: bool,
    /// The program.
    pub program: String,
    /// The folder for configuration, temporary files and logs; empty for `nginx` in the data folder.
    pub folder: String,
    /// Where it listens for HTTP, such as `0.0.0.0:80`.
    pub listen: String,
    /// Where it listens for HTTPS; empty for none. Only in front of the control plane.
    pub listen_tls: String,
    /// Folder with certificates, for HTTPS: `{domain}/` and `org-{org}.{domain}/`, in each `fullchain.pem` and `privkey.pem`.
    pub certificates: String,
    /// Who workers run as, if this runs as root.
    pub user: String,
    /// Proxies in front, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Worker processes.
    pub workers: u16,
    /// Connections of one worker.
    pub worker_connections: u32,
    /// How long connections live on in a worker whose configuration is old, in milliseconds.
    pub worker_shutdown_ms: u64,
    /// Shortest time between two reloads, in milliseconds.
    pub reload_ms: u64,
    /// How long a connection may be silent, in milliseconds.
    pub idle_ms: u64,
}

/// How nginx is run. Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NginxSettings {
    /// Whether it is started, watched and ended from here.
    pub manage: bool,
    /// The program.
    pub program: PathBuf,
    /// The folder for configuration, temporary files and logs.
    pub folder: ConfigPath,
    /// Where it listens for HTTP.
    pub listen: SocketAddr,
    /// Where it listens for HTTPS, and the folder with certificates.
    pub tls: Option<(SocketAddr, ConfigPath)>,
    /// Who workers run as; `None` unless this runs as root.
    pub user: Option<Account>,
    /// Proxies in front.
    pub trusted_proxies: Vec<IpAddr>,
    /// Worker processes.
    pub workers: u16,
    /// Connections of one worker.
    pub worker_connections: u32,
    /// How long connections live on in a worker whose configuration is old.
    pub worker_shutdown: Duration,
    /// Shortest time between two reloads.
    pub reload_every: Duration,
    /// How long a connection may be silent.
    pub idle: Duration,
}

/// A key of the `[nginx]` table that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nginx.{key}: {problem}")]
pub struct InvalidNginx {
    key: &'static str,
    problem: String,
}

impl Default for NginxConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            manage: true,
            program: "nginx".to_owned(),
            folder: String::new(),
            listen: "0.0.0.0:80".to_owned(),
            listen_tls: String::new(),
            certificates: String::new(),
            user: "www-data".to_owned(),
            trusted_proxies: Vec::new(),
            workers: 2,
            worker_connections: 8_192,
            worker_shutdown_ms: 600_000,
            reload_ms: 200,
            // Terminals are left alone for more than an hour.
            idle_ms: 2 * 3_600_000,
        }
    }
}

impl NginxConfig {
    /// How nginx is run; `None` if it is not. `data` is the data folder.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn check(&self, data: &std::path::Path) -> Result<Option<NginxSettings>, InvalidNginx> {
        if self.enabled { self.settings(data).map(Some) } else { Ok(None) }
    }

    fn settings(&self, data: &std::path::Path) -> Result<NginxSettings, InvalidNginx> {
        let folder = if self.folder.is_empty() { data.join("nginx") } else { PathBuf::from(&self.folder) };
        let folder = std::path::absolute(&folder).map_err(|error| invalid("folder", &error))?;
        let tls = match (self.listen_tls.as_str(), self.certificates.as_str()) {
            ("", _) => None,
            (_, "") => return Err(invalid("certificates", &"must be set for nginx.listen_tls")),
            (listen, folder) => Some((
                listening("listen_tls", listen)?,
                ConfigPath::try_from(PathBuf::from(folder)).map_err(|error| invalid("certificates", &error))?,
            )),
        };
        let user: Account = self.user.parse().map_err(|error| invalid("user", &error))?;
        Ok(NginxSettings {
            manage: self.manage,
            program: PathBuf::from(&self.program),
            folder: ConfigPath::try_from(folder).map_err(|error| invalid("folder", &error))?,
            listen: listening("listen", &self.listen)?,
            tls,
            user: if rustix::process::geteuid().is_root() { Some(user) } else { None },
            trusted_proxies: self.trusted_proxies.clone(),
            workers: self.workers,
            worker_connections: self.worker_connections,
            worker_shutdown: Duration::from_millis(self.worker_shutdown_ms),
            reload_every: Duration::from_millis(self.reload_ms),
            idle: Duration::from_millis(self.idle_ms),
        })
    }
}

fn listening(key: &'static str, text: &str) -> Result<SocketAddr, InvalidNginx> {
    let wanted = || format!("{text:?} is not an IP address with a port, such as 0.0.0.0:80");
    text.parse().map_err(|_| invalid(key, &wanted()))
}

impl NginxSettings {
    /// Where the process id, temporary files and the log are.
    pub(super) fn run(&self) -> ConfigPath {
        self.folder.join("run")
    }

    /// The tree that is served from: a link to one of [`trees`](Self::trees).
    pub(super) fn live(&self) -> ConfigPath {
        self.folder.join("live")
    }

    /// Where configuration trees are, one folder each.
    pub(super) fn trees(&self) -> ConfigPath {
        self.folder.join("trees")
    }
}

fn invalid(key: &'static str, problem: &dyn std::fmt::Display) -> InvalidNginx {
    InvalidNginx { key, problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(change: impl FnOnce(&mut NginxConfig), expect: &str) {
        let mut config = NginxConfig { enabled: true, ..NginxConfig::default() };
        change(&mut config);
        let said = match config.check(Path::new("/var/lib/orrery")) {
            Ok(settings) => settings.unwrap().folder.as_path().display().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert_eq!(NginxConfig::default().check(Path::new("/x")), Ok(None));
        check(|_| {}, "/var/lib/orrery/nginx");
        check(|config| config.folder = "/srv/nginx".to_owned(), "/srv/nginx");
        check(
            |config| config.folder = "/srv/n;x".to_owned(),
            "nginx.folder: \"/srv/n;x\" is no absolute path of letters, digits and . _ - /",
        );
        const LISTEN: &str = "nginx.listen: \"80\" is not an IP address with a port, such as 0.0.0.0:80";
        check(|config| config.listen = "80".to_owned(), LISTEN);
        let missing = "nginx.certificates: must be set for nginx.listen_tls";
        check(|config| config.listen_tls = "0.0.0.0:443".to_owned(), missing);
    }
}
