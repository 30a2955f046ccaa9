//! `GET /openapi.json`: what this process serves, generated from the routes themselves.
//!
//! A route says what is its own: its path, its body, what it answers when all goes well and which refusals only it has.
//! What follows from its form is added here, once for all: ids in the path can be unknown, a body can be malformed, a
//! route that needs somebody signed in can be asked by nobody.

mod security;

use axum::{Extension, Router, body::Bytes, response::IntoResponse};
use http::header;
use orrery_protocol::control::EPOCH_HEADER;
use utoipa::{
    OpenApi,
    openapi::{
        Components, Content, InfoBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
        ServerBuilder, ServerVariableBuilder,
        path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::{AdditionalProperties, KnownFormat, Object, Schema, SchemaFormat, Type},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::error::ErrorBody;

/// Every refusal that can follow from a route's form: status, component, what it means.
const REFUSALS: [(&str, &str, &str); 10] = [
    ("400", "InvalidInput", "the request is not valid; `details.fields` says where"),
    ("401", "AuthenticationFailed", "nobody is signed in, or nobody that may be"),
    ("403", "Forbidden", "the caller may see this, but not do it"),
    ("404", "NotFound", "not there, or not for the caller to see"),
    ("409", "Conflict", "it contradicts what is there already, or comes from an epoch that is over"),
    ("413", "TooLarge", "the body is too large"),
    ("415", "UnsupportedMediaType", "the body is not JSON"),
    ("429", "RateLimited", "too many requests; `Retry-After` says when to try again"),
    ("500", "Internal", "a defect of the server"),
    ("503", "Unavailable", "something that is needed is not there; `code` says what"),
];

/// Tags of routes that nobody is signed in for.
const OPEN: [&str; 2] = ["operations", "pages"];

/// Tags of routes that processes and members ask: they read bodies with room for newer versions, and bound what is asked by
/// other means than how often.
const UNRATED: [&str; 3] = ["internal", "orders", "collaboration"];

/// A number that nobody has drawn, in place of an id.
const SOME_ORG: &str = "00000000-0000-0000-0000-000000000000";

/// The document as it is sent.
#[derive(Clone)]
pub(crate) struct Document(Bytes);

#[derive(OpenApi)]
#[openapi(components(schemas(ErrorBody)))]
struct Base;

/// The routes, with one more that tells about all of them, and about those of `others`, which are routed elsewhere.
pub(crate) fn described<S: Clone + Send + Sync + 'static>(
    router: OpenApiRouter<S>,
    others: impl IntoIterator<Item = utoipa::openapi::OpenApi>,
) -> Router<S> {
    let (router, mut document) = router.routes(routes!(show)).split_for_parts();
    others.into_iter().for_each(|other| document.merge(other));
    let text = complete(document).to_json().expect("a document of strings always serializes");
    router.layer(Extension(Document(text.into())))
}

/// Routes that are reached here, and below the path of their organization as well.
pub(crate) fn also_by_path(document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let org = ServerVariableBuilder::new().default_value(SOME_ORG).description(Some("the organization"));
    let by_path = ServerBuilder::new().url("/-/gw/org-{org}").parameter("org", org).build();
    let bare = ServerBuilder::new().url("/").description(Some("the project says which organization")).build();
    at(document, &[bare, by_path])
}

/// Routes that only gateway processes answer, each where it said that it listens.
pub(crate) fn at_gateways(document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let gateway = ServerVariableBuilder::new().default_value("127.0.0.1:7101").description(Some("as it announced"));
    at(document, &[ServerBuilder::new().url("http://{gateway}").parameter("gateway", gateway).build()])
}

fn at(mut document: utoipa::openapi::OpenApi, servers: &[utoipa::openapi::Server]) -> utoipa::openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        operations(item).for_each(|(_, operation)| operation.servers = Some(servers.to_vec()));
    }
    document
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")),
    security(())
)]
async fn show(Extension(Document(text)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text)
}

