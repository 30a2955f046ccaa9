//! The description that the process gives of itself.

use std::{collections::BTreeSet, fs, path::Path};

use http::{Method, header};
use serde_json::Value;

use crate::installation::{Description, Installation, Proof};

/// What gateways answer: nobody does, where there are none.
const AT_GATEWAYS: [&str; 2] = ["collaboration", "orders"];

/// What is routed past the description, and why that is well.
const UNDESCRIBED: [(&str, &str); 6] = [
    ("ui.rs", "path"),                    // A page of the client, of which `/` is described for all.
    ("ui.rs", "BOARD"),                   // Another.
    ("ui.rs", "\"/assets/{file}\""),      // What those pages load, by names that nobody can know.
    ("dispatch.rs", "\"/collab/ping\""),  // On the way to a gateway, which describes it.
    ("dispatch.rs", "\"/collab/event\""), // The same.
    ("dispatch.rs", "\"/collab/{of_project}/{*rest}\""), // The same.
];

/// Everything that outsiders were promised.
const PROMISED: [(&str, &str); 51] = [
    ("POST", "/api/auth/signup"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/logout"),
    ("GET", "/api/auth/me"),
    ("POST", "/api/auth/token"),
    ("GET", "/api/api-keys"),
    ("POST", "/api/api-keys"),
    ("DELETE", "/api/api-keys/{key}"),
    ("GET", "/api/orgs"),
    ("POST", "/api/orgs"),
    ("GET", "/api/orgs/{org}/members"),
    ("POST", "/api/orgs/{org}/members"),
    ("DELETE", "/api/orgs/{org}/members/{user}"),
    ("GET", "/api/orgs/{org}/projects"),
    ("POST", "/api/orgs/{org}/projects"),
    ("GET", "/api/projects/{project}"),
    ("DELETE", "/api/projects/{project}"),
    ("POST", "/projects/{project}/start"),
    ("POST", "/projects/{project}/stop"),
    ("POST", "/gateway/start"),
    ("GET", "/api/pool"),
    ("POST", "/api/pool/slots/{slot}/drain"),
    ("GET", "/api/health"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/"),
    ("GET", "/api/auth/sessions"),
    ("DELETE", "/api/auth/sessions/{session}"),
    ("DELETE", "/api/auth/me"),
    ("DELETE", "/api/orgs/{org}"),
    ("POST", "/api/pool/gateways"),
    ("GET", "/gate/authorize"),
    ("POST", "/gateway/ready"),
    ("POST", "/gateway/config"),
    ("POST", "/gateway/lease"),
    ("POST", "/gateway/stop"),
    ("POST", "/gateway/data/pull"),
    ("POST", "/gateway/data/append"),
    ("POST", "/gateway/data/push"),
    ("POST", "/gateway/container-token"),
    ("POST", "/gateway/notes/pull"),
    ("POST", "/gateway/notes/push"),
    ("POST", "/gateway/visit"),
    ("GET", "/collab/ping"),
    ("POST", "/collab/event"),
    ("GET", "/collab/{project}/containers"),
    ("GET", "/collab/{project}/user-container/{id}/logs"),
    ("GET", "/collab/{project}/{document}"),
    ("POST", "/collab/start"),
    ("POST", "/collab/stop"),
];

fn responses<'a>(Description(document): &'a Description, method: &str, path: &str) -> &'a Value {
    &document["paths"][path][method.to_lowercase()]["responses"]
}

#[tokio::test]
async fn everything_promised_is_described() {
    let installation = Installation::new().await;
    let Description(document) = &installation.description().await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let described = Description(document.clone()).operations();
    for (method, path) in PROMISED {
        assert!(described.contains(&(method.to_owned(), path.to_owned())), "{method} {path}");
    }
}

