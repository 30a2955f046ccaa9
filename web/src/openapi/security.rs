//! What a caller shows, kind by kind. No kind stands in for another.

use utoipa::openapi::{
    Components,
    path::Operation,
    security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};

use crate::authentication::COOKIE;

/// What comes as `Authorization: Bearer`: each by its name, and whose it is.
const BEARERS: [(&str, &str); 8] = [
    ("api_key", "an API key: a person's programs, within its scopes"),
    ("access", "an access token: a person for some minutes, to use what they may use; at gateways also as `?token=`"),
    ("operator", "an operator token: whoever holds the signing keys of the installation"),
    ("pool", "a pool token: a gateway process, whatever it serves"),
    ("gateway", "a gateway token: the gateway of one organization under one epoch, which `Orrery-Epoch` repeats"),
    ("container", "a container token: a user container, for what it says of itself"),
    ("order", "an order token: Ganymede, to one gateway about one organization"),
    ("handshake", "nothing as a header: the single-use `handshake` in the body proves who asks"),
];

/// All kinds.
pub(super) fn add_schemes(components: &mut Components) {
    let cookie = ApiKeyValue::with_description(COOKIE, "set by signing in; `__Host-orrery_session` over TLS");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for (name, meaning) in BEARERS {
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(meaning)).build();
        components.add_security_scheme(name, SecurityScheme::Http(bearer));
    }
}

/// What people show where a route says nothing else.
pub(super) fn of_people() -> Vec<SecurityRequirement> {
    ["session", "api_key", "access"].map(one).to_vec()
}

/// Whether nobody has to show anything.
pub(super) fn is_public(operation: &Operation) -> bool {
    operation.security.as_ref().is_some_and(|allowed| allowed.contains(&SecurityRequirement::default()))
}

/// Whether a gateway may ask under its epoch, and whether nobody else may.
pub(super) fn under_epoch(operation: &Operation) -> (bool, bool) {
    let gateway = one("gateway");
    let allowed = operation.security.as_deref().unwrap_or_default();
    (allowed.contains(&gateway), allowed == [gateway])
}

fn one(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new::<_, [&str; 0], &str>(scheme, [])
}
