//! In front of a gateway: who gets to a container, and what it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use orrery_actors::nginx::{Applied, Nginx};
use orrery_protocol::container::HostName;

use crate::{
    peers::{Asked, Tunnel, get, peer, send},
    proxy::{ORG_HOST, Place, container, host, stage2},
};

/// A gateway that lets in whoever has its cookie or its token, and a container behind it.
struct City {
    place: Place,
    proxy: SocketAddr,
    nginx: Nginx,
    name: HostName,
    /// What the container was asked last.
    asked: Arc<Mutex<Option<Asked>>>,
    /// What the gateway was asked last when it had to decide.
    verified: Arc<Mutex<Option<Asked>>>,
}

impl City {
    async fn new() -> Option<Self> {
        let place = Place::new()?;
        let (asked, verified) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let (seen, decided) = (Arc::clone(&asked), Arc::clone(&verified));
        let gateway = peer(move |request| {
            if !request.line.starts_with("GET /-/orrery/verify ") {
                return ("200 OK".to_owned(), format!("gateway: {}", request.line));
            }
            *decided.lock().unwrap() = Some(request.clone());
            let cookie = request.header("cookie").is_some_and(|cookie| cookie.contains("orrery_visit=good"));
            let token = request.header("authorization").is_some_and(|token| token == "Bearer good");
            if request.header("x-original-upgrade").is_some() {
                return ("403 Mine".to_owned(), String::new());
            }
            let took = if token && !cookie { "\r\nX-Orrery-Took: authorization" } else { "" };
            match (cookie || token, request.header("x-original-uri").unwrap().starts_with("/public/")) {
                (true, _) => {
                    (format!("204 OK\r\nX-Auth-User-Id: alice-1\r\nX-Auth-User-Name: Alice%20A{took}"), String::new())
                }
                (false, true) => ("204 OK".to_owned(), String::new()),
                (false, false) => ("401 Unauthorized".to_owned(), String::new()),
            }
        });
        let gateway = gateway.await;
        let service = peer(move |request| {
            *seen.lock().unwrap() = Some(request.clone());
            let cookie = "Set-Cookie: own=1; Path=/; Domain=team.example\r\nSet-Cookie: __Host-orrery_visit=x; Secure; Path=/\r\n\
                          Clear-Site-Data: \"*\"\r\nAlt-Svc: h3\r\nX-Accel-Redirect: /-/orrery/leave";
            let status = if request.line.contains("/refuse") { "401 Unauthorized" } else { "200 OK" };
            (format!("{status}\r\n{cookie}"), format!("container: {} {}", request.line, request.body_bytes))
        });
        let (name, service) = (container(7), service.await);
        let mut nginx = place.nginx();
        assert_eq!(nginx.apply(&stage2(gateway, [(&name, service)])).await.unwrap(), Applied::Started);
        let proxy = place.settings.listen;
        Some(Self { place, proxy, nginx, name, asked, verified })
    }

    async fn get(&self, path: &str, lines: &[&str]) -> String {
        get(self.proxy, &format!("{}:8080", host(&self.name)), path, lines).await
    }

    fn asked(&self) -> Asked {
        self.asked.lock().unwrap().take().unwrap()
    }
}

const VISIT: &str = "Cookie: theirs=1; orrery_visit=good; more=2; __Host-orrery_nonce=x";

