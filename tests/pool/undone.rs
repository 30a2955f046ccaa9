//! Allocations that fail at each of their steps, between real processes: the gateway is played by the test, and does what a
//! broken one would.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use serde_json::{Value, json};

use super::start;
use crate::support::{PATIENCE, Response, Server, request};

/// A gateway process with one slot that does what a test says, and nothing else.
struct Puppet {
    ganymede: SocketAddr,
    listen: SocketAddr,
    id: String,
    token: String,
    starts: mpsc::Receiver<Order>,
}

/// An order to serve an organization, which nobody has answered. Dropped, it is answered with the end of the connection.
struct Order {
    stream: TcpStream,
    handshake: String,
}

impl Order {
    fn answer(mut self, status: u16) {
        self.stream.write_all(answer(status).as_bytes()).expect("it listens");
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.stream.shutdown(Shutdown::Both).ok();
    }
}

fn answer(status: u16) -> String {
    format!(
        "HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    )
}

impl Puppet {
    fn join(server: &Server) -> Self {
        let registered = server.administrator().post("/api/pool/gateways", json!({})).expect(201).json();
        let text = |name: &str| registered[name].as_str().expect(name).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (listen, (sender, starts)) = (listener.local_addr().expect("an address"), mpsc::sync_channel(1));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever breaks off is done with.
                let _done = take_order(stream, &sender);
            }
        });
        Self { ganymede: server.address, listen, id: text("gateway_id"), token: text("token"), starts }
    }

    fn ask(&self, path: &str, body: &Value) -> Response {
        let bearer = format!("Bearer {}", self.token);
        request(self.ganymede, "POST", path, &[("Authorization", &bearer)], Some(body))
    }

    /// Its slot can be allocated.
    fn announce(&self) {
        let ready = json!({"gateway_id": self.id, "slots": 1, "listen": self.listen.to_string()});
        self.ask("/gateway/ready", &ready).expect(200);
    }

    fn ordered(&self) -> Order {
        self.starts.recv_timeout(PATIENCE).expect("an order")
    }

    /// What a handshake is answered with.
    fn configure(&self, order: &Order) -> Response {
        self.ask("/gateway/config", &json!({"handshake": order.handshake}))
    }
}

/// Passes on what is to be started. To be told to stop is nothing to who serves nobody.
fn take_order(mut stream: TcpStream, starts: &mpsc::SyncSender<Order>) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    if !head.starts_with("post /collab/start ") {
        return stream.write_all(answer(200).as_bytes());
    }
    let body: Value = serde_json::from_slice(&body)?;
    let handshake = body["handshake"].as_str().unwrap_or_default().to_owned();
    starts.send(Order { stream, handshake }).map_err(io::Error::other)
}

/// The organization has no slot, no route and nobody who may write for it.
fn check_as_before(server: &Server, what: &str) {
    assert_eq!(server.slot_of(server.org()), None, "{what}");
    let access = server.administrator().token();
    let path = format!("/-/gw/org-{}/collab/{}/board?token={access}", server.org(), server.project());
    assert_eq!(server.get(&path).expect(503).json()["error"]["code"], "GATEWAY_NOT_RUNNING", "{what}");
}

#[test]
fn a_gateway_that_fails_at_any_step_leaves_all_as_before() {
    /// What a broken gateway does when it is told to serve, and what the caller is told.
    type Failing = (&'static str, fn(&Puppet, Order), &'static str);
    let failing: [Failing; 6] = [
        ("refuses", |_, order| order.answer(503), "GATEWAY_FAILED"),
        // There is no other gateway to try.
        ("hangs up", |_, order| drop(order), "POOL_EXHAUSTED"),
        ("only says yes", |_, order| order.answer(200), "GATEWAY_FAILED"),
        ("redirects", |_, order| order.answer(307), "GATEWAY_FAILED"),
        (
            "refuses once configured",
            |puppet, order| {
                puppet.configure(&order).expect(200);
                order.answer(500);
            },
            "GATEWAY_FAILED",
        ),
        (
            "hangs up once configured",
            |puppet, order| {
                puppet.configure(&order).expect(200);
            },
            "POOL_EXHAUSTED",
        ),
    ];
    let server = Server::ganymede(&[]);
    let (person, org) = (server.administrator(), server.org());
    server.project();
    let puppet = Puppet::join(&server);
    for (what, fail, code) in &failing {
        puppet.announce();
        assert_eq!(server.slots("ready"), 1, "{what}");
        let refused = thread::scope(|scope| {
            let asked = scope.spawn(|| start(person, org));
            fail(&puppet, puppet.ordered());
            asked.join().expect("an answer")
        });
        assert_eq!(refused.expect(503).json()["error"]["code"], *code, "{what}");
        check_as_before(&server, what);
    }
    puppet.announce();
    let (served, replayed) = thread::scope(|scope| {
        let asked = scope.spawn(|| start(person, org));
        let order = puppet.ordered();
        puppet.configure(&order).expect(200);
        let replayed = puppet.configure(&order);
        order.answer(200);
        (asked.join().expect("an answer"), replayed)
    });
    served.expect(200);
    replayed.expect(401);
    let slot = server.slot_of(org).expect("it is served");
    assert_eq!((&slot["step"], &slot["epoch"]), (&json!("serving"), &json!(failing.len() + 1)));
}

#[test]
fn an_allocation_that_ganymede_did_not_live_to_finish_is_undone() {
    let mut server = Server::ganymede(&[]);
    let (person, org) = (server.administrator().clone(), server.org().to_owned());
    server.project();
    let puppet = Puppet::join(&server);
    for configured in [false, true] {
        puppet.announce();
        let (order, brief) = thread::scope(|scope| {
            // Who asked learns nothing.
            let asked = scope.spawn(|| std::panic::catch_unwind(|| start(&person, &org)).is_err());
            let order = puppet.ordered();
            let brief = configured.then(|| puppet.configure(&order).expect(200).json());
            server.kill();
            assert!(asked.join().expect("no answer"));
            (order, brief)
        });
        server.start_again();
        check_as_before(&server, "after a restart");
        puppet.configure(&order).expect(401);
        if let Some(brief) = brief {
            let bearer = format!("Bearer {}", brief["gateway_token"].as_str().expect("a token"));
            let epoch = brief["epoch"].to_string();
            let headers = [("Authorization", bearer.as_str()), ("Orrery-Epoch", epoch.as_str())];
            server.request("POST", "/gateway/lease", &headers, Some(&json!({}))).expect(409);
        }
    }
    puppet.announce();
    let served = thread::scope(|scope| {
        let asked = scope.spawn(|| start(&person, &org));
        let order = puppet.ordered();
        puppet.configure(&order).expect(200);
        order.answer(200);
        asked.join().expect("an answer")
    });
    served.expect(200);
    assert_eq!(server.slot_of(&org).expect("it is served")["epoch"], 3);
}
