//! Documents on their way between a gateway and Ganymede: as records, as JSON, large, broken, foreign.

use std::time::SystemTime;

use bytes::Bytes;
use orrery_ganymede::tokens::GatewayClaims;
use orrery_protocol::{
    id::{DocumentKey, DocumentName, Epoch, OrgId, ProjectId},
    record::{
        StoredDocument,
        stream::{Documents, RecordReader, put_snapshot, put_updates},
    },
};
use orrery_web::limits::HttpLimits;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    city::{City, Gateway, Org},
    http::{Answer, Ask},
};

const RECORDS: &str = "application/octet-stream";

/// A gateway's side of an allocation, by hand.
struct Hand<'a> {
    city: &'a City,
    _gateway: Gateway,
    org: Org,
    epoch: Epoch,
    token: String,
}

impl<'a> Hand<'a> {
    async fn of(city: &'a City) -> Self {
        let (gateway, org) = (city.gateway().await, city.org("moons").await);
        let epoch = city.pool.start(org.id).await.unwrap().epoch;
        let claims = GatewayClaims { gateway: gateway.id, org: org.id, epoch };
        let token = city.tokens.sign_gateway(&claims, SystemTime::now()).unwrap().0;
        Self { city, _gateway: gateway, org, epoch, token }
    }

    fn key(&self, name: &str) -> DocumentKey {
        key(self.org.id, self.org.project, name)
    }

    async fn send(&self, ask: Ask) -> Answer {
        ask.bearer(&self.token).header("orrery-epoch", self.epoch).of(self.city.address).await
    }

    async fn append(&self, records: impl Into<Vec<u8>>) -> Answer {
        self.send(Ask::post("/gateway/data/append", records).header("content-type", RECORDS)).await
    }

    async fn push(&self, records: impl Into<Vec<u8>>) -> Answer {
        self.send(Ask::post("/gateway/data/push", records).header("content-type", RECORDS)).await
    }

