//! The suite and the stories with a real Docker, and what only a real one can show.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use futures_util::StreamExt;
use orrery_actors::engine::{LogQuery, LogSource, Usage};
use orrery_protocol::{
    container::{Phase, ReasonCode},
    id::{ContainerId, OrgId},
};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    conformance,
    docker::{RealDocker, private},
    gateway::{CANARY, Gateway},
    stories::{self, Place, clean_up},
};

macro_rules! docker {
    () => {
        match RealDocker::here() {
            Some(docker) => docker,
            None => return,
        }
    };
}

#[tokio::test]
async fn the_suite() {
    let docker = docker!();
    conformance::objects(&docker, &RealDocker::image()).await;
    conformance::what_is_not_there(&docker, &RealDocker::image()).await;
    conformance::logs(&docker, &RealDocker::image(), &["exit", "0", "50"], 4).await;
}

#[tokio::test]
async fn a_life() {
    stories::a_life(&docker!()).await;
}

#[tokio::test]
async fn hands() {
    stories::hands(&docker!()).await;
}

#[tokio::test]
async fn ends() {
    stories::ends(&docker!()).await;
}

#[tokio::test]
async fn never_ready() {
    stories::never_ready(&docker!()).await;
}

#[tokio::test]
async fn grace() {
    stories::grace(&docker!()).await;
}

#[tokio::test]
async fn what_cannot_run() {
    stories::what_cannot_run(&docker!()).await;
}

#[tokio::test]
async fn a_new_gateway() {
    stories::a_new_gateway(&docker!()).await;
}

#[tokio::test]
async fn twenty() {
    stories::twenty(&docker!()).await;
}

#[tokio::test]
async fn leftovers() {
    stories::leftovers(&docker!()).await;
}

#[tokio::test]
async fn any_image_has_the_services_that_it_exposes() {
    let docker = docker!();
    conformance::exposed(&docker, &RealDocker::tagged("web"), &[8080]).await;
    conformance::exposed(&docker, &RealDocker::tagged("bare"), &[]).await;
    stories::any_image(&docker, "orrery-test/program:web", "orrery-test/program:bare").await;
}

/// Where addresses of containers cannot be reached, they are reached by ports of the loopback interface, and by no others.
#[tokio::test]
async fn published_ports_lead_to_containers() {
    let Some(docker) = RealDocker::publishing() else { return };
    conformance::objects(&docker, &RealDocker::image()).await;
    stories::any_image(&docker, "orrery-test/program:web", "orrery-test/program:bare").await;
    let gateway = docker.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    let upstream = gateway.upstream(id).expect("it is reached");
    assert!(upstream.ip().is_loopback() && docker.runtime().answers(upstream, "/").await, "{upstream}");
    let bindings = inspect(&docker, &gateway, id).await["NetworkSettings"]["Ports"]["8080/tcp"].take();
    assert_eq!(bindings, json!([{"HostIp": "127.0.0.1", "HostPort": upstream.port().to_string()}]));
    gateway.tell(id, "restart");
    gateway.phase(id, Phase::Stopping).await;
    gateway.phase(id, Phase::Running).await;
    let again = gateway.upstream(id).expect("it is reached again");
    assert!(again.ip().is_loopback() && docker.runtime().answers(again, "/").await, "{again}");
    clean_up(&docker, &gateway).await;
}

/// The engine's own description of the container.
async fn inspect(docker: &RealDocker, gateway: &Gateway, id: ContainerId) -> Value {
    let object = stories::objects(docker, gateway).await.into_iter().find(|object| object.labels.container == id);
    let text = docker.ask(&["inspect", &object.expect("it exists").id.0]);
    serde_json::from_str::<Value>(&text).expect("JSON")[0].take()
}

