//! Links from containers' hosts to the pages of the control plane, on one's own machine. They name `localhost`, and the
//! browser may be signed in at the address: it is sent there before anybody is asked to sign in a second time.
//!
//! ```text
//! localhost/projects/… ──302──> 127.0.0.1/projects/…?from=localhost ──302──> 127.0.0.1/projects/…
//!                                                                   └──302──> localhost/sign-in?return=/projects/…
//! ```
//!
//! Whoever types a name, or goes on at one, stays there.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, request::Parts};

use super::{Loopback, SIGN_IN_PATH, loopback, signed_in};
use crate::{front::redirect, percent, state::GanymedeState};

const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The query of who was sent on.
const SENT_ON: &str = "from=localhost";

/// Sends whoever comes to a page where they are signed in.
pub(crate) async fn to_session(State(state): State<GanymedeState>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match elsewhere(&state, &head).await {
        Some(place) => redirect(&place),
        None => next.run(Request::from_parts(head, body)).await,
    }
}

async fn elsewhere(state: &GanymedeState, head: &Parts) -> Option<String> {
    let Parts { uri, headers, .. } = head;
    let name = loopback::of(head, &state.process.edge)?;
    let path = uri.path();
    match (name, uri.query()) {
        (Loopback::Name { other }, None) if follows_a_link(headers) && !path.starts_with("/sign-") => {
            // The page itself says what is wrong with a data base that does not answer.
            let stays = signed_in(state, headers).await.map_or(true, |session| session.is_some());
            (!stays).then(|| format!("{other}{path}?{SENT_ON}"))
        }
        (Loopback::Address { name }, Some(SENT_ON)) => match signed_in(state, headers).await {
            Ok(None) => Some(format!("{name}{SIGN_IN_PATH}?return={}", percent::encode(path))),
            Ok(Some(_)) | Err(_) => Some(path.to_owned()),
        },
        (Loopback::Name { .. } | Loopback::Address { .. }, _) => None,
    }
}

/// Whether a browser goes to a page because a page of another origin leads there.
fn follows_a_link(headers: &HeaderMap) -> bool {
    let is = |name: HeaderName, value: &str| headers.get(name).is_some_and(|said| said == value);
    is(FETCH_DEST, "document") && (is(FETCH_SITE, "cross-site") || is(FETCH_SITE, "same-site"))
}
