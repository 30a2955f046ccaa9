//! What an engine lists, as values.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use bollard::{
    Docker as Client,
    models::{
        ContainerState, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum, ImageSummary, Network,
        PortSummary,
    },
    query_parameters as query,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use orrery_protocol::{
    container::{
        Run,
        plan::{Labels, LocalImage, LocalImageId, Object, ObjectId, ObjectState},
    },
    id::OrgId,
    image::{Digest, Reference},
    route::Address,
};

use super::{ANSWER_LIMIT, ORG_LABEL, within};
use crate::engine::{
    logs::time_ns,
    runtime::{Found, RuntimeError, Tenants},
};

/// So many objects are asked about at once.
const QUESTIONS_MAX: usize = 8;
/// What a name of an image begins with if it does not say.
const REGISTRY: &str = "docker.io/";
const REPOSITORY: &str = "library/";
const TAG: &str = "latest";

/// The objects of a list. How one ended is not in it and has to be asked for.
pub(super) async fn read(
    client: &Client,
    org: OrgId,
    publishes: bool,
    summaries: Vec<ContainerSummary>,
) -> Result<Vec<Found>, RuntimeError> {
    let ours = summaries.into_iter().filter_map(|summary| {
        let found = labels(summary.labels.as_ref()?).filter(|labels| labels.org == org);
        if found.is_none() {
            tracing::warn!(object = ?summary.id, "an object of the container engine has labels that say nothing");
        }
        found.map(|labels| (labels, summary))
    });
    let asked = ours.map(|(labels, summary)| async move { one(client, labels, publishes, summary).await });
    let found: Vec<Option<Found>> = stream::iter(asked).buffered(QUESTIONS_MAX).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// One object of a list; `None` if it is gone by now.
async fn one(
    client: &Client,
    labels: Labels,
    publishes: bool,
    summary: ContainerSummary,
) -> Result<Option<Found>, RuntimeError> {
    let Some(id) = summary.id.clone() else { return Err(RuntimeError::Unavailable("an object has no id".to_owned())) };
    let state = match summary.state {
        Some(ContainerSummaryStateEnum::CREATED) => ObjectState::Created,
        Some(ContainerSummaryStateEnum::RUNNING) => ObjectState::Running,
        Some(ContainerSummaryStateEnum::PAUSED) => ObjectState::Paused,
        Some(
            ContainerSummaryStateEnum::RESTARTING
            | ContainerSummaryStateEnum::REMOVING
            | ContainerSummaryStateEnum::STOPPING,
        ) => ObjectState::Changing,
        Some(ContainerSummaryStateEnum::DEAD) => ObjectState::Dead,
        Some(ContainerSummaryStateEnum::EXITED) => {
            let asked = client.inspect_container(&id, None::<query::InspectContainerOptions>);
            match within(ANSWER_LIMIT, asked).await {
                Ok(answer) => answer.state.map_or(ObjectState::Unknown, |state| state_of(&state)),
                Err(RuntimeError::NotFound) => return Ok(None),
                Err(RuntimeError::Unavailable(why)) => return Err(RuntimeError::Unavailable(why)),
                Err(_) => ObjectState::Unknown,
            }
        }
        Some(ContainerSummaryStateEnum::EMPTY) | None => ObjectState::Unknown,
    };
    let address = if state == ObjectState::Running { address(&summary, publishes) } else { None };
    let image = LocalImageId(summary.image_id.unwrap_or_default());
    Ok(Some(Found { object: Object { id: ObjectId(id), labels, state, image }, address }))
}

fn state_of(state: &ContainerState) -> ObjectState {
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => ObjectState::Created,
        Some(ContainerStateStatusEnum::RUNNING) => ObjectState::Running,
        Some(ContainerStateStatusEnum::PAUSED) => ObjectState::Paused,
        Some(
            ContainerStateStatusEnum::RESTARTING
            | ContainerStateStatusEnum::REMOVING
            | ContainerStateStatusEnum::STOPPING,
        ) => ObjectState::Changing,
        Some(ContainerStateStatusEnum::DEAD) => ObjectState::Dead,
        Some(ContainerStateStatusEnum::EXITED) => {
            let exit_code = state.exit_code.unwrap_or(-1);
            let run = state.started_at.as_deref().and_then(time_ns);
            // Set as soon as any process of it was killed so; one that then ends well has got over that.
            let out_of_memory = state.oom_killed == Some(true) && exit_code != 0;
            ObjectState::Ended { run: Run(run.unwrap_or(0)), exit_code, out_of_memory }
        }
        Some(ContainerStateStatusEnum::EMPTY) | None => ObjectState::Unknown,
    }
}

/// What an object was made for; `None` if it does not say.
pub(super) fn labels(texts: &HashMap<String, String>) -> Option<Labels> {
    let text = |name: &str| texts.get(&format!("orrery.{name}"));
    Some(Labels {
        org: text("org")?.parse().ok()?,
        project: text("project")?.parse().ok()?,
        container: text("container")?.parse().ok()?,
        generation: text("generation")?.parse().ok()?,
    })
}

