//! How images are named: ids of definitions, and references that a registry of images understands.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const ID_BYTES_MAX: usize = 63;
const URI_BYTES_MAX: usize = 200;
const TAG_BYTES_MAX: usize = 128;
const DIGEST_PREFIX: &str = "sha256:";
const DIGEST_DIGITS: usize = 64;

/// A text that names no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidName(pub &'static str);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $is:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let is: fn(&str) -> bool = $is;
                if is(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName($expected)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A definition: `jupyter:minimal`, `generic`.
    ImageId,
    "an image id ([a-z0-9._-], at most one colon, at most 63)",
    |text| text.len() <= ID_BYTES_MAX && text.split(':').count() <= 2 && text.split(':').all(is_component)
);
name!(
    /// Where an image is had from, without tag and digest: `docker.io/library/nginx`.
    ImageUri,
    "an image's place ([host[:port]/]path of [a-z0-9._-], at most 200)",
    is_uri
);
name!(
    /// A tag of an image. It may mean another image tomorrow.
    Tag,
    "a tag (1 to 128 of [A-Za-z0-9_.-], neither . nor - first)",
    |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        (1..=TAG_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with(['.', '-'])
    }
);
name!(
    /// What an image is, for ever: the hash of its manifest.
    Digest,
    "a digest (sha256: and 64 of [0-9a-f])",
    |text| {
        let digits = text.strip_prefix(DIGEST_PREFIX).unwrap_or_default();
        digits.len() == DIGEST_DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
);

fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()];
    ends.iter().all(|end| end.is_some_and(plain))
        && text.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_uri(text: &str) -> bool {
    let mut components = text.split('/').peekable();
    let first = components.next().unwrap_or_default();
    let (host, port) = first.split_once(':').map_or((first, None), |(host, port)| (host, Some(port)));
    let host_is_one = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
    // A port belongs to a host, and a host has a path after it.
    let whole = port.is_none() || components.peek().is_some();
    text.len() <= URI_BYTES_MAX && host_is_one && whole && is_component(host) && components.all(is_component)
}

/// An image as an engine is asked for it: `uri[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Where it is had from.
    pub uri: ImageUri,
    /// By which tag, unless it is the usual one.
    pub tag: Option<Tag>,
    /// What it has to be.
    pub digest: Option<Digest>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl FromStr for Reference {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        // A colon before the last slash belongs to a host and its port.
        let tag_at = name.rfind(':').filter(|&at| !name[at..].contains('/'));
        let (uri, tag) = tag_at.map_or((name, None), |at| (&name[..at], Some(&name[at + 1..])));
        let (tag, digest) = (tag.map(str::parse).transpose()?, digest.map(str::parse).transpose()?);
        Ok(Self { uri: uri.parse()?, tag, digest })
    }
}

/// What a member chose: a definition, and for one that leaves the image open, which: `jupyter:minimal`,
/// `generic/docker.io/library/nginx:1.27`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageChoice {
    /// The definition.
    pub image: ImageId,
    /// The image, for a definition that leaves it open.
    pub reference: Option<Reference>,
}

impl fmt::Display for ImageChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.image.fmt(f)?;
        self.reference.as_ref().map_or(Ok(()), |reference| write!(f, "/{reference}"))
    }
}

impl FromStr for ImageChoice {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (image, reference) = text.split_once('/').map_or((text, None), |(image, rest)| (image, Some(rest)));
        Ok(Self { image: image.parse()?, reference: reference.map(str::parse).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn references_are_read_as_they_are_written() {
        let pinned = format!("ghcr.io/a/b:1.0@{DIGEST}");
        let digest_only = format!("nginx@{DIGEST}");
        for text in [
            "nginx",
            "nginx:1.27",
            "docker.io/library/nginx:latest",
            "localhost:5000/a/b",
            "localhost:5000/a/b:V_1.0-rc",
            pinned.as_str(),
            digest_only.as_str(),
        ] {
            assert_eq!(text.parse::<Reference>().map(|reference| reference.to_string()), Ok(text.to_owned()));
        }
        let reference: Reference = "localhost:5000/a".parse().unwrap();
        assert_eq!((reference.uri.as_str(), reference.tag), ("localhost:5000/a", None));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for bad in [
            "",
            ":1",
            "/a",
            "a/",
            "a//b",
            "A",
            "a b",
            "a:",
            "a:-x",
            "a@",
            "a@sha256:12",
            "a@sha512:12",
            "host:99999/a",
            "host:/a",
            "-a",
            "a;b",
            "--privileged",
            "a\n",
            "https://a/b",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(201).parse::<Reference>().is_err());
    }

    #[test]
    fn a_choice_names_a_definition_and_maybe_an_image() {
        for (text, image, reference) in [
            ("jupyter:minimal", "jupyter:minimal", None),
            ("generic", "generic", None),
            ("generic/localhost:5000/a/b:1", "generic", Some("localhost:5000/a/b:1")),
        ] {
            let choice: ImageChoice = text.parse().unwrap();
            assert_eq!(choice.to_string(), text);
            assert_eq!(choice.image.as_str(), image);
            assert_eq!(choice.reference.map(|reference| reference.to_string()), reference.map(str::to_owned));
        }
        for bad in ["", "a:b:c", "Jupyter", "a/", "a:", "generic/A", "-", &"a".repeat(64)] {
            assert!(bad.parse::<ImageChoice>().is_err(), "{bad:?}");
        }
    }
}