#[tokio::test]
async fn every_container_is_kept_in() {
    let docker = docker!();
    let gateway = docker.gateway();
    let limits = json!({"cpus": 0.5, "memory_mb": 48, "pids": 33});
    let id = gateway.create_limited("test:serve", &limits);
    gateway.phase(id, Phase::Running).await;
    let seen = inspect(&docker, &gateway, id).await;
    let host = &seen["HostConfig"];
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert!(host["CapAdd"].as_array().is_none_or(Vec::is_empty), "{}", host["CapAdd"]);
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!(host["Privileged"], json!(false));
    assert_eq!(host["NanoCpus"], json!(500_000_000));
    assert_eq!(host["Memory"], json!(48 << 20));
    assert_eq!(host["MemorySwap"], host["Memory"]);
    assert_eq!(host["PidsLimit"], json!(33));
    assert_eq!(host["Init"], json!(true));
    assert_eq!(host["RestartPolicy"]["Name"], json!("no"));
    assert_eq!(host["AutoRemove"], json!(false));
    assert_eq!(host["LogConfig"], json!({"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}));
    for nothing in ["Binds", "Devices", "VolumesFrom", "ExtraHosts", "Mounts"] {
        assert!(host[nothing].as_array().is_none_or(Vec::is_empty), "{nothing}: {}", host[nothing]);
    }
    for (mode, allowed) in [("PidMode", ""), ("UTSMode", ""), ("UsernsMode", ""), ("IpcMode", "private")] {
        assert_eq!(host[mode], json!(allowed), "{mode}");
    }
    assert_eq!(seen["Mounts"], json!([]));
    assert!(host["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty), "nothing is published");
    let labels = &seen["Config"]["Labels"];
    assert_eq!(labels["orrery.org"], json!(gateway.org().to_string()));
    assert_eq!(labels["orrery.project"], json!(gateway.project().to_string()));
    assert_eq!(labels["orrery.container"], json!(id.to_string()));
    assert_eq!(labels["orrery.generation"], json!("1"));
    assert_eq!(seen["Config"]["Hostname"], json!(gateway.container(id).unwrap().spec.slug.to_string()));

    let networks = seen["NetworkSettings"]["Networks"].as_object().unwrap();
    let name = format!("orrery-{}", gateway.org());
    assert_eq!(networks.keys().collect::<Vec<_>>(), [&name], "one network and no other");
    let network: Value = serde_json::from_str(&docker.ask(&["network", "inspect", &name])).unwrap();
    assert_eq!(network[0]["Options"]["com.docker.network.bridge.enable_icc"], json!("false"));

    // Its secrets are in its environment, which is the container; and nowhere else that the engine or the host shows.
    let environment = seen["Config"]["Env"].to_string();
    assert!(environment.contains(&format!("PASSWORD={CANARY}")) && environment.contains("ORRERY_URL=http://"));
    let mut elsewhere = seen.clone();
    elsewhere["Config"]["Env"] = Value::Null;
    assert!(!elsewhere.to_string().contains(CANARY));
    assert!(!format!("{:?}", gateway.container(id)).contains(CANARY));
    let processes = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&processes.stdout).contains(CANARY), "no command line has it");
    clean_up(&docker, &gateway).await;
}

/// What a container of an organization prints until it ends.
async fn printed(docker: &RealDocker, org: OrgId, command: &[&str]) -> Vec<String> {
    let lines = conformance::run(docker, org, &RealDocker::image(), command).await;
    lines.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
}

#[tokio::test]
async fn a_program_has_no_power_over_its_host() {
    let docker = docker!();
    let org = docker.new_org();
    let printed = printed(&docker, org, &["who"]).await;
    docker.runtime().remove_network(org).await.unwrap();
    let value = |name: &str| {
        let line = printed.iter().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {printed:?}")).trim().to_owned()
    };
    assert_eq!(printed[0], "1000");
    assert_eq!((value("CapEff:").as_str(), value("CapBnd:").as_str()), ("0000000000000000", "0000000000000000"));
    assert_eq!((value("NoNewPrivs:").as_str(), value("Seccomp:").as_str()), ("1", "2"));
    assert_eq!(printed.last().map(String::as_str), Some("conformance"));
}

#[tokio::test]
async fn containers_reach_the_platform_and_not_each_other() {
    let docker = docker!();
    let (mut gateway, stranger) = (docker.gateway(), docker.gateway());
    let (one, other) = (gateway.create("serve"), stranger.create("serve"));
    gateway.phase(one, Phase::Running).await;
    stranger.phase(other, Phase::Running).await;
    let ours = docker.runtime().ensure_network(gateway.org()).await.unwrap();
    let listener = TcpListener::bind((ours.gateway, 0)).await.expect("the host has the network's address");
    let porch = listener.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let _gone = stream.read(&mut [0; 64]).await;
        }
    });
    let targets: BTreeMap<&str, String> = [
        ("neighbour", gateway.address(one).unwrap().of(8080).to_string()),
        ("stranger", stranger.address(other).unwrap().of(8080).to_string()),
        ("platform", porch.to_string()),
    ]
    .into();
    let command: Vec<&str> = [&["reach"][..], &targets.values().map(String::as_str).collect::<Vec<_>>()].concat();
    // What looks from there belongs to nothing, and would be removed for that.
    gateway.end();
    let printed = printed(&docker, gateway.org(), &command).await;
    gateway.begin();
    for (who, expect) in [("neighbour", "no"), ("stranger", "no"), ("platform", "yes")] {
        assert!(printed.contains(&format!("{} {expect}", targets[who])), "{who} {targets:?}: {printed:?}");
    }
    answering.abort();
    // The host reaches both.
    for (gateway, id) in [(&gateway, one), (&stranger, other)] {
        assert!(docker.runtime().answers(gateway.address(id).unwrap().of(8080), "/").await);
    }
    clean_up(&docker, &gateway).await;
    clean_up(&docker, &stranger).await;
}

