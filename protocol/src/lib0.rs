//! lib0's encoding (<https://github.com/dmonad/lib0>), the alphabet of every y-protocols message. Owns how numbers,
//! byte strings and texts are read and written; knows nothing of the messages made of them.

use bytes::BufMut;

use crate::guard::{Malformed, MalformedKind};

/// The largest number of the wire: JavaScript holds integers in a double.
pub const VAR_UINT_MAX: u64 = (1 << 53) - 1;

/// Bytes of [`VAR_UINT_MAX`] when written.
const VAR_UINT_BYTES_MAX: usize = 8;

/// Reads lib0 values from bytes that a peer sent. Never reads past the end, never allocates.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first byte on.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Offset of the next byte.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Whether every byte has been read.
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// A fault at the next byte.
    pub const fn malformed(&self, what: MalformedKind) -> Malformed {
        Malformed { what, offset: self.position }
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.position).ok_or(self.malformed(MalformedKind::Truncated))?;
        self.position += 1;
        Ok(byte)
    }

    /// A `varUint`: groups of 7 bits, lowest first. At most [`VAR_UINT_MAX`], in its shortest form: two spellings of
    /// one number would let two decoders disagree.
    #[inline]
    pub fn var_uint(&mut self) -> Result<u64, Malformed> {
        match self.bytes.get(self.position) {
            Some(&byte) if byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(byte))
            }
            Some(_) | None => self.var_groups(0, 0),
        }
    }

    /// A `varInt`: like [`Reader::var_uint`], but the first byte holds a sign and 6 bits. Minus zero reads as zero.
    pub fn var_int(&mut self) -> Result<i64, Malformed> {
        let start = self.position;
        let first = self.u8()?;
        let low = u64::from(first & 0x3f);
        let magnitude = if first & 0x80 == 0 {
            low
        } else {
            let high = self.var_groups(low, 6);
            high.map_err(|fault| Malformed { offset: start, ..fault })?
        };
        let magnitude = i64::try_from(magnitude).expect("at most 53 bits");
        Ok(if first & 0x40 == 0 { magnitude } else { -magnitude })
    }

    /// Reads groups of 7 bits on top of `value`, whose lowest `shift` bits are taken.
    fn var_groups(&mut self, mut value: u64, shift: u32) -> Result<u64, Malformed> {
        let rest = &self.bytes[self.position..];
        for (index, &byte) in rest.iter().take(VAR_UINT_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7f) << (shift + 7 * index as u32);
            if byte < 0x80 {
                let padded = byte == 0 && (index > 0 || shift > 0);
                if padded || value > VAR_UINT_MAX {
                    return Err(self.malformed(MalformedKind::Varint));
                }
                self.position += index + 1;
                return Ok(value);
            }
        }
        let whole = rest.len() >= VAR_UINT_BYTES_MAX;
        Err(self.malformed(if whole { MalformedKind::Varint } else { MalformedKind::Truncated }))
    }

    /// The next `len` bytes.
    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let slice = self.bytes[self.position..].get(..len).ok_or(self.malformed(MalformedKind::Truncated))?;
        self.position += len;
        Ok(slice)
    }

    /// A `varUint8Array`: a length and that many bytes.
    #[inline]
    pub fn var_buf(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.position;
        let len = self.var_uint()?;
        // A length that does not fit a usize is larger than what is left, on every platform.
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > self.remaining() {
            return Err(Malformed { what: MalformedKind::Truncated, offset: start });
        }
        self.bytes(len)
    }

    /// A `varString`: a `varUint8Array` that is strictly UTF-8.
    #[inline]
    pub fn var_str(&mut self) -> Result<&'a str, Malformed> {
        let start = self.position;
        let bytes = self.var_buf()?;
        std::str::from_utf8(bytes).map_err(|_| Malformed { what: MalformedKind::Utf8, offset: start })
    }
}

/// Writes a `varUint`.
#[inline]
pub fn put_var_uint(out: &mut impl BufMut, mut n: u64) {
    while n >= 0x80 {
        out.put_u8(n as u8 | 0x80);
        n >>= 7;
    }
    out.put_u8(n as u8);
}

