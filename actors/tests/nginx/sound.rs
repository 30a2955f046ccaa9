//! Whatever can be asked for is something that nginx takes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use orrery_actors::nginx::{Stage1Wanted, Stage2Wanted, Wanted};
use orrery_protocol::{
    container::{Domain, HostName, ServiceName, Target},
    id::{ContainerId, OrgId, Slug},
};
use proptest::{
    collection::{btree_map, btree_set},
    option,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::proxy::Place;

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), 1..=u16::MAX).prop_map(SocketAddr::from)
}

fn org() -> impl Strategy<Value = OrgId> {
    any::<u128>().prop_map(|n| OrgId(Uuid::from_u128(n)))
}

/// Of whatever the alphabet allows.
fn domain() -> impl Strategy<Value = Domain> {
    "[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,2}"
        .prop_map(|text| text.parse().unwrap())
}

fn target() -> impl Strategy<Value = Target> {
    let service = "[a-z0-9]{1,10}(-[a-z0-9]{1,10}){0,2}".prop_map(|text| text.parse::<ServiceName>().unwrap());
    let container = any::<u128>().prop_map(ContainerId::from_random);
    let alias = (".{0,40}", any::<u128>())
        .prop_map(|(name, n)| Target::Alias(Slug::of(&name, ContainerId::from_random(n), |_| false)));
    prop_oneof![(container, option::of(service)).prop_map(|(id, service)| Target::Container(id, service)), alias]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let stage1 = (domain(), address(), btree_map(org(), address(), 0..6)).prop_map(|(domain, ganymede, gateways)| {
        Wanted::Stage1(Stage1Wanted { domain, ganymede, tls: None, gateways })
    });
    let services = btree_map(org(), btree_map(address(), btree_set(target(), 1..4), 0..4), 0..4);
    let stage2 = (domain(), address(), services).prop_map(|(domain, gateway, services)| {
        let services = services.into_iter().map(|(org, services)| {
            let named =
                |targets: BTreeSet<Target>| targets.into_iter().map(|target| HostName { org, target }).collect();
            (org, services.into_iter().map(|(upstream, targets)| (upstream, named(targets))).collect())
        });
        Wanted::Stage2(Stage2Wanted { domain, gateway, services: services.collect::<BTreeMap<_, _>>() })
    });
    prop_oneof![stage1, stage2]
}

#[test]
fn nginx_takes_whatever_can_be_expressed() {
    let Some(place) = Place::with(|config| config.manage = false) else { return };
    let runtime = Runtime::new().unwrap();
    let nginx = RefCell::new(place.nginx());
    let config = Config { cases: 64, max_shrink_iters: 200, ..Config::default() };
    let tried = TestRunner::new(config).run(&wanted(), |wanted| {
        let applied = runtime.block_on(nginx.borrow_mut().apply(&wanted));
        prop_assert!(applied.is_ok(), "{}", applied.unwrap_err());
        Ok(())
    });
    tried.unwrap();
}
