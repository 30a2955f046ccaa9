//! A plain yrs document of a raw peer: makes updates, and looks into those of others.

use yrs::{Doc, GetString, Map, MapRef, Text, Transact, TransactionMut, Update, updates::decoder::Decode};

/// One author's document.
pub(crate) struct Replica {
    doc: Doc,
}

impl Replica {
    pub(crate) fn new() -> Self {
        Self { doc: Doc::new() }
    }

    /// One transaction, and the update it makes; the root is a map.
    pub(crate) fn edit(&self, change: impl FnOnce(&MapRef, &mut TransactionMut<'_>)) -> Vec<u8> {
        let root = self.doc.get_or_insert_map("map");
        let mut transaction = self.doc.try_transact_mut().expect("nobody else uses it");
        change(&root, &mut transaction);
        transaction.encode_update_v1()
    }

    /// Types at the end of the text.
    pub(crate) fn write(&self, text: &str) -> Vec<u8> {
        let root = self.doc.get_or_insert_text("text");
        self.edit(|_, transaction| root.push(transaction, text))
    }

    pub(crate) fn apply(&self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("an update");
        self.edit(|_, transaction| transaction.apply_update(update).expect("an update that fits"));
    }

    /// How many keys its map has.
    pub(crate) fn keys(&self) -> usize {
        keys_of(&self.doc)
    }

    /// In UTF-8 bytes.
    pub(crate) fn text_len(&self) -> usize {
        let text = self.doc.get_or_insert_text("text");
        text.len(&self.doc.try_transact().expect("nobody else uses it")) as usize
    }

    pub(crate) fn text(&self) -> String {
        text_of(&self.doc)
    }
}

/// A document that got these updates.
pub(crate) fn document(updates: &[Vec<u8>]) -> Doc {
    let replica = Replica::new();
    updates.iter().for_each(|update| replica.apply(update));
    replica.doc
}

pub(crate) fn text_of(doc: &Doc) -> String {
    let text = doc.get_or_insert_text("text");
    text.get_string(&doc.try_transact().expect("nobody else uses it"))
}

/// How many keys its map has.
pub(crate) fn keys_of(doc: &Doc) -> usize {
    let root = doc.get_or_insert_map("map");
    root.len(&doc.try_transact().expect("nobody else uses it")) as usize
}
