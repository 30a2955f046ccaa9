//! How far a reader has come: the clock up to which it holds everything one writer wrote.
//!
//! Completion is judged by content, never by counting frames, so that a server which merges updates is credited for
//! every update inside, and one which drops them is found out.

use std::collections::BTreeMap;

use crate::wire::Reader;

/// The contiguous clock of one writer's content, fed with Yjs updates in any order.
pub(crate) struct Reach {
    writer: u64,
    clock: u64,
    /// What arrived beyond a gap: start to end.
    beyond: BTreeMap<u64, u64>,
}

impl Reach {
    pub(crate) fn new(writer: u64) -> Self {
        Self { writer, clock: 0, beyond: BTreeMap::new() }
    }

    /// Everything below this clock is held.
    pub(crate) fn clock(&self) -> u64 {
        self.clock
    }

    /// Takes an update v1 into account. Bytes that are no update count for nothing.
    pub(crate) fn hear(&mut self, update: &[u8]) {
        // A malformed update stops the walk; what stood before it was heard.
        let _ = self.walk(&mut Reader::new(update));
    }

    fn walk(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        for _ in 0..reader.uint()? {
            let structs = reader.uint()?;
            let client = reader.uint()?;
            let mut clock = reader.uint()?;
            for _ in 0..structs {
                let (len, present) = read_struct(reader)?;
                if present && client == self.writer {
                    self.cover(clock, clock + len);
                }
                clock += len;
            }
        }
        Some(())
    }

    fn cover(&mut self, start: u64, end: u64) {
        if start > self.clock {
            let known = self.beyond.entry(start).or_insert(end);
            *known = end.max(*known);
            return;
        }
        self.clock = self.clock.max(end);
        while let Some(first) = self.beyond.first_entry() {
            if *first.key() > self.clock {
                break;
            }
            self.clock = self.clock.max(first.remove());
        }
    }
}

/// One struct of an update: its length in clock units, and whether it is content rather than a hole.
fn read_struct(reader: &mut Reader<'_>) -> Option<(u64, bool)> {
    const GC: u8 = 0;
    const SKIP: u8 = 10;
    let info = reader.byte()?;
    if info == GC || info == SKIP {
        return Some((reader.uint()?, info == GC));
    }
    for flag in [0x80, 0x40] {
        if info & flag != 0 {
            reader.uint()?;
            reader.uint()?;
        }
    }
    if info & 0xc0 == 0 {
        if reader.uint()? == 1 {
            reader.bytes()?;
        } else {
            reader.uint()?;
            reader.uint()?;
        }
        if info & 0x20 != 0 {
            reader.bytes()?;
        }
    }
    Some((read_content(reader, info & 0x1f)?, true))
}

/// The content of an item, of the kinds that the loads write and what servers turn them into.
fn read_content(reader: &mut Reader<'_>, kind: u8) -> Option<u64> {
    const DELETED: u8 = 1;
    const STRING: u8 = 4;
    const ANY: u8 = 8;
    const ANY_STRING: u8 = 119;
    match kind {
        DELETED => reader.uint(),
        STRING => {
            let text = reader.bytes()?;
            Some(text.len() as u64)
        }
        ANY => {
            let count = reader.uint()?;
            for _ in 0..count {
                if reader.byte()? != ANY_STRING {
                    return None;
                }
                reader.bytes()?;
            }
            Some(count)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    #[test]
    fn a_gap_holds_the_reach_until_it_is_filled() {
        let mut script = Script::new(5);
        let updates: Vec<_> = (0..4).map(|_| script.append("ab")).collect();
        let mut reach = Reach::new(5);
        reach.hear(&updates[0]);
        reach.hear(&updates[2]);
        reach.hear(&updates[3]);
        assert_eq!(reach.clock(), 2);
        reach.hear(&updates[1]);
        assert_eq!(reach.clock(), 8);
    }

    #[test]
    fn another_writer_and_a_cut_update_count_for_nothing() {
        let mut other = Script::new(6);
        let mut script = Script::new(5);
        let mut reach = Reach::new(5);
        reach.hear(&other.append("abc"));
        let update = script.append("abc");
        reach.hear(&update[..5]);
        assert_eq!(reach.clock(), 0);
    }
}
