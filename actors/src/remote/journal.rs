//! The journal of a gateway that is a process of its own: appends go to Ganymede in order, one request at a time; what
//! arrives meanwhile goes into the next. Failures are retried for ever, unless the epoch is over.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_protocol::{
    control::{Appended, Pull, Pushed, RECORDS_CONTENT_TYPE},
    id::DocumentKey,
    record::{
        OVERHEAD_BYTES_MAX, PAYLOAD_BYTES_MAX, StoredDocument,
        stream::{Documents, RecordReader, put_snapshot, put_updates},
    },
};
use rand::Rng as _;
use reqwest::{Response, header::CONTENT_TYPE};
use tokio::time::{sleep, timeout};

use super::{
    client::{Client, unavailable},
    queue::Queue,
};
use crate::{
    control_plane::{ControlError, Tenure},
    journal::{Append, Journal, JournalError},
};

/// Most bytes in one request, unless a single append has more.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// How long an append may take before it is sent again. Sending one twice is writing it once.
const APPEND_MAX: Duration = Duration::from_secs(10);
/// A failed append rests this long, doubled with each failure in a row, up to the cap; a random part of it is left out.
const REST_MS_MIN: u64 = 50;
const REST_MS_MAX: u64 = 2_000;
/// So many refusals in a row, which takes seconds, and no repetition will help: the gateway and Ganymede disagree on what is
/// stored. The tenure ends, and whoever serves next loads what there is.
const REFUSALS_MAX: u32 = 8;
/// How long what is queued is still tried after the gateway is gone.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// Ganymede's store, under one epoch of one organization.
pub(super) struct RemoteJournal {
    client: Arc<Client>,
    tenure: Arc<Tenure>,
    queue: Arc<Queue>,
}

impl RemoteJournal {
    pub(super) fn new(client: Arc<Client>, tenure: Arc<Tenure>) -> Self {
        let queue = Arc::new(Queue::new());
        tokio::spawn(deliver(client.clone(), tenure.clone(), queue.clone()));
        Self { client, tenure, queue }
    }

    /// A refusal as stale ends the whole tenure, whoever meets it first.
    fn failed(&self, error: ControlError) -> JournalError {
        if error == ControlError::Stale {
            self.tenure.fence();
        }
        JournalError(error.to_string())
    }
}

impl Drop for RemoteJournal {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[async_trait]
impl Journal for RemoteJournal {
    fn append(&self, append: Append) {
        self.queue.push(append);
    }

    async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, JournalError> {
        self.queue.until_settled().await;
        let DocumentKey { org, project, document } = key.clone();
        let pull = Pull { organization_id: org, project: Some(project), document: Some(document) };
        let answer = self.client.ask_records("/gateway/data/pull", &self.tenure, &pull).await;
        let answer = answer.map_err(|error| self.failed(error))?;
        read_document(key, answer).await
    }

    async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), JournalError> {
        let mut body = Vec::with_capacity(state.len() + OVERHEAD_BYTES_MAX);
        put_snapshot(&mut body, self.tenure.epoch(), key, covers_seq, &state)
            .map_err(|error| JournalError(error.to_string()))?;
        drop(state);
        let pushed = self.client.send_records::<Pushed>("/gateway/data/push", &self.tenure, body.into()).await;
        pushed.map(drop).map_err(|error| self.failed(error))
    }
}