/// Adds what follows from the form of each route.
fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    document.merge(Base::openapi());
    document.info = InfoBuilder::new().title("Orrery").version(env!("CARGO_PKG_VERSION")).build();
    document.security = Some(security::of_people());
    let components = document.components.get_or_insert_default();
    security::add_schemes(components);
    for (_, name, meaning) in REFUSALS {
        components.responses.insert(name.to_owned(), RefOr::T(refusal(name, meaning)));
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            add_parameters(operation, path);
            add_refusals(operation, &method, path);
            if !has_tag(operation, &UNRATED) {
                close_form(operation, components);
            }
        }
    }
    document
}

fn refusal(name: &str, meaning: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("ErrorBody")));
    let response = ResponseBuilder::new().description(meaning).content("application/json", content);
    if name == "RateLimited" {
        let seconds = utoipa::openapi::HeaderBuilder::new().description(Some("in seconds")).build();
        return response.header("Retry-After", seconds).build();
    }
    response.build()
}

fn has_tag(operation: &Operation, tags: &[&str]) -> bool {
    operation.tags.iter().flatten().any(|tag| tags.contains(&tag.as_str()))
}

/// The operations of a path, each with its method.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Patch, &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// A path names its ids by what they are, so their form follows from their names. Who acts under an epoch says which.
fn add_parameters(operation: &mut Operation, path: &str) {
    let (by_gateway, by_gateway_alone) = security::under_epoch(operation);
    let ids = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> = ids.map(|name| parameter(name, ParameterIn::Path, true, id_form(name))).collect();
    if by_gateway {
        let epoch = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
        parameters.push(parameter(EPOCH_HEADER, ParameterIn::Header, by_gateway_alone, epoch));
    }
    if !parameters.is_empty() {
        operation.parameters.get_or_insert_default().extend(parameters.into_iter().map(RefOr::T));
    }
}

fn id_form(name: &str) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String);
    match name {
        "slot" => ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX)).build(),
        "key" | "session" => text.pattern(Some("^[0-9a-f]{16}$")).build(),
        "document" => text.pattern(Some(r"^(system|board|doc:[A-Za-z0-9._-]{1,120})$")).build(),
        // Of a user container.
        "id" => text.pattern(Some("^uc_[0-9a-z]{16}$")).build(),
        _ => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build(),
    }
}

fn parameter(name: &str, place: ParameterIn, required: bool, form: Object) -> Parameter {
    let required = if required { Required::True } else { Required::False };
    ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(Schema::Object(form))).build()
}

/// A body is read field by field, and one that nobody knows is refused.
fn close_form(operation: &Operation, components: &mut Components) {
    let Some(RefOr::T(body)) = &operation.request_body else { return };
    let forms = body.content.values().filter_map(|content| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(form)), .. }) => form.ref_location.rsplit('/').next(),
        RefOr::T(_) | RefOr::Ref(_) => None,
    });
    for form in forms {
        if let Some(RefOr::T(Schema::Object(form))) = components.schemas.get_mut(form) {
            form.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

fn add_refusals(operation: &mut Operation, method: &HttpMethod, path: &str) {
    let public = security::is_public(operation);
    let (by_gateway, _) = security::under_epoch(operation);
    let changes = *method != HttpMethod::Get;
    let of_people = !has_tag(operation, &UNRATED) && !has_tag(operation, &OPEN);
    let has_body = operation.request_body.is_some();
    for (status, name, _) in REFUSALS {
        let applies = match status {
            "400" => has_body || by_gateway,
            "401" => !public,
            "403" => of_people && (changes || !public),
            "404" => path.contains('{'),
            "409" => by_gateway,
            "413" => has_body,
            "415" => has_body && of_people,
            "429" => of_people,
            _ => true,
        };
        if applies {
            let response = RefOr::Ref(Ref::from_response_name(name));
            operation.responses.responses.entry(status.to_owned()).or_insert(response);
        }
    }
}
