//! Where containers reach the platform: on the address that their network has on this host, whatever the public listener is.
//! What is served there is only what a container's token may call. Whichever process of this host serves an organization
//! listens at the same place, for as long as it does, so what a container was told when it was made stays true. Or elsewhere,
//! where the organization's gateway is reached by the path of its address.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock, Weak},
};

use async_trait::async_trait;
use orrery_actors::engine::{Entrance, Porch};
use orrery_protocol::id::OrgId;
use orrery_web::{envelope::Site, server::Server};
use tokio::{
    sync::Mutex,
    task::{AbortHandle, JoinHandle},
};

/// The porches of this process.
#[derive(Default)]
pub(crate) struct Porches {
    /// Known once the public listener has its address.
    opened: OnceLock<Opened>,
    listening: Mutex<BTreeMap<IpAddr, Listening>>,
}

struct Opened {
    public: SocketAddr,
    /// Where porches are on the addresses of networks.
    port: u16,
    site: Site,
    /// Where containers reach the platform instead.
    elsewhere: Option<String>,
}

struct Listening {
    task: JoinHandle<()>,
    kept: Weak<Kept>,
}

/// Ends a listener with whoever kept it last.
struct Kept(AbortHandle);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Porches {
    /// The public listener is at `public`, porches are at `port`; `site` is what containers may call there. They do not come
    /// there if the platform is `elsewhere`.
    pub(crate) fn open(&self, public: SocketAddr, port: u16, site: Site, elsewhere: Option<String>) {
        self.opened.set(Opened { public, port, site, elsewhere }).ok();
    }

    /// Nobody is listened to any more.
    pub(crate) async fn close(&self) {
        self.listening.lock().await.values().for_each(|listening| listening.task.abort());
    }

    async fn listen(&self, address: SocketAddr, site: &Site) -> io::Result<Arc<Kept>> {
        let mut listening = self.listening.lock().await;
        if let Some(before) = listening.get_mut(&address.ip()) {
            if let Some(kept) = before.kept.upgrade() {
                return Ok(kept);
            }
            // The address is free once what was let go of has ended, however it ends.
            let _ended = (&mut before.task).await;
            listening.remove(&address.ip());
        }
        let server = Server::bind(address, site.clone()).map_err(io::Error::other)?;
        tracing::info!(%address, "listening for containers");
        let task = tokio::spawn(server.run(std::future::pending()));
        let kept = Arc::new(Kept(task.abort_handle()));
        listening.insert(address.ip(), Listening { task, kept: Arc::downgrade(&kept) });
        Ok(kept)
    }
}

#[async_trait]
impl Porch for Porches {
    async fn entrance(&self, org: OrgId, network_gateway: IpAddr) -> io::Result<Entrance> {
        let opened = self.opened.get().ok_or_else(|| io::Error::other("this process is starting"))?;
        if let Some(url) = &opened.elsewhere {
            return Ok(Entrance { url: format!("{}/-/gw/org-{org}", url.trim_end_matches('/')), open: None });
        }
        let address = SocketAddr::new(network_gateway, opened.port);
        let url = format!("http://{address}");
        let public = opened.public;
        if public.port() == opened.port && (public.ip() == network_gateway || public.ip().is_unspecified()) {
            return Ok(Entrance { url, open: None });
        }
        let kept = self.listen(address, &opened.site).await?;
        Ok(Entrance { url, open: Some(kept) })
    }
}
