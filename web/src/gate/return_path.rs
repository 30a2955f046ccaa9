//! Where somebody goes back to after signing in: a path of the very host that they came from, and nothing that a browser
//! could take for another one.

use std::fmt;

/// Longest of them, in bytes. A longer one is not worth remembering.
const BYTES_MAX: usize = 2048;

/// `/...`, with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnPath(String);

impl ReturnPath {
    /// The path, or the root if it is none that is safe to go to.
    pub(crate) fn or_root(text: &str) -> Self {
        Self(if is_safe(text) { text } else { "/" }.to_owned())
    }

    /// As it is written: visible ASCII.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Browsers read `\` as `/`, drop tabs and line breaks, and take `//x` for a host.
fn is_safe(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

impl fmt::Display for ReturnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_the_same_host_is_returned_to() {
        for good in ["/", "/lab?token=1&x=%0A#top", "/a//b", "/@evil.test", "/:80", "/a/../b"] {
            assert_eq!(ReturnPath::or_root(good).as_str(), good);
        }
        for bad in [
            "",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/a\\b",
            "https://evil.test/",
            "javascript:alert(1)",
            "evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "\t//evil.test",
            " /a",
            "/a b",
            "/ä",
            "/\u{0}",
            "?x",
            "#x",
        ] {
            assert_eq!(ReturnPath::or_root(bad).as_str(), "/", "{bad:?}");
        }
        assert_eq!(ReturnPath::or_root(&format!("/{}", "a".repeat(BYTES_MAX))).as_str(), "/");
    }
}
