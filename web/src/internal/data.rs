//! Documents on their way to Ganymede and back. Our own gateways speak records; others may speak JSON.

mod body;

use axum::{
    Json,
    extract::{DefaultBodyLimit, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, header};
use orrery_ganymede::data::PushBody;
use orrery_protocol::{
    control::{Appended, Pull, Pushed, RECORDS_CONTENT_TYPE},
    record::{OVERHEAD_BYTES_MAX, PAYLOAD_BYTES_MAX},
};
use serde_json::json;

use self::body::read_records;
use super::{
    caller::Serving,
    shape::{AppendedShape, PullForm, PulledShape, PushForm, PushedShape, Records},
};
use crate::{
    error::{ApiError, ErrorBody, ErrorCode},
    limits::HttpLimits,
    message::{Message, whole_body},
    state::GanymedeState,
};

const JSON_CONTENT_TYPE: &str = "application/json";

/// Where snapshots go.
pub(super) const PUSH: &str = "/gateway/data/push";

/// The longest body of snapshots. A document that became so large, update by update, is stored as a whole as well: else its
/// gateway would try again and again.
pub(super) fn snapshots_bytes_max(limits: &HttpLimits) -> usize {
    limits.data_bytes_max.max(PAYLOAD_BYTES_MAX + OVERHEAD_BYTES_MAX)
}

/// What is stored: records, or JSON if that is asked for. For an organization of which nothing is stored, it is always JSON.
#[utoipa::path(
    post,
    path = "/gateway/data/pull",
    operation_id = "gateway_pull",
    tag = "internal",
    request_body = PullForm,
    responses(
        (
            status = 200,
            description = "records, or JSON if that is asked for or nothing is stored",
            content((Records = "application/octet-stream"), (PulledShape = "application/json"))
        ),
        (status = 404, description = "the body is about another organization than the token", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
pub(super) async fn pull(
    State(state): State<GanymedeState>,
    caller: Serving,
    headers: HeaderMap,
    Message(pull): Message<Pull>,
) -> Result<Response, ApiError> {
    caller.may_see(pull.organization_id)?;
    if is(&headers, header::ACCEPT, JSON_CONTENT_TYPE) {
        return Ok(Json(state.data.pull_json(&caller.0).await?).into_response());
    }
    let records = state.data.pull(&caller.0, &pull).await?;
    if records.is_empty() {
        return Ok(Json(json!({"success": true, "timestamp": null, "data": null})).into_response());
    }
    Ok(([(header::CONTENT_TYPE, RECORDS_CONTENT_TYPE)], records).into_response())
}

/// Updates, answered when they are durable.
#[utoipa::path(
    post,
    path = "/gateway/data/append",
    operation_id = "gateway_append",
    tag = "internal",
    request_body(content = Records, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "durable", body = AppendedShape),
        (status = 409, description = "the epoch is over, updates are missing before, or JSON was pushed", body = ErrorBody),
        (status = 415, description = "the body is not records", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
pub(super) async fn append(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    request: Request,
) -> Result<Json<Appended>, ApiError> {
    if !carries(request.headers(), RECORDS_CONTENT_TYPE) {
        return Err(not_understood());
    }
    let records = read_records(request, state.process.edge.limits.data_bytes_max).await?;
    Ok(Json(state.data.append(&claims, records).await?))
}

/// Snapshots, or boards as JSON; answered when they are durable.
#[utoipa::path(
    post,
    path = "/gateway/data/push",
    operation_id = "gateway_push",
    tag = "internal",
    request_body(content((Records = "application/octet-stream"), (PushForm = "application/json"))),
    responses(
        (status = 200, description = "durable", body = PushedShape),
        (status = 403, description = "the body is another gateway's", body = ErrorBody),
        (status = 404, description = "the body is about another organization than the token", body = ErrorBody),
        (status = 409, description = "the epoch is over, or the other form was written before", body = ErrorBody),
        (status = 415, description = "the body is neither records nor JSON", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
pub(super) async fn push(
    State(state): State<GanymedeState>,
    caller: Serving,
    mut request: Request,
) -> Result<Json<Pushed>, ApiError> {
    if is(request.headers(), header::CONTENT_TYPE, JSON_CONTENT_TYPE) {
        return push_json(&state, &caller, request).await.map(Json);
    }
    if !carries(request.headers(), RECORDS_CONTENT_TYPE) {
        return Err(not_understood());
    }
    let bytes_max = snapshots_bytes_max(&state.process.edge.limits);
    DefaultBodyLimit::max(bytes_max).apply(&mut request);
    let records = read_records(request, bytes_max).await?;
    Ok(Json(state.data.push(&caller.0, records).await?))
}

async fn push_json(state: &GanymedeState, caller: &Serving, request: Request) -> Result<Pushed, ApiError> {
    let PushBody { organization_id, gateway_id, data } = Message::read(&whole_body(request, &()).await?)?;
    caller.may_see(organization_id)?;
    if let Some(gateway) = gateway_id {
        caller.speaks_for(gateway)?;
    }
    Ok(state.data.push_json(&caller.0, data).await?)
}

/// Whether a header names this media type, whatever its parameters.
fn is(headers: &HeaderMap, name: HeaderName, media_type: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|value| value.split(',')).filter_map(|value| value.split(';').next());
    types.any(|named| named.trim().eq_ignore_ascii_case(media_type))
}

/// Whether the body is of this media type, or of none that is named.
fn carries(headers: &HeaderMap, media_type: &str) -> bool {
    !headers.contains_key(header::CONTENT_TYPE) || is(headers, header::CONTENT_TYPE, media_type)
}

fn not_understood() -> ApiError {
    let text = format!("the body must be {RECORDS_CONTENT_TYPE}");
    ApiError::new(ErrorCode::UnsupportedMediaType, text)
}
