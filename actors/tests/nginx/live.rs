//! Routes that change while people are connected.

use std::time::Duration;

use orrery_actors::nginx::Wanted;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    peers::{Tunnel, get, named, peer},
    proxy::{Place, container, host, stage2, until},
};

/// Lets everybody in, and passes on what stays open.
async fn open_gateway() -> std::net::SocketAddr {
    peer(|asked| match (asked.line.contains("/-/orrery/verify"), asked.header("x-original-upgrade")) {
        (true, None) => ("204 OK".to_owned(), String::new()),
        (true, Some(_)) => ("403 Mine".to_owned(), String::new()),
        (false, _) => ("200 OK".to_owned(), "gateway".to_owned()),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_changes_drop_none_of_two_hundred_websockets() {
    let Some(place) = Place::with(|config| config.reload_ms = 50) else { return };
    let (gateway, steady, other) = (open_gateway().await, container(1), container(2));
    let (service, changing) = (named("steady").await, named("changing").await);
    let (wanted, follow) = watch::channel(Some(stage2(gateway, [(&steady, service)])));
    let following = tokio::spawn(place.nginx().follow(follow));
    until("nginx starts", || place.master().is_some()).await;

    let mut opening = JoinSet::new();
    for _ in 0..200 {
        let (proxy, host) = (place.settings.listen, host(&steady));
        opening.spawn(async move { Tunnel::open(proxy, &host, &[]).await });
    }
    let mut tunnels = opening.join_all().await;
    for change in 0..30 {
        let there = change % 2 == 0;
        wanted.send_replace(Some(stage2(gateway, routes(there, (&steady, service), (&other, changing)))));
        let expect = if there { "changing: GET / HTTP/1.1" } else { "gateway" };
        while !get(place.settings.listen, &host(&other), "/", &[]).await.ends_with(expect) {}
        let tunnel = &mut tunnels[change * 6];
        assert!(tunnel.echoes("still there").await, "after change {change}");
    }
    let mut echoes = JoinSet::new();
    for (number, mut tunnel) in tunnels.into_iter().enumerate() {
        echoes.spawn(async move { (tunnel.echoes(&format!("tunnel {number}")).await, tunnel) });
    }
    let echoed = echoes.join_all().await;
    assert_eq!(echoed.iter().filter(|(echoed, _)| !echoed).count(), 0, "none was dropped");
    drop(echoed);
    until("old workers end", || place.workers() <= usize::from(place.settings.workers)).await;
    drop(wanted);
    following.await.unwrap();
    assert_eq!(place.master(), None, "with nobody left who wants anything, nginx ends");
}

/// Fault 31 of earlier systems: reloads with live WebSockets left 62 workers behind.
#[tokio::test]
async fn old_workers_end_in_time_even_if_somebody_stays_connected() {
    let Some(place) = Place::with(|config| config.worker_shutdown_ms = 1_000) else { return };
    let (gateway, steady, service) = (open_gateway().await, container(1), named("steady").await);
    let mut nginx = place.nginx();
    nginx.apply(&stage2(gateway, [(&steady, service)])).await.unwrap();
    let mut tunnels = Vec::new();
    for change in 2..12 {
        tunnels.push(Tunnel::open(place.settings.listen, &host(&steady), &[]).await);
        nginx.apply(&stage2(gateway, [(&steady, service), (&container(change), service)])).await.unwrap();
    }
    until("old workers end", || place.workers() <= usize::from(place.settings.workers)).await;
    assert_eq!(tunnels.len(), 10, "nobody hung up by themselves");
}

fn routes<'a, T>(both: bool, always: T, sometimes: T) -> impl Iterator<Item = T> + use<'a, T> {
    std::iter::once(always).chain(both.then_some(sometimes))
}

#[tokio::test]
async fn many_changes_at_once_are_few_reloads_and_the_last_one_wins() {
    let Some(place) = Place::with(|config| config.reload_ms = 500) else { return };
    let (gateway, service) = (open_gateway().await, named("container").await);
    let names: Vec<_> = (0..50).map(container).collect();
    let (wanted, follow) = watch::channel(None::<Wanted>);
    let following = tokio::spawn(place.nginx().follow(follow));
    for count in 1..=names.len() {
        let services = names[..count].iter().map(|name| (name, service));
        wanted.send_replace(Some(stage2(gateway, services)));
        tokio::task::yield_now().await;
    }
    let last = host(&names[49]);
    until("nginx starts", || place.master().is_some()).await;
    while !get(place.settings.listen, &last, "/", &[]).await.ends_with("container: GET / HTTP/1.1") {}
    let newest = std::fs::read_link(place.path("live")).unwrap();
    assert!(newest < place.path("trees/00000005"), "{}", newest.display());
    following.abort();
}

#[tokio::test]
async fn an_nginx_that_ends_is_started_again() {
    let Some(place) = Place::new() else { return };
    let gateway = open_gateway().await;
    let (_wanted, follow) = watch::channel(Some(stage2(gateway, [])));
    let following = tokio::spawn(place.nginx().follow(follow));
    until("nginx starts", || place.master().is_some()).await;
    let first = place.master();
    place.signal_master("-TERM");
    until("another one starts", || place.master().is_some_and(|master| Some(master) != first)).await;
    assert!(get(place.settings.listen, "x", "/", &[]).await.ends_with("gateway"));
    following.abort();
    tokio::time::timeout(Duration::from_secs(20), following).await.unwrap().unwrap_err();
}

/// Its workers live on, serve what it knew, hear of no change and keep its port.
#[tokio::test]
async fn a_master_that_is_killed_is_replaced_and_its_workers_are_let_go() {
    let Some(place) = Place::new() else { return };
    let (gateway, service, steady, other) =
        (open_gateway().await, named("container").await, container(1), container(2));
    let (wanted, follow) = watch::channel(Some(stage2(gateway, [(&steady, service)])));
    let nginx = place.nginx();
    let follows = nginx.follows();
    let following = tokio::spawn(nginx.follow(follow));
    until("nginx starts", || place.master().is_some()).await;
    let mut tunnel = Tunnel::open(place.settings.listen, &host(&steady), &[]).await;
    let (first, workers) = (place.master(), place.worker_ids());
    assert!(!workers.is_empty());

    place.signal_master("-KILL");
    wanted.send_replace(Some(stage2(gateway, [(&steady, service), (&other, service)])));
    until("another one starts", || place.master().is_some_and(|master| Some(master) != first)).await;
    while !get(place.settings.listen, &host(&other), "/", &[]).await.ends_with("container: GET / HTTP/1.1") {}
    assert!(tunnel.echoes("still there").await, "what was open stays open");
    assert!(*follows.borrow());
    drop(tunnel);
    until("the old workers end", || workers.iter().all(|worker| has_ended(*worker))).await;
    drop(wanted);
    following.await.unwrap();
    assert_eq!(place.master(), None);
}

/// Gone, or waiting for whoever takes in orphans to notice.
fn has_ended(process: u32) -> bool {
    std::fs::read(format!("/proc/{process}/cmdline")).map_or(true, |called| called.is_empty())
}
