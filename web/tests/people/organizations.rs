//! Organizations, members and projects as their users see them.

use http::Method;
use orrery_protocol::access::OrgRole;
use serde_json::{Value, json};

use crate::installation::{Installation, Proof};

struct Team {
    installation: Installation,
    alice: Proof,
    bob: Proof,
    org: String,
    bob_id: String,
}

/// Alice's organization, with Bob as a member.
async fn team() -> Team {
    let installation = Installation::new().await;
    let (alice, bob) = (installation.sign_up("alice").await, installation.sign_up("bob").await);
    let (alice, bob_id, bob) = (installation.session(alice).await, bob, installation.session(bob).await);
    let org = installation.post("/api/orgs", &alice, &json!({"name": "Moons"})).await.expect(201).json();
    let org = org["org"]["id"].as_str().unwrap().to_owned();
    let form = json!({"email": "BOB@example.org", "role": "member"});
    let member = installation.post(&format!("/api/orgs/{org}/members"), &alice, &form).await.expect(201).json();
    assert_eq!(member["member"]["user"]["name"], json!("bob"));
    Team { installation, alice, bob, org, bob_id: bob_id.to_string() }
}

#[tokio::test]
async fn a_project_is_listed_without_a_gateway() {
    let Team { installation, alice, bob, org, .. } = team().await;
    let path = format!("/api/orgs/{org}/projects");
    let made = installation.post(&path, &bob, &json!({"name": " Io "})).await.expect(201).json()["project"].clone();
    assert_eq!((&made["name"], &made["organization_id"], &made["active"]), (&json!("Io"), &json!(org), &json!(false)));
    assert_eq!(installation.get(&path, &alice).await.expect(200).json(), json!({"projects": [made]}));
    assert!(installation.routes.is_empty(), "no gateway was started for it");
}

#[tokio::test]
async fn everybody_sees_their_own_role() {
    let Team { installation, alice, bob, org, .. } = team().await;
    for (person, role) in [(&alice, "owner"), (&bob, "member")] {
        let orgs = installation.get("/api/orgs", person).await.expect(200).json()["orgs"].clone();
        assert_eq!(
            (&orgs[0]["id"], &orgs[0]["role"], orgs[0]["name"].as_str()),
            (&json!(org), &json!(role), Some("Moons"))
        );
        assert_eq!(installation.get(&format!("/api/orgs/{org}"), person).await.expect(200).json()["org"], orgs[0]);
    }
    let members = installation.get(&format!("/api/orgs/{org}/members"), &bob).await.expect(200).json();
    let roles: Vec<_> = members["members"].as_array().unwrap().iter().map(|member| &member["role"]).collect();
    assert_eq!(roles, [&json!("owner"), &json!("member")]);
    assert_eq!(members["members"][1]["user"]["email"], json!("bob@example.org"));
}

#[tokio::test]
async fn the_last_owner_stays() {
    let Team { installation, alice, org, bob_id, .. } = team().await;
    let alice_id = installation.get("/api/auth/me", &alice).await.json()["user"]["id"].as_str().unwrap().to_owned();
    let member = |user: &str| format!("/api/orgs/{org}/members/{user}");
    let demote = json!({"role": "member"});
    let patch = |user: String, body: Value| {
        let (installation, alice) = (&installation, &alice);
        async move { installation.ask(Method::PATCH, &user, alice, Some(&body)).await }
    };
    patch(member(&alice_id), demote.clone()).await.refused(409, "CONFLICT");
    installation.ask(Method::DELETE, &member(&alice_id), &alice, None).await.refused(409, "CONFLICT");
    patch(member(&bob_id), json!({"role": "owner"})).await.expect(200);
    let changed = patch(member(&alice_id), demote).await.expect(200).json();
    assert_eq!(changed["member"]["role"], json!("member"));
    installation.ask(Method::DELETE, &member(&bob_id), &alice, None).await.refused(403, "FORBIDDEN");
    installation.ask(Method::DELETE, &member(&alice_id), &alice, None).await.expect(204);
    installation.get(&format!("/api/orgs/{org}"), &alice).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn only_owners_make_owners() {
    let Team { installation, bob, org, .. } = team().await;
    let (org_id, bob_id) = (org.parse().unwrap(), installation.user("bob").await);
    installation.orgs.set_role(org_id, bob_id, OrgRole::Admin).await.unwrap();
    installation.sign_up("carol").await;
    let path = format!("/api/orgs/{org}/members");
    let carol = |role: &str| json!({"email": "carol@example.org", "role": role});
    installation.post(&path, &bob, &carol("owner")).await.refused(403, "FORBIDDEN");
    installation.post(&path, &bob, &carol("admin")).await.expect(201);
    installation.post(&path, &bob, &carol("admin")).await.refused(409, "CONFLICT");
    let nobody = json!({"email": "nobody@example.org", "role": "member"});
    installation.post(&path, &bob, &nobody).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_role_in_a_project_is_given_and_taken_back() {
    let Team { installation, alice, bob, org, bob_id } = team().await;
    let made = installation.post(&format!("/api/orgs/{org}/projects"), &alice, &json!({"name": "Io"})).await;
    let project = made.expect(201).json()["project"]["id"].as_str().unwrap().to_owned();
    let members = format!("/api/projects/{project}/members");
    let role = async || {
        let listed = installation.get(&members, &bob).await.expect(200).json();
        let bob = listed["members"].as_array().unwrap().iter().find(|member| member["user"]["id"] == json!(bob_id));
        bob.map(|bob| (bob["role"].clone(), bob["given"].clone())).unwrap()
    };
    assert_eq!(role().await, (json!("editor"), json!(null)));
    let form = json!({"email": "bob@example.org", "role": "viewer"});
    let given = installation.post(&members, &alice, &form).await.expect(201).json();
    assert_eq!(given["member"]["role"], json!("viewer"));
    assert_eq!(role().await, (json!("viewer"), json!("viewer")));
    installation.post(&format!("/projects/{project}/stop"), &bob, &json!({})).await.refused(403, "FORBIDDEN");
    installation.ask(Method::DELETE, &format!("{members}/{bob_id}"), &alice, None).await.expect(204);
    assert_eq!(role().await, (json!("editor"), json!(null)));
}

#[tokio::test]
async fn a_project_that_is_deleted_is_gone() {
    let Team { installation, alice, org, .. } = team().await;
    let made = installation.post(&format!("/api/orgs/{org}/projects"), &alice, &json!({"name": "Io"})).await;
    let path = format!("/api/projects/{}", made.expect(201).json()["project"]["id"].as_str().unwrap());
    let renamed = installation.ask(Method::PATCH, &path, &alice, Some(&json!({"name": "Europa"}))).await.expect(200);
    assert_eq!(renamed.json()["project"]["name"], json!("Europa"));
    installation.ask(Method::DELETE, &path, &alice, None).await.expect(204);
    installation.get(&path, &alice).await.refused(404, "NOT_FOUND");
}
