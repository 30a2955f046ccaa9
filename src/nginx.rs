//! nginx in front of this process, where it is configured: which table it follows, and when it ends. Only wiring.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use anyhow::Context;
use orrery_actors::{
    RouteTables,
    nginx::{Nginx, NginxSettings, Stage1Tls, Stage1Wanted, Stage2Wanted, Wanted},
};
use orrery_ganymede::pool::{Route, Routes};
use orrery_protocol::{container::Domain, id::OrgId};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::config::Config;

/// Resolves when nginx is to be left alone.
type Stopped = oneshot::Receiver<()>;

/// Whether nginx does what it should, once there is one. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing(Arc<OnceLock<watch::Receiver<bool>>>);

impl Standing {
    /// `None` without an nginx.
    pub(crate) fn follows(&self) -> Option<bool> {
        self.0.get().map(|follows| *follows.borrow())
    }

    /// Resolves once it did what it should for the first time; at once without an nginx.
    pub(crate) async fn first_followed(&self) {
        let Some(mut follows) = self.0.get().cloned() else { return };
        // Nothing was ever seen of it here, so that what it said already is a change.
        while follows.changed().await.is_ok() && !*follows.borrow_and_update() {}
    }
}

/// nginx in front of this process.
pub(crate) struct Front {
    following: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Front {
    /// In front of the control plane, which listens at `ganymede`.
    pub(crate) fn of_ganymede(
        config: &Config,
        ganymede: SocketAddr,
        routes: &Routes,
        standing: &Standing,
    ) -> anyhow::Result<Option<Self>> {
        let Some(settings) = config.nginx()? else { return Ok(None) };
        let domain: Domain = config.domain.parse().context("domain")?;
        let certificates = settings.tls.as_ref().map(|(_, folder)| folder.clone());
        let wanted = move |routes: &HashMap<OrgId, Route>| {
            let gateways = routes.iter().filter_map(|(org, route)| Some((*org, listening(route)?)));
            let orgs = routes.keys().copied();
            Wanted::Stage1(Stage1Wanted {
                domain: domain.clone(),
                ganymede,
                tls: certificates.as_ref().map(|folder| Stage1Tls::find(folder, &domain, orgs)),
                gateways: gateways.collect(),
            })
        };
        let follow = routes.follow();
        Self::begin(settings, standing, |nginx, stopped| tokio::spawn(nginx.run(follow, wanted, stopped))).map(Some)
    }

    /// In front of gateways, which listen at `gateway`.
    pub(crate) fn of_gateways(
        config: &Config,
        gateway: SocketAddr,
        tables: &RouteTables,
        standing: &Standing,
    ) -> anyhow::Result<Option<Self>> {
        let Some(settings) = config.nginx()? else { return Ok(None) };
        let domain: Domain = config.domain.parse().context("domain")?;
        let wanted = move |tables: &_| Wanted::Stage2(Stage2Wanted::of(domain.clone(), gateway, tables));
        let follow = tables.follow();
        Self::begin(settings, standing, |nginx, stopped| tokio::spawn(nginx.run(follow, wanted, stopped))).map(Some)
    }

    fn begin(
        settings: NginxSettings,
        standing: &Standing,
        spawn: impl FnOnce(Nginx, Stopped) -> JoinHandle<()>,
    ) -> anyhow::Result<Self> {
        let nginx = Nginx::open(settings)?;
        standing.0.set(nginx.follows()).ok();
        let (stop, stopped) = oneshot::channel();
        Ok(Self { following: spawn(nginx, stopped), stop })
    }

    /// Nothing is followed any more. An nginx of ours ends.
    pub(crate) async fn close(self) {
        drop(self.stop);
        if let Err(error) = self.following.await {
            tracing::error!(%error, "what looks after nginx crashed");
        }
    }
}

/// Where a gateway in another process listens. Everything else is the control plane's to answer.
fn listening(route: &Route) -> Option<SocketAddr> {
    match route {
        // A name would have to be resolved: requests for it go through the control plane.
        Route::Remote { address, .. } => address.strip_prefix("http://").unwrap_or(address).parse().ok(),
        Route::Local { .. } | Route::Moving { .. } => None,
    }
}
