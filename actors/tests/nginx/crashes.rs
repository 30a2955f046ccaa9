//! What must not happen to the live configuration, whatever is asked for and whenever the process ends.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::PathBuf};

use orrery_actors::nginx::{Applied, ConfigPath, Nginx, NginxError, NginxSettings, Stage1Tls, Stage1Wanted, Wanted};

use crate::{
    peers::{get, named},
    proxy::{Place, container, domain, free_address, host, stage2, until},
};

/// Fault 30 of earlier systems: the check failed, the broken file stayed, and the next cold start did not come up.
#[tokio::test]
async fn what_nginx_does_not_take_never_becomes_live() {
    let place = Place::with(|config| {
        config.listen_tls = free_address().to_string();
        config.certificates = "/etc/orrery/tls".to_owned();
    });
    let Some(place) = place else { return };
    let good =
        Stage1Wanted { domain: domain(), ganymede: named("ganymede").await, tls: None, gateways: BTreeMap::new() };
    let nowhere = ConfigPath::try_from(PathBuf::from("/nonexistent")).unwrap();
    let bad = Stage1Wanted { tls: Some(Stage1Tls::find(&nowhere, &domain(), [])), ..good.clone() };
    let mut nginx = place.nginx();
    nginx.apply(&Wanted::Stage1(good.clone())).await.unwrap();
    let live = fs::read_link(place.path("live")).unwrap();
    let error = nginx.apply(&Wanted::Stage1(bad)).await.unwrap_err();
    assert!(
        matches!(&error, NginxError::Broken(why) if why.contains("/nonexistent/team.example/fullchain.pem")),
        "{error}"
    );
    assert_eq!(fs::read_link(place.path("live")).unwrap(), live);
    assert_eq!(fs::read_dir(place.path("trees")).unwrap().count(), 1, "nothing of it is left");
    assert!(get(place.settings.listen, "team.example", "/", &[]).await.ends_with("ganymede: GET / HTTP/1.1"));

    place.signal_master("-TERM");
    until("nginx ends", || place.master().is_none()).await;
    assert!(place.live_is_sound());
    assert_eq!(place.nginx().apply(&Wanted::Stage1(good)).await.unwrap(), Applied::Started);
    assert!(get(place.settings.listen, "team.example", "/", &[]).await.ends_with("ganymede: GET / HTTP/1.1"));
}

/// Every state on disk in which the process can end while it replaces one tree by another.
#[tokio::test]
async fn the_end_of_the_process_at_any_moment_leaves_a_sound_configuration() {
    for ends in ["a tree half written", "a tree written", "the new link made", "the link replaced"] {
        let Some(place) = Place::new() else { return };
        let (name, gateway) = (container(1), named("gateway").await);
        let wanted = stage2(gateway, []);
        let mut nginx = place.nginx();
        nginx.apply(&wanted).await.unwrap();
        drop(nginx);
        let (old, new) = (fs::read_link(place.path("live")).unwrap(), place.path("trees/00000002"));
        fs::create_dir_all(new.join("sites")).unwrap();
        match ends {
            "a tree half written" => fs::write(new.join("nginx.conf"), "worker_proc").unwrap(),
            "a tree written" => copy(&old, &new),
            "the new link made" => {
                copy(&old, &new);
                symlink(&new, place.path("live.next")).unwrap();
            }
            _ => {
                copy(&old, &new);
                symlink(&new, place.path("live.next")).unwrap();
                fs::rename(place.path("live.next"), place.path("live")).unwrap();
            }
        }
        place.signal_master("-TERM");
        until("nginx ends", || place.master().is_none()).await;
        assert!(place.live_is_sound(), "{ends}: a cold start by somebody else");
        let mut nginx = place.nginx();
        assert_eq!(fs::read_dir(place.path("trees")).unwrap().count(), 1, "{ends}: what was left is gone");
        assert!(!place.path("live.next").exists(), "{ends}");
        let service = named("container").await;
        assert_eq!(nginx.apply(&stage2(gateway, [(&name, service)])).await.unwrap(), Applied::Started, "{ends}");
        assert_eq!(nginx.apply(&stage2(gateway, [(&name, service)])).await.unwrap(), Applied::Unchanged, "{ends}");
        assert!(get(place.settings.listen, &host(&name), "/", &[]).await.contains("HTTP/1.1"), "{ends}");
    }
}

/// As the driver would have written it there.
fn copy(old: &std::path::Path, new: &std::path::Path) {
    for name in [
        "nginx.conf",
        "absent.conf",
        "towards_us.conf",
        "towards_service.conf",
        "towards_verifier.conf",
        "sites/01_gateway.conf",
    ] {
        let text = fs::read_to_string(old.join(name)).unwrap();
        fs::write(new.join(name), text.replace(old.to_str().unwrap(), new.to_str().unwrap())).unwrap();
    }
}

#[tokio::test]
async fn an_nginx_that_runs_already_is_taken_over() {
    let Some(place) = Place::new() else { return };
    let (gateway, service, name) = (named("gateway").await, named("container").await, container(1));
    place.nginx().apply(&stage2(gateway, [])).await.unwrap();
    let master = place.master();
    let mut nginx = place.nginx();
    let same = stage2(gateway, []);
    assert_eq!(nginx.apply(&same).await.unwrap(), Applied::Reloaded, "nobody knows what it was told");
    assert_eq!(nginx.apply(&same).await.unwrap(), Applied::Unchanged);
    assert_eq!(nginx.apply(&stage2(gateway, [(&name, service)])).await.unwrap(), Applied::Reloaded);
    assert_eq!(place.master(), master);
    nginx.stop().await.unwrap();
    assert_eq!(place.master(), None);
}

/// Somebody wrote what is live, and ended before nginx was told.
#[tokio::test]
async fn what_an_nginx_was_not_told_the_next_process_tells_it() {
    let Some(place) = Place::new() else { return };
    let (gateway, service, name) = (named("gateway").await, named("container").await, container(1));
    place.nginx().apply(&stage2(gateway, [])).await.unwrap();
    let (pid, hidden) = (place.path("run/nginx.pid"), place.path("run/hidden.pid"));
    fs::rename(&pid, &hidden).unwrap();
    let wanted = stage2(gateway, [(&name, service)]);
    let untold = NginxSettings { manage: false, ..place.settings.clone() };
    assert_eq!(Nginx::open(untold).unwrap().apply(&wanted).await.unwrap(), Applied::Written);
    fs::rename(&hidden, &pid).unwrap();
    let mut nginx = place.nginx();
    assert_eq!(nginx.apply(&wanted).await.unwrap(), Applied::Reloaded);
    while !get(place.settings.listen, &host(&name), "/", &[]).await.ends_with("container: GET / HTTP/1.1") {}
    assert_eq!(nginx.apply(&wanted).await.unwrap(), Applied::Unchanged);
}

#[tokio::test]
async fn an_nginx_that_is_not_ours_is_neither_started_nor_ended() {
    let Some(place) = Place::with(|config| config.manage = false) else { return };
    let gateway = named("gateway").await;
    let mut nginx = place.nginx();
    assert_eq!(nginx.apply(&stage2(gateway, [])).await.unwrap(), Applied::Written);
    assert_eq!(place.master(), None);
    assert!(place.live_is_sound());
    nginx.stop().await.unwrap();
}
