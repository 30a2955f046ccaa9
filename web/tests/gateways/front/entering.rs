//! Through the gate and back, and the ways around it that there are not.

use orrery_protocol::container::Phase;

use super::{
    Jar, Place,
    door::{Door, at_both_doors},
    location, path_of, running,
};
use crate::http::Ask;

at_both_doors! {
    a_browser_goes_to_ganymede_and_comes_back_to_where_it_was,
    a_ticket_is_good_once_for_one_host_and_one_browser,
    a_visit_is_good_at_its_own_host_only,
    the_way_back_never_leads_to_another_host,
    the_gate_sends_nobody_to_a_host_that_is_no_container_s,
    only_what_a_browser_goes_to_by_itself_is_sent_to_the_gate,
    who_leaves_is_not_known_any_more,
}

async fn a_browser_goes_to_ganymede_and_comes_back_to_where_it_was(door: Door) {
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    let mut jar = Jar::default();
    let left = place.browse(&host, "/lab?x=1&y=%2F", &mut jar).await.expect(302);
    let port = place.door.port();
    assert!(location(&left).starts_with(&format!("http://localhost:{port}/gate/authorize?host=uc-")), "{}", left.head);
    let nonce = jar.get("orrery_nonce").expect("a nonce").to_owned();
    assert!(!location(&left).contains(&nonce), "what binds the ticket to this browser stays here");
    // Not signed in: the browser client asks for it, and comes back here.
    let asked = place.asked_to_sign_in(&left).await;
    assert!(asked.starts_with("/sign-in?return=%2Fgate%2Fauthorize%3Fhost%3Duc-"), "{asked}");
    let there = place.at_gate(&left, &session).await.expect(302);
    let back = location(&there).to_owned();
    assert!(back.starts_with(&format!("http://{host}/-/orrery/enter?code=")), "{back}");
    assert!(!back.contains(session.expose()));
    assert_eq!(there.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(there.header("cache-control"), Some("no-store"));
    let entered = place.browse(&host, path_of(&back), &mut jar).await.expect(302);
    assert_eq!(location(&entered), "/lab?x=1&y=%2F");
    assert!(jar.get("orrery_nonce").is_none() && jar.get("orrery_visit").is_some(), "{jar:?}");
    let said = place.browse(&host, "/lab", &mut jar).await.expect(200).json();
    assert_eq!(said["fields"]["x-auth-user-id"], place.alice.id.to_string());
    assert_eq!(said["fields"]["x-auth-user-name"], "alice");
    assert!(said["fields"].get("cookie").is_none(), "{said}");
}

async fn a_ticket_is_good_once_for_one_host_and_one_browser(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let other = place.container(2, Phase::Running, Some(behind.address)).await;
    let session = place.session(&place.alice).await;
    let mut jar = Jar::default();
    let left = place.browse(&host, "/", &mut jar).await;
    let before = jar.clone();
    let there = place.at_gate(&left, &session).await;
    let enter = path_of(location(&there)).to_owned();
    // Fixation: a victim is led here with a ticket that somebody else asked for.
    let mut victim = Jar::default();
    place.browse(&host, &enter, &mut victim).await.expect(403);
    place.browse(&host, "/", &mut victim).await.expect(302);
    place.browse(&host, &enter, &mut victim).await.expect(403);
    // Another host, with everything else in place.
    place.browse(&other, &enter, &mut before.clone()).await.expect(403);
    place.browse(&host, &enter, &mut jar).await.expect(302);
    assert!(jar.get("orrery_visit").is_some());
    // Replayed with the cookie that it was given for.
    let replayed = place.browse(&host, &enter, &mut before.clone()).await.expect(403);
    assert!(replayed.headers("set-cookie").is_empty(), "{}", replayed.head);
    // By who is in already: to where they wanted.
    place.browse(&host, &enter, &mut jar).await.expect(302);
    let forged = enter.replace("code=", "code=x");
    place.browse(&host, &forged, &mut before.clone()).await.expect(403);
    assert_eq!(behind.asked(), 0);
}

async fn a_visit_is_good_at_its_own_host_only(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let other = place.container(2, Phase::Running, Some(behind.address)).await;
    let service = host.replacen('.', "--web.", 1);
    let session = place.session(&place.alice).await;
    let visit = place.visit(&host, &session).await;
    for elsewhere in [&other, &service] {
        place.browse(elsewhere, "/", &mut visit.clone()).await.expect(302);
    }
    let token = visit.get("orrery_visit").unwrap();
    let as_token = Ask::get("/").at(&host).bearer(token).of(place.door).await;
    assert_eq!(as_token.status, 401, "a visit is no access token");
    let me = Ask::get("/api/auth/me").at(&place.platform()).bearer(token).of(place.door).await;
    assert_eq!(me.status, 401, "nor at Ganymede");
    let session = format!("orrery_session={}; orrery_visit={}", session.expose(), session.expose());
    place.browse(&host, "/", &mut Jar(vec![("x".to_owned(), session)])).await.expect(302);
    assert_eq!(behind.asked(), 0);
}

async fn the_way_back_never_leads_to_another_host(door: Door) {
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    for bad in ["//evil.test", "/%5Cevil.test", "https:%2F%2Fevil.test", "/%09/evil.test", "%0d%0aset-cookie:x", ""] {
        let mut jar = Jar::default();
        let left = place.browse(&host, "/", &mut jar).await;
        let authorize = path_of(location(&left)).replace("return=%2F", &format!("return={bad}"));
        let cookie = format!("orrery_session={}", session.expose());
        let there = Ask::get(authorize).at(&place.platform()).header("cookie", cookie).of(place.door).await.expect(302);
        assert!(location(&there).ends_with("&return=%2F"), "{bad}: {}", there.head);
        let enter = path_of(location(&there)).replace("return=%2F", &format!("return={bad}"));
        let entered = place.browse(&host, &enter, &mut jar).await.expect(302);
        assert_eq!(location(&entered), "/", "{bad}");
    }
}

async fn the_gate_sends_nobody_to_a_host_that_is_no_container_s(door: Door) {
    let place = Place::new(door).await;
    let session = place.session(&place.alice).await;
    let stranger = place.session(&place.city.person("stranger").await).await;
    let nonce = "n".repeat(43);
    let own = format!("uc-7000000000000000.org-{}.localhost", place.org);
    let check = async |host: &str, nonce: &str, secret: &str, expect: u16| {
        let path = format!("/gate/authorize?host={host}&nonce={nonce}&return=/");
        let cookie = format!("orrery_session={secret}");
        let ask = Ask::get(path).at(&place.platform()).header("cookie", cookie).header("accept", "text/html");
        let answer = ask.of(place.door).await;
        assert_eq!(answer.status, expect, "{host}: {}", answer.head);
        if expect == 302 {
            let to = format!("http://{own}:{}/", place.door.port());
            assert!(location(&answer).starts_with(&to), "{}", answer.head);
        }
    };
    check(&own, &nonce, session.expose(), 302).await;
    check(&format!("{own}:1"), &nonce, session.expose(), 302).await;
    check(&own, &nonce, stranger.expose(), 404).await;
    for nonce in ["", "short", &"n%0a".repeat(20)] {
        check(&own, nonce, session.expose(), 400).await;
    }
    let org = format!("org-{}.localhost", place.org);
    for host in ["", "localhost", "evil.test", &org, &format!("{own}.evil.test"), &format!("evil.test/{own}")] {
        check(host, &nonce, session.expose(), 400).await;
    }
    let path = format!("/gate/authorize?host={own}&nonce={nonce}");
    let cookie = format!("orrery_session={}", session.expose());
    let fetched = Ask::get(path).at(&place.platform()).header("cookie", cookie);
    fetched.header("sec-fetch-mode", "cors").of(place.door).await.expect(403);
}

async fn only_what_a_browser_goes_to_by_itself_is_sent_to_the_gate(door: Door) {
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let check = async |ask: Ask, expect: u16| {
        assert_eq!(ask.clone().at(&host).of(place.door).await.status, expect, "{ask:?}");
    };
    let html = |method| Ask::new(method, "/", "").header("accept", "text/html");
    check(html("GET"), 302).await;
    check(html("GET").header("sec-fetch-mode", "navigate"), 302).await;
    check(html("GET").header("sec-fetch-mode", "cors"), 401).await;
    check(html("HEAD"), 401).await;
    check(html("POST"), 401).await;
    check(Ask::get("/"), 401).await;
    check(Ask::new("OPTIONS", "/", "").header("access-control-request-method", "PUT"), 401).await;
}

async fn who_leaves_is_not_known_any_more(door: Door) {
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    let mut visit = place.visit(&host, &session).await;
    place.browse(&host, "/", &mut visit).await.expect(200);
    place.browse(&host, "/-/orrery/leave", &mut visit).await.expect(302);
    assert!(visit.0.is_empty(), "{visit:?}");
    place.browse(&host, "/-/orrery/x", &mut visit).await.expect(404);
}

/// On one's own machine the control plane has two names. A browser that is signed in at one of them and comes from a page
/// of neither is not asked to sign in again.
#[tokio::test]
async fn who_is_signed_in_under_the_other_name_of_this_machine_is_not_asked_again() {
    let mut place = Place::new(Door::BuiltIn).await;
    let (host, _behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    let (name, address) = (place.platform(), place.door.to_string());
    let goes = async |to: &str, signed_in_at: &str| {
        let (at, path) = to.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let ask = Ask::get(format!("/{path}")).at(at).header("accept", "text/html");
        let ask =
            if at == signed_in_at { ask.header("cookie", format!("orrery_session={}", session.expose())) } else { ask };
        location(&ask.of(place.door).await.expect(302)).to_owned()
    };
    let left = place.browse(&host, "/lab", &mut Jar::default()).await;
    for (signed_in_at, steps) in [(&name, 1), (&address, 2)] {
        let mut to = location(&left).to_owned();
        assert!(to.starts_with(&format!("http://{name}/gate/authorize?")), "{to}");
        for _ in 0..steps {
            to = goes(&to, signed_in_at).await;
        }
        assert!(to.starts_with(&format!("http://{host}/-/orrery/enter?code=")), "{signed_in_at}: {to}");
    }
    // Nowhere: they sign in where they came to, and go on from there.
    let other = goes(location(&left), "").await;
    assert!(other.starts_with(&format!("http://{address}/gate/authorize?")), "{other}");
    let asked = goes(&other, "").await;
    assert!(asked.starts_with(&format!("http://{name}/sign-in?return=%2Fgate%2Fauthorize%3Fhost%3Duc-")), "{asked}");
    assert!(!asked.contains("from"), "and look at both names the next time too: {asked}");
}

/// The pages that a container's host leads to are at the one of the two names where the browser is signed in.
#[tokio::test]
async fn a_link_leads_to_the_name_of_this_machine_where_one_is_signed_in() {
    let place = Place::new(Door::BuiltIn).await;
    let session = place.session(&place.alice).await;
    let (name, address) = (place.platform(), place.door.to_string());
    let page = format!("/projects/{}/board", place.project);
    let goes = async |to: &str, site: &str, signed_in_at: &str| {
        let (at, path) = to.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let ask = Ask::get(format!("/{path}")).at(at).header("accept", "text/html");
        let ask = ask.header("sec-fetch-dest", "document").header("sec-fetch-site", site);
        let cookie = format!("orrery_session={}", session.expose());
        let ask = if at == signed_in_at { ask.header("cookie", cookie) } else { ask };
        let answer = ask.of(place.door).await;
        (answer.status, answer.header("location").unwrap_or_default().to_owned())
    };
    let shown = (200, String::new());
    let link = format!("http://{name}{page}");
    let sent_on = format!("http://{address}{page}?from=localhost");
    assert_eq!(goes(&link, "cross-site", &name).await, shown);
    assert_eq!(goes(&link, "cross-site", &address).await, (302, sent_on.clone()));
    assert_eq!(goes(&sent_on, "cross-site", &address).await, (302, page.clone()));
    assert_eq!(goes(&format!("http://{address}{page}"), "cross-site", &address).await, shown);
    // Nowhere: they sign in where they came to.
    let sign_in = format!("http://{name}/sign-in?return={}", page.replace('/', "%2F"));
    assert_eq!(goes(&sent_on, "cross-site", "").await, (302, sign_in.clone()));
    assert_eq!(goes(&sign_in, "cross-site", "").await, shown);
    // Whoever is here already, or typed the name, meant it.
    for site in ["same-origin", "none"] {
        assert_eq!(goes(&link, site, &address).await, shown, "{site}");
    }
}

/// What another proxy asks about its requests is answered as if they had come here.
#[tokio::test]
async fn another_proxy_is_told_who_may_pass() {
    let mut place = Place::new(Door::BuiltIn).await;
    let (host, behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    let visit = place.visit(&host, &session).await;
    let ask = |method: &str, uri: &str| {
        let ask = Ask::get("/-/orrery/verify").at(&host).header("x-original-method", method);
        ask.header("x-original-uri", uri)
    };
    let at = place.gateway.address;
    let told = visit.on(ask("GET", "/lab")).of(at).await.expect(204);
    assert_eq!(told.header("x-auth-user-id"), Some(place.alice.id.to_string().as_str()));
    assert_eq!(told.header("x-auth-user-name"), Some("alice"));
    ask("GET", "/lab").of(at).await.expect(401);
    let open = ask("POST", "/hooks/x").of(at).await.expect(204);
    assert_eq!(open.header("x-auth-user-id"), None);
    ask("GET", "/hooks/../x").of(at).await.expect(401);
    visit.on(ask("POST", "/lab")).header("origin", "http://evil.test").of(at).await.expect(403);
    let token = place.city.access_token(&place.alice);
    let told = ask("GET", "/").bearer(&token).of(at).await.expect(204);
    assert_eq!(told.header("x-orrery-took"), Some("authorization"));
    let told = visit.on(ask("GET", "/")).header("authorization", "Basic eDp5").of(at).await.expect(204);
    assert_eq!(told.header("x-orrery-took"), None, "the container's own");
    let socket =
        |origin: &str| visit.on(ask("GET", "/")).header("x-original-upgrade", "websocket").header("origin", origin);
    socket("http://evil.test").of(at).await.expect(403);
    // What is to be looked after for as long as it is open is passed on from here, and so is what only this door knows to
    // take off.
    socket(&format!("http://{host}")).of(at).await.expect(403);
    let mine = [
        ("accept", "text/event-stream"),
        ("x-original-upgrade", "h2c"),
        ("x-auth-role", "root"),
        ("x-auth-user-id", "x"),
    ];
    for (name, value) in mine {
        visit.on(ask("GET", "/")).header(name, value).of(at).await.expect(403);
    }
    visit.on(ask("GET", "/")).header("x-forwarded-for", "127.0.0.1").of(at).await.expect(204);
    Ask::get("/-/orrery/verify").at(&host).of(at).await.expect(400);
    visit.on(ask("GET", "/")).of(place.city.address).await.expect(404);
    assert_eq!(behind.asked(), 0);
}