#[tokio::test]
async fn nobody_gets_to_a_container_unless_the_gateway_says_so() {
    let Some(city) = City::new().await else { return };
    let page = city.get("/lab?x=1", &["X-Auth-User-Id: mallory"]).await;
    assert!(page.ends_with("gateway: GET /lab?x=1 HTTP/1.1"), "{page}");
    assert!(city.asked.lock().unwrap().is_none());
    let asked = city.verified.lock().unwrap().take().unwrap();
    assert_eq!(asked.header("host").unwrap(), format!("{}:8080", host(&city.name)));
    assert_eq!(asked.header("x-original-uri").unwrap(), "/lab?x=1");
    assert_eq!(asked.header("x-original-method").unwrap(), "GET");
    assert_eq!(asked.header("x-auth-user-id"), None);

    let refused = send(city.proxy, "POST /run HTTP/1.1", &host(&city.name), &[], b"body").await;
    assert!(refused.ends_with("gateway: POST /run HTTP/1.1"), "the method is kept: {refused}");
    assert!(city.asked.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_container_is_told_who_asks_and_nothing_that_the_client_made_up() {
    let Some(city) = City::new().await else { return };
    let made_up = [
        VISIT,
        "X-Auth-User-Id: mallory",
        "X-Auth-User: mallory",
        "X-Forwarded-For: 198.51.100.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-User: mallory",
        "X-Original-URI: /",
        "Forwarded: for=198.51.100.9",
        "Orrery-Forward: made.up.token",
        "Authorization: Basic own",
        "Origin: https://somewhere.example",
    ];
    let page = city.get("/lab", &made_up).await;
    assert!(page.ends_with("container: GET /lab HTTP/1.1 0"), "{page}");
    let asked = city.asked();
    let header = |name: &str| asked.header(name);
    assert_eq!(header("host").unwrap(), format!("{}:8080", host(&city.name)));
    assert_eq!(header("x-auth-user-id").unwrap(), "alice-1");
    assert_eq!(header("x-auth-user-name").unwrap(), "Alice%20A");
    assert_eq!(header("cookie").unwrap(), "theirs=1; more=2; ");
    assert_eq!(header("authorization").unwrap(), "Basic own", "its own scheme passes beside a cookie of ours");
    assert_eq!(header("x-forwarded-for").unwrap(), "127.0.0.1");
    assert_eq!(header("x-forwarded-proto").unwrap(), "http");
    assert_eq!(header("origin").unwrap(), "https://somewhere.example");
    assert_eq!(asked.names_like("x-auth-"), ["x-auth-user-id", "x-auth-user-name"]);
    assert_eq!(asked.names_like("x-forwarded-"), ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);
    for gone in ["forwarded", "x-original-uri", "orrery-forward", "upgrade", "connection"] {
        assert_eq!(header(gone), None, "{gone}");
    }
    let cookie = format!("Set-Cookie: own=1; Path=/; Domain={}", host(&city.name));
    assert!(page.contains(&cookie), "a container's cookie stays on its own host: {page}");
    assert!(
        page.contains("Set-Cookie: __Host-orrery_visit=x; Path=/; SameSite=None\r\n"),
        "no browser takes it: {page}"
    );
    assert!(!page.contains("Clear-Site-Data") && !page.contains("Alt-Svc"), "{page}");
}

#[tokio::test]
async fn a_token_that_let_somebody_in_stays_outside() {
    let Some(city) = City::new().await else { return };
    city.get("/api", &["Authorization: Bearer good"]).await;
    assert_eq!(city.asked().header("authorization"), None);
    city.get("/api", &["Cookie: orrery_visit=stale", "Authorization: Bearer good"]).await;
    let asked = city.asked();
    assert_eq!((asked.header("authorization"), asked.header("cookie")), (None, None));
    city.get("/public/hook", &["Authorization: Bearer hook"]).await;
    let asked = city.asked();
    assert_eq!(asked.header("authorization").unwrap(), "Bearer hook", "nobody was let in by it");
    assert_eq!(asked.header("x-auth-user-id"), None);
}

#[tokio::test]
async fn our_own_paths_are_the_gateways_on_every_host() {
    let Some(city) = City::new().await else { return };
    for (path, lines) in [("/-/orrery/enter?code=1&return=/x", &[][..]), ("/-/orrery/leave", &[VISIT])] {
        let page = city.get(path, lines).await;
        assert!(page.ends_with(&format!("gateway: GET {path} HTTP/1.1")), "{page}");
    }
    let verify = city.get("/-/orrery/verify", &[VISIT]).await;
    assert!(verify.starts_with("HTTP/1.1 404 "), "{verify}");
    assert!(city.asked.lock().unwrap().is_none());
}

#[tokio::test]
async fn every_other_host_is_the_gateways_to_explain() {
    let Some(mut city) = City::new().await else { return };
    let stopped = host(&container(8));
    for name in [ORG_HOST, &stopped, "evil.example", "x.y.team.example"] {
        let page = get(city.proxy, name, "/", &[VISIT]).await;
        assert!(page.ends_with("gateway: GET / HTTP/1.1"), "{name}: {page}");
    }
    // A container that does not answer is explained there too.
    let gateway = peer(|asked| match asked.line.contains("verify") {
        true => ("204 OK".to_owned(), String::new()),
        false => ("503 Later".to_owned(), "starting".to_owned()),
    });
    let gone = crate::proxy::free_address();
    city.nginx.apply(&stage2(gateway.await, [(&city.name, gone)])).await.unwrap();
    loop {
        let page = city.get("/", &[VISIT]).await;
        if page.ends_with("starting") {
            assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
            break;
        }
    }
}

#[tokio::test]
async fn what_a_container_refuses_is_its_own_answer() {
    let Some(city) = City::new().await else { return };
    let page = city.get("/refuse", &[VISIT]).await;
    assert!(page.starts_with("HTTP/1.1 401 ") && page.contains("container: GET /refuse"), "{page}");
}

#[tokio::test]
async fn bodies_have_no_limit_and_upgrades_pass() {
    let Some(city) = City::new().await else { return };
    let body = vec![b'x'; 16 << 20];
    let page = send(city.proxy, "PUT /file HTTP/1.1", &host(&city.name), &[VISIT], &body).await;
    assert!(page.ends_with(&format!("container: PUT /file HTTP/1.1 {}", body.len())), "{page}");
    let mut tunnel = Tunnel::open(city.proxy, &host(&city.name), &[VISIT]).await;
    assert!(tunnel.echoes("hello").await);
    assert!(city.place.live_is_sound());
}