#[tokio::test]
async fn everything_described_is_answered_and_nothing_else() {
    let installation = Installation::new().await;
    let description = installation.description().await;
    let described = description.operations_but(&AT_GATEWAYS);
    for (_, path) in &described {
        let id = "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";
        let target: String =
            path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect::<Vec<_>>().join("/");
        for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            let answer = installation.ask(method.clone(), &target, &Proof::None, None).await;
            let known = described.contains(&(method.to_string(), path.clone()));
            assert_eq!(answer.status != 405, known, "{method} {path}: {}", answer.body);
            if known {
                let status = answer.status.to_string();
                let said = responses(&description, method.as_str(), path).get(&status).is_some();
                assert!(said, "{method} {path} answers {status}, of which nothing is said");
                assert_ne!(answer.status, 404, "{method} {path} is not there for anybody");
            } else {
                assert!(answer.headers.contains_key(header::ALLOW), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() {
    let installation = Installation::new().await;
    let Description(document) = installation.description().await;
    let mut names: Vec<&str> = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            names.push(operation["operationId"].as_str().unwrap());
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{operation}");
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
    check_references(&document, &document);
}

/// A router does not tell what it routes. What is given to one without being described is found in the sources.
#[test]
fn nothing_is_routed_past_the_description() {
    let mut found = BTreeSet::new();
    collect_routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let known = UNDESCRIBED.map(|(file, path)| (file.to_owned(), path.to_owned())).into_iter();
    // What only containers come to is a part of what members do.
    let porch = ["ping", "event"].map(|name| ("gateway_api.rs".to_owned(), format!("\"/collab/{name}\"")));
    assert_eq!(found, known.chain(porch).collect::<BTreeSet<_>>());
}

/// The first argument of each `.route(`, with the file that has it. Tests route what they like.
fn collect_routes(place: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            collect_routes(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            // What somebody routes itself is no router's.
            let text = text.replace("self.route(", "");
            let routes = text.split(".route(").skip(1);
            found.extend(routes.map(|rest| (name.clone(), rest.split(',').next().unwrap().trim().to_owned())));
        }
    }
}

/// The copy is for whoever has no server at hand. With `ORRERY_RENEW_OPENAPI` in the environment it is written anew.
#[tokio::test]
async fn the_copy_in_the_documentation_is_this_one() {
    let installation = Installation::new().await;
    let Description(document) = installation.description().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::vars().any(|(name, _)| name == "ORRERY_RENEW_OPENAPI") {
        fs::write(&path, serde_json::to_string_pretty(&document).unwrap() + "\n").unwrap();
    }
    let copy: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(copy == document, "docs/openapi.json is of another version; `make openapi` renews it");
}

/// What takes more than an access token, which gateways see: the description says the same as the table of routes.
const NOT_BY_ACCESS_TOKEN: [(&str, &str); 5] = [
    ("/api/api-keys", "post"),
    ("/api/auth/me", "delete"),
    ("/api/auth/password", "post"),
    ("/api/auth/token", "post"),
    ("/api/orgs/{org}", "delete"),
];

#[tokio::test]
async fn an_access_token_does_all_but_what_outlives_it() {
    let installation = Installation::new().await;
    let Description(document) = installation.description().await;
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let mut refused = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let allowed = operation.get("security").unwrap_or(&document["security"]).as_array().unwrap();
            let names: Vec<_> = allowed.iter().flat_map(|one| one.as_object().unwrap().keys()).collect();
            assert!(names.iter().all(|name| schemes.contains_key(*name)), "{method} {path}: {allowed:?}");
            if path.starts_with("/api/") && !names.is_empty() && names.iter().all(|name| *name != "access") {
                refused.push((path.as_str(), method.as_str()));
            }
        }
    }
    refused.sort_unstable();
    assert_eq!(refused, NOT_BY_ACCESS_TOKEN);
}

fn check_references(document: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("all in one document");
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            fields.values().for_each(|value| check_references(document, value));
        }
        Value::Array(values) => values.iter().for_each(|value| check_references(document, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
