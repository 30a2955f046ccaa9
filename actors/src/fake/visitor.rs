//! A peer for tests: the other end of its socket, and its way into a room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use orrery_protocol::{
    access::Principal,
    guard::PeerMessage,
    id::{DocumentKey, DocumentName, OrgId, PeerId, ProjectId, UserId},
    idle::IdleClocks,
    image::{ContainerImage, ImageRegistry},
    lease::LeaseClocks,
    limits::{GatewayLimits, RoomClocks},
    room::{Join, Received, RoomConfig},
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::ORG;
use crate::{
    clock::Clock,
    control_plane::ControlPlane,
    gateway::{ContainerRules, GatewayConfig},
    gateways::Gateways,
    inbox::Arrival,
    outbox::Outbox,
    room::RoomHandle,
};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Inserts `a` into the root text `t`, as client 1.
pub(crate) const UPDATE: &[u8] = &[1, 1, 1, 0, 4, 1, 1, b't', 1, b'a', 0];

/// Gateways with three slots and the usual clocks.
pub(crate) fn config(control_plane: Arc<dyn ControlPlane>) -> GatewayConfig {
    let clocks = RoomClocks { refusal_hold_ms: 0, ..RoomClocks::default() };
    GatewayConfig {
        room: RoomConfig { clocks, ..RoomConfig::default() },
        limits: GatewayLimits::default(),
        idle: IdleClocks::default(),
        lease: LeaseClocks::default(),
        slots: 3,
        containers: container_rules(),
        engine: None,
        control_plane,
        clock: Clock::new(),
    }
}

/// Two images: one with a service, and one that leaves the image open.
fn container_rules() -> ContainerRules {
    let mut images = ImageRegistry::new(vec!["*".to_owned()]);
    for text in
        [include_str!("../../../images/jupyter-minimal/image.toml"), include_str!("../../../images/generic/image.toml")]
    {
        images.register(ContainerImage::from_toml(text).unwrap()).unwrap();
    }
    ContainerRules { images, port: Some(7000), containers_max: 20, ..ContainerRules::default() }
}

/// The board of a project.
pub(crate) fn key(org: OrgId, project: ProjectId) -> DocumentKey {
    DocumentKey { org, project, document: DocumentName::Board }
}

/// Waits until `reached`.
pub(crate) async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never happens: {what}"));
}

/// A peer: the other end of its socket, and its way into the room.
pub(crate) struct Visitor {
    pub(crate) socket: TcpStream,
    pub(crate) room: RoomHandle,
    pub(crate) peer: PeerId,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) principal: Principal,
}

impl Visitor {
    pub(crate) async fn join(gateways: &Gateways, user: UserId, project: ProjectId) -> Self {
        Self::join_document(gateways, user, key(ORG, project)).await
    }

    pub(crate) async fn join_document(gateways: &Gateways, user: UserId, key: DocumentKey) -> Self {
        static PEERS: AtomicU64 = AtomicU64::new(1);
        let principal = gateways.principal(ORG, user, key.project).expect("a member");
        let room = gateways.room(key).await.unwrap();
        let peer = PeerId(PEERS.fetch_add(1, Ordering::Relaxed));
        let (socket, outbox) = pair().await;
        let join = Arrival::Join(Join { peer, principal: principal.clone(), extended: false }, outbox.clone());
        assert!(room.inbox().push(&mut vec![join]));
        Self { socket, room, peer, outbox, principal }
    }

    pub(crate) fn write(&self) {
        self.push(Bytes::from_static(UPDATE));
    }

    pub(crate) fn push(&self, update: Bytes) {
        let bytes = u32::try_from(update.len()).unwrap();
        let update = Received::Message(PeerMessage::Update(update));
        assert!(self.room.inbox().push(&mut vec![Arrival::Received(self.peer, update, bytes)]));
    }

    pub(crate) fn leave(self) {
        assert!(self.room.inbox().push(&mut vec![Arrival::Received(self.peer, Received::Left, 0)]));
    }

    /// The code that the socket is closed with.
    pub(crate) async fn closed(mut self) -> u16 {
        let reading = async {
            let mut read = Vec::new();
            while close_code(&read).is_none() {
                tokio::select! {
                    bytes = self.socket.read_buf(&mut read) => assert_ne!(bytes.unwrap(), 0, "closed without a word"),
                    () = self.outbox.woken() => drop(self.outbox.flush(0)),
                }
            }
            close_code(&read).expect("just seen")
        };
        timeout(PATIENCE, reading).await.expect("the socket is closed")
    }

    /// Waits until its socket brings this text, whatever stands around it.
    pub(crate) async fn reads(mut self, text: &str) {
        let reading = async {
            let mut read = Vec::new();
            while !read.windows(text.len()).any(|window| window == text.as_bytes()) {
                assert_ne!(self.socket.read_buf(&mut read).await.unwrap(), 0, "closed");
            }
        };
        timeout(PATIENCE, reading).await.expect("it is sent");
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.outbox.is_closing()
    }
}

pub(crate) async fn pair() -> (TcpStream, Arc<Outbox>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (ours, _) = listener.accept().await.unwrap();
    (socket, Arc::new(Outbox::new(ours, 1 << 20)))
}

/// The code of the first close frame among whole frames.
fn close_code(mut bytes: &[u8]) -> Option<u16> {
    while bytes.len() >= 2 {
        let (frame, rest) = bytes.split_at_checked(orrery_protocol::websocket::frame_len(bytes))?;
        if frame[0] & 0x0f == 8 {
            return Some(u16::from_be_bytes([frame[2], frame[3]]));
        }
        bytes = rest;
    }
    None
}
