//! Checks that a text is JSON (RFC 8259) without building anything from it. Not recursive, not allocating. Owns the
//! JSON grammar and its depth; knows nothing of where a text came from.

use crate::{
    guard::{Malformed, MalformedKind},
    limits::VALUE_DEPTH_MAX,
};

/// Who reads the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Browsers only. Half a surrogate pair may stand alone, as `JSON.stringify` writes a string that was cut inside a
    /// character.
    Browsers,
    /// yrs too, which has strings of Rust, and no integers between 2^63 and 2^64.
    Documents,
}

/// Accepts what both `JSON.stringify` writes and `JSON.parse` reads. Numbers must be finite; at most
/// [`VALUE_DEPTH_MAX`] arrays and objects are nested.
pub fn validate(text: &str) -> Result<(), Malformed> {
    Validator::new(text, Audience::Browsers).document()
}

/// Accepts what [`validate`] accepts and yrs reads: no half of a surrogate pair, no integer between 2^63 and 2^64.
pub fn validate_for_document(text: &str) -> Result<(), Malformed> {
    Validator::new(text, Audience::Documents).document()
}

/// The arrays and objects that are open, innermost in the lowest bit; set for an object.
#[derive(Clone, Copy)]
struct Nesting {
    objects: u64,
    depth: usize,
}

const _: () = assert!(VALUE_DEPTH_MAX <= u64::BITS as usize, "one bit per level");

struct Validator<'a> {
    bytes: &'a [u8],
    text: &'a str,
    position: usize,
    audience: Audience,
}

impl<'a> Validator<'a> {
    const fn new(text: &'a str, audience: Audience) -> Self {
        Self { bytes: text.as_bytes(), text, position: 0, audience }
    }

    fn document(mut self) -> Result<(), Malformed> {
        let mut open = Nesting { objects: 0, depth: 0 };
        loop {
            // Down: heads of containers, then one scalar or an empty container.
            if self.value(&mut open)? {
                continue;
            }
            // Up: whatever that value completes.
            loop {
                self.skip_space();
                if open.depth == 0 {
                    return if self.peek().is_none() { Ok(()) } else { Err(self.fault()) };
                }
                let is_object = open.objects & 1 == 1;
                match self.next()? {
                    b',' if is_object => break self.key()?,
                    b',' => break,
                    b'}' if is_object => open.close(),
                    b']' if !is_object => open.close(),
                    _ => return Err(self.fault_before()),
                }
            }
        }
    }