/// Whose the objects and networks of a list are. One that does not say so is nobody's.
pub(super) fn tenants(summaries: &[ContainerSummary], networks: &[Network]) -> Tenants {
    let mut tenants = Tenants::new();
    for labels in summaries.iter().filter_map(|summary| labels(summary.labels.as_ref()?)) {
        tenants.entry(labels.org).or_default().insert(labels.project);
    }
    let org = |network: &Network| network.labels.as_ref()?.get(ORG_LABEL)?.parse().ok();
    for org in networks.iter().filter_map(org) {
        tenants.entry(org).or_default();
    }
    tenants
}

/// A port as images write it: `8080/tcp`, or without the protocol; `None` for one of another protocol.
pub(super) fn tcp_port(text: &str) -> Option<u16> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    port.parse().ok().filter(|&port| port > 0 && protocol == "tcp")
}

fn address(summary: &ContainerSummary, publishes: bool) -> Option<Address> {
    let networks = summary.network_settings.as_ref()?.networks.as_ref()?;
    let ours = networks.iter().filter(|(name, _)| name.starts_with("orrery-")).map(|(_, network)| network);
    let host: IpAddr = ours.filter_map(|network| network.ip_address.as_ref()?.parse().ok()).next()?;
    let ports = if publishes { summary.ports.as_deref().unwrap_or_default() } else { &[] };
    let published = |port: &PortSummary| Some((port.private_port, port.public_port?));
    Some(Address { host, published: ports.iter().filter_map(published).collect() })
}

/// All images, by all names under which somebody may ask for them.
pub(super) fn images(summaries: Vec<ImageSummary>) -> BTreeMap<LocalImageId, LocalImage> {
    let image = |summary: ImageSummary| {
        let tags = summary.repo_tags.iter().flat_map(|tag| spellings(tag)).collect();
        let digest = |text: &String| text.split_once('@')?.1.parse::<Digest>().ok();
        (
            LocalImageId(summary.id),
            LocalImage { tags, digests: summary.repo_digests.iter().filter_map(digest).collect() },
        )
    };
    summaries.into_iter().map(image).collect()
}

/// Every way in which people write the name that an engine calls an image by.
fn spellings(name: &str) -> BTreeSet<Reference> {
    let short = name.strip_prefix(REGISTRY).unwrap_or(name);
    let short = short.strip_prefix(REPOSITORY).unwrap_or(short);
    // A first part with a point or a port, or localhost, is another registry.
    let elsewhere = short.split_once('/').is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost");
    let mut names = vec![short.to_owned()];
    if !elsewhere {
        names.push(format!("{REGISTRY}{short}"));
    }
    if !elsewhere && !short.contains('/') {
        names.extend([format!("{REPOSITORY}{short}"), format!("{REGISTRY}{REPOSITORY}{short}")]);
    }
    let untagged = |name: &String| name.strip_suffix(&format!(":{TAG}")).map(ToOwned::to_owned);
    let bare: Vec<String> = names.iter().filter_map(untagged).collect();
    names.iter().chain(&bare).filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_every_name_it_has() {
        let check = |name: &str, expect: &[&str]| {
            let expect: BTreeSet<Reference> = expect.iter().map(|name| name.parse().unwrap()).collect();
            assert_eq!(spellings(name), expect, "{name}");
        };
        check("nginx:1", &["nginx:1", "library/nginx:1", "docker.io/nginx:1", "docker.io/library/nginx:1"]);
        check(
            "orrery/n8n:latest",
            &["orrery/n8n:latest", "orrery/n8n", "docker.io/orrery/n8n:latest", "docker.io/orrery/n8n"],
        );
        check("127.0.0.1:5000/a:x", &["127.0.0.1:5000/a:x"]);
        check("ghcr.io/a/b:latest", &["ghcr.io/a/b:latest", "ghcr.io/a/b"]);
        check("<none>:<none>", &[]);
    }

    #[test]
    fn ports_of_other_protocols_are_not_reached_over_http() {
        let ports = ["80/tcp", "53/udp", "8080", "0/tcp", "x/tcp", "65536/tcp", "", "443/sctp"].map(tcp_port);
        assert_eq!(ports, [Some(80), None, Some(8080), None, None, None, None, None]);
    }

    #[test]
    fn one_that_got_over_a_lack_of_memory_did_not_end_of_it() {
        let state = |exit_code, oom_killed| {
            let state = ContainerState {
                status: Some(ContainerStateStatusEnum::EXITED),
                exit_code: Some(exit_code),
                oom_killed: Some(oom_killed),
                started_at: Some("1970-01-01T00:00:07.5Z".to_owned()),
                ..ContainerState::default()
            };
            state_of(&state)
        };
        let ended = |exit_code, out_of_memory| ObjectState::Ended { run: Run(7_500_000_000), exit_code, out_of_memory };
        assert_eq!(state(137, true), ended(137, true));
        assert_eq!(state(0, true), ended(0, false));
        assert_eq!(state(137, false), ended(137, false));
        assert_eq!(state_of(&ContainerState::default()), ObjectState::Unknown);
    }
}
