//! The signing keys of an installation: a file of them, the first of which signs, and what they sign.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use orrery_protocol::{control::Token, id::GatewayId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    GANYMEDE_AUDIENCE, GATEWAY_AUDIENCE, ISSUER, TokenError,
    kinds::{
        AccessClaims, ContainerClaims, GatewayClaims, HandshakeClaims, Kind, OperatorClaims, OrderClaims, PoolClaims,
    },
    verify::{Envelope, VerifyingKey, VerifyingKeys, one_gateway},
};
use crate::private_file;

/// Most keys in a file. The oldest goes when a rotation would exceed this, and with it the tokens that it signed.
const KEYS_MAX: usize = 16;

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("signing keys {}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("signing keys {} are damaged: {detail}", path.display())]
    Damaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong; never the key.
        detail: String,
    },
    /// The system has no randomness to give.
    #[error("no signing key could be generated")]
    Generate,
}

/// The signing keys of one installation. The first signs; all of them verify, so that a key can be replaced while
/// tokens of the old one live on. They are those of a file, as it was when it was last looked at.
pub struct TokenKeys {
    path: PathBuf,
    signing: Mutex<Arc<[TokenKey]>>,
    published: watch::Sender<Arc<[VerifyingKey]>>,
    verifying: VerifyingKeys,
}

struct TokenKey {
    kid: String,
    /// The public key, as a JWK's `x`.
    x: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// What `{data}/keys/signing.json` holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    algorithm: String,
    /// PKCS#8 version 1, base64url.
    pkcs8: String,
}

/// A public key set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// Every key that verifies.
    pub keys: Vec<Jwk>,
}

/// One public key. Ours are Ed25519 (RFC 8037).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jwk {
    kty: String,
    crv: String,
    alg: String,
    #[serde(rename = "use")]
    usage: String,
    kid: String,
    x: String,
}

impl Jwk {
    pub(super) fn is_ours(&self) -> bool {
        self.kty == "OKP" && self.crv == "Ed25519" && self.alg == "EdDSA" && self.usage == "sig"
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn x(&self) -> &str {
        &self.x
    }
}

impl TokenKeys {
    /// Where the keys of a data folder lie.
    pub fn path(data: &Path) -> PathBuf {
        data.join("keys").join("signing.json")
    }

    /// Reads the keys of a data folder; a missing file is an error.
    ///
    /// # Errors
    /// The file is missing, cannot be read, or holds something else.
    pub fn load(data: &Path) -> Result<Self, KeyError> {
        let path = Self::path(data);
        let keys = read(&path)?;
        let (published, verifying) = watch::channel(public(&keys));
        Ok(Self { path, signing: Mutex::new(keys), published, verifying: VerifyingKeys::new(verifying) })
    }

    /// Looks at the file again. True if it holds other keys than before; they are those that sign and verify from now on.
    ///
    /// # Errors
    /// As [`load`](Self::load). Then the keys are as they were.
    pub fn refresh(&self) -> Result<bool, KeyError> {
        let keys = read(&self.path)?;
        let mut signing = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        if signing.iter().map(|key| &key.kid).eq(keys.iter().map(|key| &key.kid)) {
            return Ok(false);
        }
        // First what verifies: nothing is signed that nobody knows.
        self.published.send_replace(public(&keys));
        *signing = keys;
        Ok(true)
    }

    /// Reads the keys of a data folder, and makes the first one if there is none. For `orrery up` only: every other
    /// role must refuse to start without keys.
    ///
    /// # Errors
    /// As [`load`](Self::load), or if no key can be made.
    pub fn load_or_create(data: &Path) -> Result<Self, KeyError> {
        let path = Self::path(data);
        if !path.exists() {
            KeyFile { keys: vec![StoredKey::generate()?] }.write_new(&path)?;
        }
        Self::load(data)
    }

    /// Adds a new first key to those of a data folder. Who [looks again](Self::refresh) signs with it; the older ones
    /// verify what they have signed.
    ///
    /// # Errors
    /// As [`load`](Self::load), or if no key can be made or written. Then the old keys are as they were.
    pub fn rotate(data: &Path) -> Result<Self, KeyError> {
        let path = Self::path(data);
        Self::load(data)?;
        let mut file = KeyFile::read(&path)?;
        file.keys.insert(0, StoredKey::generate()?);
        file.keys.truncate(KEYS_MAX);
        let fresh = path.with_extension("json.new");
        // Left behind by a rotation that was killed.
        fs::remove_file(&fresh).ok();
        file.write_new(&fresh)?;
        fs::rename(&fresh, &path).map_err(|source| KeyError::File { path, source })?;
        Self::load(data)
    }

    /// The public keys, for whoever only verifies.
    pub fn verifying(&self) -> &VerifyingKeys {
        &self.verifying
    }

    /// A user's access token that lives for `ttl` (whole seconds, at least one).
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_access(&self, claims: &AccessClaims, now: SystemTime, ttl: Duration) -> Result<Token, TokenError> {
        self.sign(claims, &[GATEWAY_AUDIENCE, GANYMEDE_AUDIENCE], now, ttl)
    }

