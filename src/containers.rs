//! User containers of this process: under which rules, by which engine, and where they reach us. Only wiring.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use orrery_actors::{
    ContainerRules,
    engine::{Docker, Engine, EngineConfig, EngineUse, Runtime},
};
use orrery_web::{public_url::PublicUrl, routes, state::GatewayState};

use crate::{config::Config, porch::Porches};

/// What gateways of this process need for containers.
pub(crate) struct Containers {
    pub(crate) rules: ContainerRules,
    /// What runs them; without it they are kept and wait.
    pub(crate) engine: Option<Engine>,
    porches: Arc<Porches>,
    /// Where containers reach the platform, unless that is here.
    elsewhere: Option<String>,
    listen: SocketAddr,
    porch_port: u16,
}

impl Containers {
    /// For a process that listens at `listen`, and is reached there unless the configuration says otherwise.
    pub(crate) fn of(config: &Config, listen: SocketAddr) -> anyhow::Result<Self> {
        let porches = Arc::new(Porches::default());
        let engine =
            (config.engine.enabled != EngineUse::Off).then(|| Engine::connect(&config.engine, porches.clone()));
        let (elsewhere, porch_port) = (platform_elsewhere(config), porch_port(config, listen));
        Ok(Self { rules: rules(config, listen)?, engine, porches, elsewhere, listen, porch_port })
    }

    /// From now on containers reach these gateways.
    pub(crate) fn open(&self, gateways: GatewayState) {
        self.porches.open(self.listen, self.porch_port, routes::porch(gateways), self.elsewhere.clone());
    }

    /// Containers reach nobody here any more.
    pub(crate) async fn close(&self) {
        self.porches.close().await;
    }
}

/// The engine of this machine, if one answers. One that has to and does not is an error.
pub(crate) async fn answering_engine(config: &EngineConfig) -> anyhow::Result<Option<Docker>> {
    if config.enabled == EngineUse::Off {
        return Ok(None);
    }
    let docker = Docker::new(config);
    match docker.version().await {
        Ok(_) => Ok(Some(docker)),
        Err(_) if config.enabled == EngineUse::Auto => Ok(None),
        Err(error) => Err(error).context("engine"),
    }
}

/// Where containers reach the platform if not at this process: only who runs it knows what its containers can reach.
pub(crate) fn platform_elsewhere(config: &Config) -> Option<String> {
    Some(config.containers.orrery_url.clone()).filter(|url| !url.is_empty())
}

/// Any of the gateway processes of a host may serve an organization next: all have their porches at one port. A process that
/// is all there is has them at its own.
fn porch_port(config: &Config, listen: SocketAddr) -> u16 {
    if config.gateway.ganymede_url.is_empty() { listen.port() } else { config.containers.porch_port }
}

fn rules(config: &Config, listen: SocketAddr) -> anyhow::Result<ContainerRules> {
    let containers = &config.containers;
    let (tls, port) = front(config, listen)?;
    Ok(ContainerRules {
        images: containers.registry()?,
        domain: config.domain.parse().context("domain")?,
        tls,
        port: port.filter(|&port| port != if tls { 443 } else { 80 }),
        clocks: containers.clocks.clone(),
        bounds: containers.bounds.clone(),
        containers_max: containers.per_project_max,
        variables_bytes_max: containers.variables_bytes_max,
    })
}

/// How host names are reached from outside: over TLS or not, and at which port. All of them enter where the control plane
/// does, which for a gateway process is elsewhere.
fn front(config: &Config, listen: SocketAddr) -> anyhow::Result<(bool, Option<u16>)> {
    let elsewhere = config.gateway.ganymede_url.parse::<PublicUrl>().ok();
    Ok(match config.public_url()?.or(elsewhere) {
        Some(url) => (url.is_tls(), url.authority().port_u16()),
        None => (false, Some(listen.port())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::ConfigArgs,
        config::{Config, Environment},
    };

    fn check<const N: usize>(variables: [(&str, &str); N], expect: (bool, Option<u16>)) {
        let config = Config::load(&ConfigArgs::default(), &Environment::from(variables)).unwrap();
        let rules = rules(&config, "127.0.0.1:7300".parse().unwrap()).unwrap();
        assert_eq!((rules.tls, rules.port), expect, "{variables:?}");
    }

    #[test]
    fn containers_are_reached_where_people_come_in() {
        let (home, url, elsewhere) = (("HOME", "/h"), "ORRERY_PUBLIC_URL", "ORRERY_GATEWAY_GANYMEDE_URL");
        check([home], (false, Some(7300)));
        check([home, (url, "https://team.example")], (true, None));
        check([home, (url, "https://team.example:8443")], (true, Some(8443)));
        check([home, (url, "http://team.example:80")], (false, None));
        check([home, (elsewhere, "http://127.0.0.1:7000")], (false, Some(7000)));
        check([home, (elsewhere, "http://10.0.0.1:7000"), (url, "https://team.example")], (true, None));
    }
}
