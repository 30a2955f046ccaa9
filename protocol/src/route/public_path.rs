//! Paths of a service that anybody may ask for, such as those of webhooks. What is compared is what an application behind a
//! proxy could possibly understand: a path that can be read in two ways is none of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest of them, in bytes.
const BYTES_MAX: usize = 200;

/// A path, and everything below it, that is reached without signing in. `/hooks/` and `/hooks` are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicPath(String);

/// A text that is no such path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a path of plain segments such as /hooks/: [A-Za-z0-9._~-], at most 200 bytes, no . or ..")]
pub struct InvalidPublicPath;

impl PublicPath {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the path of a request, as it was sent, is this one or below it. Never if it could mean another one to
    /// whoever decodes it once more, or resolves its dots.
    pub fn covers(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut segments = Vec::new();
        for (segment, is_last) in with_last(path.split('/')) {
            match decoded(segment) {
                Some(segment) if is_plain(&segment) || (segment.is_empty() && is_last) => segments.push(segment),
                Some(_) | None => return false,
            }
        }
        let mut asked = segments.iter();
        self.0.split('/').filter(|ours| !ours.is_empty()).all(|ours| asked.next().is_some_and(|said| said == ours))
    }
}

fn with_last<'a>(segments: impl Iterator<Item = &'a str>) -> impl Iterator<Item = (&'a str, bool)> {
    let mut segments = segments.peekable();
    std::iter::from_fn(move || segments.next().map(|segment| (segment, segments.peek().is_none())))
}

/// A segment with its `%xx` resolved, once; `None` if it is not text then, or could be resolved again.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut left = segment.as_bytes();
    while let Some((&byte, rest)) = left.split_first() {
        left = rest;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, rest) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        left = rest;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('%'))
}

/// Whether nobody takes a decoded segment for anything but a name: no dots that lead elsewhere, with parameters or without,
/// and nothing that separates.
fn is_plain(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    !matches!(name, "" | "." | "..") && !segment.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '?' | '#'))
}

impl FromStr for PublicPath {
    type Err = InvalidPublicPath;

    fn from_str(text: &str) -> Result<Self, InvalidPublicPath> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        let segment = |segment: &str| is_plain(segment) && segment.bytes().all(allowed);
        let inner = text.strip_prefix('/').ok_or(InvalidPublicPath)?;
        let whole = |inner: &str| inner.strip_suffix('/').unwrap_or(inner).split('/').all(segment);
        let good = inner.is_empty() || whole(inner);
        if good && text.len() <= BYTES_MAX { Ok(Self(text.to_owned())) } else { Err(InvalidPublicPath) }
    }
}

impl TryFrom<String> for PublicPath {
    type Error = InvalidPublicPath;

    fn try_from(text: String) -> Result<Self, InvalidPublicPath> {
        text.parse()
    }
}

impl From<PublicPath> for String {
    fn from(path: PublicPath) -> Self {
        path.0
    }
}

impl fmt::Display for PublicPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(public: &str, path: &str, expect: bool) {
        let public: PublicPath = public.parse().unwrap();
        assert_eq!(public.covers(path), expect, "{public} {path}");
    }

    #[test]
    fn whole_segments_are_covered() {
        for path in ["/hooks", "/hooks/", "/hooks/a", "/hooks/a/b/", "/%68ooks/a%20b", "/hooks/a;v=1", "/hooks/ä"] {
            check("/hooks/", path, true);
            check("/hooks", path, true);
            check("/", path, true);
        }
        check("/", "/", true);
        check("/api/hooks", "/api/hooks/1", true);
        for path in ["/", "/hook", "/hooksx", "/Hooks/a", "/x/hooks/", "hooks/", "", "*"] {
            check("/hooks/", path, false);
        }
    }

    #[test]
    fn a_path_that_could_mean_another_is_not_covered() {
        for path in [
            "/hooks/../admin",
            "/hooks/..",
            "/hooks/./x",
            "/hooks/%2e%2e/admin",
            "/hooks/.%2E/admin",
            "/hooks/%252e%252e/admin",
            "/hooks/..;/admin",
            "/hooks/..%2fadmin",
            "/hooks/%2e%2e%5cadmin",
            "/hooks/..\\admin",
            "/hooks//admin",
            "//hooks/x",
            "/hooks/%00",
            "/hooks/%zz",
            "/hooks/%2",
            "/hooks/%ff",
            "/hooks/a%3fb",
        ] {
            check("/hooks/", path, false);
            check("/", path, false);
        }
    }

    /// Every way in which some application could read a path: `%xx` resolved any number of times, `\\` as `/`, parameters
    /// dropped or not, dots resolved, slashes merged, all at once.
    fn readings(path: &str) -> Vec<Vec<String>> {
        let mut texts = vec![path.to_owned()];
        for _ in 0..3 {
            let last = texts[texts.len() - 1].clone();
            texts.push(unescaped(&last));
        }
        let drop_parameters = [false, true];
        let read = |text: &String| drop_parameters.map(|drops| resolved(text, drops));
        texts.iter().flat_map(read).collect()
    }

    /// What is no escape stays as it is.
    fn unescaped(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut left = text.as_bytes();
        while let Some((&byte, rest)) = left.split_first() {
            let digits = rest.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
            let escape = digits.filter(|_| byte == b'%');
            bytes.push(escape.unwrap_or(byte));
            left = if escape.is_some() { &rest[2..] } else { rest };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn resolved(text: &str, drops_parameters: bool) -> Vec<String> {
        let mut segments = Vec::new();
        for segment in text.split(['/', '\\']) {
            let segment = if drops_parameters { segment.split(';').next().unwrap_or_default() } else { segment };
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                name => segments.push(name.to_owned()),
            }
        }
        segments
    }

    proptest::proptest! {
        #[test]
        fn whoever_reads_a_covered_path_reads_one_below(path in "(/|/hooks|/a|/\\.\\.?|%2[eEfF5]|%5c|%00|%|\\\\|;|;x|\\.|e|2){0,8}") {
            let path = format!("/hooks{path}");
            let public: PublicPath = "/hooks/".parse().unwrap();
            if public.covers(&path) {
                for reading in readings(&path) {
                    proptest::prop_assert_eq!(reading.first().map(String::as_str), Some("hooks"), "{}", path);
                }
            }
        }
    }

    #[test]
    fn only_plain_paths_are_public() {
        for bad in ["", "hooks", "//", "/a//b", "/..", "/a/./b", "/%68ooks", "/a b", "/a?b", "/ä", "/a\\b", "/;x"] {
            assert_eq!(bad.parse::<PublicPath>(), Err(InvalidPublicPath), "{bad:?}");
        }
        assert!(format!("/{}", "a".repeat(200)).parse::<PublicPath>().is_err());
    }
}
