//! The description that the process gives of itself.

use http::{Method, header};
use serde_json::Value;

use crate::installation::{Description, Installation, Proof};

/// Everything that outsiders were promised.
const PROMISED: [(&str, &str); 27] = [
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
    let described = description.operations();
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