/// Reads what was pulled of one document.
async fn read_document(key: &DocumentKey, mut answer: Response) -> Result<StoredDocument, JournalError> {
    let damaged = |error: &dyn std::fmt::Display| JournalError(format!("what Ganymede sent is damaged: {error}"));
    let is_records =
        answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == RECORDS_CONTENT_TYPE.as_bytes());
    if !is_records {
        // `{"data": null}`: nothing is stored of the organization yet.
        let body: serde_json::Value = answer.json().await.map_err(|error| damaged(&error.without_url()))?;
        let empty = body.get("data").is_some_and(serde_json::Value::is_null);
        return if empty { Ok(StoredDocument::default()) } else { Err(damaged(&"not records")) };
    }
    let mut reader = RecordReader::new(PAYLOAD_BYTES_MAX + OVERHEAD_BYTES_MAX);
    let mut documents = Documents::default();
    while let Some(bytes) = answer.chunk().await.map_err(|error| JournalError(unavailable(error).to_string()))? {
        reader.feed(&bytes);
        while let Some(record) = reader.next_record().map_err(|error| damaged(&error))? {
            documents.add(record).map_err(|error| damaged(&error))?;
        }
    }
    reader.finish().map_err(|error| damaged(&error))?;
    let mut documents = documents.into_inner();
    let stored = documents.remove(key).unwrap_or_default();
    if documents.is_empty() { Ok(stored) } else { Err(damaged(&"another document than the one asked for")) }
}

/// Sends what is queued until nothing more can come, or the epoch is over.
async fn deliver(client: Arc<Client>, tenure: Arc<Tenure>, queue: Arc<Queue>) {
    let sending = async {
        while let Some(batch) = queue.take(BATCH_BYTES_MAX).await {
            let Some(body) = encode(&tenure, &batch) else {
                queue.settle(batch.len());
                continue;
            };
            if !append(&client, &tenure, body).await {
                return;
            }
            queue.settle(batch.len());
            for Append { first_seq, updates, durable, .. } in batch {
                durable(first_seq + updates.len() as u64 - 1);
            }
        }
    };
    let abandoned = async {
        queue.until_closed().await;
        sleep(LINGER_MAX).await;
    };
    tokio::select! {
        () = sending => {}
        () = tenure.until_fenced() => {}
        () = abandoned => {
            tracing::error!(org = %tenure.org(), epoch = %tenure.epoch(), "edits that were not acknowledged are given up");
        }
    }
    // Nobody waits for what is never sent.
    queue.settle_all();
}

/// `None` for what can never be sent; the guard refuses such updates long before.
fn encode(tenure: &Tenure, batch: &[Append]) -> Option<Bytes> {
    let mut body = Vec::new();
    for Append { key, first_seq, updates, .. } in batch {
        if let Err(error) = put_updates(&mut body, tenure.epoch(), key, *first_seq, updates) {
            tracing::error!(org = %key.org, project = %key.project, document = %key.document, %error,
                "updates cannot be stored");
            return None;
        }
    }
    Some(body.into())
}

/// `false` once the epoch is over.
async fn append(client: &Client, tenure: &Tenure, body: Bytes) -> bool {
    let (mut failures, mut refusals) = (0_u32, 0);
    loop {
        let sent = client.send_records::<Appended>("/gateway/data/append", tenure, body.clone());
        let error = match timeout(APPEND_MAX, sent).await {
            Ok(Ok(Appended { .. })) => return true,
            Ok(Err(ControlError::Stale)) => {
                tenure.fence();
                return false;
            }
            Ok(Err(error @ (ControlError::Refused(_) | ControlError::Unavailable(_)))) => error,
            Err(_) => ControlError::Unavailable("no answer in time".to_owned()),
        };
        metrics::counter!("orrery_append_failures_total").increment(1);
        refusals = if matches!(error, ControlError::Refused(_)) { refusals + 1 } else { 0 };
        if refusals == REFUSALS_MAX {
            tracing::error!(org = %tenure.org(), epoch = %tenure.epoch(), %error, "edits are refused; the gateway gives up");
            tenure.fence();
            return false;
        }
        let rest_ms = (REST_MS_MIN << failures.min(16)).min(REST_MS_MAX);
        if failures.is_power_of_two() || failures == 0 {
            tracing::error!(org = %tenure.org(), epoch = %tenure.epoch(), %error, failures, "edits are not saved; retrying");
        }
        failures += 1;
        let rest_ms = rand::rng().random_range(rest_ms / 2..=rest_ms);
        sleep(Duration::from_millis(rest_ms)).await;
    }
}
