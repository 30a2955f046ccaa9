//! What is deleted takes its containers along, whoever serves it, and nothing of anybody else's.

use serde_json::json;

use super::Place;
use crate::support::wait_for;

#[test]
fn an_organization_that_is_deleted_while_it_is_served_takes_its_containers_along() {
    let Some(place) = Place::new(&[]) else { return };
    let (_, host) = place.create("web", json!({}));
    place.until_served(&host);
    let (id, _) = place.create("reporter", json!({}));
    place.until(&id, "running");
    let path = format!("/api/orgs/{}", place.server.org());
    place.server.administrator().request("DELETE", &path, None).expect(204);
    wait_for("nothing of it is left", || place.is_empty().then_some(()));
    assert_eq!(place.visit(&host).status, 404);
}

#[test]
fn an_organization_that_is_deleted_while_nobody_serves_it_takes_its_containers_along() {
    let clocks = [
        ("ORRERY_IDLE_PROJECT_MS", "4000"),
        ("ORRERY_IDLE_GATEWAY_MS", "1000"),
        ("ORRERY_ENGINE_CLOCKS_PERIOD_MS", "1000"),
    ];
    let Some(place) = Place::new(&clocks) else { return };
    let (id, _) = place.create("web", json!({}));
    let label = format!("label=orrery.container={id}");
    let runs = || !place.docker.words(&["ps", "--quiet", "--filter", &label]).is_empty();
    wait_for("it runs", || runs().then_some(()));
    wait_for("nobody serves it", || place.server.pool().iter().all(|slot| slot["org"].is_null()).then_some(()));
    assert!(runs(), "it runs on");
    let path = format!("/api/orgs/{}", place.server.org());
    place.server.administrator().request("DELETE", &path, None).expect(204);
    wait_for("nothing of it is left", || place.is_empty().then_some(()));
}

#[test]
fn a_project_that_is_deleted_takes_its_containers_along_and_no_others() {
    let clocks = [("ORRERY_ENGINE_CLOCKS_ORPHAN_MS", "500"), ("ORRERY_ENGINE_CLOCKS_PERIOD_MS", "1000")];
    let Some(mut place) = Place::new(&clocks) else { return };
    let (gone, host) = place.create("web", json!({}));
    place.until_served(&host);
    let administrator = place.server.administrator().clone();
    let other = administrator.project(place.server.org(), "Another");
    let first = std::mem::replace(&mut place.access, administrator.open(&other));
    let (kept, at_kept) = place.create("web", json!({}));
    place.until_served(&at_kept);
    administrator.request("DELETE", &format!("/api/projects/{}", first.project), None).expect(204);
    wait_for("nothing of it is left", || place.objects(&gone).is_empty().then_some(()));
    assert_eq!(place.visit(&host).status, 404);
    place.until_served(&at_kept);
    assert_eq!(place.objects(&kept).len(), 1);
}
