//! Where containers reach the platform: on the address that their network has on this host, whatever the public listener is.
//! What is served there is only what a container's token may call. Or elsewhere, where the organization's gateway is reached by
//! the path of its address, whichever process it is in.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, OnceLock, PoisonError},
};

use async_trait::async_trait;
use orrery_actors::engine::Porch;
use orrery_protocol::id::OrgId;
use orrery_web::{envelope::Site, server::Server};
use tokio::task::AbortHandle;

/// The porches of this process.
#[derive(Default)]
pub(crate) struct Porches {
    /// Known once the public listener has its address.
    opened: OnceLock<Opened>,
    listening: Mutex<BTreeMap<IpAddr, Listening>>,
}

struct Opened {
    public: SocketAddr,
    site: Site,
    /// Where containers reach the platform instead.
    elsewhere: Option<String>,
}

/// Ends with its porch.
struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Porches {
    /// The public listener is at `public`; `site` is what containers may call here. They do not come here if the platform is
    /// `elsewhere`.
    pub(crate) fn open(&self, public: SocketAddr, site: Site, elsewhere: Option<String>) {
        self.opened.set(Opened { public, site, elsewhere }).ok();
    }

    /// Nobody is listened to any more.
    pub(crate) fn close(&self) {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[async_trait]
impl Porch for Porches {
    async fn url(&self, org: OrgId, network_gateway: IpAddr) -> io::Result<String> {
        let opened = self.opened.get().ok_or_else(|| io::Error::other("this process is starting"))?;
        if let Some(url) = &opened.elsewhere {
            return Ok(format!("{}/-/gw/org-{org}", url.trim_end_matches('/')));
        }
        // The same port as the public one: what a container was told when it was made is true after a restart.
        let address = SocketAddr::new(network_gateway, opened.public.port());
        let url = format!("http://{address}");
        let public = opened.public.ip();
        if public == network_gateway || public.is_unspecified() {
            return Ok(url);
        }
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(place) = listening.entry(network_gateway) {
            let server = Server::bind(address, opened.site.clone()).map_err(io::Error::other)?;
            tracing::info!(%address, "listening for containers");
            let running = tokio::spawn(server.run(std::future::pending()));
            place.insert(Listening(running.abort_handle()));
        }
        Ok(url)
    }
}
