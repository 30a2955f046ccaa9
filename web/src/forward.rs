//! What Ganymede passes on to a gateway in another process says of who asks what Ganymede said of them, and not what the
//! client did. A token of Ganymede's goes along to prove it, so that no gateway needs to be told of addresses. It is put on
//! where a request leaves Ganymede, and taken off with everything else that names who asks where one leaves for a container.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use orrery_ganymede::tokens::{ForwardClaims, TokenError, TokenKeys, VerifyingKeys};
use orrery_protocol::id::GatewayId;

/// Where the token is.
pub(crate) const FORWARD: HeaderName = HeaderName::from_static("orrery-forward");

/// A token that ends sooner than this is made anew, so that none ends on its way.
const LEFT_MIN: Duration = Duration::from_secs(ForwardClaims::TTL.as_secs() / 2);

/// Gateways whose token is remembered before all are forgotten. Gateways come and go, and each has an id of its own.
const KNOWN_MAX: usize = 1_024;

/// In the extensions of a request on its way to a gateway: proves that it comes from Ganymede.
#[derive(Debug, Clone)]
pub(crate) struct Voucher(pub(crate) HeaderValue);

/// In the extensions of a request at a gateway: Ganymede passed it on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vouched;

/// Ganymede's side. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vouchers {
    tokens: Arc<TokenKeys>,
    known: Arc<Mutex<HashMap<GatewayId, (Voucher, SystemTime)>>>,
}

/// A gateway's side.
pub(crate) struct Vouching {
    gateway: GatewayId,
    verifier: Arc<VerifyingKeys>,
    /// The last one that was right: it comes with every request for half a minute.
    known: Mutex<Option<(HeaderValue, SystemTime)>>,
}

impl Vouchers {
    pub(crate) fn new(tokens: Arc<TokenKeys>) -> Self {
        Self { tokens, known: Arc::default() }
    }

    /// What goes along to a gateway.
    ///
    /// # Errors
    /// Nothing can be signed.
    pub(crate) fn to(&self, gateway: GatewayId) -> Result<Voucher, TokenError> {
        let now = SystemTime::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((voucher, renew_at)) = known.get(&gateway)
            && now < *renew_at
        {
            return Ok(voucher.clone());
        }
        let token = self.tokens.sign_forward(gateway, now)?;
        let mut header = HeaderValue::try_from(token.0).expect("tokens of ours are plain ASCII");
        header.set_sensitive(true);
        let voucher = Voucher(header);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(gateway, (voucher.clone(), now + LEFT_MIN));
        Ok(voucher)
    }
}

impl Vouching {
    pub(crate) fn new(gateway: GatewayId, verifier: Arc<VerifyingKeys>) -> Self {
        Self { gateway, verifier, known: Mutex::default() }
    }

    /// Whether a request comes from Ganymede; `None` if it does not say so, or lies.
    pub(crate) async fn of(&self, headers: &HeaderMap) -> Option<Vouched> {
        let said = headers.get(FORWARD)?;
        let now = SystemTime::now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some_and(|(token, ends_at)| token == *said && now < ends_at) {
            return Some(Vouched);
        }
        let token = said.to_str().ok()?;
        // A key that nobody here knows and that cannot be asked for is one of those that are not ours.
        self.verifier.catch_up(token).await.ok()?;
        let ends_at = self.verifier.forward(token, self.gateway, now).ok()?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((said.clone(), ends_at));
        Some(Vouched)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ME: GatewayId = GatewayId(Uuid::from_u128(1));
    const OTHER: GatewayId = GatewayId(Uuid::from_u128(2));

    fn saying(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(FORWARD, text.parse().unwrap())])
    }

    #[tokio::test]
    async fn only_ganymede_vouches_and_to_one_gateway_alone() {
        let data = tempfile::tempdir().unwrap();
        let tokens = Arc::new(TokenKeys::load_or_create(data.path()).unwrap());
        let vouchers = Vouchers::new(tokens.clone());
        let me = Vouching::new(ME, Arc::new(tokens.verifying().clone()));
        let Voucher(mine) = vouchers.to(ME).unwrap();
        let check = async |headers: HeaderMap, expect: bool| {
            assert_eq!(me.of(&headers).await.is_some(), expect, "{headers:?}");
        };
        // Remembered or not.
        for _ in 0..2 {
            check(HeaderMap::from_iter([(FORWARD, mine.clone())]), true).await;
            check(HeaderMap::new(), false).await;
            check(saying("127.0.0.1"), false).await;
            check(saying(&format!("{}x", mine.to_str().unwrap())), false).await;
            check(HeaderMap::from_iter([(FORWARD, vouchers.to(OTHER).unwrap().0)]), false).await;
        }
        let pool = orrery_ganymede::tokens::PoolClaims { gateway: ME };
        check(saying(&tokens.sign_pool(&pool, SystemTime::now()).unwrap().0), false).await;
        let over = SystemTime::now() - ForwardClaims::TTL - Duration::from_secs(10);
        check(saying(&tokens.sign_forward(ME, over).unwrap().0), false).await;
    }

    #[test]
    fn one_token_goes_along_with_many_requests() {
        let data = tempfile::tempdir().unwrap();
        let vouchers = Vouchers::new(Arc::new(TokenKeys::load_or_create(data.path()).unwrap()));
        let first = vouchers.to(ME).unwrap().0;
        assert_eq!(vouchers.to(ME).unwrap().0, first);
        assert_ne!(vouchers.to(OTHER).unwrap().0, first);
    }
}
