//! What gateways say of themselves, and Ganymede of them.

use orrery_protocol::id::ContainerId;
use serde_json::Value;

use crate::{
    city::{City, Gateway, Org},
    http::Ask,
};

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

/// Every path and method that has one of these tags.
fn operations<'a>(document: &'a Value, tags: &[&str]) -> Vec<(&'a str, String, &'a Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (path.as_str(), method.to_uppercase(), operation))
    });
    all.filter(|(_, _, operation)| {
        operation["tags"].as_array().unwrap().iter().any(|tag| tags.contains(&tag.as_str().unwrap()))
    })
    .collect()
}

/// A place that the path may stand for.
fn target(path: &str, org: &Org) -> String {
    let path = path.replace("{project}", &org.project.to_string()).replace("{document}", "board");
    path.replace("{id}", &ContainerId::from_random(7).to_string())
}

async fn scene() -> (City, Gateway, Org, Value) {
    let city = City::new().await;
    let (gateway, org) = (city.gateway().await, city.org("moons").await);
    city.pool.start(org.id).await.unwrap();
    let document = Ask::get("/openapi.json").of(gateway.address).await.expect(200).json();
    (city, gateway, org, document)
}

#[tokio::test]
async fn what_a_gateway_describes_it_answers_and_nothing_else() {
    let (_city, gateway, org, document) = scene().await;
    let described = operations(&document, &["collaboration", "orders", "operations"]);
    for (path, _, _) in &described {
        for method in METHODS {
            let known = described.iter().find(|(of, by, _)| of == path && by == method);
            let answer = Ask::new(method, target(path, &org), "").of(gateway.address).await;
            assert_eq!(answer.status != 405, known.is_some(), "{method} {path}: {}", answer.status);
            if let Some((_, _, operation)) = known {
                let status = answer.status.to_string();
                assert!(operation["responses"].get(&status).is_some(), "{method} {path} answers {status}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_is_heard_without_the_token_that_is_described() {
    let (city, gateway, org, document) = scene().await;
    let stranger = city.org("others").await.owner;
    for (path, method, operation) in operations(&document, &["collaboration", "orders"]) {
        if operation["security"][0].as_object().unwrap().is_empty() {
            continue;
        }
        let method = METHODS.into_iter().find(|known| *known == method).unwrap();
        let ask = Ask::new(method, target(path, &org), r#"{"organization_id": "x"}"#);
        for refused in [ask.clone(), ask.clone().bearer("x"), ask.clone().bearer(&gateway.pool_token.0)] {
            let (status, code) = refused.of(gateway.address).await.refusal();
            // Of an order that begins, the proof is in the body.
            let expect = if path == "/collab/start" { (400, "INVALID_INPUT") } else { (401, "AUTHENTICATION_FAILED") };
            assert_eq!((status, code.as_str()), expect, "{method} {path}");
        }
        let of_people = operation["security"].as_array().unwrap().iter().any(|one| one.get("access").is_some());
        let (status, _) = ask.bearer(&stranger).of(gateway.address).await.refusal();
        let expect = match path {
            "/collab/event" | "/collab/start" => 400,
            _ if of_people => 404,
            _ => 401,
        };
        assert_eq!(status, expect, "{method} {path} by a member of another organization");
    }
}

#[tokio::test]
async fn ganymede_tells_of_gateways_what_they_tell_of_themselves() {
    let (city, _gateway, _org, document) = scene().await;
    let whole = Ask::get("/openapi.json").of(city.address).await.expect(200).json();
    for tags in [["collaboration"], ["orders"]] {
        let (here, there) = (operations(&whole, &tags), operations(&document, &tags));
        assert_eq!(here.len(), there.len());
        for ((path, method, here), (_, _, there)) in here.into_iter().zip(there) {
            let mut here = here.clone();
            let servers = here.as_object_mut().unwrap().remove("servers");
            assert!(servers.is_some_and(|servers| !servers.as_array().unwrap().is_empty()), "{method} {path}");
            assert_eq!(&here, there, "{method} {path}");
        }
    }
}
