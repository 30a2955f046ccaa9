//! Stock clients from npm, in one Node process that a test leads (`tests/clients/clients.mjs`).

use std::{
    cell::{Cell, RefCell},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use serde_json::{Value, json};

use super::{Access, PATIENCE};

/// The process with the clients in it.
pub(crate) struct Clients {
    child: Child,
    orders: RefCell<ChildStdin>,
    answers: Receiver<String>,
    next_id: Cell<u64>,
}

/// One client with a document of its own.
pub(crate) struct Client<'a> {
    clients: &'a Clients,
    pub(crate) name: String,
    /// Its client id in the document and in awareness.
    pub(crate) id: u64,
}

/// Runs a script of `tests/clients` to its end, and returns what it printed.
pub(crate) fn node(script: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new("node");
    let output = command.arg(path(script)).envs(environment.iter().copied()).output().expect("node runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script)
}

impl Clients {
    pub(crate) fn start() -> Self {
        let mut child = Command::new("node")
            .arg(path("clients.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs, and `npm ci` was called in tests/clients");
        let orders = RefCell::new(child.stdin.take().expect("it is piped"));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (answered, answers) = sync_channel(64);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if answered.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, orders, answers, next_id: Cell::new(1) }
    }

    /// Opens a document as `name`, and waits until it is synced.
    pub(crate) fn open<'a>(&'a self, name: &str, access: &Access, document: &str) -> Client<'a> {
        self.open_with(name, access, document, json!({}), json!({}))
    }

    /// The same with further URL parameters and options.
    pub(crate) fn open_with<'a>(
        &'a self,
        name: &str,
        access: &Access,
        document: &str,
        params: Value,
        options: Value,
    ) -> Client<'a> {
        let mut order = json!({ "url": access.server_url(), "room": document, "params": { "token": access.token } });
        merge(&mut order["params"], params);
        merge(&mut order, options);
        let id = self.order(name, "open", order).as_u64().expect("a client id");
        Client { clients: self, name: name.to_owned(), id }
    }

    /// Waits until all have the same document, and returns its content.
    pub(crate) fn converge(&self, clients: &[&Client<'_>]) -> String {
        let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
        self.order("", "same", json!({ "names": names })).as_str().expect("content").to_owned()
    }

    fn order(&self, name: &str, verb: &str, mut order: Value) -> Value {
        let id = self.next_id.replace(self.next_id.get() + 1);
        merge(&mut order, json!({ "id": id, "verb": verb, "name": name }));
        writeln!(self.orders.borrow_mut(), "{order}").expect("the clients run");
        let line = self.answers.recv_timeout(PATIENCE * 2).unwrap_or_else(|_| panic!("no answer to {verb} of {name}"));
        let mut answer: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(answer["id"], id, "one order at a time");
        assert!(answer["error"].is_null(), "{}", answer["error"]);
        answer["value"].take()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Client<'_> {
    /// Any order of `clients.mjs`.
    pub(crate) fn order(&self, verb: &str, order: Value) -> Value {
        self.clients.order(&self.name, verb, order)
    }

    fn simply(&self, verb: &str) -> Value {
        self.order(verb, json!({}))
    }

    /// Gives it another token to connect with from now on.
    pub(crate) fn admit(&self, access: &Access) {
        self.order("admit", json!({ "token": access.token }));
    }

    pub(crate) fn write(&self, text: &str) {
        self.order("type", json!({ "text": text }));
    }

    pub(crate) fn scribble(&self, seed: u64, edits: u64) {
        self.order("scribble", json!({ "seed": seed % (1 << 32), "edits": edits }));
    }

    pub(crate) fn sees(&self, text: &str) {
        self.order("seesText", json!({ "text": text }));
    }

    pub(crate) fn text(&self) -> String {
        self.simply("text").as_str().expect("text").to_owned()
    }

    pub(crate) fn content(&self) -> String {
        self.simply("content").as_str().expect("content").to_owned()
    }

    /// What it sees of what the gateway writes, as JSON.
    pub(crate) fn system(&self) -> String {
        self.simply("system").as_str().expect("JSON").to_owned()
    }

    /// Breaks its connection without a word; it comes back by itself.
    pub(crate) fn drop_connection(&self) {
        self.simply("drop");
    }

    pub(crate) fn go_offline(&self) {
        self.simply("disconnect");
    }

    pub(crate) fn go_online(&self) {
        self.simply("connect");
        self.is_synced();
    }

    pub(crate) fn is_synced(&self) {
        self.simply("synced");
    }

    pub(crate) fn is_cut_off(&self) {
        self.simply("unsynced");
    }

    pub(crate) fn leave(self) {
        self.simply("leave");
    }

    pub(crate) fn is_present(&self, state: Value) {
        self.order("present", json!({ "state": state }));
    }

    /// Waits until it sees exactly these states of others, by client id.
    pub(crate) fn sees_states(&self, states: &[(u64, Value)]) {
        let states: serde_json::Map<_, _> = states.iter().map(|(id, state)| (id.to_string(), state.clone())).collect();
        self.order("seesStates", json!({ "states": states }));
    }

    /// What the server confirmed of its work.
    pub(crate) fn confirmed(&self) -> Value {
        self.simply("confirmed")
    }

    /// Waits until all its work is confirmed.
    pub(crate) fn is_confirmed(&self) {
        self.simply("confirmedAll");
    }

    /// Asserts that it has all that was confirmed.
    pub(crate) fn lacks_nothing_of(&self, confirmed: &Value) {
        let missing = self.order("missing", json!({ "confirmed": confirmed }));
        assert_eq!(missing, json!([]), "confirmed and lost, of {confirmed:.300}");
    }

    /// The codes its connections were closed with.
    pub(crate) fn closes(&self) -> Vec<u64> {
        serde_json::from_value(self.simply("closes")).expect("codes")
    }
}

fn merge(base: &mut Value, more: Value) {
    let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) else { panic!("two objects") };
    base.extend(more);
}
