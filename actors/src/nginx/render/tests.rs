//! Golden files: what stands in the configuration, to be read.

use std::{collections::BTreeSet, net::Ipv4Addr, path::PathBuf, time::Duration};

use orrery_protocol::id::{ContainerId, OrgId, Slug};
use uuid::Uuid;

use super::{super::wanted::Stage1Tls, *};

const ORG: OrgId = OrgId(Uuid::from_u128(0x018f_4c1e_2b7a_7c3d_9e4f_5a6b_7c8d_9e0f));

fn path(text: &str) -> ConfigPath {
    ConfigPath::try_from(PathBuf::from(text)).unwrap()
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), port))
}

fn settings() -> NginxSettings {
    NginxSettings {
        manage: true,
        program: PathBuf::from("nginx"),
        folder: path("/var/lib/orrery/nginx"),
        listen: SocketAddr::from(([0, 0, 0, 0], 80)),
        tls: Some((SocketAddr::from(([0, 0, 0, 0], 443)), path("/etc/orrery/tls"))),
        user: Some("www-data".parse().unwrap()),
        trusted_proxies: vec![address(1, 0).ip(), "2001:db8::1".parse().unwrap()],
        workers: 2,
        worker_connections: 8_192,
        worker_shutdown: Duration::from_secs(600),
        reload_every: Duration::from_millis(200),
        idle: Duration::from_secs(7_200),
    }
}

fn certificate(host: &str) -> Certificate {
    let folder = format!("/etc/orrery/tls/{host}");
    let (chain, key) = (path(&format!("{folder}/fullchain.pem")), path(&format!("{folder}/privkey.pem")));
    Certificate { chain, key, written_at_s: 1_795_284_000 }
}

fn check(name: &str, wanted: &Wanted) {
    let tree = Renderer::new().unwrap().tree(&settings(), wanted, &path("/var/lib/orrery/nginx/trees/00000007"));
    let files = tree.unwrap().into_iter().map(|(name, text)| format!("===== {name}\n{text}"));
    insta::assert_snapshot!(name, files.collect::<String>());
}

fn stage1(tls: Option<Stage1Tls>) -> Wanted {
    let gateways = BTreeMap::from([(ORG, address(2, 7_101))]);
    let domain = "team.example".parse().unwrap();
    Wanted::Stage1(Stage1Wanted { domain, ganymede: SocketAddr::from(([127, 0, 0, 1], 7_000)), tls, gateways })
}

#[test]
fn in_front_of_the_control_plane() {
    check("stage1", &stage1(None));
}

#[test]
fn in_front_of_the_control_plane_with_certificates() {
    let host = format!("org-{ORG}.team.example");
    let orgs = BTreeMap::from([(ORG, certificate(&host))]);
    check("stage1_tls", &stage1(Some(Stage1Tls { domain: certificate("team.example"), orgs })));
}

#[test]
fn in_front_of_a_gateway() {
    let id = ContainerId::from_random(7);
    let name = |target| HostName { org: ORG, target };
    let web = name(Target::Container(id, Some("web".parse().unwrap())));
    let first = [name(Target::Container(id, None)), name(Target::Alias(Slug::of("My notebook", id, |_| false))), web];
    let second = [name(Target::Container(ContainerId::from_random(8), None))];
    let services = BTreeMap::from([
        (SocketAddr::from(([172, 17, 0, 2], 8_888)), BTreeSet::from(first)),
        ("[fd00::3]:5678".parse().unwrap(), BTreeSet::from(second)),
    ]);
    let wanted = Stage2Wanted {
        domain: "team.example".parse().unwrap(),
        gateway: SocketAddr::from(([127, 0, 0, 1], 7_101)),
        services: BTreeMap::from([(ORG, services)]),
    };
    check("stage2", &Wanted::Stage2(wanted));
}