    async fn pull(&self, accept: &str, more: Value) -> Answer {
        let mut body = json!({"organization_id": self.org.id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.send(Ask::json("/gateway/data/pull", &body).header("accept", accept)).await
    }

    async fn stored(&self, name: &str) -> StoredDocument {
        let more = json!({"project": self.org.project, "document": format!("doc:{name}")});
        let answer = self.pull(RECORDS, more).await.expect(200);
        if answer.header("content-type") == Some("application/json") {
            assert_eq!(answer.json()["data"], Value::Null);
            return StoredDocument::default();
        }
        let mut reader = RecordReader::new(usize::MAX);
        reader.feed(&answer.body);
        let mut documents = Documents::default();
        while let Some(record) = reader.next_record().unwrap() {
            documents.add(record).unwrap();
        }
        reader.finish().unwrap();
        documents.into_inner().remove(&self.key(name)).unwrap_or_default()
    }

    fn updates(&self, name: &str, first_seq: u64, updates: &[&'static [u8]]) -> Vec<u8> {
        let updates: Vec<Bytes> = updates.iter().map(|update| Bytes::from_static(update)).collect();
        let mut body = Vec::new();
        put_updates(&mut body, self.epoch, &self.key(name), first_seq, &updates).unwrap();
        body
    }
}

fn key(org: OrgId, project: ProjectId, name: &str) -> DocumentKey {
    DocumentKey { org, project, document: DocumentName::Named(name.to_owned()) }
}

/// What is wrong with the records, in words.
fn problem(answer: &Answer) -> String {
    assert_eq!(answer.refusal(), (400, "INVALID_INPUT".to_owned()));
    answer.json()["error"]["details"]["fields"]["records"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_is_appended_is_pulled_however_often_it_was_sent() {
    let city = City::new().await;
    let hand = Hand::of(&city).await;
    assert_eq!(hand.stored("a").await, StoredDocument::default(), "a new organization");
    let first = [hand.updates("a", 1, &[b"one", b"two"]), hand.updates("b", 1, &[b"other"])].concat();
    for _ in 0..2 {
        let appended = hand.append(first.clone()).await.expect(200).json();
        assert_eq!(appended, json!({"sequence": 1, "records": 3}));
    }
    hand.append(hand.updates("a", 2, &[b"two", b"three"])).await.expect(200);
    let stored = hand.stored("a").await;
    assert_eq!((stored.updates, stored.last_seq), (vec!["one".into(), "two".into(), "three".into()], 3));
    assert_eq!(hand.stored("b").await.updates, [Bytes::from_static(b"other")]);
    let gap = hand.append(hand.updates("a", 5, &[b"five"])).await;
    assert_eq!(gap.refusal(), (409, "CONFLICT".to_owned()));
}

#[tokio::test]
async fn a_snapshot_of_fifty_megabytes_is_stored_and_given_back() {
    const BYTES: usize = 50 << 20;
    let city = City::new().await;
    let hand = Hand::of(&city).await;
    hand.append(hand.updates("large", 1, &[b"one"])).await.expect(200);
    hand.append(hand.updates("small", 1, &[b"stays"])).await.expect(200);
    let state: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    let mut body = Vec::with_capacity(BYTES + 1024);
    put_snapshot(&mut body, hand.epoch, &hand.key("large"), 1, &state).unwrap();
    let pushed = hand.push(body).await.expect(200).json();
    assert_eq!((&pushed["success"], &pushed["size_bytes"]), (&json!(true), &json!(BYTES)));
    assert!(pushed["stored_at"].as_str().unwrap().ends_with('Z'));
    let stored = hand.stored("large").await;
    assert!(stored.snapshot.as_deref() == Some(&state[..]) && stored.updates.is_empty());
    assert_eq!(hand.stored("small").await.updates, [Bytes::from_static(b"stays")], "a push erases nothing");
}

/// It became so large update by update, each within the limit.
#[tokio::test]
async fn a_snapshot_above_the_limit_of_other_bodies_is_stored() {
    let limits = HttpLimits { data_bytes_max: 4096, ..HttpLimits::default() };
    let city = City::with(limits, None).await;
    let hand = Hand::of(&city).await;
    hand.append(hand.updates("a", 1, &[b"one"])).await.expect(200);
    let state = vec![7; 8192];
    let mut body = Vec::new();
    put_snapshot(&mut body, hand.epoch, &hand.key("a"), 1, &state).unwrap();
    let unsaid = Ask::post("/gateway/data/push", body.clone()).header("content-type", RECORDS).chunked();
    hand.send(unsaid).await.expect(200);
    hand.push(body).await.expect(200);
    let stored = hand.stored("a").await;
    assert!(stored.snapshot.as_deref() == Some(&state[..]) && stored.updates.is_empty());
    let data = json!({"gateway_state": {"text": "x".repeat(8192)}});
    let json = Ask::json("/gateway/data/push", &json!({"organization_id": hand.org.id, "data": data}));
    assert_eq!(hand.send(json).await.refusal(), (413, "TOO_LARGE".to_owned()));
}

#[tokio::test]
async fn a_record_that_is_wrong_is_named() {
    let city = City::new().await;
    let hand = Hand::of(&city).await;
    let good = hand.updates("a", 1, &[b"one"]);
    let start = good.len();
    let after = |bytes: &[u8]| [good.as_slice(), bytes].concat();
    let mut damaged = after(&good);
    *damaged.last_mut().unwrap() ^= 1;
    let at = format!("record 2, at byte {start}: ");
    assert_eq!(problem(&hand.append(damaged).await), format!("{at}the checksum of the record does not match"));
    assert_eq!(problem(&hand.append(after(&[0; 100])).await), format!("{at}not the magic bytes of a record"));
    assert!(problem(&hand.append(after(&good[..40])).await).starts_with(&format!("{at}the record needs ")));
    assert_eq!(problem(&hand.append(*b"").await), "there are none");
    let mut foreign = Vec::new();
    let elsewhere = key(OrgId(Uuid::now_v7()), hand.org.project, "a");
    put_updates(&mut foreign, hand.epoch, &elsewhere, 1, &[Bytes::from_static(b"x")]).unwrap();
    assert_eq!(problem(&hand.append(after(&foreign)).await), "record 2: it belongs to another organization");
    assert_eq!(problem(&hand.push(foreign).await), "record 1: it belongs to another organization");
    assert_eq!(problem(&hand.push(good.clone()).await), "record 1: it is of the wrong kind");
    let mut stale = Vec::new();
    put_updates(&mut stale, Epoch(hand.epoch.0 + 1), &hand.key("a"), 1, &[Bytes::from_static(b"x")]).unwrap();
    assert_eq!(hand.append(stale).await.refusal(), (409, "STALE_EPOCH".to_owned()));
    let typed = Ask::post("/gateway/data/append", good).header("content-type", "text/plain");
    assert_eq!(hand.send(typed).await.refusal(), (415, "UNSUPPORTED_MEDIA_TYPE".to_owned()));
    assert_eq!(hand.stored("a").await, StoredDocument::default(), "nothing of all this was taken");
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whether_it_says_so_or_not() {
    let limits = HttpLimits { data_bytes_max: 4096, ..HttpLimits::default() };
    let city = City::with(limits, None).await;
    let hand = Hand::of(&city).await;
    let large = hand.updates("a", 1, &[&[7; 4096]]);
    assert_eq!(hand.append(large.clone()).await.refusal(), (413, "TOO_LARGE".to_owned()));
    let many: Vec<u8> = (1..=8).flat_map(|seq| hand.updates("a", seq, &[&[7; 512]])).collect();
    for body in [large, many] {
        let unsaid = Ask::post("/gateway/data/append", body).header("content-type", RECORDS).chunked();
        assert_eq!(hand.send(unsaid).await.refusal(), (413, "TOO_LARGE".to_owned()));
    }
    let small = hand.updates("a", 1, &[&[7; 3500]]);
    hand.append(small).await.expect(200);
}

#[tokio::test]
async fn json_is_accepted_and_offered() {
    let city = City::new().await;
    let hand = Hand::of(&city).await;
    let nothing = json!({"success": true, "timestamp": null, "data": null});
    assert_eq!(hand.pull("application/json", json!({})).await.expect(200).json(), nothing);
    assert_eq!(hand.pull("*/*", json!({})).await.expect(200).json(), nothing);
    let push = |board: &str| {
        let data =
            json!({"yjs_state": {hand.org.project.to_string(): board}, "gateway_state": {"permissions": {"a": 1}}});
        Ask::json("/gateway/data/push", &json!({"organization_id": hand.org.id, "data": data}))
    };
    assert_eq!(hand.send(push("AAA=")).await.status, 200, "an update that says nothing");
    let malformed = hand.send(push("?")).await;
    assert_eq!(malformed.refusal(), (400, "INVALID_INPUT".to_owned()));
    let pulled = hand.pull("application/json", json!({})).await.expect(200).json();
    assert_eq!(pulled["data"]["gateway_state"]["permissions"], json!({"a": 1}));
    let odd = Ask::json("/gateway/data/push", &json!({"organization_id": hand.org.id}));
    assert_eq!(hand.send(odd).await.refusal(), (400, "INVALID_INPUT".to_owned()));
}

#[tokio::test]
async fn what_a_gateway_keeps_beside_documents_does_not_decide_their_form() {
    let city = City::new().await;
    let hand = Hand::of(&city).await;
    let state = json!({"organization_id": hand.org.id, "data": {"gateway_state": {"disable_shutdown": true}}});
    hand.append(hand.updates("a", 1, &[b"one"])).await.expect(200);
    hand.send(Ask::json("/gateway/data/push", &state)).await.expect(200);
    hand.append(hand.updates("a", 2, &[b"two"])).await.expect(200);
    let brief = hand.send(Ask::json("/gateway/config", &json!({}))).await.expect(200).json();
    assert_eq!(brief["disable_shutdown"], json!(true));
}
