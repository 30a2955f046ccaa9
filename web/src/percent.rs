//! Percent-encoding (RFC 3986, section 2.1) of text that goes into a query or a header.

use std::fmt::Write as _;

/// Every byte but letters, digits and `-._~` as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to memory cannot fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_plain_characters_is_left() {
        assert_eq!(encode("/a b?c=d&e#\r\n"), "%2Fa%20b%3Fc%3Dd%26e%23%0D%0A");
        assert_eq!(encode("Zoë-1._~"), "Zo%C3%AB-1._~");
        assert_eq!(encode(""), "");
    }
}
