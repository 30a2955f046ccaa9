//! Adds a note to a document of a project, waits until it is saved, and prints all that are there:
//!
//! ```text
//! BOARD=ws://.../collab/PROJECT TOKEN=... cargo run -p orrery-note -- 'a note'
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own, which shows how others do it"
)]

use std::{env, net::TcpStream};

use anyhow::Context;
use tungstenite::{WebSocket, stream::MaybeTlsStream};
use yrs::{
    Array, Doc, Out, ReadTxn, Transact, Update,
    sync::{Message, SyncMessage},
    updates::{decoder::Decode, encoder::Encode},
};

/// Comes back once everything before it is on disk.
const SAVED: u8 = 102;

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

fn main() -> anyhow::Result<()> {
    let (board, token) = (env::var("BOARD").context("BOARD")?, env::var("TOKEN").context("TOKEN")?);
    let text = env::args().nth(1).context("say what to note")?;
    let (mut socket, _) = tungstenite::connect(format!("{board}/doc:notes?token={token}"))?;
    let doc = Doc::new();
    let notes = doc.get_or_insert_array("notes");

    let before = doc.transact().state_vector();
    say(&mut socket, &Message::Sync(SyncMessage::SyncStep1(before)))?;
    hear(&mut socket, &doc, |message| matches!(message, Message::Sync(SyncMessage::SyncStep2(_))))?;

    let before = doc.transact().state_vector();
    notes.push_back(&mut doc.transact_mut(), text);
    let update = doc.transact().encode_state_as_update_v1(&before);
    say(&mut socket, &Message::Sync(SyncMessage::Update(update)))?;
    say(&mut socket, &Message::Custom(SAVED, Vec::new()))?;
    hear(&mut socket, &doc, |message| matches!(message, Message::Custom(SAVED, _)))?;

    let transaction = doc.transact();
    notes.iter(&transaction).for_each(|note: Out| println!("{}", note.to_string(&transaction)));
    Ok(socket.close(None)?)
}

fn say(socket: &mut Socket, message: &Message) -> anyhow::Result<()> {
    Ok(socket.send(tungstenite::Message::binary(message.encode_v1()))?)
}

/// Takes what the server sends into the document, until a message is the one that was waited for.
fn hear(socket: &mut Socket, doc: &Doc, awaited: impl Fn(&Message) -> bool) -> anyhow::Result<()> {
    loop {
        let tungstenite::Message::Binary(bytes) = socket.read()? else { continue };
        let message = Message::decode_v1(&bytes)?;
        if let Message::Sync(SyncMessage::SyncStep2(update) | SyncMessage::Update(update)) = &message {
            doc.transact_mut().apply_update(Update::decode_v1(update)?)?;
        }
        if awaited(&message) {
            return Ok(());
        }
    }
}
