//! What requests say, read so that everything that is wrong with it can be told at once, by field and in our words.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use http::{HeaderMap, header, request::Parts};
use serde_json::{Map, Value};

use crate::{
    error::{ApiError, ErrorCode},
    message::whole_body,
};

/// Largest JSON body of the people's API, in bytes. Beyond: 413.
pub(crate) const JSON_BYTES_MAX: usize = 64 << 10;

/// Longest text in any field, in characters. What a field means may set a smaller bound.
pub(crate) const TEXT_CHARS_MAX: usize = 1_000;

/// Problems that one answer lists.
const PROBLEMS_MAX: usize = 20;

/// A JSON object of a form that is known, as a request's body.
pub(crate) struct Body<T>(pub(crate) T);

/// A form of JSON object.
pub(crate) trait Form: Sized {
    /// Takes its fields. `None` if one of them is missing or wrong, which `fields` then knows: read them all first, so
    /// that all problems are told together.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// The fields of a JSON object that nobody has taken yet, and what was wrong with those that were.
pub(crate) struct Fields {
    left: Map<String, Value>,
    problems: BTreeMap<String, String>,
}

impl Fields {
    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.left.remove(name) {
            Some(value) => self.as_text(name, value),
            None => self.problem(name, "is missing"),
        }
    }

    /// A text that must be there and mean something.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        self.parse(name, &text)
    }

    /// A text that means something; `Some(None)` if it is not there, or `null`.
    pub(crate) fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<Option<T>> {
        match self.left.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => {
                let text = self.as_text(name, value)?;
                self.parse(name, &text).map(Some)
            }
        }
    }

    /// A list of texts that mean something; `Some(None)` if it is not there.
    pub(crate) fn list<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<Option<Vec<T>>> {
        let Some(value) = self.left.remove(name) else { return Some(None) };
        let Value::Array(values) = value else { return self.problem(name, "must be a list of texts") };
        let mut list = Vec::with_capacity(values.len());
        for value in values {
            let text = self.as_text(name, value)?;
            list.push(self.parse(name, &text)?);
        }
        Some(Some(list))
    }

    fn as_text(&mut self, name: &str, value: Value) -> Option<String> {
        let Value::String(text) = value else { return self.problem(name, "must be a text") };
        if text.chars().count() > TEXT_CHARS_MAX {
            return self.problem(name, format!("must be at most {TEXT_CHARS_MAX} characters long"));
        }
        Some(text)
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => self.problem(name, error.to_string()),
        }
    }

    fn problem<T>(&mut self, name: &str, problem: impl Into<String>) -> Option<T> {
        if self.problems.len() < PROBLEMS_MAX {
            // The name may be the caller's.
            self.problems.entry(name.chars().take(80).collect()).or_insert_with(|| problem.into());
        }
        None
    }
}

impl<T: Form> Body<T> {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            ApiError::invalid("body", format!("is not JSON at line {}, column {}", error.line(), error.column()))
        })?;
        let Value::Object(left) = value else { return Err(ApiError::invalid("body", "must be a JSON object")) };
        let mut fields = Fields { left, problems: BTreeMap::new() };
        let read = T::read(&mut fields);
        for name in std::mem::take(&mut fields.left).keys() {
            fields.problem::<()>(name, "is not known");
        }
        match read {
            Some(form) if fields.problems.is_empty() => Ok(Self(form)),
            Some(_) | None => Err(ApiError::invalid_fields(fields.problems)),
        }
    }
}

impl<T: Form, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, "the body must be application/json"));
        }
        Self::parse(&whole_body(request, state).await?)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The ids in a path, in their order. What is not an id names nothing: 404.
pub(crate) struct Ids<T>(pub(crate) T);

impl<A: FromStr, S: Send + Sync> FromRequestParts<S> for Ids<(A,)> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = path(parts, state).await?;
        let mut ids = path.iter().map(|(_, text)| text);
        Ok(Self((parse(ids.next())?,)))
    }
}

impl<A: FromStr, B: FromStr, S: Send + Sync> FromRequestParts<S> for Ids<(A, B)> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = path(parts, state).await?;
        let mut ids = path.iter().map(|(_, text)| text);
        Ok(Self((parse(ids.next())?, parse(ids.next())?)))
    }
}

async fn path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, ApiError> {
    RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found())
}

fn parse<T: FromStr>(text: Option<&str>) -> Result<T, ApiError> {
    text.and_then(|text| text.parse().ok()).ok_or_else(ApiError::not_found)
}

#[cfg(test)]
mod tests {
    use orrery_protocol::{access::OrgRole, id::OrgId};
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        name: String,
        role: OrgRole,
        orgs: Option<Vec<OrgId>>,
    }

    impl Form for Sample {
        fn read(fields: &mut Fields) -> Option<Self> {
            let (name, role, orgs) = (fields.text("name"), fields.parsed("role"), fields.list("orgs"));
            Some(Self { name: name?, role: role?, orgs: orgs? })
        }
    }

    fn problems(body: &str) -> Value {
        let error = Body::<Sample>::parse(body.as_bytes()).err().expect("refused");
        let body: Value = serde_json::from_slice(&error.body(Uuid::nil())).unwrap();
        body["error"]["details"]["fields"].clone()
    }

    #[test]
    fn a_form_is_read_whole() {
        let sample = Body::<Sample>::parse(br#"{"name": "Moon", "role": "admin"}"#).ok().unwrap().0;
        assert_eq!(sample, Sample { name: "Moon".to_owned(), role: OrgRole::Admin, orgs: None });
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let long = format!(r#"{{"name": "{}", "role": 1, "orgs": ["x"], "extra": null}}"#, "x".repeat(1_001));
        assert_eq!(
            problems(&long),
            serde_json::json!({
                "name": "must be at most 1000 characters long",
                "role": "must be a text",
                "orgs": "\"x\" is not an organization id (UUID)",
                "extra": "is not known",
            })
        );
        assert_eq!(
            problems(r#"{"role": "king", "orgs": "x"}"#),
            serde_json::json!({
                "name": "is missing",
                "role": "a role is member, admin or owner",
                "orgs": "must be a list of texts",
            })
        );
    }

    #[test]
    fn what_is_no_object_is_told_where_it_breaks() {
        let body = |problem: &str| serde_json::json!({ "body": problem });
        assert_eq!(problems("{\"name\":"), body("is not JSON at line 1, column 8"));
        assert_eq!(problems(""), body("is not JSON at line 1, column 0"));
        assert_eq!(problems("[]"), body("must be a JSON object"));
        assert_eq!(problems(&"[".repeat(1_000)), body("is not JSON at line 1, column 128"));
    }

    #[test]
    fn a_flood_of_fields_is_cut_short() {
        let fields: Vec<String> = (0..1_000).map(|field| format!(r#""field-{field}": 1"#)).collect();
        assert_eq!(problems(&format!("{{{}}}", fields.join(","))).as_object().unwrap().len(), PROBLEMS_MAX);
    }

    #[test]
    fn json_is_named_by_its_media_type() {
        let is = |kind: &'static str| is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]));
        assert!(is("application/json") && is("Application/JSON; charset=utf-8"));
        assert!(!is("text/plain") && !is("application/jsonp") && !is_json(&HeaderMap::new()));
    }
}
