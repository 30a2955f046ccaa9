//! nginx as a plain reverse proxy: what the same requests cost without an account, a route table or a gate. Set up as its own
//! documentation advises for this: one worker, connections to the upstream kept, no log.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::process;

const START_DEADLINE: Duration = Duration::from_secs(10);

/// A running nginx. Dropping it kills it.
pub(crate) struct Nginx {
    child: Child,
    pid: u32,
    address: SocketAddr,
}

impl Nginx {
    /// In front of `upstream`, on one core, with its files in `folder`.
    pub(crate) async fn start(upstream: &str, core: usize, folder: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let configuration = folder.join("nginx.conf");
        std::fs::write(&configuration, configure(address, upstream, folder))?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(core.to_string()).arg(program()).arg("-e").arg(folder.join("nginx.log"));
        command.arg("-p").arg(folder).arg("-c").arg(&configuration).stdin(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().context("cannot run taskset")?;
        let pid = child.id().context("nginx has no process id")?;
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(address).await.is_err() {
            ensure!(Instant::now() < deadline, "nginx did not listen within {START_DEADLINE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, pid, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time used since the start.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.pid)
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("cannot stop nginx")
    }
}

/// Debian keeps it where only the administrator's `PATH` leads.
fn program() -> &'static str {
    let theirs = "/usr/sbin/nginx";
    if Path::new(theirs).exists() { theirs } else { "nginx" }
}

/// One process: a worker would outlive a master that is killed.
fn configure(listen: SocketAddr, upstream: &str, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream container {{
    server {upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {listen};
    location / {{
      proxy_pass http://container;
      proxy_http_version 1.1;
      proxy_buffer_size 16k;
      proxy_buffers 8 16k;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;
    use crate::upstream::tests::{check, start};

    #[tokio::test]
    async fn it_passes_on_what_the_loads_ask() {
        let folder = tempfile::tempdir().unwrap();
        let checked = async {
            let nginx = Nginx::start(&start().await.to_string(), 0, folder.path()).await.unwrap();
            check(nginx.address()).await;
            assert!(nginx.cpu().unwrap() > Duration::ZERO);
            nginx.stop().await.unwrap();
        };
        LocalSet::new().run_until(checked).await;
    }
}
