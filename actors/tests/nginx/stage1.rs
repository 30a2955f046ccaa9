//! In front of the control plane: which process answers for which host, with TLS and without.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, process::Command};

use orrery_actors::nginx::{Applied, ConfigPath, Stage1Tls, Stage1Wanted, Wanted};
use orrery_protocol::id::OrgId;
use uuid::Uuid;

use crate::{
    peers::{get, named, peer},
    proxy::{ORG, ORG_HOST, Place, domain, free_address},
};

async fn stage1(tls: Option<Stage1Tls>) -> Wanted {
    let gateways = BTreeMap::from([(ORG, named("gateway").await)]);
    Wanted::Stage1(Stage1Wanted { domain: domain(), ganymede: named("ganymede").await, tls, gateways })
}

/// Whose answer begins so, for each host.
fn hosts() -> Vec<(String, &'static str)> {
    let elsewhere = OrgId(Uuid::from_u128(9));
    let mut hosts: Vec<(String, &str)> = [
        ("team.example", "ganymede: "),
        ("ganymede.team.example", "ganymede: "),
        (ORG_HOST, "gateway: "),
        ("evil.example", "404"),
        // Pages of people are the control plane's to make, also for hosts that are nobody's.
        ("org-1.team.example", "ganymede: "),
        ("x.y.team.example", "ganymede: "),
        ("notteam.example", "404"),
    ]
    .map(|(host, answer)| (host.to_owned(), answer))
    .into();
    hosts.push((format!("uc-7000000000000000--web.{ORG_HOST}"), "gateway: "));
    hosts.push((ORG_HOST.to_ascii_uppercase(), "gateway: "));
    hosts.push((format!("{ORG_HOST}:8080"), "gateway: "));
    // Whether there is such an organization is the control plane's to say.
    hosts.push((format!("org-{elsewhere}.team.example"), "ganymede: "));
    hosts.push((format!("uc-7000000000000000.org-{elsewhere}.team.example"), "ganymede: "));
    hosts
}

fn check(host: &str, answer: &str, expect: &str) {
    if expect == "404" {
        assert!(answer.starts_with("HTTP/1.1 404 "), "{host}: {answer}");
    } else {
        assert!(answer.contains(&format!("\r\n\r\n{expect}GET /p?q=1 HTTP/1.1")), "{host}: {answer}");
    }
}

#[tokio::test]
async fn each_host_leads_to_who_serves_it() {
    let Some(place) = Place::new() else { return };
    assert_eq!(place.nginx().apply(&stage1(None).await).await.unwrap(), Applied::Started);
    for (host, expect) in hosts() {
        check(&host, &get(place.settings.listen, &host, "/p?q=1", &[]).await, expect);
    }
}

#[tokio::test]
async fn a_proxy_in_front_is_believed_only_if_it_is_ours() {
    for (trusted, expect) in [(vec![], "127.0.0.1 http"), (vec!["127.0.0.1".parse().unwrap()], "198.51.100.9 https")] {
        let Some(place) = Place::with(|config| config.trusted_proxies = trusted) else { return };
        let ganymede = crate::peers::peer(|asked| {
            let header = |name| asked.header(name).unwrap_or_default();
            ("200 OK".to_owned(), format!("{} {}", header("x-forwarded-for"), header("x-forwarded-proto")))
        });
        let wanted = Stage1Wanted { domain: domain(), ganymede: ganymede.await, tls: None, gateways: BTreeMap::new() };
        place.nginx().apply(&Wanted::Stage1(wanted)).await.unwrap();
        let said = ["X-Forwarded-For: 198.51.100.9", "X-Forwarded-Proto: https"];
        let page = get(place.settings.listen, "team.example", "/", &said).await;
        assert!(page.ends_with(expect), "{page}");
    }
}

