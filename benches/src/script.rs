//! What a writer writes: Yjs updates prepared before the clock runs, and what a document holds once it has them all.

use anyhow::{Context, Result, ensure};
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{Any, ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, Transact, Update};

use crate::wire::{put_bytes, put_uint};

/// The name of the root text and of the root map that the loads write.
const TEXT: &str = "text";
const MAP: &str = "map";

/// Item content tags of the Yjs update format, version 1.
const CONTENT_STRING: u8 = 4;
const CONTENT_ANY: u8 = 8;
const HAS_ORIGIN: u8 = 0x80;
const HAS_PARENT_SUB: u8 = 0x20;
const ANY_STRING: u8 = 119;

/// One writer's updates, in order, each as Yjs itself would have encoded it.
pub(crate) struct Script {
    client: u64,
    clock: u64,
    /// The clock at which each map key was last written.
    keys: Vec<Option<u64>>,
}

impl Script {
    pub(crate) fn new(client: u64) -> Self {
        Self { client, clock: 0, keys: Vec::new() }
    }

    /// The clock a reader has reached when it has every update of this script so far.
    pub(crate) fn clock(&self) -> u64 {
        self.clock
    }

    /// Types `text` (ASCII) at the end of the root text; only while nothing but text was written.
    pub(crate) fn append(&mut self, text: &str) -> Vec<u8> {
        let mut out = self.section();
        if self.clock == 0 {
            out.push(CONTENT_STRING);
            put_uint(&mut out, 1);
            put_bytes(&mut out, TEXT.as_bytes());
        } else {
            out.push(CONTENT_STRING | HAS_ORIGIN);
            put_uint(&mut out, self.client);
            put_uint(&mut out, self.clock - 1);
        }
        put_bytes(&mut out, text.as_bytes());
        put_uint(&mut out, 0);
        self.clock += text.len() as u64;
        out
    }

    /// Sets map key number `key` to `value`, deleting the value that was there.
    pub(crate) fn overwrite(&mut self, key: usize, value: &str) -> Vec<u8> {
        let mut out = self.section();
        if self.keys.len() <= key {
            self.keys.resize(key + 1, None);
        }
        let previous = self.keys[key].replace(self.clock);
        match previous {
            None => {
                out.push(CONTENT_ANY | HAS_PARENT_SUB);
                put_uint(&mut out, 1);
                put_bytes(&mut out, MAP.as_bytes());
                put_bytes(&mut out, format!("k{key}").as_bytes());
            }
            Some(origin) => {
                out.push(CONTENT_ANY | HAS_ORIGIN | HAS_PARENT_SUB);
                put_uint(&mut out, self.client);
                put_uint(&mut out, origin);
            }
        }
        put_uint(&mut out, 1);
        out.push(ANY_STRING);
        put_bytes(&mut out, value.as_bytes());
        match previous {
            None => put_uint(&mut out, 0),
            Some(deleted) => {
                for number in [1, self.client, 1, deleted, 1] {
                    put_uint(&mut out, number);
                }
            }
        }
        self.clock += 1;
        out
    }

    /// One client, one struct, up to where the struct begins.
    fn section(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        for number in [1, 1, self.client, self.clock] {
            put_uint(&mut out, number);
        }
        out
    }
}

/// A document as the servers' clients use it: offsets in UTF-16, deleted content collected.
pub(crate) fn new_doc(client: u64) -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(client)) })
}

/// What a document holds after these updates: the text, and the map as JSON with sorted keys.
///
/// # Errors
/// When an update does not decode, does not apply, or leaves something missing.
pub(crate) fn content<'a>(updates: impl IntoIterator<Item = &'a [u8]>) -> Result<(String, String)> {
    let doc = new_doc(u64::from(u32::MAX));
    let (text, map) = (doc.get_or_insert_text(TEXT), doc.get_or_insert_map(MAP));
    let mut txn = doc.try_transact_mut().context("the document is busy")?;
    for update in updates {
        txn.apply_update(Update::decode_v1(update).context("an update does not decode")?)?;
    }
    ensure!(!txn.has_missing_updates(), "updates are missing in between");
    let Any::Map(values) = map.to_json(&txn) else { anyhow::bail!("the root map is not a map") };
    let mut values: Vec<_> = values.iter().map(|(key, value)| format!("{key}={value}")).collect();
    values.sort();
    Ok((text.get_string(&txn), values.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::Reach;

    #[test]
    fn yrs_reads_a_script_as_it_was_meant() {
        let mut script = Script::new(77);
        let updates = [
            script.append("a"),
            script.append("bc"),
            script.overwrite(1, "old"),
            script.overwrite(0, "other"),
            script.overwrite(1, "new"),
        ];
        let (text, map) = content(updates.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(text, "abc");
        assert_eq!(map, "k0=other,k1=new");
    }

    #[test]
    fn a_missing_update_is_noticed() {
        let mut script = Script::new(77);
        let updates: Vec<_> = (0..3).map(|_| script.append("x")).collect();
        assert!(content([updates[0].as_slice(), updates[2].as_slice()]).is_err());
    }

    #[test]
    fn reach_follows_a_script_and_a_merged_state() {
        let mut script = Script::new(77);
        let updates: Vec<_> = (0..40).map(|key| script.overwrite(key % 4, "value")).collect();
        let mut reach = Reach::new(77);
        for update in &updates {
            reach.hear(update);
        }
        assert_eq!(reach.clock(), script.clock());

        let doc = new_doc(1);
        let mut txn = doc.try_transact_mut().unwrap();
        for update in &updates {
            txn.apply_update(Update::decode_v1(update).unwrap()).unwrap();
        }
        drop(txn);
        let merged = doc.try_transact().unwrap().encode_state_as_update_v1(&yrs::StateVector::default());
        let mut reach = Reach::new(77);
        reach.hear(&merged);
        assert_eq!(reach.clock(), script.clock());
    }
}
