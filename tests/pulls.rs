//! Images that have to be fetched first: everybody sees how far they have come, and what does not come says so.

use orrery_test_docker::Docker;
use serde_json::{Value, json};

use crate::{
    containers::Place,
    support::{Heard, Peer, Registry, wait_for},
};

const MIB: usize = 1 << 20;

/// A new container of any image.
fn create(place: &Place, reference: &str) -> String {
    let event = json!({"type": "user-containers:new", "name": "fetched", "image": format!("generic/{reference}")});
    place.give(event)["user_container_id"].as_str().expect("an id").to_owned()
}

/// How many hundredths of a container's image have come, if that is what was heard.
fn percent(heard: Heard, id: &str) -> Option<u64> {
    let now = heard.now().filter(|now| now["type"] == "pull" && now["id"] == id)?;
    now["percent"].as_u64()
}

fn inspect(docker: &Docker, name: &str) -> Value {
    let seen: Value = serde_json::from_str(&docker.ask(&["inspect", name])).expect("JSON");
    seen[0].clone()
}

#[test]
fn an_image_comes_while_everybody_watches() {
    let Some(docker) = Docker::here() else { return };
    let registry = Registry::start(&docker);
    let Some(place) = Place::new(&[]) else { return };
    let mut watcher = Peer::join(&place.access, "system", "&ext=1");
    let id = create(&place, &registry.reference("1"));
    registry.trickle(3 * MIB);
    let mut seen = vec![watcher.until_heard("some of it has come", |heard| percent(heard, &id).filter(|&it| it > 0))];
    assert!(seen[0] < 100, "the rest is held back: {seen:?}");
    assert_eq!(place.container(&id).expect("it is listed")["status"]["phase"], "pending");
    registry.let_through(usize::MAX);
    while seen.last() != Some(&100) {
        seen.push(watcher.until_heard("more of it has come", |heard| percent(heard, &id)));
    }
    assert!(seen.is_sorted(), "it never goes back: {seen:?}");
    place.until(&id, "running");
    let [object] = place.objects(&id).try_into().expect("one object");
    assert_eq!(inspect(&docker, &object)["Image"], registry.image_id, "it is what was fetched");
}

#[test]
fn an_image_that_is_named_by_its_digest_is_that_one_for_ever() {
    let Some(docker) = Docker::here() else { return };
    let registry = Registry::start(&docker);
    let Some(place) = Place::new(&[]) else { return };
    registry.let_through(usize::MAX);
    let id = create(&place, &registry.pinned());
    let running = place.until(&id, "running");
    assert!(running["spec"]["image"].as_str().expect("an image").ends_with(&registry.digest), "{running}");
    let [object] = place.objects(&id).try_into().expect("one object");
    let image = inspect(&docker, &object)["Image"].clone();
    assert_eq!(image, registry.image_id);
    let known = inspect(&docker, &registry.image_id)["RepoDigests"].to_string();
    assert!(known.contains(&registry.digest), "{known}");
    docker.ask(&["rm", "--force", &object]);
    let again = wait_for("it is made anew", || place.objects(&id).pop().filter(|now| *now != object));
    assert_eq!(inspect(&docker, &again)["Image"], image);
}

#[test]
fn a_tag_that_the_registry_does_not_have_fails_and_says_so() {
    let Some(docker) = Docker::here() else { return };
    let registry = Registry::start(&docker);
    let Some(place) = Place::new(&[]) else { return };
    let id = create(&place, &registry.reference("absent"));
    let failed = place.until(&id, "failed");
    assert_eq!(failed["status"]["reason"]["code"], "image_unavailable");
    let why = failed["status"]["reason"]["text"].as_str().expect("a text");
    assert!(why.contains("registry") && !why.contains("127.0.0.1"), "in words, without addresses: {why}");
    assert!(place.objects(&id).is_empty());
}

#[test]
fn a_registry_that_goes_silent_is_said_to_and_asked_again() {
    let Some(docker) = Docker::here() else { return };
    let registry = Registry::start(&docker);
    let Some(place) = Place::new(&[("ORRERY_ENGINE_CLOCKS_PULL_SILENCE_MS", "3000")]) else { return };
    registry.let_through(MIB);
    let id = create(&place, &registry.reference("1"));
    let waiting = wait_for("its silence is told", || {
        place.container(&id).filter(|container| container["status"]["reason"]["code"] == "image_unavailable")
    });
    assert_eq!(waiting["status"]["phase"], "pending", "it may come yet");
    registry.let_through(usize::MAX);
    place.until(&id, "running");
}