/// Writes a `varUint8Array`.
pub fn put_var_buf(out: &mut impl BufMut, bytes: &[u8]) {
    put_var_uint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// Writes a `varString`.
pub fn put_var_str(out: &mut impl BufMut, text: &str) {
    put_var_buf(out, text.as_bytes());
}

/// Bytes that [`put_var_uint`] writes for `n`.
pub const fn var_uint_len(n: u64) -> usize {
    let bits = 64 - (n | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault<T: std::fmt::Debug>(result: Result<T, Malformed>) -> MalformedKind {
        result.expect_err("malformed").what
    }

    #[test]
    fn numbers_round_trip_and_know_their_length() {
        for n in [0, 1, 63, 64, 127, 128, 16_383, 16_384, u64::from(u32::MAX), VAR_UINT_MAX - 1, VAR_UINT_MAX] {
            let mut out = Vec::new();
            put_var_uint(&mut out, n);
            assert_eq!(out.len(), var_uint_len(n), "{n}");
            let mut reader = Reader::new(&out);
            assert_eq!(reader.var_uint(), Ok(n));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn truncated_varints_are_refused() {
        for bytes in [&[][..], &[0x80], &[0xff, 0xff], &[0xff; 7]] {
            assert_eq!(fault(Reader::new(bytes).var_uint()), MalformedKind::Truncated, "{bytes:?}");
        }
        for bytes in [&[][..], &[0x80], &[0xc0, 0xff]] {
            assert_eq!(fault(Reader::new(bytes).var_int()), MalformedKind::Truncated, "{bytes:?}");
        }
    }

    #[test]
    fn varints_above_53_bits_are_refused() {
        let mut out = Vec::new();
        put_var_uint(&mut out, VAR_UINT_MAX + 1);
        for bytes in [out.as_slice(), &[0xff; 8], &[0xff; 20]] {
            assert_eq!(fault(Reader::new(bytes).var_uint()), MalformedKind::Varint, "{bytes:?}");
        }
        assert_eq!(fault(Reader::new(&[0xff; 20]).var_int()), MalformedKind::Varint);
    }

    #[test]
    fn padded_varints_are_refused() {
        for bytes in [&[0x80, 0][..], &[0xff, 0x80, 0]] {
            assert_eq!(fault(Reader::new(bytes).var_uint()), MalformedKind::Varint, "{bytes:?}");
        }
        assert_eq!(fault(Reader::new(&[0x80, 0]).var_int()), MalformedKind::Varint);
    }

    #[test]
    fn signed_numbers_read_as_lib0_writes_them() {
        let cases: [(&[u8], i64); 7] = [
            (&[0], 0),
            (&[0x40], 0),
            (&[0x41], -1),
            (&[0x3f], 63),
            (&[0x80, 1], 64),
            (&[0xc0, 1], -64),
            (&[0xbf, 0xff, 0xff, 0xff, 0x0f], 0x7fff_ffff),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Reader::new(bytes).var_int(), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_claimed_length_beyond_the_end_is_truncated_at_the_length() {
        let mut reader = Reader::new(&[7, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        assert_eq!(reader.u8(), Ok(7));
        assert_eq!(reader.var_buf(), Err(Malformed { what: MalformedKind::Truncated, offset: 1 }));
    }

    #[test]
    fn texts_are_strict_utf8() {
        assert_eq!(Reader::new(b"\x03a\xc3\xa4").var_str(), Ok("aä"));
        // A lone surrogate, an overlong slash, a cut sequence.
        for bytes in [&b"\x03\xed\xa0\x80"[..], b"\x02\xc0\xaf", b"\x01\xc3"] {
            assert_eq!(fault(Reader::new(bytes).var_str()), MalformedKind::Utf8, "{bytes:?}");
        }
    }

    #[test]
    fn buffers_round_trip() {
        let mut out = Vec::new();
        put_var_buf(&mut out, &[1, 2, 3]);
        put_var_str(&mut out, "ä");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.var_buf(), Ok(&[1, 2, 3][..]));
        assert_eq!(reader.position(), 4);
        assert_eq!(reader.remaining(), 3);
        assert_eq!(reader.var_str(), Ok("ä"));
    }
}
