//! The network of an organization: one, whatever came of what others asked for.

use std::collections::HashMap;

use bollard::query_parameters as query;
use orrery_protocol::id::OrgId;

use super::{ANSWER_LIMIT, Docker, WORK_LIMIT, body, done, within};
use crate::engine::runtime::{Network, RuntimeError};

/// So many ranges of addresses are tried for a network before there is said to be no room.
const SUBNETS_TRIED: u8 = 16;

impl Docker {
    /// Makes the network if there is none.
    pub(super) async fn one_network(&self, org: OrgId) -> Result<Network, RuntimeError> {
        let _turn = self.networks.lock().await;
        if let Some(network) = self.network(org).await? {
            return Ok(network);
        }
        // Another process may have been faster.
        done(self.make_network(org).await, |error| matches!(error, RuntimeError::Conflict(_)))?;
        self.network(org).await?.ok_or_else(|| RuntimeError::Failed("a network that was made is not there".to_owned()))
    }

    /// Removes all that there are.
    pub(super) async fn no_network(&self, org: OrgId) -> Result<(), RuntimeError> {
        let _turn = self.networks.lock().await;
        for network in self.networks_of(org).await? {
            self.remove_one_network(&network).await?;
        }
        Ok(())
    }

    /// The network, if there is one. Of several the first stays: an engine before 25 makes another one of the same name for each
    /// process that asks at the same moment, one that was killed since among them, and then connects nothing to any.
    async fn network(&self, org: OrgId) -> Result<Option<Network>, RuntimeError> {
        let mut networks = self.networks_of(org).await?.into_iter();
        let first = networks.next();
        for another in networks {
            tracing::warn!(%org, network = another.id, "the organization has a second network, which goes");
            self.remove_one_network(&another).await?;
        }
        Ok(first)
    }

    /// All that bear the name of the organization's, the oldest first.
    async fn networks_of(&self, org: OrgId) -> Result<Vec<Network>, RuntimeError> {
        let name = body::network_name(org);
        let names = HashMap::from([("name", vec![name.as_str()])]);
        let options = query::ListNetworksOptionsBuilder::new().filters(&names).build();
        let mut found = within(ANSWER_LIMIT, self.client()?.list_networks(Some(options))).await?;
        // An engine takes the name for a part of one.
        found.retain(|network| network.name.as_ref() == Some(&name));
        found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        found.into_iter().map(|network| body::network(org, network)).collect()
    }

    async fn remove_one_network(&self, network: &Network) -> Result<(), RuntimeError> {
        let answer = within(WORK_LIMIT, self.client()?.remove_network(&network.id)).await;
        done(answer, |error| *error == RuntimeError::NotFound)
    }

    /// An engine has addresses for some thirty networks of its own accord; then it is told which to take.
    async fn make_network(&self, org: OrgId) -> Result<(), RuntimeError> {
        let make = async |subnet| {
            within(WORK_LIMIT, self.client()?.create_network(body::network_request(org, subnet))).await.map(drop)
        };
        let mut made = make(None).await;
        for attempt in 0..SUBNETS_TRIED {
            match &made {
                Err(RuntimeError::NoCapacity(_)) => {}
                Err(RuntimeError::Refused(text)) if text.contains("overlaps") => {}
                Err(_) | Ok(()) => break,
            }
            made = make(Some(body::subnet(org, attempt))).await;
        }
        made
    }
}
