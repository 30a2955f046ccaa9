//! Bodies that are records, taken apart as they arrive.

use std::error::Error;

use axum::{RequestExt, extract::Request};
use http_body_util::{BodyExt, LengthLimitError};
use orrery_protocol::record::{
    Record,
    stream::{RecordReader, StreamError, StreamFault},
};

use crate::error::{ApiError, ErrorCode};

/// Every record of a body, within the limit of its route. The first that is wrong ends it.
pub(super) async fn read_records(request: Request, record_bytes_max: usize) -> Result<Vec<Record>, ApiError> {
    let mut body = request.into_limited_body();
    let mut reader = RecordReader::new(record_bytes_max);
    let mut records = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken)?;
        let Ok(bytes) = frame.into_data() else { continue };
        reader.feed(&bytes);
        while let Some(record) = reader.next_record().map_err(malformed)? {
            records.push(record);
        }
    }
    reader.finish().map_err(malformed)?;
    if records.is_empty() { Err(ApiError::invalid("records", "there are none")) } else { Ok(records) }
}

fn malformed(error: StreamError) -> ApiError {
    match error.reason {
        StreamFault::TooLarge { .. } => ApiError::new(ErrorCode::TooLarge, error.to_string()),
        StreamFault::NotARecord(_) | StreamFault::OutOfOrder { .. } => ApiError::invalid("records", error.to_string()),
    }
}

fn broken(error: axum::Error) -> ApiError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return ApiError::new(ErrorCode::TooLarge, "the request body is too large");
        }
        cause = error.source();
    }
    ApiError::invalid("body", "did not arrive whole")
}
