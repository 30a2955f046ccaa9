//! Containers of a small local image, made one after the other on a real Docker: how long from the command until the `system`
//! document says `running`, and until its URL answers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{Any, Doc, MapRef, Transact, Update};

use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::client::{Client, wait_for};
use crate::containers::{self, Commands};
use crate::script::new_doc;
use crate::server::Server;
use crate::stats::ms;
use crate::wire::Message;

const CONTAINERS: usize = 10;
const RUNNING_DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    containers::build("tests/image/build.sh", &[])?;
    let system = Rc::new(System::default());
    let hearing = system.clone();
    let listener = move |message: &Message<'_>, at: Instant| hearing.hear(message, at);
    let path = server.admission()?.path("system");
    let client = Client::join_at(server, "system", &path, listener).await?;

    let mut commands = Commands::open(server).await?;
    let (mut running, mut served) = (Vec::new(), Vec::new());
    for number in 0..scaled(CONTAINERS, scale) {
        let asked = Instant::now();
        let container = commands.create(&format!("Container {number}"), "bench:program").await?;
        let id = container.id.as_str();
        let answering = container.until_served(server).await?;
        served.push(ms(answering - asked));
        let ran = || system.running.borrow().contains_key(id) || client.fault().is_some();
        ensure!(wait_for(RUNNING_DEADLINE, ran).await, "the document does not say that it runs");
        running.push(ms(*system.running.borrow().get(id).context("the connection ended")? - asked));
    }
    let (p50, p99) = p50_p99(running);
    let (served_p50, served_p99) = p50_p99(served);
    Ok(Outcome::of(p99.context("nothing was created")?)
        .with("p50 ms", p50)
        .with("URL p50 ms", served_p50)
        .with("URL p99 ms", served_p99))
}

/// What the `system` document says, and since when each container runs in it.
struct System {
    doc: Doc,
    containers: MapRef,
    running: RefCell<BTreeMap<String, Instant>>,
}

impl Default for System {
    fn default() -> Self {
        let doc = new_doc(u64::from(u32::MAX));
        let containers = doc.get_or_insert_map("userContainers");
        Self { doc, containers, running: RefCell::default() }
    }
}

impl System {
    fn hear(&self, message: &Message<'_>, at: Instant) {
        let (Message::Step2(update) | Message::Update(update)) = message else { return };
        let (Ok(update), Ok(mut txn)) = (Update::decode_v1(update), self.doc.try_transact_mut()) else { return };
        if txn.apply_update(update).is_err() {
            return;
        }
        let Any::Map(containers) = self.containers.to_json(&txn) else { return };
        for (id, container) in containers.iter() {
            if phase(container) == Some("running") {
                self.running.borrow_mut().entry(id.clone()).or_insert(at);
            }
        }
    }
}

fn phase(container: &Any) -> Option<&str> {
    let Any::Map(container) = container else { return None };
    let Any::Map(status) = container.get("status")? else { return None };
    let Any::String(phase) = status.get("phase")? else { return None };
    Some(phase)
}
