//! A launcher for yrs-warp: one `BroadcastGroup` a room, as its README shows for one room.
//!
//! The README's ring holds 32 messages. A reader that falls behind the ring gets nothing more, ever, so a burst would
//! end every load at once; 1,024 lets the steady loads be measured and changes nothing about the defect.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::Mutex;
use warp::Filter;
use warp::ws::{WebSocket, Ws};
use yrs::Doc;
use yrs::sync::Awareness;
use yrs_warp::broadcast::BroadcastGroup;
use yrs_warp::ws::{WarpSink, WarpStream};

const RING_MESSAGES: usize = 1_024;

type Rooms = Arc<Mutex<HashMap<String, Arc<BroadcastGroup>>>>;

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: yrs-warp PORT");
    let rooms = Rooms::default();
    let route = warp::path::param().and(warp::ws()).map(move |room: String, ws: Ws| {
        let rooms = rooms.clone();
        ws.on_upgrade(move |socket| serve(socket, rooms, room))
    });
    warp::serve(route).run(([127, 0, 0, 1], port)).await;
}

async fn serve(socket: WebSocket, rooms: Rooms, room: String) {
    let group = group(&rooms, room).await;
    let (sink, stream) = socket.split();
    let subscription = group.subscribe(Arc::new(Mutex::new(WarpSink::from(sink))), WarpStream::from(stream));
    if let Err(error) = subscription.completed().await {
        eprintln!("a peer ended: {error}");
    }
}

async fn group(rooms: &Rooms, room: String) -> Arc<BroadcastGroup> {
    let mut rooms = rooms.lock().await;
    if let Some(group) = rooms.get(&room) {
        return group.clone();
    }
    let group = Arc::new(BroadcastGroup::new(Arc::new(Awareness::new(Doc::new())), RING_MESSAGES).await);
    rooms.insert(room, group.clone());
    group
}