#[tokio::test]
async fn a_line_of_any_length_is_whole() {
    let docker = docker!();
    let org = docker.new_org();
    let lines = conformance::run(&docker, org, &RealDocker::image(), &["long"]).await;
    let lengths: Vec<usize> = lines.iter().map(|line| line.text.len()).collect();
    assert_eq!(lengths, [64 << 10, 100_000 - (64 << 10)], "cut at our bound, not where the engine cuts");
    let lines = conformance::run(&docker, org, &RealDocker::image(), &["exit", "0", "1"]).await;
    let sources: Vec<(LogSource, &[u8])> = lines.iter().map(|line| (line.source, &line.text[..])).collect();
    assert!(sources.contains(&(LogSource::Out, b"first line")) && sources.contains(&(LogSource::Err, b"second line")));
    docker.runtime().remove_network(org).await.unwrap();
}

#[tokio::test]
async fn lines_are_followed_until_the_end() {
    let docker = docker!();
    let gateway = docker.gateway();
    let id = gateway.create("crash");
    gateway.phase(id, Phase::Running).await;
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let lines = gateway.engine().logs(gateway.org(), gateway.project(), id, query).await.unwrap();
    let lines: Vec<_> = tokio::time::timeout(Duration::from_secs(30), lines.collect()).await.expect("it ends");
    assert!(lines.len() >= 2, "{lines:?}");
    clean_up(&docker, &gateway).await;
}

#[tokio::test]
async fn what_is_used_is_measured() {
    let docker = docker!();
    let gateway = docker.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    let object = stories::objects(&docker, &gateway).await.remove(0).id;
    let samples: Vec<_> = docker.runtime().usage(&object).take(2).collect().await;
    let Usage { memory_limit_bytes, pids, cpu, .. } = *samples[1].as_ref().unwrap();
    assert_eq!(memory_limit_bytes, 32 << 20);
    assert!(pids >= 1 && (0.0..64.0).contains(&cpu), "{samples:?}");
    clean_up(&docker, &gateway).await;
}

#[tokio::test]
async fn a_network_that_was_removed_while_its_containers_rested_is_made_anew() {
    let docker = docker!();
    let gateway = docker.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    gateway.tell(id, "stop");
    gateway.phase(id, Phase::Stopped).await;
    let before = stories::objects(&docker, &gateway).await;
    // What `docker network prune` does to a network on which nothing runs.
    docker.ask(&["network", "rm", &format!("orrery-{}", gateway.org())]);
    gateway.tell(id, "start");
    gateway.phase(id, Phase::Running).await;
    assert_eq!(stories::objects(&docker, &gateway).await[0].id, before[0].id, "it keeps what it has");
    clean_up(&docker, &gateway).await;
}

/// Asks an engine for another network of an organization, as a process does that was killed since. An engine from 25 on
/// refuses.
fn ask_for_another_network(docker: &RealDocker, org: OrgId) {
    let body = json!({"Name": format!("orrery-{org}"), "Labels": {"orrery.org": org.to_string()}}).to_string();
    let mut stream = UnixStream::connect(docker.socket()).expect("it listens");
    let head = "POST /v1.41/networks/create HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1);
    assert!(matches!(status, Some("201" | "400" | "409")), "{answer}");
}

#[tokio::test]
async fn of_two_networks_of_one_name_the_one_in_use_stays() {
    let docker = docker!();
    let gateway = docker.gateway();
    let filter = format!("label=orrery.org={}", gateway.org());
    let networks = || docker.ask(&["network", "ls", "--quiet", "--filter", &filter]);
    let first = gateway.create("serve");
    gateway.phase(first, Phase::Running).await;
    let before = networks();
    ask_for_another_network(&docker, gateway.org());
    let second = gateway.create("serve");
    gateway.phase(second, Phase::Running).await;
    assert_eq!(networks(), before);
    ask_for_another_network(&docker, gateway.org());
    clean_up(&docker, &gateway).await;
}

#[tokio::test]
async fn there_are_addresses_for_more_networks_than_an_engine_has_by_itself() {
    let Some((_engine, docker)) = private() else { return };
    let runtime = docker.runtime();
    let mut gateways = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let org = docker.new_org();
        gateways.insert(runtime.ensure_network(org).await.expect("a network").gateway);
        assert_eq!(runtime.ensure_network(org).await.map(|network| gateways.contains(&network.gateway)), Ok(true));
    }
    assert_eq!(gateways.len(), 4);
}

#[tokio::test]
async fn an_engine_that_is_stopped_and_started_again_has_all_that_is_wanted() {
    let Some((mut engine, docker)) = private() else { return };
    let gateway = docker.gateway();
    let ids = [gateway.create("idle"), gateway.create("idle")];
    for id in ids {
        gateway.phase(id, Phase::Running).await;
    }
    engine.stop();
    let unknown = || {
        let status = gateway.container(ids[0]).unwrap().status;
        status.reason.is_some_and(|reason| reason.code == ReasonCode::EngineUnknown)
    };
    gateway.until("nobody knows", unknown).await;
    assert!(gateway.tell(ids[1], "stop"), "commands are taken all the same");
    engine.run();
    gateway.until("its silence is over", || !unknown()).await;
    gateway.phase(ids[0], Phase::Running).await;
    gateway.phase(ids[1], Phase::Stopped).await;
    clean_up(&docker, &gateway).await;
}
