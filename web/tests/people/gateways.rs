//! Starting and stopping projects, and the pool as its administrator sees it.

use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use crate::installation::{Installation, Proof};

/// Somebody's organization with one project: the two ids.
async fn project(installation: &Installation, owner: &Proof) -> (String, String) {
    let org = installation.post("/api/orgs", owner, &json!({"name": "Moons"})).await.expect(201).json();
    let org = org["org"]["id"].as_str().unwrap().to_owned();
    let made = installation.post(&format!("/api/orgs/{org}/projects"), owner, &json!({"name": "Io"})).await;
    let project = made.expect(201).json()["project"]["id"].as_str().unwrap().to_owned();
    (org, project)
}

async fn slots(installation: &Installation, administrator: &Proof) -> Vec<Value> {
    let pool = installation.get("/api/pool", administrator).await.expect(200).json();
    pool["slots"].as_array().unwrap().clone()
}

#[tokio::test]
async fn starting_a_project_says_where_its_gateway_is() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let alice = installation.session(alice).await;
    let (org, project) = project(&installation, &alice).await;
    let started = installation.post(&format!("/projects/{project}/start"), &alice, &json!({})).await.expect(200).json();
    assert_eq!(started["project"]["active"], json!(true));
    assert!(started["project"]["last_started_at"].is_string());
    let gateway = json!({
        "gateway_hostname": format!("org-{org}.localhost"),
        "gateway_url": format!("http://localhost:7000/-/gw/org-{org}"),
        "ws_url": format!("ws://localhost:7000/-/gw/org-{org}/collab"),
    });
    assert_eq!(started["gateway"], gateway);
    let again = installation.post("/gateway/start", &alice, &json!({"organization_id": org})).await.expect(200);
    assert_eq!(again.json(), gateway);

    let pool = slots(&installation, &alice).await;
    assert_eq!(pool.iter().map(|slot| &slot["state"]).collect::<Vec<_>>(), ["allocated", "ready", "ready"]);
    assert_eq!((&pool[0]["org"], &pool[0]["step"]), (&json!(org), &json!("serving")));
    assert!(pool[0]["since"].is_string() && pool[0]["epoch"].is_u64());
    assert_eq!((&pool[1]["org"], &pool[1]["epoch"]), (&json!(null), &json!(null)));

    let stopped = installation.post(&format!("/projects/{project}/stop"), &alice, &json!({})).await.expect(200).json();
    assert_eq!(stopped["project"]["active"], json!(false));
    assert_eq!(slots(&installation, &alice).await[0]["state"], "allocated", "the gateway goes by itself, later");
}

#[tokio::test]
async fn fifty_at_once_get_one_slot() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let alice = installation.session(alice).await;
    let (_, project) = project(&installation, &alice).await;
    let path = format!("/projects/{project}/start");
    let body = json!({});
    let starts = (0..50).map(|_| installation.post(&path, &alice, &body));
    for answer in futures_util::future::join_all(starts).await {
        answer.expect(200);
    }
    let pool = slots(&installation, &alice).await;
    assert_eq!(pool.iter().filter(|slot| slot["state"] == "allocated").count(), 1);
}

#[tokio::test]
async fn a_full_pool_says_when_to_come_again() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let alice = installation.session(alice).await;
    for _ in 0..3 {
        let (org, _) = project(&installation, &alice).await;
        installation.post("/gateway/start", &alice, &json!({"organization_id": org})).await.expect(200);
    }
    let (_, project) = project(&installation, &alice).await;
    let full = installation.post(&format!("/projects/{project}/start"), &alice, &json!({})).await;
    assert!(full.headers.contains_key(header::RETRY_AFTER));
    full.refused(503, "POOL_EXHAUSTED");
    let shown = installation.get(&format!("/api/projects/{project}"), &alice).await.expect(200).json();
    assert_eq!(shown["project"]["active"], json!(false), "nothing was started");
}

#[tokio::test]
async fn draining_a_slot_moves_its_organization() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let alice = installation.session(alice).await;
    let (org, _) = project(&installation, &alice).await;
    installation.post("/gateway/start", &alice, &json!({"organization_id": org})).await.expect(200);
    let before = slots(&installation, &alice).await;
    let from = before.iter().find(|slot| slot["state"] == "allocated").unwrap();
    let path = format!("/api/pool/slots/{}/drain", from["slot"]);
    let drained = installation.post(&path, &alice, &json!({})).await.expect(200).json();
    let moved = &drained["allocation"];
    assert_eq!((&drained["slot"], &moved["organization_id"]), (&from["slot"], &json!(org)));
    assert_ne!(moved["slot"], from["slot"]);
    assert!(moved["epoch"].as_u64() > from["epoch"].as_u64());
    let again = installation.post(&path, &alice, &json!({})).await.expect(200).json();
    assert_eq!(again["allocation"], json!(null), "it serves nobody");
}

#[tokio::test]
async fn a_gateway_process_is_registered_and_revoked() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let alice = installation.session(alice).await;
    let first = installation.post("/api/pool/gateways", &alice, &json!({})).await.expect(201).json();
    let second = installation.post("/api/pool/gateways", &alice, &json!({})).await.expect(201).json();
    assert_ne!(first["port"], second["port"]);
    assert_ne!(first["gateway_id"], second["gateway_id"]);
    assert!(first["token"].as_str().unwrap().len() > 100);
    let path = format!("/api/pool/gateways/{}", first["gateway_id"].as_str().unwrap());
    installation.ask(Method::DELETE, &path, &alice, None).await.expect(204);
    installation.ask(Method::DELETE, &path, &alice, None).await.refused(404, "NOT_FOUND");
    let headers = HeaderMap::from_iter([(
        header::AUTHORIZATION,
        format!("Bearer {}", second["token"].as_str().unwrap()).parse().unwrap(),
    )]);
    installation.send(Method::GET, "/api/auth/me", headers, "").await.refused(401, "AUTHENTICATION_FAILED");
}
