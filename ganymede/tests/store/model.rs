//! Random histories against a list of what was appended.

use bytes::Bytes;
use orrery_ganymede::store::{Store, StoreLimits};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::support::{append, content, key, limits, options, queue, state};

const DOCUMENTS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// Waits for the acknowledgement.
    Append {
        document: usize,
        lens: Vec<usize>,
    },
    /// Does not wait.
    Queue {
        document: usize,
        lens: Vec<usize>,
    },
    /// Of this share of what was appended, in percent.
    Snapshot {
        document: usize,
        percent: usize,
    },
    Load {
        document: usize,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let document = 0..DOCUMENTS;
    let lens = prop::collection::vec(0..300usize, 1..5);
    prop_oneof![
        3 => (document.clone(), lens.clone()).prop_map(|(document, lens)| Step::Append { document, lens }),
        3 => (document.clone(), lens).prop_map(|(document, lens)| Step::Queue { document, lens }),
        2 => (document.clone(), 0..=100usize).prop_map(|(document, percent)| Step::Snapshot { document, percent }),
        2 => document.prop_map(|document| Step::Load { document }),
        1 => Just(Step::Reopen),
    ]
}

async fn run(steps: Vec<Step>, limits: StoreLimits) {
    let folder = tempfile::tempdir().unwrap();
    let open = || Store::open(folder.path(), options(limits.clone())).unwrap().0;
    let mut store = open();
    let mut model: Vec<Vec<Bytes>> = vec![Vec::new(); DOCUMENTS];
    let all = [0, 1, 2, 3].map(|document| Step::Load { document });
    for step in steps.into_iter().chain(all.clone()).chain([Step::Reopen]).chain(all) {
        match step {
            Step::Append { document, lens } => {
                let (first_seq, updates) = extend(&mut model[document], document, &lens);
                append(&store, &key(document as u128), first_seq, updates).await;
            }
            Step::Queue { document, lens } => {
                let (first_seq, updates) = extend(&mut model[document], document, &lens);
                drop(queue(&store, &key(document as u128), 1, first_seq, updates));
            }
            Step::Snapshot { document, percent } => {
                let covers = model[document].len() * percent / 100;
                let state = state(&model[document][..covers]);
                store.store_snapshot(&key(document as u128), covers as u64, state).await.unwrap();
            }
            Step::Load { document } => {
                let stored = store.load(&key(document as u128)).await.unwrap();
                assert!(content(&stored) == model[document], "document {document}");
            }
            Step::Reopen => {
                store.close().await.unwrap();
                store = open();
            }
        }
    }
    store.close().await.unwrap();
}

/// Each update says which it is, as far as it is long enough.
fn extend(updates: &mut Vec<Bytes>, document: usize, lens: &[usize]) -> (u64, Vec<Bytes>) {
    let first = updates.len();
    for (position, len) in (first..).zip(lens) {
        let text = format!("{document}:{position} ").repeat(100);
        updates.push(Bytes::copy_from_slice(&text.as_bytes()[..*len]));
    }
    (first as u64 + 1, updates[first..].to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_store_holds_what_was_appended(
        steps in prop::collection::vec(step(), 1..40),
        segment_bytes in 200..4_000u64,
        fold_after_ms in prop_oneof![Just(0), Just(300_000)],
        journal_bytes_max in prop_oneof![Just(1_000), Just(1 << 30)],
    ) {
        let limits = StoreLimits { segment_bytes, fold_after_ms, journal_bytes_max, ..limits() };
        Runtime::new().unwrap().block_on(run(steps, limits));
    }
}