    /// Reads a scalar, an empty container (`false`: a value is complete) or the head of a container up to its first
    /// value (`true`: a value follows).
    fn value(&mut self, open: &mut Nesting) -> Result<bool, Malformed> {
        self.skip_space();
        match self.next()? {
            b'"' => self.string()?,
            b'-' => {
                let digit = self.next()?;
                self.number(digit)?;
            }
            digit @ b'0'..=b'9' => self.number(digit)?,
            b't' => self.word("rue")?,
            b'f' => self.word("alse")?,
            b'n' => self.word("ull")?,
            head @ (b'{' | b'[') => {
                let is_object = head == b'{';
                open.open(is_object).ok_or(self.at(MalformedKind::Depth, self.position - 1))?;
                self.skip_space();
                if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                    self.position += 1;
                    open.close();
                    return Ok(false);
                }
                if is_object {
                    self.key()?;
                }
                return Ok(true);
            }
            _ => return Err(self.fault_before()),
        }
        Ok(false)
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        self.expect(b'"')?;
        self.string()?;
        self.skip_space();
        self.expect(b':')
    }

    /// The rest of a string, after its opening quote.
    fn string(&mut self) -> Result<(), Malformed> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                0..0x20 => return Err(self.fault_before()),
                _ => {}
            }
        }
    }

    /// The rest of an escape, after its backslash.
    fn escape(&mut self) -> Result<(), Malformed> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let start = self.position;
                let unit = self.hex()?;
                let lone = match (self.audience, unit) {
                    (Audience::Documents, 0xd800..0xdc00) => !self.low_surrogate()?,
                    (Audience::Documents, 0xdc00..0xe000) => true,
                    (Audience::Browsers | Audience::Documents, _) => false,
                };
                if lone { Err(self.at(MalformedKind::Json, start)) } else { Ok(()) }
            }
            _ => Err(self.fault_before()),
        }
    }

    fn low_surrogate(&mut self) -> Result<bool, Malformed> {
        self.expect(b'\\')?;
        self.expect(b'u')?;
        Ok((0xdc00..0xe000).contains(&self.hex()?))
    }

    /// Four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, Malformed> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16).ok_or(self.fault_before())?;
            unit = unit * 16 + digit;
        }
        Ok(unit)
    }

    /// The rest of a number, after its sign and first digit.
    fn number(&mut self, first: u8) -> Result<(), Malformed> {
        let start = self.position - 1;
        match first {
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _ => return Err(self.fault_before()),
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.position += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digits()?;
        }
        self.readable(start, is_integer)
    }

    /// Numbers above the largest double are infinite for `JSON.parse` and an error for yrs.
    fn readable(&self, start: usize, is_integer: bool) -> Result<(), Malformed> {
        /// Every number so short is readable, unless it has an exponent.
        const SHORT: usize = 18;
        let number = &self.text[start..self.position];
        if is_integer && number.len() <= SHORT {
            return Ok(());
        }
        let value = number.parse().unwrap_or(f64::INFINITY);
        let readable = match self.audience {
            Audience::Browsers => value.is_finite(),
            Audience::Documents => {
                let negative = start > 0 && self.bytes[start - 1] == b'-';
                let only_unsigned = is_integer && number.parse().is_ok_and(|n: u64| i64::try_from(n).is_err());
                is_surely_finite(number, value) && (negative || !only_unsigned)
            }
        };
        if readable { Ok(()) } else { Err(self.at(MalformedKind::Json, start)) }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        if !self.next()?.is_ascii_digit() {
            return Err(self.fault_before());
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.position += 1;
        }
    }

    fn word(&mut self, rest: &str) -> Result<(), Malformed> {
        rest.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.next()? == byte { Ok(()) } else { Err(self.fault_before()) }
    }

    #[inline]
    fn next(&mut self) -> Result<u8, Malformed> {
        let byte = self.peek().ok_or(self.fault())?;
        self.position += 1;
        Ok(byte)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    /// The next byte is wrong.
    const fn fault(&self) -> Malformed {
        self.at(MalformedKind::Json, self.position)
    }

    /// The byte just read is wrong.
    const fn fault_before(&self) -> Malformed {
        self.at(MalformedKind::Json, self.position - 1)
    }

    const fn at(&self, what: MalformedKind, offset: usize) -> Malformed {
        Malformed { what, offset }
    }
}

/// yrs multiplies digits by a power of ten, which is not exact: it takes some of the largest doubles for infinite, but
/// not the very largest as JavaScript writes it.
fn is_surely_finite(number: &str, value: f64) -> bool {
    value < 1.797_693_134_862_315e308 || value.is_finite() && number.starts_with("1.7976931348623157e")
}

