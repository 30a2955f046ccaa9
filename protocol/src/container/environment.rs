//! The environment of a container: names and values from closed alphabets, and secrets by id only.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::id::ContainerId;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 4096;
/// Longest id of a secret, in bytes.
const SECRET_ID_BYTES_MAX: usize = 64;
/// Most variables of one container.
pub const VARIABLES_MAX: usize = 64;
/// Names that the platform sets itself, and prefixes of such.
const RESERVED: [&str; 2] = ["PUBLIC_URL", "ORG_HOST"];
const RESERVED_PREFIX: &str = "ORRERY_";

/// A text that is no part of an environment; how it is put follows the name of what it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidVariable(pub &'static str);

/// The name of a variable: `[A-Za-z_][A-Za-z0-9_]*`, and not one that the platform sets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

/// The id of a secret, whose value stands in no document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretId(String);

/// A secret. It opens something, so it is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

/// What a variable is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    /// For everybody in the project to read.
    Plain(String),
    /// A secret, by its id.
    Secret(SecretId),
}

impl VariableName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretText {
    /// A secret value.
    ///
    /// # Errors
    /// It is too long, or no process can be given it.
    pub fn new(text: &str) -> Result<Self, InvalidVariable> {
        if text.len() <= VALUE_BYTES_MAX && !text.contains('\0') {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidVariable("must be at most 4096 bytes, and none of them 0"))
        }
    }

    /// The value itself, for the container that it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// How long secrets are together.
pub(super) fn secret_bytes(secrets: &BTreeMap<SecretId, SecretText>) -> usize {
    secrets.values().map(|secret| secret.0.len()).sum()
}

impl SecretId {
    /// The id that a random number stands for: `sec_` and 16 of `[a-z0-9]`.
    pub fn from_random(random: u128) -> Self {
        Self(format!("sec_{}", ContainerId::from_random(random).label().trim_start_matches("uc-")))
    }
}

impl VariableValue {
    /// A plain value.
    ///
    /// # Errors
    /// It is too long, or has control characters: a line break would be another variable in an environment file.
    pub fn plain(text: &str) -> Result<Self, InvalidVariable> {
        if text.len() > VALUE_BYTES_MAX {
            return Err(InvalidVariable("must be at most 4096 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidVariable("must be without control characters and line breaks"));
        }
        Ok(Self::Plain(text.to_owned()))
    }
}

impl FromStr for VariableName {
    type Err = InvalidVariable;

    fn from_str(text: &str) -> Result<Self, InvalidVariable> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let bounded = (1..=NAME_BYTES_MAX).contains(&text.len());
        if !bounded || !text.bytes().all(allowed) || text.as_bytes()[0].is_ascii_digit() {
            return Err(InvalidVariable("must be named with 1 to 128 of [A-Za-z0-9_], and no digit first"));
        }
        if RESERVED.contains(&text) || text.starts_with(RESERVED_PREFIX) {
            return Err(InvalidVariable("is set by the platform"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for SecretId {
    type Err = InvalidVariable;

    fn from_str(text: &str) -> Result<Self, InvalidVariable> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (1..=SECRET_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidVariable("must name a secret by 1 to 64 of [A-Za-z0-9_-]"))
        }
    }
}

impl TryFrom<String> for VariableName {
    type Error = InvalidVariable;

    fn try_from(text: String) -> Result<Self, InvalidVariable> {
        text.parse()
    }
}

impl TryFrom<String> for SecretId {
    type Error = InvalidVariable;

    fn try_from(text: String) -> Result<Self, InvalidVariable> {
        text.parse()
    }
}

impl From<SecretId> for String {
    fn from(id: SecretId) -> Self {
        id.0
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_a_closed_alphabet_and_are_not_the_platforms() {
        let long = "A".repeat(128);
        for good in ["A", "_", "a_9", "PATH", "ORRERY", "PUBLIC_URL2", long.as_str()] {
            assert_eq!(good.parse::<VariableName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        let long = "A".repeat(129);
        for bad in ["", "9A", "A-B", "A=B", "A B", "A\n", "Ä", "ORRERY_TOKEN", "PUBLIC_URL", "ORG_HOST", &long] {
            assert!(bad.parse::<VariableName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_is_one_line() {
        for good in ["", "a=b", "ä 日本 \"'`$;{}", &"x".repeat(4096)] {
            assert_eq!(VariableValue::plain(good), Ok(VariableValue::Plain(good.to_owned())));
        }
        for bad in ["a\nB=c", "a\rb", "\0", "\u{85}", &"x".repeat(4097)] {
            assert!(VariableValue::plain(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_is_an_id() {
        assert!("sec_1-a".parse::<SecretId>().is_ok());
        for bad in ["", "a b", "a/b", "hunter2!", &"x".repeat(65)] {
            assert!(bad.parse::<SecretId>().is_err(), "{bad:?}");
        }
    }
}
