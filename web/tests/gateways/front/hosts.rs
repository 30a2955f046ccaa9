//! Which host leads where, and who is let in.

use orrery_protocol::{access::Role, container::Phase, id::ContainerId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use uuid::Uuid;

use super::{
    Jar, Place,
    behind::Behind,
    door::{Door, at_both_doors},
    flow::until,
    running,
};
use crate::http::{Ask, PATIENCE};

at_both_doors! {
    who_may_not_enter_never_reaches_a_container,
    a_host_leads_to_its_own_organization_only,
    what_is_not_known_yet_is_not_said_to_be_nothing,
    one_connection_may_be_for_many_hosts,
    a_container_that_does_not_run_says_so,
    a_container_that_nobody_answers_in_is_named,
    an_organization_without_a_gateway_says_how_to_start_one,
    what_is_public_is_reached_by_anybody_and_nothing_else_is,
}

/// The table of principals, hosts and methods: nobody but members who may manage containers reaches one.
async fn who_may_not_enter_never_reaches_a_container(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let viewer = place.member("viewer", Role::Viewer).await;
    let editor = place.member("editor", Role::Editor).await;
    let stranger = place.city.person("stranger").await;
    let mut alias = place.table.iter().filter_map(|(target, _)| match target {
        orrery_protocol::container::Target::Alias(slug) => Some(place.host(slug.as_str())),
        orrery_protocol::container::Target::Gateway | orrery_protocol::container::Target::Container(..) => None,
    });
    let service = host.replacen('.', "--web.", 1);
    let hosts = [host.clone(), service, alias.next().unwrap(), host.to_uppercase().replace("LOCALHOST", "localhost.")];
    let tokens = [&viewer, &editor, &stranger].map(|user| place.city.access_token(user));
    let methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"];
    for host in &hosts {
        for method in methods {
            let ask = |token: Option<&str>| {
                let ask = Ask::new(method, "/", "").at(host);
                token.map(|token| ask.clone().bearer(token)).unwrap_or(ask)
            };
            let check = async |token: Option<&str>, expect: u16| {
                for address in place.doors() {
                    let answer = ask(token).of(address).await;
                    assert_eq!(answer.status, expect, "{method} {host} {token:?}: {}", answer.head);
                }
            };
            check(None, 401).await;
            check(Some("forged"), 401).await;
            check(Some(&tokens[0]), 403).await;
            check(Some(&tokens[2]), 404).await;
        }
    }
    assert_eq!(behind.asked(), 0, "none of them got there");
    for host in &hosts {
        for method in methods {
            let answer = Ask::new(method, "/", "").at(host).bearer(&tokens[1]).of(place.door).await;
            assert_eq!(answer.status, 200, "{method} {host}: {}", answer.head);
        }
    }
    assert_eq!(behind.asked(), (hosts.len() * methods.len()) as u64);
}

/// A proxy in front sends everybody's requests over the same connections.
async fn one_connection_may_be_for_many_hosts(door: Door) {
    let mut place = Place::new(door).await;
    let (one, first) = running(&mut place).await;
    let second = Behind::listen().await;
    let other = place.container(2, Phase::Running, Some(second.address)).await;
    let token = place.city.access_token(&place.alice);
    let unknown = place.host(&ContainerId::from_random(99).label());
    let mut expect = [0, 0];
    for address in place.doors() {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for (host, asked, status) in [
            (&one, [1, 0], 200),
            (&other, [0, 1], 200),
            (&other.to_uppercase().replace("LOCALHOST", "localhost"), [0, 1], 200),
            (&unknown, [0, 0], 404),
            (&one, [1, 0], 200),
            (&one, [1, 0], 200),
        ] {
            let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let head = until(&mut stream, "\r\n\r\n").await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {head}");
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let mut body = vec![0; length.expect("a length").parse().unwrap()];
            timeout(PATIENCE, stream.read_exact(&mut body)).await.expect("in time").unwrap();
            expect = [expect[0] + asked[0], expect[1] + asked[1]];
            assert_eq!([first.asked(), second.asked()], expect, "{host}");
        }
    }
}

async fn a_host_leads_to_its_own_organization_only(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let other = place.city.org("others").await;
    let unknown = ContainerId::from_random(99).label();
    for (wrong, expect) in [
        (host.replace(&place.org.to_string(), &Uuid::now_v7().to_string()), 404),
        (host.replace(&place.org.to_string(), &other.id.to_string()), 503),
        (place.host(&unknown), 404),
        (place.host("notebook-none"), 404),
        (host.replacen('.', "--none.", 1), 404),
        (host.replacen('.', "--.", 1), 404),
        (format!("x.{host}"), 404),
    ] {
        for accept in ["text/html", "*/*"] {
            let ask = Ask::get("/").at(&wrong).bearer(&token).header("accept", accept);
            let answer = ask.of(place.door).await;
            assert_eq!(answer.status, expect, "{wrong}: {}", answer.head);
            let page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            assert_eq!(page, accept == "text/html", "{}", answer.head);
        }
    }
    assert_eq!(behind.asked(), 0);
}

/// A gateway that took over a moment ago has not loaded every project.
async fn what_is_not_known_yet_is_not_said_to_be_nothing(door: Door) {
    let mut place = Place::new(door).await;
    place.table.whole = false;
    let stopped = place.container(1, Phase::Stopped, None).await;
    let unknown = place.host(&ContainerId::from_random(99).label());
    let answer = Ask::get("/").at(&unknown).of(place.door).await;
    assert_eq!(answer.refusal(), (503, "GATEWAY_MOVING".to_owned()));
    let page = Ask::get("/").at(&unknown).header("accept", "text/html").of(place.door).await.expect(503);
    assert!(String::from_utf8(page.body).unwrap().contains("http-equiv=\"refresh\""));
    assert_eq!(Ask::get("/").at(&stopped).of(place.door).await.refusal(), (503, "CONTAINER_STOPPED".to_owned()));
    place.table.whole = true;
    place.publish().await;
    assert_eq!(Ask::get("/").at(&unknown).of(place.door).await.status, 404);
}

async fn a_container_that_does_not_run_says_so(door: Door) {
    let mut place = Place::new(door).await;
    let session = place.session(&place.alice).await;
    let (up, _behind) = running(&mut place).await;
    let visit = place.visit(&up, &session).await;
    let cases = [
        (Phase::Pending, "CONTAINER_STARTING", "is starting", true),
        (Phase::Starting, "CONTAINER_STARTING", "is starting", true),
        (Phase::Running, "CONTAINER_UNHEALTHY", "does not answer", true),
        (Phase::Unhealthy, "CONTAINER_UNHEALTHY", "does not answer", true),
        (Phase::Stopping, "CONTAINER_STOPPED", "is stopping", false),
        (Phase::Stopped, "CONTAINER_STOPPED", "is stopped", false),
        (Phase::Failed, "CONTAINER_FAILED", "has failed", false),
    ];
    for (phase, code, does, reloads) in cases {
        let host = place.container(1, phase, None).await;
        let answer = Ask::get("/").at(&host).of(place.door).await;
        assert_eq!(answer.refusal(), (503, code.to_owned()));
        assert_eq!(answer.header("retry-after").is_some(), reloads);
        let mut nobody = Jar::default();
        let page = String::from_utf8(place.browse(&host, "/", &mut nobody).await.expect(503).body).unwrap();
        assert!(page.contains(&format!("The container {does}")), "{phase}: {page}");
        let told = page.to_lowercase();
        assert!(!told.contains("notebook") && !told.contains("exit code"), "{phase}: {page}");
        let shown = place.browse(&host, "/", &mut visit.clone()).await.expect(503);
        let policy = shown.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let page = String::from_utf8(shown.body).unwrap();
        assert!(page.contains(&format!("Alice&#39;s &lt;notebook&gt; {does}")), "{page}");
        assert!(page.contains("Exit code 3.") && !page.contains("<script"), "{page}");
        assert!(page.contains(&format!("/projects/{}/board", place.project)), "{page}");
        assert_eq!(page.contains("http-equiv=\"refresh\""), reloads, "{page}");
    }
}

async fn a_container_that_nobody_answers_in_is_named(door: Door) {
    let mut place = Place::new(door).await;
    let behind = Behind::listen().await;
    let host = place.container(1, Phase::Running, Some(behind.address)).await;
    drop(behind);
    let token = place.city.access_token(&place.alice);
    let ask = || Ask::get("/").at(&host).bearer(&token);
    // The listener may take a moment to close.
    let answer = loop {
        let answer = ask().of(place.door).await;
        if answer.status == 503 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer.refusal(), (503, "UPSTREAM_UNREACHABLE".to_owned()));
    let page = ask().header("accept", "text/html").of(place.door).await.expect(503);
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("does not answer") && page.contains("http-equiv=\"refresh\""), "{page}");
}

