//! Containers whose organization is served by one process of their host, and then by another.

use serde_json::json;

use super::Place;
use crate::support::{BRISK, Peer, Process, wait_for};

/// Waits until whoever serves now has heard a container say that it lives. What another process heard does not count.
fn is_heard(place: &Place) {
    let mut looking = Peer::join(&place.server.access(), "system", "&ext=1");
    looking.until_heard("a heartbeat", |heard| {
        let told = heard.now()?;
        (told["type"] == "container" && !told["heartbeat_age_ms"].is_null()).then_some(())
    });
}

#[test]
fn a_container_is_heard_by_whichever_process_of_its_host_serves_it() {
    let Some((place, mut gateways)) = Place::of_gateways(2, &BRISK) else { return };
    let (id, host) = place.create("reporter", json!({}));
    place.until(&id, "running");
    let (object, url) = (place.objects(&id), place.variable(&id, "ORRERY_URL"));
    is_heard(&place);

    let served_at = || {
        let slot = place.server.slot_of(place.server.org()).filter(|slot| slot["step"] == "serving");
        slot.and_then(|slot| Some(slot["listen"].as_str()?.to_owned()))
    };
    let first = served_at().expect("it is served");
    let slot = place.server.slot_of(place.server.org()).expect("it is served")["slot"].clone();
    place.server.administrator().post(&format!("/api/pool/slots/{slot}/drain"), json!({})).expect(200);
    let second = wait_for("the other process serves it", || served_at().filter(|listen| *listen != first));
    is_heard(&place);

    let serving = |gateway: &&mut Process| second.contains(&gateway.address.to_string());
    gateways.iter_mut().find(serving).expect("it is one of them").kill();
    wait_for("the first one serves it again", || served_at().filter(|listen| *listen == first));
    is_heard(&place);
    place.until_served(&host.replacen('.', "--extra.", 1));
    assert_eq!((place.objects(&id), place.variable(&id, "ORRERY_URL")), (object, url), "it is the same one");
}
