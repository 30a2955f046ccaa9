//! Secrets at rest: what gateways keep with Ganymede is sealed before it reaches the data base. Owns the key and the form
//! of what is sealed; knows nothing of what is in it.
//!
//! Sealed: base64 of a version byte, the nonce (12 bytes) and the AES-256-GCM ciphertext with its tag. The organization's
//! id and the version are authenticated with it, so that nobody can put one organization's state in another's place.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use orrery_protocol::id::OrgId;

use crate::private_file;

const KEY_BYTES: usize = 32;
const VERSION: u8 = 1;

/// The key of one installation.
pub struct StateKey {
    key: RandomizedNonceKey,
}

/// Why the key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StateKeyError {
    /// The file cannot be read or written.
    #[error("state key {}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("state key {} is damaged: it is not {KEY_BYTES} bytes of base64", path.display())]
    Damaged {
        /// The key file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("no state key could be generated")]
    Generate,
}

/// What is sealed cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// It is not of the form that this program writes.
    #[error("the sealed state has an unknown form")]
    UnknownForm,
    /// Sealed with another key or for another organization, or changed since.
    #[error("the sealed state does not open: it was sealed with another key, or changed")]
    DoesNotOpen,
}

/// Nothing could be sealed: the cipher refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state could not be sealed")]
pub struct SealError;

impl StateKey {
    /// Where the key of a data folder lies.
    pub fn path(data: &Path) -> PathBuf {
        data.join("keys").join("state.key")
    }

    /// Reads the key of a data folder; a missing file is an error.
    ///
    /// # Errors
    /// The file is missing, cannot be read, or holds something else.
    pub fn load(data: &Path) -> Result<Self, StateKeyError> {
        let path = Self::path(data);
        let text = fs::read_to_string(&path).map_err(|source| StateKeyError::File { path: path.clone(), source })?;
        let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES);
        let key = bytes.and_then(|bytes| RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok());
        key.map(|key| Self { key }).ok_or(StateKeyError::Damaged { path })
    }

    /// Reads the key of a data folder, and makes it if there is none. For `orrery up` only: every other role must be given
    /// one.
    ///
    /// # Errors
    /// As [`load`](Self::load), or if no key can be made.
    pub fn load_or_create(data: &Path) -> Result<Self, StateKeyError> {
        let path = Self::path(data);
        if !path.exists() {
            let mut bytes = [0; KEY_BYTES];
            rand::fill(&mut bytes).map_err(|_| StateKeyError::Generate)?;
            let text = STANDARD.encode(bytes) + "\n";
            private_file::create(&path, text.as_bytes())
                .map_err(|source| StateKeyError::File { path: path.clone(), source })?;
        }
        Self::load(data)
    }

    /// Seals `plain` for one organization.
    ///
    /// # Errors
    /// The cipher refuses, which it does only beyond 64 GiB.
    pub fn seal(&self, org: OrgId, plain: &[u8]) -> Result<String, SealError> {
        let mut body = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(bound_to(org), &mut body).map_err(|_| SealError)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(STANDARD.encode(sealed))
    }

    /// Opens what was sealed for that organization.
    ///
    /// # Errors
    /// It was sealed otherwise, or changed.
    pub fn open(&self, org: OrgId, sealed: &str) -> Result<Vec<u8>, UnsealError> {
        let mut sealed = STANDARD.decode(sealed).map_err(|_| UnsealError::UnknownForm)?;
        if sealed.first() != Some(&VERSION) || sealed.len() < 1 + NONCE_LEN {
            return Err(UnsealError::UnknownForm);
        }
        let (head, body) = sealed.split_at_mut(1 + NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| UnsealError::UnknownForm)?;
        let plain = self.key.open_in_place(nonce, bound_to(org), body).map_err(|_| UnsealError::DoesNotOpen)?;
        Ok(plain.to_vec())
    }
}

/// What is authenticated beside the content.
fn bound_to(org: OrgId) -> Aad<[u8; 17]> {
    let mut bound = [VERSION; 17];
    bound[1..].copy_from_slice(org.0.as_bytes());
    Aad::from(bound)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use uuid::Uuid;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));
    const OTHER: OrgId = OrgId(Uuid::from_u128(2));

    fn key() -> (tempfile::TempDir, StateKey) {
        let data = tempfile::tempdir().unwrap();
        let key = StateKey::load_or_create(data.path()).unwrap();
        (data, key)
    }

    #[test]
    fn what_is_sealed_opens_after_a_restart_and_shows_nothing() {
        let (data, key) = key();
        let sealed = key.seal(ORG, b"a canary").unwrap();
        assert_ne!(sealed, key.seal(ORG, b"a canary").unwrap(), "each nonce is new");
        assert!(!STANDARD.decode(&sealed).unwrap().windows(6).any(|bytes| bytes == b"canary"));
        for key in [key, StateKey::load(data.path()).unwrap(), StateKey::load_or_create(data.path()).unwrap()] {
            assert_eq!(key.open(ORG, &sealed).unwrap(), b"a canary");
            assert_eq!(key.open(OTHER, &sealed), Err(UnsealError::DoesNotOpen), "it is bound to its organization");
        }
        let (_other_data, other) = self::key();
        assert_eq!(other.open(ORG, &sealed), Err(UnsealError::DoesNotOpen));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (_data, key) = key();
        let sealed = STANDARD.decode(key.seal(ORG, b"x").unwrap()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(ORG, &STANDARD.encode(changed)).is_err(), "{at}");
        }
        for cut in 0..sealed.len() {
            assert!(key.open(ORG, &STANDARD.encode(&sealed[..cut])).is_err(), "{cut}");
        }
        assert_eq!(key.open(ORG, "no base64!"), Err(UnsealError::UnknownForm));
    }

    #[test]
    fn keys_are_never_made_by_load_and_damage_is_named() {
        let data = tempfile::tempdir().unwrap();
        assert!(matches!(StateKey::load(data.path()), Err(StateKeyError::File { .. })));
        let path = StateKey::path(data.path());
        StateKey::load_or_create(data.path()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for damage in ["", "c2hvcnQ=", "no base64!"] {
            fs::write(&path, damage).unwrap();
            assert!(matches!(StateKey::load_or_create(data.path()), Err(StateKeyError::Damaged { .. })), "{damage}");
        }
    }
}
