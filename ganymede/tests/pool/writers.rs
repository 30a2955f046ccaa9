//! Gateways that write without a pause while their organization moves, and do not notice until they are refused.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use orrery_ganymede::{data::Data, store::Append};
use orrery_protocol::id::{DocumentKey, Epoch};
use tokio::{sync::oneshot, task::JoinSet};

use crate::{
    documents::Archive,
    support::{Scratch, on_both},
};

on_both!(what_was_acknowledged_is_there_however_often_an_organization_moves);

const MOVES: usize = 30;
/// Most appends of one writer that are not durable yet.
const UNDER_WAY_MAX: usize = 16;

/// An update that was acknowledged, and its number.
type Acknowledged = (u64, Bytes);

/// What a gateway does with one document: reads it, and appends until it is refused. Says when the first one is durable.
async fn write_until_refused(
    data: Data,
    key: Arc<DocumentKey>,
    epoch: Epoch,
    began: oneshot::Sender<()>,
) -> Vec<Acknowledged> {
    let mut last_seq = data.load(&key).await.unwrap().last_seq;
    let mut began = Some(began);
    let mut under_way = VecDeque::new();
    let mut acknowledged = Vec::new();
    let mut refused = false;
    loop {
        while !refused && under_way.len() < UNDER_WAY_MAX {
            let seq = last_seq + 1;
            let update = Bytes::from(format!("update {seq} under epoch {epoch}"));
            let (done, durable) = oneshot::channel();
            let answered = Box::new(move |seq| done.send(seq).unwrap());
            let key = Arc::clone(&key);
            let append =
                Append { key, epoch: epoch.0, first_seq: seq, updates: vec![update.clone()], durable: answered };
            refused = data.queue(append).is_err();
            if !refused {
                last_seq = seq;
                under_way.push_back((update, durable));
            }
        }
        let Some((update, durable)) = under_way.pop_front() else { return acknowledged };
        // What passed the fence follows what is there: the store has no reason to refuse it.
        acknowledged.push((durable.await.unwrap(), update));
        began.take().map(|began| began.send(()));
    }
}

async fn what_was_acknowledged_is_there_however_often_an_organization_moves(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let keys = [Arc::new(archive.board()), Arc::new(archive.note())];
    let (mut allocation, _) = archive.claims().await;
    let mut writers = JoinSet::new();
    for _ in 0..MOVES {
        for (at, key) in keys.iter().enumerate() {
            let (began, writing) = oneshot::channel();
            let write = write_until_refused(archive.data.clone(), Arc::clone(key), allocation.epoch, began);
            writers.spawn(async move { (at, write.await) });
            writing.await.unwrap();
        }
        allocation = archive.world.pool.drain(allocation.slot).await.unwrap().unwrap();
    }
    archive.world.pool.release(archive.org).await.unwrap();
    let mut acknowledged = [Vec::new(), Vec::new()];
    for (at, updates) in writers.join_all().await {
        acknowledged[at].extend(updates);
    }
    for (key, mut acknowledged) in keys.iter().zip(acknowledged) {
        acknowledged.sort_by_key(|(seq, _)| *seq);
        let stored = archive.stored(key).await;
        let expected: Vec<Acknowledged> = (1..).zip(stored.updates).collect();
        assert_eq!(acknowledged, expected, "{key}: exactly what was acknowledged, each number once");
    }
}
