use std::{
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes as Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use orrery_protocol::{
    control::{Appended, EPOCH_HEADER, GatewayBrief, Pull, Pushed, RECORDS_CONTENT_TYPE},
    id::{DocumentKey, DocumentName, Epoch},
    idle::IdleClocks,
    record::{
        RecordKind, StoredDocument,
        stream::{RecordReader, put_document},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

use super::*;
use crate::{
    fake::{
        ALICE, BOB, FakeGanymede, IO, ORG, brief,
        visitor::{self, PATIENCE, Visitor},
    },
    gateways::Gateways,
    journal::Append,
    keeper::ReleaseReason,
};

/// The fake over HTTP, as the contract has it.
#[derive(Clone)]
struct Server {
    ganymede: FakeGanymede,
    /// One permit lets one append pass.
    appends: Arc<Semaphore>,
    /// What pulls are answered with instead.
    pulled: Arc<Mutex<Option<Response>>>,
    /// Paths and tokens of all requests.
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    async fn start(ganymede: &FakeGanymede) -> (Self, RemoteControlPlane) {
        let server = Self {
            ganymede: ganymede.clone(),
            appends: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            pulled: Arc::default(),
            seen: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let routes = Router::new().route("/gateway/{*path}", post(answer)).with_state(server.clone());
        let routes = routes.layer(DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let options = RemoteOptions { url, gateway: gateway(), pool_token: Token("pool".to_owned()) };
        (server, RemoteControlPlane::new(options).unwrap())
    }

    fn seen(&self, path: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(seen, _)| seen == path).map(|(_, token)| token.clone()).collect()
    }
}

fn gateway() -> GatewayId {
    GatewayId(uuid::Uuid::from_u128(5))
}

async fn answer(State(server): State<Server>, uri: axum::http::Uri, headers: HeaderMap, body: Body) -> Response {
    let token = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    server.seen.lock().unwrap_or_else(PoisonError::into_inner).push((uri.path().to_owned(), token.clone()));
    let done = match uri.path() {
        "/gateway/ready" => json_of(&parse::<Ready>(&body)),
        "/gateway/deleted" => json_of(&server.ganymede.deleted(&parse(&body)).await.unwrap()),
        "/gateway/config" if token == "pool" => {
            let handshake = parse::<ConfigRequest>(&body).handshake.unwrap();
            server.ganymede.config(Ask::Handshake(&handshake)).await.map(|brief| json_of(&brief)).unwrap_or_else(refuse)
        }
        path => as_gateway(&server, path, &tenure(&headers), &headers, body).await.unwrap_or_else(refuse),
    };
    done.into_response()
}

async fn as_gateway(
    server: &Server,
    path: &str,
    tenure: &Tenure,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ControlError> {
    let ganymede = &server.ganymede;
    let is_records = headers[header::CONTENT_TYPE] == RECORDS_CONTENT_TYPE;
    match path {
        "/gateway/config" => Ok(json_of(&ganymede.config(Ask::Again(tenure)).await?)),
        "/gateway/lease" => Ok(json_of(&ganymede.renew(tenure).await?)),
        "/gateway/stop" => {
            assert_eq!(parse::<Stop>(&body).gateway_id, Some(gateway()));
            ganymede.stop(tenure).await.map(|()| json_of(&json!({})))
        }
        "/gateway/data/append" => {
            server.appends.acquire().await.unwrap().forget();
            let mut world = ganymede.admit(tenure.org(), tenure.epoch())?;
            let (records, sequence) = read(&body, |kind, key, seq, payload| {
                assert_eq!(kind, RecordKind::Update);
                world.append(key, seq, &[payload]);
            });
            Ok(json_of(&Appended { sequence, records }))
        }
        "/gateway/data/push" if is_records => {
            let mut world = ganymede.admit(tenure.org(), tenure.epoch())?;
            read(&body, |kind, key, seq, payload| {
                assert_eq!(kind, RecordKind::Snapshot);
                world.push(key, seq, payload);
            });
            let size_bytes = body.len() as u64;
            Ok(json_of(&Pushed { success: true, stored_at: "2026-11-21T18:00:00Z".to_owned(), size_bytes }))
        }
        "/gateway/data/push" => {
            let disabled = parse::<Value>(&body)["data"]["gateway_state"]["disable_shutdown"].as_bool().unwrap();
            ganymede.disable_shutdown(tenure, disabled).await?;
            Ok(json_of(&json!({"success": true})))
        }
        "/gateway/data/pull" => {
            if let Some(answer) = server.pulled.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Ok(answer);
            }
            let Pull { organization_id, project, document } = parse(&body);
            let key = DocumentKey { org: organization_id, project: project.unwrap(), document: document.unwrap() };
            let world = ganymede.admit(tenure.org(), tenure.epoch())?;
            let mut records = Vec::new();
            if let Some(stored) = world.documents.get(&key) {
                put_document(&mut records, tenure.epoch(), &key, stored).unwrap();
            }
            Ok(([(header::CONTENT_TYPE, RECORDS_CONTENT_TYPE)], records).into_response())
        }
        other => panic!("{other}"),
    }
}

fn tenure(headers: &HeaderMap) -> Tenure {
    let epoch: Epoch = headers[EPOCH_HEADER].to_str().unwrap().parse().unwrap();
    Tenure::new(&brief(ORG, epoch.0))
}

fn parse<T: DeserializeOwned>(body: &Body) -> T {
    serde_json::from_slice(body).unwrap()
}

fn json_of(body: &impl Serialize) -> Response {
    axum::Json(body).into_response()
}

fn refuse(error: ControlError) -> Response {
    let (status, code) = match &error {
        ControlError::Stale => (StatusCode::CONFLICT, "STALE_EPOCH"),
        ControlError::Refused(_) => (StatusCode::UNAUTHORIZED, "AUTHENTICATION_FAILED"),
        ControlError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
    };
    let body = json!({"error": {"code": code, "message": error.to_string(), "request_id": "r"}});
    (status, axum::Json(body)).into_response()
}

/// Reads a body of records; how many there were, and the sequence of the last.
fn read(body: &[u8], mut each: impl FnMut(RecordKind, &DocumentKey, u64, Bytes)) -> (u64, u64) {
    let mut reader = RecordReader::new(1 << 30);
    reader.feed(body);
    let (mut records, mut sequence) = (0, 0);
    while let Some(record) = reader.next_record().unwrap() {
        (records, sequence) = (records + 1, record.stamp.seq);
        each(record.stamp.kind, &record.key, record.stamp.seq, record.payload);
    }
    reader.finish().unwrap();
    (records, sequence)
}

fn key(name: &str) -> Arc<DocumentKey> {
    Arc::new(DocumentKey { org: ORG, project: IO, document: DocumentName::Named(name.to_owned()) })
}

/// Appends one update; `durable` hears its sequence.
fn append(journal: &dyn Journal, key: &Arc<DocumentKey>, seq: u64, durable: &mpsc::SyncSender<u64>) {
    let durable = durable.clone();
    journal.append(Append {
        key: key.clone(),
        first_seq: seq,
        updates: vec![Bytes::from(format!("update {seq}"))],
        durable: Box::new(move |seq| durable.send(seq).unwrap()),
    });
}

/// Waits for the next sequence that became durable.
async fn heard(durable: &mpsc::Receiver<u64>) -> u64 {
    let hearing = async {
        loop {
            match durable.try_recv() {
                Ok(seq) => return seq,
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    timeout(PATIENCE, hearing).await.expect("durable")
}

async fn journal() -> (FakeGanymede, Server, Arc<Tenure>, Arc<dyn Journal>) {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let (server, plane) = Server::start(&ganymede).await;
    let tenure = Arc::new(Tenure::new(&brief(ORG, 1)));
    let journal = plane.journal(&tenure);
    (ganymede, server, tenure, journal)
}

#[tokio::test]
async fn what_is_appended_while_a_request_is_under_way_goes_into_the_next() {
    let (ganymede, server, _tenure, journal) = journal().await;
    let held = server.appends.forget_permits(Semaphore::MAX_PERMITS);
    let (durable, hears) = mpsc::sync_channel(1000);
    append(&*journal, &key("a"), 1, &durable);
    visitor::until("the first is on its way", async || !server.seen("/gateway/data/append").is_empty()).await;
    for seq in 2..=100 {
        append(&*journal, &key("a"), seq, &durable);
    }
    assert!(hears.try_recv().is_err(), "nothing is durable yet");
    server.appends.add_permits(held);
    for seq in 1..=100 {
        assert_eq!(heard(&hears).await, seq);
    }
    assert_eq!(server.seen("/gateway/data/append").len(), 2);
    assert_eq!(ganymede.world().documents[&*key("a")].updates.len(), 100);
}

#[tokio::test]
async fn a_failing_ganymede_loses_and_doubles_nothing() {
    let (ganymede, _server, tenure, journal) = journal().await;
    let fault = || ControlError::Unavailable("a disk".to_owned());
    let refusal = || ControlError::Refused("a clock".to_owned());
    ganymede.world().faults.extend([fault(), refusal(), fault()]);
    let (durable, hears) = mpsc::sync_channel(10);
    for seq in 1..=3 {
        append(&*journal, &key("a"), seq, &durable);
        assert_eq!(heard(&hears).await, seq);
    }
    assert_eq!(ganymede.world().documents[&*key("a")].updates, ["update 1", "update 2", "update 3"]);
    assert!(!tenure.is_fenced());
}

#[tokio::test]
async fn a_stale_append_ends_the_tenure_and_is_never_confirmed() {
    let (ganymede, server, tenure, journal) = journal().await;
    ganymede.allocate(&brief(ORG, 2));
    let (durable, hears) = mpsc::sync_channel(10);
    append(&*journal, &key("a"), 1, &durable);
    timeout(PATIENCE, tenure.until_fenced()).await.unwrap();
    append(&*journal, &key("a"), 2, &durable);
    assert!(journal.load(&key("a")).await.is_err(), "does not wait for what is never sent");
    assert!(journal.store_snapshot(&key("a"), 1, Bytes::new()).await.is_err());
    assert_eq!((hears.try_recv(), server.seen("/gateway/data/append").len()), (Err(mpsc::TryRecvError::Empty), 1));
    assert!(ganymede.world().documents.is_empty());
}

#[tokio::test]
async fn what_is_refused_for_good_ends_the_tenure() {
    let (ganymede, server, tenure, journal) = journal().await;
    ganymede.world().faults.extend((0..8).map(|_| ControlError::Refused("a gap".to_owned())));
    let (durable, hears) = mpsc::sync_channel(10);
    append(&*journal, &key("a"), 1, &durable);
    timeout(PATIENCE, tenure.until_fenced()).await.unwrap();
    assert_eq!((hears.try_recv(), server.seen("/gateway/data/append").len()), (Err(mpsc::TryRecvError::Empty), 8));
}

#[tokio::test]
async fn loading_sees_everything_appended_before() {
    let (ganymede, server, _tenure, journal) = journal().await;
    let held = server.appends.forget_permits(Semaphore::MAX_PERMITS);
    let (durable, hears) = mpsc::sync_channel(10);
    (1..=3).for_each(|seq| append(&*journal, &key("a"), seq, &durable));
    let loading = tokio::spawn({
        let journal = journal.clone();
        async move { journal.load(&key("a")).await }
    });
    visitor::until("the append is on its way", async || !server.seen("/gateway/data/append").is_empty()).await;
    assert!(server.seen("/gateway/data/pull").is_empty(), "waits");
    server.appends.add_permits(held);
    let stored = loading.await.unwrap().unwrap();
    assert_eq!((stored.last_seq, stored.updates.len(), stored.snapshot), (3, 3, None));
    assert_eq!(heard(&hears).await, 1);

    let state = Bytes::from(vec![7; 3 << 20]);
    journal.store_snapshot(&key("a"), 2, state.clone()).await.unwrap();
    assert_eq!(ganymede.world().snapshots, 1);
    let stored = journal.load(&key("a")).await.unwrap();
    let update = Bytes::from_static(b"update 3");
    assert_eq!(stored, StoredDocument { snapshot: Some(state), updates: vec![update], last_seq: 3 });
    assert_eq!(journal.load(&key("unknown")).await.unwrap(), StoredDocument::default());
}

#[tokio::test]
async fn an_answer_that_is_not_the_document_is_an_error() {
    let (_ganymede, server, _tenure, journal) = journal().await;
    let mut other = Vec::new();
    let stored = StoredDocument { snapshot: Some(Bytes::from_static(b"state")), updates: vec![], last_seq: 1 };
    put_document(&mut other, Epoch(1), &key("other"), &stored).unwrap();
    let records = |body: Vec<u8>| ([(header::CONTENT_TYPE, RECORDS_CONTENT_TYPE)], body).into_response();
    let cut = other[..other.len() - 1].to_vec();
    for answer in [records(other), records(cut), records(b"not a record".to_vec()), json_of(&json!({"data": 1}))] {
        *server.pulled.lock().unwrap() = Some(answer);
        assert!(journal.load(&key("a")).await.is_err());
    }
    *server.pulled.lock().unwrap() = Some(json_of(&json!({"success": true, "data": null})));
    assert_eq!(journal.load(&key("a")).await.unwrap(), StoredDocument::default(), "a new organization");
}

#[tokio::test]
async fn what_is_queued_is_sent_though_the_gateway_is_gone() {
    let (ganymede, server, _tenure, journal) = journal().await;
    let held = server.appends.forget_permits(Semaphore::MAX_PERMITS);
    let (durable, _hears) = mpsc::sync_channel(10);
    (1..=3).for_each(|seq| append(&*journal, &key("a"), seq, &durable));
    drop(journal);
    server.appends.add_permits(held);
    visitor::until("all are stored", async || {
        ganymede.world().documents.get(&*key("a")).is_some_and(|it| it.last_seq == 3)
    })
    .await;
}

#[tokio::test]
async fn each_call_shows_the_token_it_has_to() {
    let ganymede = FakeGanymede::default();
    ganymede.world().handshakes.insert("shake".to_owned(), brief(ORG, 7));
    let (server, plane) = Server::start(&ganymede).await;
    let ready = Ready { gateway_id: gateway(), slots: 3, listen: "127.0.0.1:7101".to_owned() };
    plane.announce(&ready).await.unwrap();
    let gone = Deleted { organizations: [ORG].into(), projects: [IO].into() };
    assert_eq!(plane.deleted(&gone).await.unwrap(), Deleted::default());
    ganymede.world().deleted = gone.clone();
    assert_eq!(plane.deleted(&gone).await.unwrap(), gone);
    let handshake = Token("shake".to_owned());
    let brief: GatewayBrief = plane.config(Ask::Handshake(&handshake)).await.unwrap();
    let again = plane.config(Ask::Handshake(&handshake)).await;
    assert!(matches!(again, Err(ControlError::Refused(_))), "{again:?}");
    let tenure = Tenure::new(&brief);
    plane.renew(&tenure).await.unwrap();
    tenure.replace_token(Token("newer".to_owned()));
    assert_eq!(plane.config(Ask::Again(&tenure)).await.unwrap(), brief);
    plane.disable_shutdown(&tenure, true).await.unwrap();
    assert_eq!(ganymede.world().shutdown_disabled, Some(true));
    plane.stop(&tenure).await.unwrap();
    assert_eq!(plane.renew(&tenure).await, Err(ControlError::Stale));

    assert_eq!(server.seen("/gateway/ready"), ["pool"]);
    assert_eq!(server.seen("/gateway/deleted"), ["pool", "pool"]);
    assert_eq!(server.seen("/gateway/config"), ["pool", "pool", "newer"]);
    assert_eq!(server.seen("/gateway/lease"), [brief.gateway_token.0.as_str(), "newer"]);
    assert_eq!(server.seen("/gateway/data/push"), ["newer"]);
    assert_eq!(server.seen("/gateway/stop"), ["newer"]);
}

#[tokio::test]
async fn nobody_there_is_worth_another_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = RemoteOptions { url, gateway: gateway(), pool_token: Token("pool".to_owned()) };
    let plane = RemoteControlPlane::new(options).unwrap();
    let answer = plane.renew(&Tenure::new(&brief(ORG, 1))).await;
    assert!(matches!(answer, Err(ControlError::Unavailable(_))), "{answer:?}");
    let options =
        RemoteOptions { url: "not an address".to_owned(), gateway: gateway(), pool_token: Token(String::new()) };
    assert!(RemoteControlPlane::new(options).is_err());
}

/// The whole life of an organization in another process than Ganymede.
#[tokio::test]
async fn an_organization_is_served_over_http_from_handshake_to_idleness() {
    let ganymede = FakeGanymede::default();
    let lease_ms = 9_000;
    ganymede.world().lease_ms = Some(lease_ms);
    for (handshake, epoch) in [("first", 1), ("second", 2)] {
        let disable_shutdown = epoch == 1;
        let brief = GatewayBrief { disable_shutdown, lease_ms, ..brief(ORG, epoch) };
        ganymede.world().handshakes.insert(handshake.to_owned(), brief);
    }
    let (_server, plane) = Server::start(&ganymede).await;
    let mut config = visitor::config(Arc::new(plane));
    config.idle = IdleClocks { project_ms: 4_000, gateway_ms: 4_000 };
    let gateways = Gateways::new(config);

    assert_eq!(gateways.start(ORG, &Token("first".to_owned())).await, Ok(Epoch(1)));
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    visitor::until("the edit is stored", async || ganymede.world().appends == 1).await;
    visitor::until("the lease is renewed", async || ganymede.world().renewals > 0).await;
    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(alice.closed().await, 1012);
    assert_eq!(ganymede.world().snapshots, 1);

    assert_eq!(gateways.start(ORG, &Token("second".to_owned())).await, Ok(Epoch(2)));
    let _bob = Visitor::join(&gateways, BOB, IO).await;
    assert_eq!(gateways.inspect().await[0].0.rooms[0].1.report.last_seq, 1, "what Alice wrote is there");
    visitor::until("the slot is given back", async || ganymede.world().stopped == [(ORG, Epoch(2))]).await;
}

/// `kill -9` and allocation elsewhere: the old gateway hears of it by whatever it does next.
#[tokio::test]
async fn a_gateway_in_another_process_that_is_stale_stops() {
    let ganymede = FakeGanymede::default();
    ganymede.world().handshakes.insert("first".to_owned(), brief(ORG, 1));
    let (_server, plane) = Server::start(&ganymede).await;
    let gateways = Gateways::new(visitor::config(Arc::new(plane)));
    gateways.start(ORG, &Token("first".to_owned())).await.unwrap();
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    ganymede.allocate(&brief(ORG, 2));
    alice.write();
    assert_eq!(alice.closed().await, 1012);
    visitor::until("the place is free", async || gateways.epoch(ORG).is_none()).await;
    assert!(ganymede.world().documents.is_empty());
}
