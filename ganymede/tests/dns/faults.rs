//! Name servers that misbehave.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use orrery_ganymede::dns::{Change, DnsConfig, DnsDriver, DnsError, PowerDns, RecordKey, RecordKind};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::name_server::{ADDRESS, DOMAIN};

/// What it answers one request with; nothing at all if there is nothing.
type Answer = Option<(u16, &'static str)>;

/// Gives these answers, one a request, then closes whatever comes. Says what it was asked.
async fn server(answers: Vec<Answer>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, requests) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut silent = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            asked.send(read(&mut socket).await).await.unwrap();
            match answer {
                Some((status, body)) => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
                None => silent.push(socket),
            }
        }
        std::future::pending::<()>().await;
    });
    (address, requests)
}

/// One request with its body.
async fn read(socket: &mut TcpStream) -> String {
    let mut request = String::new();
    loop {
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).await.unwrap();
        request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if count == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return request;
        }
    }
}

fn client(address: SocketAddr) -> PowerDns {
    let config = DnsConfig {
        driver: DnsDriver::PowerDns,
        url: format!("http://{address}/dns/"),
        api_token: "canary".into(),
        address: ADDRESS.to_owned(),
        timeout_ms: 300,
        ..DnsConfig::default()
    };
    let settings = config.check(&DOMAIN.parse().unwrap()).unwrap().unwrap();
    PowerDns::new(&settings, Arc::new(|| 0.0)).unwrap()
}

async fn check(answers: Vec<Answer>, expect: Result<(), DnsError>) {
    let attempts = answers.len();
    let (address, mut asked) = server(answers).await;
    let key = RecordKey { name: "x.team.example.".to_owned(), kind: RecordKind::A };
    let change = [Change { key, becomes: None }];
    assert_eq!(client(address).change(&DOMAIN.parse().unwrap(), &change).await, expect);
    for _ in 0..attempts {
        let request = asked.recv().await.unwrap();
        assert!(request.starts_with("PATCH /dns/api/v1/servers/localhost/zones/team.example. "), "{request}");
        assert!(request.to_ascii_lowercase().contains("x-api-key: canary"), "{request}");
        let body = r#"{"rrsets":[{"changetype":"DELETE","name":"x.team.example.","type":"A"}]}"#;
        assert!(request.ends_with(body), "{request}");
    }
}

#[tokio::test]
async fn trouble_of_the_servers_own_is_waited_out() {
    check(vec![Some((500, "oops")), Some((503, "")), Some((204, ""))], Ok(())).await;
    let failing = DnsError::Failing { status: 500, message: "oops".to_owned() };
    check(vec![Some((500, "oops")); 3], Err(failing)).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_asked_again_and_then_given_up() {
    check(vec![None, Some((204, ""))], Ok(())).await;
    check(vec![None; 3], Err(DnsError::TimedOut)).await;
}

#[tokio::test]
async fn what_is_refused_is_asked_once() {
    let message = "RRset x.team.example. IN A: Conflicts with pre-existing RRset".to_owned();
    let refused = DnsError::Refused { status: 422, message };
    let body = r#"{"error": "RRset x.team.example. IN A: Conflicts with pre-existing RRset"}"#;
    check(vec![Some((422, body))], Err(refused)).await;
    check(vec![Some((401, "Unauthorized"))], Err(DnsError::Unauthorized)).await;
    check(vec![Some((404, "Not Found"))], Err(DnsError::NoZone(DOMAIN.parse().unwrap()))).await;
    // Nobody is led elsewhere with the key.
    check(vec![Some((302, ""))], Err(DnsError::Refused { status: 302, message: String::new() })).await;
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(address).records(&DOMAIN.parse().unwrap()).await.unwrap_err();
    assert!(matches!(&error, DnsError::Unreachable(cause) if cause.contains("refused")), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_zone_is_no_empty_zone() {
    let (address, _asked) = server(vec![Some((200, r#"{"name": "team.example."}"#))]).await;
    let asked = tokio::time::timeout(Duration::from_secs(20), async {
        client(address).records(&DOMAIN.parse().unwrap()).await
    });
    assert!(matches!(asked.await.unwrap(), Err(DnsError::Unreadable(_))));
}