impl Nesting {
    /// `None` at [`VALUE_DEPTH_MAX`].
    fn open(&mut self, is_object: bool) -> Option<()> {
        if self.depth == VALUE_DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(is_object);
        Some(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_accepted() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "-12.5e-3",
            "1E+2",
            "\"\"",
            "[]",
            "{}",
            " [ 1 , 2 ] ",
            "[[],{}]",
            r#"{"a":{"b":[null,{"c":"d"}]},"e":1}"#,
            r#""\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00ä😀""#,
            "\t\r\n 1 \n",
            "1.7976931348623157e+308",
            "0e999999999999",
            "5e-324",
            "1e-999",
        ] {
            assert_eq!(validate_for_document(text), Ok(()), "{text}");
            assert_eq!(validate(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_goes_wrong() {
        for (text, offset) in [
            ("", 0),
            (" ", 1),
            ("nul", 3),
            ("nulL", 3),
            ("undefined", 0),
            ("NaN", 0),
            ("Infinity", 0),
            ("-", 1),
            ("--1", 1),
            ("-a", 1),
            ("01", 1),
            ("1.", 2),
            (".5", 0),
            ("1e", 2),
            ("1e+", 3),
            ("+1", 0),
            ("1 2", 2),
            ("[", 1),
            ("]", 0),
            ("[1", 2),
            ("[1,", 3),
            ("[1,]", 3),
            ("[,]", 1),
            ("[1}", 2),
            ("{1:2}", 1),
            ("{,}", 1),
            ("{\"a\"}", 4),
            ("{\"a\":}", 5),
            ("{\"a\":1", 6),
            ("{\"a\":1]", 6),
            ("{\"a\":1,}", 7),
            ("\"", 1),
            ("'a'", 0),
            ("\"a\nb\"", 2),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 5),
            ("\"\\u12", 5),
            ("{}}", 2),
            ("\u{feff}1", 0),
            ("//\n1", 0),
            ("\"\u{0}\"", 1),
            ("1\u{a0}", 1),
        ] {
            assert_eq!(validate(text), Err(Malformed { what: MalformedKind::Json, offset }), "{text:?}");
        }
    }

    #[test]
    fn infinite_numbers_are_refused() {
        let long = "9".repeat(400);
        for text in ["1e309", "-1e309", "1.8e308", "[1e99999999999999999999]", long.as_str()] {
            assert!(validate(text).is_err(), "{text}");
        }
        assert_eq!(validate(&"9".repeat(308)), Ok(()));
    }

    #[test]
    fn numbers_that_yrs_rounds_to_infinity_are_for_browsers_only() {
        for text in ["1.7976931348623158e+308", "17976931348623157e292", "-1.79769313486231570001e308"] {
            assert_eq!(validate(text), Ok(()), "{text}");
            assert!(validate_for_document(text).is_err(), "{text}");
        }
        assert_eq!(validate_for_document("-1.7976931348623157e+308"), Ok(()));
        assert!(validate_for_document("1.7976931348623157e+309").is_err());
    }

    #[test]
    fn integers_that_only_an_unsigned_number_holds_are_for_browsers_only() {
        for text in ["9223372036854775808", "[10000000000000000000]", "18446744073709551615"] {
            assert_eq!(validate(text), Ok(()), "{text}");
            assert!(validate_for_document(text).is_err(), "{text}");
        }
        for text in
            ["9223372036854775807", "18446744073709551616", "-9223372036854775809", "-18446744073709551615", "1e19"]
        {
            assert_eq!(validate_for_document(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_for_browsers_only() {
        for text in
            [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\n""#, r#""\ud83d\u0041""#, r#""\ude00\ud83d""#]
        {
            assert_eq!(validate(text), Ok(()), "{text}");
            assert!(validate_for_document(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(validate(&nested(VALUE_DEPTH_MAX)), Ok(()));
        let fault = Malformed { what: MalformedKind::Depth, offset: VALUE_DEPTH_MAX };
        assert_eq!(validate(&nested(VALUE_DEPTH_MAX + 1)), Err(fault));
        assert_eq!(validate(&nested(100_000)), Err(fault));
        let objects = "{\"a\":".repeat(VALUE_DEPTH_MAX) + "1" + &"}".repeat(VALUE_DEPTH_MAX);
        assert_eq!(validate(&objects), Ok(()));
        let siblings = format!("[{}[]]", "[[]],{\"a\":{}},".repeat(1_000));
        assert_eq!(validate(&siblings), Ok(()));
    }
}
