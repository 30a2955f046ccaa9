//! What goes along with news, so that whoever sent them can wait until they are acted upon.

use std::convert::Infallible;

use tokio::sync::mpsc;

/// Goes with news to everybody whom they concern, and is dropped by each who has acted upon them. The default one is nobody's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Receipt(Vec<mpsc::Sender<Infallible>>);

/// Resolves once every copy of its receipt is dropped.
#[derive(Debug)]
pub(crate) struct Receipted(mpsc::Receiver<Infallible>);

impl Receipt {
    /// A receipt that somebody waits for.
    pub(crate) fn new() -> (Self, Receipted) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(vec![sender]), Receipted(receiver))
    }

    /// The same news also serve who waits for `other`.
    pub(crate) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl Receipted {
    pub(crate) async fn wait(mut self) {
        self.0.recv().await;
    }
}
