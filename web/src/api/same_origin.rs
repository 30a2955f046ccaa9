//! Whether a request that browsers send with cookies comes from a page of ours. Sibling hosts run what members put there,
//! so the same site is not enough: it must be the same origin.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, Uri, header, uri::Authority};

use crate::{authentication::is_safe, error::ApiError, public_url::PublicUrl, state::GanymedeState};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what a page of somebody else makes a browser send. `Authorization` is never sent by itself, so that a request
/// which has it is meant.
pub(super) async fn check(State(state): State<GanymedeState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let meant = is_safe(request.method()) || headers.contains_key(header::AUTHORIZATION);
    if meant || is_ours(headers, state.process.edge.public_url.as_ref()) {
        next.run(request).await
    } else {
        ApiError::forbidden("the request comes from a page of another origin").into_response()
    }
}

/// A browser says at least one of the two, and pages cannot change them; whoever says neither is no browser.
fn is_ours(headers: &HeaderMap, public: Option<&PublicUrl>) -> bool {
    let site = headers.get(FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
    let origin = headers.get(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        let origin = origin.as_ref().and_then(Uri::authority);
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        origin.is_some() && (origin == host.as_ref() || origin == public.map(PublicUrl::authority))
    });
    site && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(HeaderName, &'static str)], expect: bool) {
        let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let public: PublicUrl = "https://orrery.example".parse().unwrap();
        assert_eq!(is_ours(&map, Some(&public)), expect, "{headers:?}");
    }

    #[test]
    fn only_a_page_of_the_same_origin_is_ours() {
        let host = (header::HOST, "localhost:7000");
        let origin = |origin| (header::ORIGIN, origin);
        check(std::slice::from_ref(&host), true);
        check(&[host.clone(), origin("http://localhost:7000")], true);
        check(&[host.clone(), origin("https://orrery.example")], true);
        for other in ["http://localhost:7001", "http://uc-x.localhost:7000", "http://evil.test", "null", "", "https://"]
        {
            check(&[host.clone(), origin(other)], false);
        }
        check(&[origin("http://localhost:7000")], false);
        for (site, ours) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
            check(&[host.clone(), (FETCH_SITE, site)], ours);
            check(&[host.clone(), (FETCH_SITE, site), origin("http://evil.test")], false);
        }
    }
}
