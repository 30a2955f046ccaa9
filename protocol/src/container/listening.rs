//! Where a container listens whose image is a member's own: no definition says so. Who made the container may; otherwise the
//! image does, as soon as an engine has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Container, Entry, Rules, Service, ServiceName, ServiceState, Site};

/// Most services that an image gives a container.
const EXPOSED_MAX: usize = 16;
/// What the plain URL of a container leads to.
const FIRST: &str = "main";
/// Where people expect a page, likeliest first. An image does not say which of its ports are for browsers.
const USUAL: [u16; 7] = [80, 8080, 3000, 9000, 8000, 8888, 5000];

/// Who said where a container listens, and what. Kept beside the document: ports are nobody's business there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listening {
    /// Who made it: over HTTP at this port, and it is asked whether it answers.
    Said(u16),
    /// Its image. Whether HTTP is spoken there is not known, so nobody asks; none means that there is nothing to reach.
    Exposed(BTreeSet<u16>),
}

impl Listening {
    /// The services that follow, first the one that the plain URL leads to: the first of the usual ports that is there, or
    /// else the lowest. It is `main`; the others are `port-{number}`, from the lowest.
    pub fn services(&self) -> Vec<(ServiceName, u16)> {
        let ports: Vec<u16> = match self {
            Self::Said(port) => vec![*port],
            Self::Exposed(ports) => {
                let first = USUAL.into_iter().find(|port| ports.contains(port)).or_else(|| ports.first().copied());
                let others = ports.iter().copied().filter(|port| Some(*port) != first);
                first.into_iter().chain(others).take(EXPOSED_MAX).collect()
            }
        };
        let name = |at, port: u16| if at == 0 { name_of(FIRST) } else { name_of(&format!("port-{port}")) };
        ports.into_iter().enumerate().map(|(at, port)| (name(at, port), port)).collect()
    }

    /// Where one of them listens.
    pub(super) fn port(&self, service: &ServiceName) -> Option<u16> {
        self.services().into_iter().find(|(name, _)| name == service).map(|(_, port)| port)
    }
}

#[expect(clippy::expect_used, reason = "letters, a hyphen and digits")]
fn name_of(text: &str) -> ServiceName {
    text.parse().expect("these are names of services")
}

impl Entry {
    /// Whether nothing has said yet where it listens, and its image may.
    pub fn is_open(&self, rules: &Rules) -> bool {
        let definition = rules.images.get(&self.container.spec.image.image);
        self.vitals.listening.is_none() && definition.is_some_and(|image| image.leaves_services_open())
    }

    /// Whether its services are asked for an answer before it counts as running.
    pub(super) fn is_asked(&self) -> bool {
        let exposed = matches!(self.vitals.listening, Some(Listening::Exposed(_)));
        !self.container.spec.services_declared.is_empty() && !exposed
    }

    /// Whether it is known to have nothing that could be reached.
    pub(super) fn has_nothing_to_reach(&self) -> bool {
        self.vitals.listening.is_some() && self.container.status.services.is_empty()
    }

    /// Its services follow from this from now on.
    pub(super) fn listen(&mut self, site: &Site, listening: Listening) {
        let Container { id, spec, status } = &mut self.container;
        spec.services_declared = listening.services().into_iter().map(|(name, _)| name).collect();
        for name in &spec.services_declared {
            let url = site.url(*id, Some(name));
            status.services.entry(name.clone()).or_insert(Service { url, state: ServiceState::Withdrawn });
        }
        self.vitals.listening = Some(listening);
        self.route();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ports: &[u16], expect: &[(&str, u16)]) {
        let services = Listening::Exposed(ports.iter().copied().collect()).services();
        let services: Vec<(&str, u16)> = services.iter().map(|(name, port)| (name.as_str(), *port)).collect();
        assert_eq!(services, expect, "{ports:?}");
    }

    #[test]
    fn the_first_service_is_the_likeliest_page() {
        check(&[], &[]);
        check(&[5432], &[("main", 5432)]);
        check(&[443, 80], &[("main", 80), ("port-443", 443)]);
        check(&[22, 3000], &[("main", 3000), ("port-22", 22)]);
        check(&[8000, 9000, 9443], &[("main", 9000), ("port-8000", 8000), ("port-9443", 9443)]);
        check(&[7001, 65535, 7000], &[("main", 7000), ("port-7001", 7001), ("port-65535", 65535)]);
    }

    #[test]
    fn an_image_that_exposes_everything_gives_sixteen_services() {
        let services = Listening::Exposed((1..=65535).collect()).services();
        assert_eq!((services.len(), services[0].1, services[15].1), (16, 80, 15));
    }

    #[test]
    fn who_made_it_says_one() {
        let said = Listening::Said(7070);
        assert_eq!(said.services(), [("main".parse().unwrap(), 7070)]);
        assert_eq!(said.port(&"main".parse().unwrap()), Some(7070));
        assert_eq!(said.port(&"other".parse().unwrap()), None);
    }
}
