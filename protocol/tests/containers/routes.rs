//! Where requests go: one table of all projects, and what becomes of it as containers come and go.

use std::{collections::BTreeMap, net::SocketAddr};

use orrery_protocol::{
    container::{Caller, Phase, Target},
    id::{ContainerId, ProjectId},
    route::{Address, Lead, RouteTable},
};
use serde_json::json;
use uuid::Uuid;

use crate::scene::{ORG, Scene};

const IO: ProjectId = ProjectId(Uuid::from_u128(10));
const EUROPA: ProjectId = ProjectId(Uuid::from_u128(11));

fn at(host: &str, published: &[(u16, u16)]) -> Address {
    Address { host: host.parse().expect("an address"), published: published.iter().copied().collect() }
}

fn table(scenes: &[(ProjectId, &Scene)], addresses: &BTreeMap<ContainerId, Address>) -> RouteTable {
    let mut table = RouteTable::new(ORG);
    for (project, scene) in scenes {
        table.add(*project, &scene.containers, &scene.rules, addresses);
    }
    table
}

/// The leads of a container's plain host, of its service's and of its alias.
fn leads<'a>(table: &'a RouteTable, scene: &Scene, id: ContainerId, service: &str) -> [Option<&'a Lead>; 3] {
    let slug = scene.container(id).spec.slug.clone();
    let service = service.parse().expect("a name");
    [Target::Container(id, None), Target::Container(id, Some(service)), Target::Alias(slug)]
        .map(|target| table.find(&target).map(|lead| &**lead))
}

fn upstreams(leads: [Option<&Lead>; 3]) -> [Option<SocketAddr>; 3] {
    leads.map(|lead| lead.expect("a known host").upstream)
}

/// Fault 28 of earlier systems: two projects on one gateway erased each other's routes.
#[test]
fn a_project_adds_to_the_table_and_takes_nothing_from_it() {
    let (mut io, mut europa) = (Scene::new(), Scene::new());
    europa.random = Box::new(crate::scene::numbers(2));
    let (one, other) = (io.running("n8n:latest"), europa.running("n8n:latest"));
    let addresses = BTreeMap::from([(one, at("10.0.0.2", &[])), (other, at("10.0.0.3", &[(5678, 40_001)]))]);
    let both = table(&[(IO, &io), (EUROPA, &europa)], &addresses);
    assert_eq!(both, table(&[(EUROPA, &europa), (IO, &io)], &addresses), "in whatever order");
    assert_eq!(upstreams(leads(&both, &io, one, "n8n")), [Some("10.0.0.2:5678".parse().unwrap()); 3]);
    assert_eq!(upstreams(leads(&both, &europa, other, "n8n")), [Some("127.0.0.1:40001".parse().unwrap()); 3]);
    assert_eq!(both.find(&Target::Container(other, None)).unwrap().project, EUROPA);
    assert_eq!(both.find(&Target::Gateway), None, "the gateway's own host is no container's");
    assert_eq!(both.iter().count(), 6);
}

#[test]
fn a_host_is_known_for_as_long_as_its_container_is() {
    let mut scene = Scene::new();
    let id = scene.create("n8n:latest");
    let addresses = BTreeMap::from([(id, at("10.0.0.2", &[]))]);
    let check = |scene: &Scene, phase: Phase, reached: bool| {
        let table = table(&[(IO, scene)], &addresses);
        for lead in leads(&table, scene, id, "n8n") {
            let lead = lead.expect("a known host");
            assert_eq!((lead.phase, lead.upstream.is_some()), (phase, reached));
            assert_eq!(lead.since_ms, scene.container(id).status.since_ms);
        }
    };
    check(&scene, Phase::Pending, false);
    let mut scene = Scene::new();
    assert_eq!(scene.running("n8n:latest"), id, "the same numbers");
    check(&scene, Phase::Running, true);
    let unknown = table(&[(IO, &scene)], &BTreeMap::new());
    assert_eq!(upstreams(leads(&unknown, &scene, id, "n8n")), [None; 3], "it runs, and nobody knows where");
    scene.tell(id, "user-container:stop").unwrap();
    check(&scene, Phase::Stopping, false);
}

