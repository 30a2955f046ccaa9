//! The yrs document behind a [`Document`](super::Document), with our options.
//!
//! yrs 0.28.1 frees the block of a subdocument when it collects the type around it, and reads that block once more before
//! the transaction is over. What is not collected is not freed: before the first subdocument comes in, another yrs document
//! takes over, one that keeps what is deleted, as Yjs does with `gc: false`.

use std::sync::OnceLock;

use yrs::{ClientID, Doc, OffsetKind, Options, ReadTxn, StateVector, Transact, Transaction, TransactionMut};

use super::{commit, integrate_whole};

/// One yrs document, or the one that took over from it.
pub(super) struct Replica {
    first: Doc,
    keeping: OnceLock<Doc>,
}

impl Replica {
    pub(super) fn new() -> Self {
        Self::of(Doc::with_options(options()))
    }

    /// An empty one that writes as `client`.
    pub(super) fn writing_as(client: ClientID) -> Self {
        Self::of(Doc::with_options(Options { client_id: client, ..options() }))
    }

    fn of(doc: Doc) -> Self {
        Self { first: doc, keeping: OnceLock::new() }
    }

    pub(super) fn doc(&self) -> &Doc {
        self.keeping.get().unwrap_or(&self.first)
    }

    /// Keeps what is deleted from now on. To be called before a subdocument comes in, while no transaction is open.
    ///
    /// # Errors
    /// yrs failed on the state of its own document.
    pub(super) fn keep_deleted(&self) -> Result<(), String> {
        if self.doc().skip_gc() {
            return Ok(());
        }
        let state = read(&self.first).encode_diff_v1(&StateVector::default());
        let keeping = Doc::with_options(Options { skip_gc: true, client_id: self.first.client_id(), ..options() });
        let mut txn = open(&keeping);
        let integrated = integrate_whole(&mut txn, &state);
        integrated.and(commit(txn))?;
        self.keeping.get_or_init(|| keeping);
        Ok(())
    }

    /// Lets go of the one that nobody looks at any more.
    pub(super) fn tidy(&mut self) {
        if let Some(keeping) = self.keeping.take() {
            self.first = keeping;
        }
    }

    /// Whether there is one that nobody looks at any more.
    #[cfg(test)]
    pub(super) fn is_tidy(&self) -> bool {
        self.keeping.get().is_none()
    }
}

/// Offsets in UTF-16 units as browsers count them. No clean-up of formatting: it would delete, on this replica alone, items
/// that no peer has deleted.
pub(super) fn options() -> Options {
    Options { offset_kind: OffsetKind::Utf16, cleanup_formatting: false, ..Options::default() }
}

#[expect(clippy::expect_used, reason = "one owner, one transaction at a time: no other can be open")]
pub(super) fn open(doc: &Doc) -> TransactionMut<'_> {
    doc.try_transact_mut().expect("no other transaction of this document is open")
}

#[expect(clippy::expect_used, reason = "one owner, one transaction at a time: no other can be open")]
pub(super) fn read(doc: &Doc) -> Transaction<'_> {
    doc.try_transact().expect("no write of this document is open")
}
