//! `GET /openapi.json`: what this process serves to people, generated from the routes themselves.
//!
//! A route says what is its own: its path, its body, what it answers when all goes well and which refusals only it has.
//! What follows from its form is added here, once for all: ids in the path can be unknown, a body can be malformed, a
//! route that needs somebody signed in can be asked by nobody.

use axum::{Extension, Router, body::Bytes, response::IntoResponse};
use http::header;
use utoipa::{
    OpenApi,
    openapi::{
        Components, Content, InfoBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
        path::{HttpMethod, Operation, ParameterBuilder, ParameterIn, PathItem},
        schema::{AdditionalProperties, KnownFormat, Schema, SchemaFormat, Type},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
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
    ("409", "Conflict", "it contradicts what is there already"),
    ("413", "TooLarge", "the body is too large"),
    ("415", "UnsupportedMediaType", "the body is not JSON"),
    ("429", "RateLimited", "too many requests; `Retry-After` says when to try again"),
    ("500", "Internal", "a defect of the server"),
    ("503", "Unavailable", "something that is needed is not there; `code` says what"),
];

/// The document as it is sent.
#[derive(Clone)]
pub(crate) struct Document(Bytes);

#[derive(OpenApi)]
#[openapi(components(schemas(ErrorBody)))]
struct Base;

/// The routes, with one more that tells about all of them.
pub(crate) fn described<S: Clone + Send + Sync + 'static>(router: OpenApiRouter<S>) -> Router<S> {
    let (router, document) = router.routes(routes!(show)).split_for_parts();
    let text = complete(document).to_json().expect("a document of strings always serializes");
    router.layer(Extension(Document(text.into())))
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
    document.security = Some(vec![requirement("session"), requirement("bearer")]);
    let components = document.components.get_or_insert_default();
    add_security(components);
    for (_, name, meaning) in REFUSALS {
        components.responses.insert(name.to_owned(), RefOr::T(refusal(name, meaning)));
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            add_parameters(operation, path);
            add_refusals(operation, &method, path);
            close_form(operation, components);
        }
    }
    document
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new::<_, [&str; 0], &str>(scheme, [])
}

fn add_security(components: &mut Components) {
    let cookie = ApiKeyValue::with_description(
        crate::authentication::COOKIE,
        "set by signing in; `__Host-orrery_session` over TLS",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let bearer =
        Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("an API key or an access token")).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
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

/// A path names its ids by what they are, so their form follows from their names.
fn add_parameters(operation: &mut Operation, path: &str) {
    for name in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let schema = match name {
            "slot" => ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX)).build(),
            "key" | "session" => text.pattern(Some("^[0-9a-f]{16}$")).build(),
            _ => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build(),
        };
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(Schema::Object(schema)));
        operation.parameters.get_or_insert_default().push(RefOr::T(parameter.build()));
    }
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
    let public = operation.security.is_some();
    let changes = *method != HttpMethod::Get;
    let people = !operation.tags.iter().flatten().any(|tag| tag == "operations" || tag == "pages");
    let has_body = operation.request_body.is_some();
    for (status, name, _) in REFUSALS {
        let applies = match status {
            "400" | "413" | "415" => has_body,
            "401" => !public,
            "403" => !public || (people && changes),
            "404" => path.contains('{'),
            "429" => people,
            "409" => false,
            _ => true,
        };
        if applies {
            let response = RefOr::Ref(Ref::from_response_name(name));
            operation.responses.responses.entry(status.to_owned()).or_insert(response);
        }
    }
}
