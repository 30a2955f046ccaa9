//! lib0 `Any` values: JavaScript values inside content. Every decoder behind the guard reads them by recursion.

use super::{Malformed, MalformedKind};
use crate::{lib0::Reader, limits::VALUE_DEPTH_MAX};

const BUFFER: u8 = 116;
const ARRAY: u8 = 117;
const MAP: u8 = 118;
const STRING: u8 = 119;
const TRUE: u8 = 120;
const FALSE: u8 = 121;
const BIG_INT: u8 = 122;
const FLOAT_64: u8 = 123;
const FLOAT_32: u8 = 124;
const INTEGER: u8 = 125;
const NULL: u8 = 126;
const UNDEFINED: u8 = 127;

/// A map entry is a key of at least one byte and a value of at least one byte.
const MAP_ENTRY_BYTES_MIN: usize = 2;

/// What one value turned out to be.
enum Value {
    Scalar,
    Container(Open),
}

/// A container whose values are still to come.
#[derive(Clone, Copy, Default)]
struct Open {
    left: u64,
    is_map: bool,
}

/// Walks one value.
#[inline]
pub fn walk_any(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match value(reader)? {
        Value::Scalar => Ok(()),
        Value::Container(open) => container(reader, open),
    }
}

/// Walks the opts of a subdocument: a map of keys that Yjs or yrs write. Yjs spreads it into the constructor of a
/// document, where any other key could put data in the place of a function.
pub(super) fn walk_subdocument_options(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    const KEYS: [&str; 6] = ["gc", "autoLoad", "shouldLoad", "meta", "collectionId", "encoding"];
    let fault = reader.malformed(MalformedKind::Content);
    let Value::Container(Open { left, is_map: true }) = value(reader)? else {
        return Err(fault);
    };
    for _ in 0..left {
        let fault = reader.malformed(MalformedKind::Content);
        if !KEYS.contains(&reader.var_str()?) {
            return Err(fault);
        }
        walk_any(reader)?;
    }
    Ok(())
}

/// Reads one scalar, or the head of a container.
#[inline]
fn value(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    let fault = reader.malformed(MalformedKind::Any);
    match reader.u8()? {
        UNDEFINED | NULL | TRUE | FALSE => {}
        STRING => {
            reader.var_str()?;
        }
        INTEGER => {
            reader.var_int()?;
        }
        FLOAT_32 => {
            reader.bytes(4)?;
        }
        FLOAT_64 | BIG_INT => {
            reader.bytes(8)?;
        }
        BUFFER => {
            reader.var_buf()?;
        }
        ARRAY => {
            let left = reader.count(u64::MAX, 1)?;
            return Ok(Value::Container(Open { left, is_map: false }));
        }
        MAP => {
            let left = reader.count(u64::MAX, MAP_ENTRY_BYTES_MIN)?;
            return Ok(Value::Container(Open { left, is_map: true }));
        }
        _ => return Err(fault),
    }
    Ok(Value::Scalar)
}

/// Walks the values of `outermost` and of every container in it, with a stack of fixed size in place of recursion.
fn container(reader: &mut Reader<'_>, outermost: Open) -> Result<(), Malformed> {
    let mut stack = [Open::default(); VALUE_DEPTH_MAX];
    stack[0] = outermost;
    let mut depth = 1;
    while depth > 0 {
        let open = &mut stack[depth - 1];
        if open.left == 0 {
            depth -= 1;
            continue;
        }
        open.left -= 1;
        if open.is_map {
            reader.var_str()?;
        }
        let fault = reader.malformed(MalformedKind::Depth);
        if let Value::Container(open) = value(reader)? {
            *stack.get_mut(depth).ok_or(fault)? = open;
            depth += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<(), MalformedKind>) {
        let mut reader = Reader::new(bytes);
        let walked = walk_any(&mut reader).and_then(|()| reader.end());
        assert_eq!(walked.map_err(|fault| fault.what), expected, "{bytes:?}");
    }

    #[test]
    fn every_kind_of_value_is_walked() {
        for bytes in [&[127][..], &[126], &[125, 0x41], &[124, 0, 0, 0, 0], &[123, 0, 0, 0, 0, 0, 0, 0, 0]] {
            check(bytes, Ok(()));
        }
        for bytes in [&[122, 0, 0, 0, 0, 0, 0, 0, 1][..], &[121], &[120], &[119, 1, b'a'], &[116, 2, 0xff, 0]] {
            check(bytes, Ok(()));
        }
        check(&[118, 2, 1, b'k', 117, 2, 120, 118, 0, 1, b'l', 126], Ok(()));
    }

    #[test]
    fn values_of_unknown_kind_are_refused() {
        for kind in (0..116).chain(128..=255) {
            check(&[kind, 0, 0], Err(MalformedKind::Any));
        }
    }

    #[test]
    fn counts_are_checked_against_the_bytes_left() {
        check(&[117, 3, 126, 126], Err(MalformedKind::Count));
        check(&[118, 2, 0, 126, 0], Err(MalformedKind::Count));
        check(&[117, 0x80, 0x80, 0x80, 0x80, 0x10], Err(MalformedKind::Count));
        check(&[116, 0x80, 0x80, 0x80, 0x80, 0x10], Err(MalformedKind::Truncated));
    }

    #[test]
    fn nested_any_8000_levels_deep_is_refused_and_64_are_fine() {
        let nested = |levels: usize| {
            let mut bytes = [117, 1].repeat(levels);
            bytes.push(126);
            bytes
        };
        check(&nested(8_000), Err(MalformedKind::Depth));
        check(&nested(VALUE_DEPTH_MAX + 1), Err(MalformedKind::Depth));
        check(&nested(VALUE_DEPTH_MAX), Ok(()));
    }

    #[test]
    fn siblings_do_not_add_to_the_depth() {
        let mut bytes = vec![117, 200, 1];
        for _ in 0..200 {
            bytes.extend([117, 1, 117, 0]);
        }
        check(&bytes, Ok(()));
    }

    #[test]
    fn options_of_a_subdocument_are_a_map_of_known_keys() {
        let check = |bytes: &[u8], expected| {
            let mut reader = Reader::new(bytes);
            assert_eq!(walk_subdocument_options(&mut reader).map_err(|fault| fault.what), expected, "{bytes:?}");
        };
        check(&[118, 0], Ok(()));
        check(b"\x76\x01\x02gc\x79", Ok(()));
        check(b"\x76\x01\x08gcFilter\x79", Err(MalformedKind::Content));
        check(&[126], Err(MalformedKind::Content));
        check(&[117, 0], Err(MalformedKind::Content));
    }
}
