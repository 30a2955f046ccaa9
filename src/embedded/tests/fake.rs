//! The fake.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use orrery_actors::{
    Ask, ControlPlane,
    fake::{ALICE, FakeGanymede, IO, ORG, brief},
};
use orrery_protocol::{
    control::{GatewayBrief, SessionDigest, Token, VisitRequest, VisitStanding},
    id::{OrgId, ProjectId},
};

use super::Place;

pub(super) struct Fake {
    ganymede: FakeGanymede,
    epochs: AtomicU64,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self { ganymede: FakeGanymede::default(), epochs: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Place for Fake {
    fn ganymede(&self) -> Arc<dyn ControlPlane> {
        Arc::new(self.ganymede.clone())
    }

    fn org(&self) -> OrgId {
        ORG
    }

    fn project(&self) -> ProjectId {
        IO
    }

    async fn allocate(&self) -> (Token, GatewayBrief) {
        let epoch = self.epochs.fetch_add(1, Ordering::Relaxed) + 1;
        let handshake = Token(format!("handshake {epoch}"));
        self.ganymede.shake(&handshake, brief(ORG, epoch));
        let brief = self.ganymede.config(Ask::Handshake(&handshake)).await.unwrap();
        (handshake, brief)
    }

    async fn sign_in(&self) -> VisitStanding {
        let standing = VisitStanding { user: ALICE, session: SessionDigest("a session".to_owned()) };
        self.ganymede.sign_in(&standing);
        standing
    }

    async fn sign_out(&self, standing: &VisitStanding) {
        self.ganymede.sign_out(standing);
    }

    fn ticket(&self, _: &VisitStanding, asked: VisitRequest) -> VisitRequest {
        let ticket = VisitRequest { code: Token("ticket".to_owned()), ..asked };
        self.ganymede.give_ticket(ticket.clone());
        ticket
    }
}