#[test]
fn a_service_that_a_container_names_itself_is_reached_where_it_says() {
    let mut scene = Scene::new();
    let id = scene.running("n8n:latest");
    let event = json!({"type": "user-container:map-http-service", "name": "debug", "port": 9000});
    scene.give(Caller::Container(id), &event).unwrap();
    let table = table(&[(IO, &scene)], &BTreeMap::from([(id, at("10.0.0.2", &[]))]));
    let upstream = |service: Option<&str>| {
        let target = Target::Container(id, service.map(|service| service.parse().unwrap()));
        table.find(&target).and_then(|lead| lead.upstream)
    };
    assert_eq!(upstream(Some("debug")), Some("10.0.0.2:9000".parse().unwrap()));
    assert_eq!(upstream(None), Some("10.0.0.2:5678".parse().unwrap()), "the image's own service stays the first");
    assert_eq!(upstream(Some("none")), None);
}

/// Other programs call n8n's webhooks and have no account here.
#[test]
fn what_an_image_lists_as_public_is_public_at_each_of_its_hosts() {
    let mut scene = Scene::new();
    let id = scene.running("n8n:latest");
    let table = table(&[(IO, &scene)], &BTreeMap::from([(id, at("10.0.0.2", &[]))]));
    for lead in leads(&table, &scene, id, "n8n") {
        let lead = lead.expect("a known host");
        for path in ["/webhook/4f1c", "/webhook-test/4f1c", "/webhook-waiting/7", "/form/4f1c", "/form-waiting/7"] {
            assert!(lead.is_public(path), "{path}");
        }
        for path in
            ["/", "/rest/workflows", "/webhooks", "/Webhook/4f1c", "/webhook/../rest/workflows", "/rest/webhook/"]
        {
            assert!(!lead.is_public(path), "{path}");
        }
    }
    let mut other = Scene::new();
    let id = other.running("jupyter:minimal");
    let table = self::table(&[(IO, &other)], &BTreeMap::from([(id, at("10.0.0.2", &[]))]));
    assert!(table.iter().all(|(_, lead)| !lead.is_public("/") && !lead.is_public("/webhook/4f1c")));
}

/// What a gateway does at every change, beside what it would have if it began anew.
#[test]
fn a_table_that_follows_its_containers_is_the_one_that_is_made_anew() {
    let (mut scene, mut followed) = (Scene::new(), RouteTable::new(ORG));
    let mut addresses = BTreeMap::new();
    let mut told = BTreeMap::new();
    let mut check = |scene: &Scene, addresses: &BTreeMap<ContainerId, Address>, what: &str| {
        let before = followed.clone();
        let known = std::mem::replace(&mut told, scene.containers.shared().clone());
        known.values().for_each(|entry| followed.take(entry));
        assert_eq!(followed, RouteTable::new(ORG), "{what}: all of it is taken out again");
        followed = before.clone();
        for (id, entry) in &told {
            if let Some(known) = known.get(id) {
                followed.take(known);
            }
            followed.put(IO, entry, &scene.rules, addresses.get(id));
        }
        known.iter().filter(|(id, _)| !told.contains_key(id)).for_each(|(_, gone)| followed.take(gone));
        assert_eq!(followed, table(&[(IO, scene)], addresses), "{what}");
        before
    };
    check(&scene, &addresses, "nothing");
    let ids: Vec<ContainerId> = (0..3).map(|_| scene.running("n8n:latest")).collect();
    check(&scene, &addresses, "three run");
    addresses.extend(ids.iter().map(|id| (*id, at("10.0.0.2", &[]))));
    let before = check(&scene, &addresses, "and are reached");
    assert_eq!(before.find(&Target::Container(ids[0], None)).unwrap().upstream, None, "a clone stays as it was");
    let mapped = json!({"type": "user-container:map-http-service", "name": "admin", "port": 9000});
    scene.give(Caller::Container(ids[1]), &mapped).unwrap();
    check(&scene, &addresses, "one has another service");
    addresses.remove(&ids[2]);
    check(&scene, &addresses, "one is reached no more");
}
