//! What gateways keep of projects beside documents.

use std::collections::BTreeMap;

use orrery_ganymede::{
    data::NotesError,
    pool::ContainerTokenError,
    tokens::{ContainerClaims, GatewayClaims},
};
use orrery_protocol::{
    container::{Listening, ProjectNotes, SecretId, SecretText},
    control::ContainerTokenRequest,
    id::{ContainerId, Epoch, ProjectId},
};
use uuid::Uuid;

use crate::{
    documents::Archive,
    support::{Scratch, on_both},
};

on_both!(notes_are_kept_sealed_and_go_with_their_project, only_who_serves_keeps_notes_and_gets_tokens,);

fn notes(secret: &str) -> ProjectNotes {
    let id = ContainerId::from_random(7);
    let secrets = BTreeMap::from([(SecretId::from_random(1), SecretText::new(secret).unwrap())]);
    ProjectNotes {
        ports: BTreeMap::from([(id, BTreeMap::from([("web".parse().unwrap(), 8080)]))]),
        reporting: [id].into(),
        listening: BTreeMap::from([(id, Listening::Said(8080))]),
        secrets: BTreeMap::from([(id, secrets)]),
    }
}

async fn notes_are_kept_sealed_and_go_with_their_project(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let claims = archive.world.claims(&archive.world.pool.start(archive.org).await.unwrap());
    assert_eq!(archive.data.notes(&claims, archive.project).await.unwrap(), ProjectNotes::default());
    for secret in ["first", "canary-1"] {
        archive.data.store_notes(&claims, archive.project, notes(secret)).await.unwrap();
        assert_eq!(archive.data.notes(&claims, archive.project).await.unwrap(), notes(secret));
    }
    archive.world.orgs.delete_project(archive.project).await.unwrap();
    let gone = archive.data.notes(&claims, archive.project).await;
    assert!(matches!(gone, Err(NotesError::UnknownProject(project)) if project == archive.project));
}

async fn only_who_serves_keeps_notes_and_gets_tokens(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let claims = archive.world.claims(&archive.world.pool.start(archive.org).await.unwrap());
    let asked = |project| ContainerTokenRequest { project, container: ContainerId::from_random(7), generation: 3 };
    let token = archive.world.pool.container_token(&claims, &asked(archive.project)).await.unwrap();
    let ContainerTokenRequest { project, container, generation } = asked(archive.project);
    let says = archive.world.tokens.verifying().container(&token.0, archive.world.clock.now()).unwrap();
    assert_eq!(says, ContainerClaims { container, org: archive.org, project, generation });

    let stranger = ProjectId(Uuid::from_u128(1));
    let refused = archive.data.store_notes(&claims, stranger, notes("x")).await;
    assert!(matches!(refused, Err(NotesError::UnknownProject(_))));
    let refused = archive.world.pool.container_token(&claims, &asked(stranger)).await;
    assert!(matches!(refused, Err(ContainerTokenError::UnknownProject(_))));

    let stale = GatewayClaims { epoch: Epoch(claims.epoch.0 + 1), ..claims };
    assert!(matches!(archive.data.notes(&stale, project).await, Err(NotesError::Stale(_))));
    assert!(matches!(archive.data.store_notes(&stale, project, notes("x")).await, Err(NotesError::Stale(_))));
    let refused = archive.world.pool.container_token(&stale, &asked(project)).await;
    assert!(matches!(refused, Err(ContainerTokenError::Stale(_))));
    assert_eq!(archive.data.notes(&claims, project).await.unwrap(), ProjectNotes::default());
}
