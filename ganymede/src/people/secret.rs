//! Secrets that we give out: sessions and API keys. Owns how one is made and what of it is kept. They hold 256 random
//! bits, so a plain digest is enough: there is nothing to guess.

use std::fmt;

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

const SECRET_BYTES: usize = 32;

/// Longest secret that is looked at, in bytes.
const PRESENTED_BYTES_MAX: usize = 256;

/// A secret on its way to the one who may have it. Shown once, never printed, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Draws one.
    pub(super) fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random_bytes::<SECRET_BYTES>()))
    }

    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random numbers never run out once it is up");
    bytes
}

/// What is stored of a secret: SHA-256 in hexadecimal. `None` for what is too long to be one of ours.
pub(super) fn digest_of(presented: &str) -> Option<String> {
    (presented.len() <= PRESENTED_BYTES_MAX)
        .then(|| hex(digest::digest(&digest::SHA256, presented.as_bytes()).as_ref()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_never_printed() {
        let (one, other) = (Secret::random(), Secret::random());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 43, "256 bits");
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn a_digest_is_sha_256() {
        // FIPS 180-2, B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_of("abc").as_deref(), Some(abc));
        assert_eq!(digest_of(&"a".repeat(257)), None);
    }
}