#[tokio::test]
async fn who_does_not_answer_is_told_to_people_and_to_programs() {
    let Some(place) = Place::new() else { return };
    let gateways = BTreeMap::from([(ORG, free_address())]);
    let wanted = Stage1Wanted { domain: domain(), ganymede: free_address(), tls: None, gateways };
    place.nginx().apply(&Wanted::Stage1(wanted)).await.unwrap();
    for host in ["team.example", ORG_HOST] {
        let program = get(place.settings.listen, host, "/api/orgs", &["Accept: application/json"]).await;
        let (head, body) = program.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nRetry-After: 2"), "{head}");
        assert!(head.contains("\r\nContent-Type: application/json"), "{head}");
        let error = serde_json::from_str::<serde_json::Value>(body).unwrap()["error"].clone();
        assert_eq!(error["code"], "ORRERY_UNREACHABLE");
        assert!(error["message"].is_string() && error["request_id"].is_string(), "{error}");

        let person = get(place.settings.listen, host, "/", &["Accept: text/html,*/*;q=0.8"]).await;
        let (head, body) = person.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nContent-Security-Policy: "), "{head}");
        assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8"), "{head}");
        assert!(body.contains("<h1>Orrery does not answer</h1>") && body.contains("http-equiv=\"refresh\""), "{body}");
        assert!(body.ends_with("</html>\n"), "{body}");
    }
}

#[tokio::test]
async fn what_those_behind_say_of_themselves_is_passed_on() {
    let Some(place) = Place::new() else { return };
    let down = || peer(|_| ("502 Mine".to_owned(), "theirs".to_owned()));
    let gateways = BTreeMap::from([(ORG, down().await)]);
    let wanted = Stage1Wanted { domain: domain(), ganymede: down().await, tls: None, gateways };
    place.nginx().apply(&Wanted::Stage1(wanted)).await.unwrap();
    for host in ["team.example", ORG_HOST] {
        let page = get(place.settings.listen, host, "/", &["Accept: text/html"]).await;
        assert!(page.starts_with("HTTP/1.1 502 ") && page.ends_with("theirs"), "{page}");
    }
}

/// Signed by itself.
fn make_certificate(folder: &Path, host: &str) {
    let folder = folder.join(host);
    fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("fullchain.pem"), folder.join("privkey.pem"));
    let subject = format!("/CN={host}");
    let names = format!("subjectAltName=DNS:{host},DNS:*.{host}");
    let arguments = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let mut made = Command::new("openssl");
    made.args(arguments)
        .args(["-subj", &subject, "-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&chain);
    let made = made.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test]
async fn with_certificates_everything_is_over_tls() {
    let tls_listen = free_address();
    let place = Place::with(|config| {
        config.listen_tls = tls_listen.to_string();
        config.certificates = "/etc/orrery/tls".to_owned();
    });
    let Some(place) = place else { return };
    let (missing, folder) = (OrgId(Uuid::from_u128(9)), ConfigPath::try_from(place.folder.path().to_owned()).unwrap());
    make_certificate(folder.as_path(), "team.example");
    make_certificate(folder.as_path(), ORG_HOST);
    let tls = Stage1Tls::find(&folder, &domain(), [ORG, missing]);
    assert_eq!(tls.orgs.keys().collect::<Vec<_>>(), [&ORG], "who has none gets the domain's");
    let org_chain = fs::read(tls.orgs[&ORG].chain.as_path()).unwrap();
    place.nginx().apply(&stage1(Some(tls)).await).await.unwrap();
    for (host, expect) in hosts() {
        let answer = get(place.settings.listen, &host, "/p?q=1", &[]).await;
        if expect == "404" {
            check(&host, &answer, expect);
        } else {
            let bare = host.to_ascii_lowercase().replace(":8080", "");
            let onward = format!("\r\nLocation: https://{bare}:{}/p?q=1\r\n", tls_listen.port());
            assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains(&onward), "{host}: {answer}");
        }
    }
    // The certificate of the organization covers its containers.
    let host = format!("uc-7000000000000000.{ORG_HOST}");
    let page = trusting(&org_chain, &host, tls_listen).get(format!("https://{host}:{}/p?q=1", tls_listen.port()));
    let page = page.send().await.unwrap();
    assert_eq!(page.text().await.unwrap(), "gateway: GET /p?q=1 HTTP/1.1");
}

fn trusting(chain: &[u8], host: &str, address: SocketAddr) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(chain).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).resolve(host, address).no_proxy().build().unwrap()
}
