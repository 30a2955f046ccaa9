//! What every engine does when it is asked, one object at a time.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use futures_util::StreamExt;
use orrery_actors::engine::{Blueprint, Found, LogLine, LogQuery, Making, Runtime, RuntimeError};
use orrery_protocol::{
    container::{
        Resources,
        plan::{Labels, LocalImageId, ObjectId, ObjectState},
    },
    id::{ContainerId, OrgId, ProjectId},
    image::{ImageOptions, Reference},
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::stories::Place;

const LIMIT: Duration = Duration::from_secs(60);

fn making(org: OrgId, image: LocalImageId, network: orrery_actors::engine::Network, command: &[&str]) -> Making {
    let container = &Uuid::new_v4().simple().to_string()[..16];
    let container: ContainerId = format!("uc_{container}").parse().expect("an id");
    let project = ProjectId(Uuid::from_u128(5));
    let options =
        ImageOptions { command: command.iter().map(ToString::to_string).collect(), ..ImageOptions::default() };
    Making {
        labels: Labels { org, project, container, generation: 1 },
        image,
        blueprint: Blueprint {
            project,
            generation: 1,
            hostname: "conformance".to_owned(),
            env: BTreeMap::new(),
            secrets: Vec::new(),
            limits: Resources { memory_mb: 32, ..Resources::default() },
            options,
            ports: vec![8080],
            ports_open: false,
            probes: Vec::new(),
            image: None,
        },
        environment: [("NAME".to_owned(), "a=b c".to_owned())].into(),
        network,
    }
}

/// The one object of an organization.
async fn one(place: &dyn Place, org: OrgId) -> Found {
    let mut found = place.runtime().list(org).await.expect("an answer").objects;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn until_ended(place: &dyn Place, org: OrgId) -> ObjectState {
    let ended = async {
        loop {
            let state = one(place, org).await.object.state;
            if matches!(state, ObjectState::Ended { .. }) {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, ended).await.expect("it ends")
}

/// A program that runs does not listen yet.
pub(crate) async fn until_it_answers(runtime: &dyn Runtime, address: SocketAddr) {
    let answers = async {
        while !runtime.answers(address, "/").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, answers).await.unwrap_or_else(|_| panic!("{address} does not answer"));
}

/// Everything an object goes through; done twice, everything is as done once.
pub(crate) async fn objects(place: &dyn Place, image: &Reference) {
    let (runtime, org) = (place.runtime(), place.new_org());
    runtime.version().await.expect("an engine");
    let listing = runtime.list(org).await.expect("an answer");
    assert_eq!(listing.objects, []);
    let (id, _) = listing.images.iter().find(|(_, known)| known.tags.contains(image)).expect("the image is there");
    let mut events = runtime.events(org);
    let told = tokio::spawn(async move { timeout(LIMIT, events.next()).await });

    let network = runtime.ensure_network(org).await.expect("a network");
    assert_eq!(runtime.ensure_network(org).await.as_ref(), Ok(&network), "there is one");
    let making = making(org, id.clone(), network, &["serve", "8080"]);
    let object = runtime.create(making.clone()).await.expect("made");
    assert_eq!(runtime.create(making.clone()).await.as_ref(), Ok(&object), "made twice, it is still one");
    let found = one(place, org).await;
    assert_eq!((found.object.labels, found.object.state), (making.labels, ObjectState::Created));
    assert_eq!((&found.object.image, found.address), (id, None));

    for _ in 0..2 {
        runtime.start(&object).await.expect("started");
    }
    let found = one(place, org).await;
    assert_eq!(found.object.state, ObjectState::Running);
    let address = found.address.expect("what runs is somewhere").of(8080);
    until_it_answers(&*runtime, address).await;
    assert!(matches!(runtime.remove(&object).await, Err(RuntimeError::Conflict(_))), "what runs is not removed");
    let usage = timeout(LIMIT, runtime.usage(&object).next()).await.expect("in time").expect("one").expect("measured");
    assert!(usage.pids >= 1, "{usage:?}");

    for _ in 0..2 {
        runtime.stop(&object, 5_000).await.expect("stopped");
    }
    let first = until_ended(place, org).await;
    runtime.start(&object).await.expect("started again");
    runtime.stop(&object, 5_000).await.expect("stopped again");
    let second = until_ended(place, org).await;
    let run = |state| if let ObjectState::Ended { run, .. } = state { Some(run) } else { None };
    assert_ne!(run(first), run(second), "each run is one of its own");

    for _ in 0..2 {
        runtime.remove(&object).await.expect("removed");
    }
    assert_eq!(runtime.list(org).await.expect("an answer").objects, []);
    for _ in 0..2 {
        runtime.remove_network(org).await.expect("removed");
    }
    assert!(place.is_empty(org).await);
    assert_eq!(told.await.expect("no panic"), Ok(Some(Ok(()))), "something happened, and it was told");
}

/// What an image exposes is known once it is there.
pub(crate) async fn exposed(place: &dyn Place, image: &Reference, expect: &[u16]) {
    let runtime = place.runtime();
    let images = runtime.list(place.new_org()).await.expect("an answer").images;
    let (id, _) = images.iter().find(|(_, known)| known.tags.contains(image)).expect("the image is there");
    assert_eq!(runtime.exposed(id).await, Ok(expect.iter().copied().collect()));
    let nothing = LocalImageId(format!("sha256:{}", "0".repeat(64)));
    assert_eq!(runtime.exposed(&nothing).await, Err(RuntimeError::NotFound));
}

/// What is asked of something that is not there is refused with a reason of its own.
pub(crate) async fn what_is_not_there(place: &dyn Place, image: &Reference) {
    let (runtime, org) = (place.runtime(), place.new_org());
    let nothing = ObjectId("0123456789abcdef".repeat(4));
    assert_eq!(runtime.start(&nothing).await, Err(RuntimeError::NotFound));
    assert_eq!(runtime.stop(&nothing, 0).await, Err(RuntimeError::NotFound));
    assert_eq!(runtime.remove(&nothing).await, Ok(()), "it is gone, which is what was wanted");
    assert_eq!(runtime.remove_network(org).await, Ok(()));
    let network = runtime.ensure_network(org).await.expect("a network");
    let no_image = LocalImageId(format!("sha256:{}", "0".repeat(64)));
    let refused = runtime.create(making(org, no_image, network.clone(), &[])).await;
    assert!(matches!(refused, Err(RuntimeError::NoSuchImage(_))), "{refused:?}");

    // Of two organizations, neither sees what the other has.
    let images = runtime.list(org).await.expect("an answer").images;
    let (id, _) = images.iter().find(|(_, known)| known.tags.contains(image)).expect("the image is there");
    let object = runtime.create(making(org, id.clone(), network, &["idle"])).await.expect("made");
    assert_eq!(runtime.list(place.new_org()).await.expect("an answer").objects, []);
    runtime.remove(&object).await.expect("removed");
    runtime.remove_network(org).await.expect("removed");
}

/// Runs a command to its end, and returns what it printed.
pub(crate) async fn run(place: &dyn Place, org: OrgId, image: &Reference, command: &[&str]) -> Vec<LogLine> {
    let runtime = place.runtime();
    let network = runtime.ensure_network(org).await.expect("a network");
    let images = runtime.list(org).await.expect("an answer").images;
    let (id, _) = images.iter().find(|(_, known)| known.tags.contains(image)).expect("the image is there");
    let object = runtime.create(making(org, id.clone(), network, command)).await.expect("made");
    runtime.start(&object).await.expect("started");
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let lines: Vec<_> = timeout(LIMIT, runtime.logs(&object, query).collect()).await.expect("it ends");
    let ended = async {
        while !matches!(runtime.remove(&object).await, Ok(())) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, ended).await.expect("it ends");
    lines.into_iter().collect::<Result<_, _>>().expect("lines")
}

/// What a program prints can be read again, from any point on.
pub(crate) async fn logs(place: &dyn Place, image: &Reference, command: &[&str], lines_min: usize) {
    let (runtime, org) = (place.runtime(), place.new_org());
    let network = runtime.ensure_network(org).await.expect("a network");
    let images = runtime.list(org).await.expect("an answer").images;
    let (id, _) = images.iter().find(|(_, known)| known.tags.contains(image)).expect("the image is there");
    let object = runtime.create(making(org, id.clone(), network, command)).await.expect("made");
    for _ in 0..2 {
        runtime.start(&object).await.expect("started");
        until_ended(place, org).await;
    }
    let read = async |query| {
        let lines: Vec<_> = runtime.logs(&object, query).collect().await;
        lines.into_iter().collect::<Result<Vec<_>, _>>().expect("lines")
    };
    let all = read(LogQuery::default()).await;
    assert!(all.len() >= lines_min, "{all:?}");
    assert_eq!(read(LogQuery { tail: Some(1), ..LogQuery::default() }).await, all[all.len() - 1..]);
    let middle = all[all.len() / 2].at_ns;
    let later = read(LogQuery { since_ns: Some(middle), ..LogQuery::default() }).await;
    let earliest =
        all.iter().position(|line| line.at_ns >= middle.saturating_sub(1_000_000_000)).expect("the middle one");
    let latest = all.iter().position(|line| line.at_ns >= middle).expect("the middle one");
    assert!(all.ends_with(&later) && (all.len() - latest..=all.len() - earliest).contains(&later.len()), "{later:?}");
    runtime.remove(&object).await.expect("removed");
    runtime.remove_network(org).await.expect("removed");
}
