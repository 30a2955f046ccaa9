//! How user containers are named in URLs: ids, drawn once, and slugs, for people to read.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::InvalidId;

/// What an id is drawn from.
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Longest label of a host name, in bytes (RFC 1035, section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Of a slug, what a container's name becomes, in bytes at most. The rest of a label is for the hash.
const SLUG_NAME_BYTES_MAX: usize = 40;
const SLUG_HASH_BYTES: usize = 6;

/// A user container: `uc_` and 16 of `[a-z0-9]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId([u8; Self::LEN]);

impl ContainerId {
    const LEN: usize = 16;
    const EXPECTED: &'static str = "a container id (uc_ and 16 of [a-z0-9])";

    /// The id that a random number stands for. With all 128 bits random, no id is likelier than another by more than one
    /// part in 2^45.
    pub fn from_random(random: u128) -> Self {
        let mut rest = random;
        Self([(); Self::LEN].map(|()| {
            let digit = ALPHABET[(rest % 36) as usize];
            rest /= 36;
            digit
        }))
    }

    /// The id in a host name, where `_` may not stand: `uc-…`.
    pub fn label(self) -> String {
        format!("uc-{}", self.digits())
    }

    /// The id that a label of a host name stands for.
    pub fn from_label(label: &str) -> Option<Self> {
        label.strip_prefix("uc-").and_then(Self::from_digits)
    }

    fn from_digits(digits: &str) -> Option<Self> {
        let digits: [u8; Self::LEN] = digits.as_bytes().try_into().ok()?;
        digits.iter().all(|digit| ALPHABET.contains(digit)).then_some(Self(digits))
    }

    pub(crate) fn digits(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uc_{}", self.digits())
    }
}

impl TryFrom<String> for ContainerId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.to_string()
    }
}

impl FromStr for ContainerId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let id = text.strip_prefix("uc_").and_then(Self::from_digits);
        id.ok_or_else(|| InvalidId::new(text, Self::EXPECTED))
    }
}

/// A container's readable label: `{sanitized-name}-{short-hash}`. At most 63 of `[a-z0-9-]`, begins with a letter, and has
/// no `--` anywhere, so that it is neither taken for an encoded name (`xn--`) nor for `{container}--{service}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

impl Slug {
    const EXPECTED: &'static str = "a slug ([a-z][a-z0-9-]*, no -- and at most 63)";

    /// The slug of a container with this name and id that is not `taken`.
    pub fn of(name: &str, id: ContainerId, taken: impl Fn(&Self) -> bool) -> Self {
        let name = sanitized(name);
        let slug = |salt: u32| Self(format!("{name}-{}", short_hash(id, salt)));
        // Two salts at most share a hash: there is a free one among twice as many salts as there are slugs.
        (0..u32::MAX).map(slug).find(|slug| !taken(slug)).unwrap_or_else(|| slug(u32::MAX))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Slug {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bounded = (1..=LABEL_BYTES_MAX).contains(&text.len());
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let shaped = text.starts_with(|first: char| first.is_ascii_lowercase()) && !text.ends_with('-');
        if bounded && shaped && text.bytes().all(allowed) && !text.contains("--") {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::new(text, Self::EXPECTED))
        }
    }
}

/// A name with everything but ASCII letters and digits made into single hyphens. Never like the labels that have a meaning
/// of their own.
fn sanitized(name: &str) -> String {
    let mut label = String::with_capacity(SLUG_NAME_BYTES_MAX);
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() {
            label.push(letter.to_ascii_lowercase());
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
        if label.len() == SLUG_NAME_BYTES_MAX {
            break;
        }
    }
    let label = label.trim_end_matches('-');
    if label.is_empty() {
        return "container".to_owned();
    }
    let reserved = ["uc", "org"].iter().any(|word| label == *word || label.starts_with(&format!("{word}-")));
    if reserved || label.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("c-{label}");
    }
    label.to_owned()
}

/// Six of `[a-z0-9]`. Salts of one id never have the same checksum: CRC-32 maps its last four bytes one to one.
fn short_hash(id: ContainerId, salt: u32) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.0);
    hasher.update(&salt.to_le_bytes());
    let mut rest = hasher.finalize() as usize;
    let mut hash = String::with_capacity(SLUG_HASH_BYTES);
    for _ in 0..SLUG_HASH_BYTES {
        hash.push(char::from(ALPHABET[rest % 36]));
        rest /= 36;
    }
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id(random: u128) -> ContainerId {
        ContainerId::from_random(random)
    }

    #[test]
    fn an_id_is_written_as_it_is_read() {
        for random in [0, 1, 35, 36, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let text = id(random).to_string();
            assert!(text.len() == 19 && text.starts_with("uc_"), "{text}");
            assert_eq!(text.parse(), Ok(id(random)));
            assert_eq!(ContainerId::from_label(&id(random).label()), Some(id(random)));
        }
        assert_eq!(id(36 * 36 + 10).to_string(), "uc_a010000000000000");
    }

    #[test]
    fn an_id_has_one_spelling() {
        for bad in [
            "",
            "uc_",
            "uc-a010000000000000",
            "uc_A010000000000000",
            "uc_a01000000000000",
            "uc_a0100000000000000",
            "uc_a01000000000000-",
            "uc_a01000000000000ä",
            " uc_a010000000000000",
        ] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad:?}");
        }
        assert_eq!(ContainerId::from_label("uc_a010000000000000"), None);
    }

    #[test]
    fn a_million_ids_do_not_clash() {
        // A counter spread over 128 bits by an odd factor: what a good generator does, the same in every run.
        let ids: HashSet<_> =
            (0..1_000_000_u128).map(|at| id(at.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))).collect();
        assert_eq!(ids.len(), 1_000_000);
    }

    #[track_caller]
    fn check(name: &str, expect: &str) {
        let slug = Slug::of(name, id(7), |_| false);
        assert_eq!(slug.as_str().rsplit_once('-').map(|(name, _)| name), Some(expect), "{name:?}");
        assert_eq!(slug.as_str().parse(), Ok(slug));
    }

    #[test]
    fn any_name_becomes_a_label() {
        check("My Notebook", "my-notebook");
        check("", "container");
        check("---", "container");
        check("日本語", "container");
        check("Café & Bar", "caf-bar");
        check("a--b__c", "a-b-c");
        check("xn--nxasmq6b", "xn-nxasmq6b");
        check("3d", "c-3d");
        check("uc--x", "c-uc-x");
        check("org", "c-org");
        check("organ", "organ");
        check(&"x".repeat(200), &"x".repeat(40));
        check(&"ab-".repeat(200), &("ab-".repeat(13) + "a"));
        check("semi;colon\n{}\"'", "semi-colon");
    }

    #[test]
    fn a_slug_that_is_taken_is_not_given_again() {
        let first = Slug::of("notebook", id(7), |_| false);
        let second = Slug::of("notebook", id(7), |slug| *slug == first);
        assert_ne!(first, second);
        assert_eq!(second.as_str().len(), first.as_str().len());
        let mut taken = HashSet::new();
        for _ in 0..1_000 {
            let slug = Slug::of("notebook", id(7), |slug| taken.contains(slug));
            assert!(taken.insert(slug));
        }
    }

    #[test]
    fn what_is_no_label_is_no_slug() {
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "1a", "a.b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<Slug>().is_err(), "{bad:?}");
        }
    }
}
