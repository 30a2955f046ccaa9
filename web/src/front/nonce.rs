//! What a browser keeps at a container's host while it is away to sign in. What leaves that host is its digest (ADR 11).

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// 256 bits in base64url.
const CHARS: usize = 43;

/// Whether this has the form of a nonce, which is that of its digest too.
pub(crate) fn is_nonce(text: &str) -> bool {
    text.len() == CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// One that nobody can guess.
pub(super) fn random() -> String {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("the system's random numbers never run out once it is up");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What Ganymede and the address bar see of it.
pub(super) fn digest_of(nonce: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, nonce.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_and_its_digest_have_one_form() {
        let nonce = random();
        assert!(is_nonce(&nonce) && is_nonce(&digest_of(&nonce)));
        assert_ne!(nonce, random());
        for other in ["", &nonce[1..], &format!("{nonce}A"), &nonce.replacen(|_| true, "+", 1)] {
            assert!(!is_nonce(other), "{other}");
        }
    }
}
