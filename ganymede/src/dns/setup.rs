//! `orrery dns setup`: the zone, and the installation's own names in it.

use serde::Serialize;

use super::{error::DnsError, plan::missing, powerdns::PowerDns, zone::Zone};

/// What was done. The second time nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SetUp {
    /// The zone was not there.
    pub zone_created: bool,
    /// Names that lead here now and did not before.
    pub names: Vec<String>,
}

/// Sees to it that there is the zone, and that the installation's own names are in it.
///
/// # Errors
/// The name server does not answer, or refuses.
pub async fn set_up(server: &PowerDns, zone: &Zone) -> Result<SetUp, DnsError> {
    let zone_created = server.create(zone).await?;
    let changes = missing(&zone.core(), &server.records(zone.name()).await?);
    if !changes.is_empty() {
        server.change(zone.name(), &changes).await?;
    }
    let mut names: Vec<String> = changes.into_iter().map(|change| change.key.name).collect();
    names.dedup();
    Ok(SetUp { zone_created, names })
}
