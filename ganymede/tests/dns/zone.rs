//! What a real name server answers.

use std::sync::{Arc, Mutex};

use orrery_ganymede::dns::{
    Change, Dns, DnsError, Jitter, Naming, Passed, PowerDns, RecordKey, RecordKind, RecordSet, SetUp, set_up,
};
use orrery_protocol::id::OrgId;

use crate::{
    name_server::{ADDRESS, DOMAIN, NameServer},
    registry::Registry,
};

fn jitter() -> Jitter {
    Arc::new(|| 0.5)
}

fn client(server: &NameServer) -> PowerDns {
    PowerDns::new(&server.settings(), jitter()).unwrap()
}

/// With the zone in it, and no wildcard that would answer for whatever is missing.
async fn prepared() -> Option<NameServer> {
    let server = NameServer::start()?;
    assert!(client(&server).create(&server.settings().zone).await.unwrap());
    Some(server)
}

fn host(org: OrgId) -> String {
    format!("org-{org}.{DOMAIN}")
}

#[tokio::test]
async fn setting_up_makes_the_zone_once() {
    let Some(server) = NameServer::start() else { return };
    let (client, zone) = (client(&server), server.settings().zone);
    assert_eq!(client.records(zone.name()).await.unwrap_err(), DnsError::NoZone(zone.name().clone()));
    let first = set_up(&client, &zone).await.unwrap();
    assert!(first.zone_created);
    assert_eq!(first.names.len(), 4, "{first:?}");
    for name in [DOMAIN, "ganymede.team.example", "anything.team.example", "ns1.team.example"] {
        assert_eq!(server.dig(name, "A"), [ADDRESS], "{name}");
        assert!(server.dig(name, "AAAA").is_empty());
    }
    assert_eq!(server.dig(DOMAIN, "NS"), ["ns1.team.example."]);
    assert!(server.dig(DOMAIN, "SOA")[0].starts_with("ns1.team.example. hostmaster.team.example. "));
    assert_eq!(set_up(&client, &zone).await.unwrap(), SetUp::default());
}

#[tokio::test]
async fn an_organization_that_was_ever_served_has_its_names() {
    let Some(server) = prepared().await else { return };
    let mut config = server.config();
    config.address_v6 = "2001:db8::7".to_owned();
    let settings = config.check(&DOMAIN.parse().unwrap()).unwrap().unwrap();
    let registry = Registry::new().await;
    let (served, never) = (registry.org(3).await, registry.org(0).await);
    let dns = Dns::open(settings, jitter()).unwrap();
    let passed = dns.pass(&registry.orgs).await.unwrap();
    assert_eq!((passed.written, passed.removed), (4, 0));
    assert_eq!(server.dig(&host(served), "A"), [ADDRESS]);
    assert_eq!(server.dig(&host(served), "AAAA"), ["2001:db8::7"]);
    assert_eq!(server.dig(&format!("uc-0123456789abcdef--web.{}", host(served)), "A"), [ADDRESS]);
    assert_eq!(dns.name(served).await, Naming::Done);
    assert!(server.dig(&host(never), "A").is_empty());
    assert_eq!(dns.pass(&registry.orgs).await.unwrap(), Passed::default(), "a second look changes nothing");
}

#[tokio::test]
async fn names_of_a_deleted_organization_go_and_everybody_elses_stay() {
    let Some(server) = prepared().await else { return };
    let registry = Registry::new().await;
    let (kept, gone) = (registry.org(1).await, registry.org(1).await);
    let dns = Dns::open(server.settings(), jitter()).unwrap();
    dns.pass(&registry.orgs).await.unwrap();
    let foreign = [format!("_acme-challenge.{}", host(gone)), format!("org-moons.{DOMAIN}"), format!("www.{DOMAIN}")];
    let others = foreign.clone().map(|name| Change {
        key: RecordKey { name: format!("{name}."), kind: RecordKind::A },
        becomes: Some(RecordSet { ttl_s: 60, contents: ["198.51.100.1".to_owned()].into(), disabled: false }),
    });
    client(&server).change(server.settings().zone.name(), &others).await.unwrap();
    registry.delete(gone).await;
    let passed = dns.pass(&registry.orgs).await.unwrap();
    assert_eq!((passed.written, passed.removed), (0, 2));
    assert!(server.dig(&format!("uc-0123456789abcdef.{}", host(gone)), "A").is_empty());
    assert_eq!(server.dig(&host(kept), "A"), [ADDRESS]);
    for name in foreign {
        assert_eq!(server.dig(&name, "A"), ["198.51.100.1"], "{name}");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_written_holds_up_no_other() {
    let Some(server) = prepared().await else { return };
    let registry = Registry::new().await;
    let (blocked, fine) = (registry.org(1).await, registry.org(1).await);
    // Beside an alias there can be no address (RFC 1034, section 3.6.2).
    let alias = serde_json::json!({ "rrsets": [{
        "name": format!("{}.", host(blocked)), "type": "CNAME", "ttl": 60, "changetype": "REPLACE",
        "records": [{ "content": "elsewhere.example.", "disabled": false }],
    }]});
    let config = server.config();
    let zone = format!("{}/api/v1/servers/localhost/zones/{DOMAIN}.", config.url);
    let client = reqwest::Client::new();
    let key = server.key();
    let answer = client.patch(zone).header("X-API-Key", key).json(&alias).send().await.unwrap();
    assert!(answer.status().is_success());
    let dns = Dns::open(server.settings(), jitter()).unwrap();
    let passed = dns.pass(&registry.orgs).await.unwrap();
    assert_eq!(passed.refused, [blocked]);
    assert_eq!(server.dig(&host(fine), "A"), [ADDRESS]);
    assert_eq!(dns.name(fine).await, Naming::Done);
    assert!(dns.is_pending(blocked));
    assert_eq!(server.dig(&host(blocked), "CNAME"), ["elsewhere.example."]);
}

#[tokio::test]
async fn what_was_pending_while_the_server_was_away_is_named_when_it_is_back() {
    let Some(mut server) = prepared().await else { return };
    let registry = Registry::new().await;
    let dns = Dns::open(server.settings(), jitter()).unwrap();
    server.kill();
    let told = Arc::new(Mutex::new(Vec::new()));
    let running = tokio::spawn({
        let (dns, orgs, told) = (dns.clone(), registry.orgs.clone(), told.clone());
        async move { dns.run(&orgs, |org| told.lock().unwrap().push(org)).await }
    });
    let org = registry.org(1).await;
    assert_eq!(dns.name(org).await, Naming::Pending);
    assert!(dns.is_pending(org));
    let asked = format!("uc-0123456789abcdef.{}", host(org));
    let back = tokio::task::spawn_blocking(move || {
        server.start_again();
        server.answers(&asked, &[ADDRESS]);
        server
    });
    let _server = back.await.unwrap();
    while told.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*told.lock().unwrap(), [org]);
    assert!(!dns.is_pending(org));
    running.abort();
}