async fn an_organization_without_a_gateway_says_how_to_start_one(door: Door) {
    let place = Place::new(door).await;
    let other = place.city.org("others").await;
    let host = format!("{}.org-{}.localhost", ContainerId::from_random(1).label(), other.id);
    let answer = Ask::get("/").at(&host).of(place.door).await;
    assert_eq!(answer.refusal(), (503, "GATEWAY_NOT_RUNNING".to_owned()));
    let page = Ask::get("/").at(&host).header("accept", "text/html").of(place.door).await.expect(503);
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("Open one of its projects") && page.contains("Go to Orrery"), "{page}");
}

async fn what_is_public_is_reached_by_anybody_and_nothing_else_is(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let answer = Ask::post("/hooks/github", "x").at(&host).header("x-auth-user-id", "root").of(place.door).await;
    let said = answer.expect(200).json();
    assert_eq!(said["line"], "POST /hooks/github HTTP/1.1");
    assert!(said["fields"].get("x-auth-user-id").is_none(), "{said}");
    for path in ["/hooks/../admin", "/hooks/%2e%2e/admin", "/hooks/..%2fadmin", "//hooks/x", "/hook", "/"] {
        let answer = Ask::get(path).at(&host).of(place.door).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    assert_eq!(behind.asked(), 1);
}
