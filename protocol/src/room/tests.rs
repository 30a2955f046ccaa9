//! What no update that is known brings about: yrs is made to fail.

use uuid::Uuid;

use super::*;
use crate::{
    access::{Principal, Role},
    document::tests::{UNCOMMITTABLE, letter},
    id::{OrgId, ProjectId},
};

const ALICE: PeerId = PeerId(1);
const BOB: PeerId = PeerId(2);
const CAROL: PeerId = PeerId(3);
const DAVE: PeerId = PeerId(4);

fn join(peer: PeerId) -> Input {
    let principal = Principal {
        user: UserId(Uuid::from_u128(peer.0.into())),
        name: "somebody".to_owned(),
        role: Role::Editor,
        org: OrgId(Uuid::from_u128(1)),
        project: ProjectId(Uuid::from_u128(2)),
    };
    Input::Join(Join { peer, principal, extended: true })
}

/// What is ordered because of `input`, without what peers are sent: appends as sequence and updates, and the rest by name.
fn orders(room: &mut Room, input: Input) -> Vec<String> {
    let mut effects = Vec::new();
    room.handle(10_000, input, &mut effects);
    let order = |effect| match effect {
        Effect::Append { first_seq, updates } => Some(format!("append {first_seq} {updates:?}")),
        Effect::Close(peer, code, _) => Some(format!("close {peer} {code:?}")),
        Effect::Reload => Some("reload".to_owned()),
        Effect::LeftOut(left_out) => Some(format!("left out {}", left_out.len())),
        Effect::Send(peer, frames) if frames.first_chunk() == Some(&[0x82, 2, 101]) => {
            Some(format!("saved {peer} {}", frames[3]))
        }
        Effect::Send(..)
        | Effect::Resync(..)
        | Effect::Broadcast(_)
        | Effect::Snapshot { .. }
        | Effect::Ping(_)
        | Effect::Unreadable(_)
        | Effect::Drained
        | Effect::Idle
        | Effect::Watched(_) => None,
    };
    effects.into_iter().filter_map(order).collect()
}

/// It was applied together with others. Confirmed and stored, it would be missing from the document whenever that is loaded.
#[test]
fn what_yrs_cannot_commit_is_never_saved_and_costs_its_sender_alone() {
    let mut stored = StoredDocument::default();
    let (mut room, _) = Room::open(0, DocumentName::Board, RoomConfig::default(), &stored);
    [ALICE, BOB, CAROL, DAVE].into_iter().for_each(|peer| room.handle(0, join(peer), &mut Vec::new()));
    let says = |peer, client| (peer, Received::Message(PeerMessage::Update(letter(client))));
    let said = vec![says(ALICE, 1), says(BOB, UNCOMMITTABLE), says(CAROL, 2), says(DAVE, 1)];

    assert_eq!(orders(&mut room, Input::Received(said)), ["reload"], "nobody knows yet which it was");
    let [one, two] = [1, 2].map(letter);
    let again = orders(&mut room, Input::Reloaded(stored.clone()));
    assert_eq!(again, [format!("append 1 {:?}", [&one]), format!("close {BOB} Malformed"), "reload".to_owned()]);
    stored.updates.push(one);
    stored.last_seq = 1;
    assert_eq!(orders(&mut room, Input::Reloaded(stored)), [format!("append 2 {:?}", [&two])]);
    let saved = orders(&mut room, Input::Durable(2));
    assert_eq!(saved, [ALICE, CAROL, DAVE].map(|peer| format!("saved {peer} 1")));
    assert!(room.takes_input() && !room.wary);
}