    /// A gateway process's token.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_pool(&self, claims: &PoolClaims, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(claims, &[GANYMEDE_AUDIENCE], now, PoolClaims::TTL)
    }

    /// A gateway's token for the organization that it serves.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_gateway(&self, claims: &GatewayClaims, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(claims, &[GANYMEDE_AUDIENCE], now, GatewayClaims::TTL)
    }

    /// A container's token, for the gateway that serves its organization, whichever that is.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_container(&self, claims: &ContainerClaims, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(claims, &[GATEWAY_AUDIENCE], now, ContainerClaims::TTL)
    }

    /// A handshake for `gateway` alone.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_handshake(
        &self,
        claims: &HandshakeClaims,
        gateway: GatewayId,
        now: SystemTime,
    ) -> Result<Token, TokenError> {
        self.sign(claims, &[&one_gateway(gateway)], now, HandshakeClaims::TTL)
    }

    /// An order to `gateway` alone.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_order(&self, claims: &OrderClaims, gateway: GatewayId, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(claims, &[&one_gateway(gateway)], now, OrderClaims::TTL)
    }

    /// A token for a command on the machine that has these keys: it may look after the installation.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_operator(&self, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(&OperatorClaims {}, &[GANYMEDE_AUDIENCE], now, OperatorClaims::TTL)
    }

    /// The names of the keys, the one that signs first.
    pub fn names(&self) -> Vec<String> {
        self.current().iter().map(|key| key.kid.clone()).collect()
    }

    /// The public keys, for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> Jwks {
        let public = |key: &TokenKey| Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
            kid: key.kid.clone(),
            x: key.x.clone(),
        };
        Jwks { keys: self.current().iter().map(public).collect() }
    }

    fn current(&self) -> Arc<[TokenKey]> {
        self.signing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn sign<K: Kind>(
        &self,
        claims: &K,
        audiences: &[&str],
        now: SystemTime,
        ttl: Duration,
    ) -> Result<Token, TokenError> {
        let iat = now.duration_since(UNIX_EPOCH).map_err(|_| TokenError::Invalid)?.as_secs();
        let envelope = Envelope {
            iss: ISSUER.to_owned(),
            aud: audiences.iter().map(|&audience| audience.to_owned()).collect(),
            iat,
            exp: iat.saturating_add(ttl.as_secs().max(1)),
            kind: K::NAME.to_owned(),
            claims,
        };
        self.sign_envelope(&envelope)
    }

    pub(super) fn sign_envelope(&self, envelope: &impl Serialize) -> Result<Token, TokenError> {
        let keys = self.current();
        let key = keys.first().ok_or(TokenError::Invalid)?;
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, envelope, &key.signing).map(Token).map_err(|_| TokenError::Invalid)
    }
}

fn read(path: &Path) -> Result<Arc<[TokenKey]>, KeyError> {
    let keys: Result<_, _> = KeyFile::read(path)?.keys.iter().map(TokenKey::read).collect();
    keys.map_err(|detail| KeyError::Damaged { path: path.to_owned(), detail })
}

fn public(keys: &[TokenKey]) -> Arc<[VerifyingKey]> {
    keys.iter().map(|key| VerifyingKey { kid: key.kid.clone(), key: key.verifying.clone() }).collect()
}

impl KeyFile {
    fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        let damaged = |detail: String| KeyError::Damaged { path: path.to_owned(), detail };
        // serde_json's message quotes at most a field name of ours; the values stay out of it.
        let file: Self = serde_json::from_slice(&text)
            .map_err(|error| damaged(format!("line {}, column {}", error.line(), error.column())))?;
        if file.keys.is_empty() { Err(damaged("no key in it".to_owned())) } else { Ok(file) }
    }

    fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let text = serde_json::to_vec_pretty(self).map_err(|_| KeyError::Generate)?;
        private_file::create(path, &text).map_err(|source| KeyError::File { path: path.to_owned(), source })
    }
}

impl StoredKey {
    fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?;
        Ok(Self { algorithm: "EdDSA".to_owned(), pkcs8: URL_SAFE_NO_PAD.encode(pkcs8.as_ref()) })
    }
}

impl TokenKey {
    /// `Err` says what is wrong without quoting the key.
    fn read(stored: &StoredKey) -> Result<Self, String> {
        if stored.algorithm != "EdDSA" {
            return Err(format!("unknown algorithm {:?}", stored.algorithm));
        }
        let pkcs8 = URL_SAFE_NO_PAD.decode(&stored.pkcs8).map_err(|_| "a key is not base64url")?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| "a key is not an Ed25519 key")?;
        let public = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(public);
        let verifying = DecodingKey::from_ed_components(&x).map_err(|_| "a key has no public part")?;
        Ok(Self { kid: thumbprint(&x), x, signing: EncodingKey::from_ed_der(&pkcs8), verifying })
    }
}

/// The key's name: its thumbprint (RFC 7638), so that one key has one name wherever it is read.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}
