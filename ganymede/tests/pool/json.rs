//! The JSON form of push and pull, and what gateways keep beside documents.

use base64::{Engine, engine::general_purpose::STANDARD};
use orrery_ganymede::data::{AppendError, DataBody, GatewayState, JsonError, PushBody, StateError};
use orrery_protocol::id::ProjectId;
use serde_json::json;
use uuid::Uuid;

use crate::{
    documents::{Archive, entries, updates, yjs},
    support::{Scratch, on_both},
    world::World,
};

on_both!(
    a_push_is_merged_and_erases_nothing,
    what_is_pushed_has_the_form_of_the_contract,
    a_push_that_cannot_be_is_refused_whole,
    a_gateway_keeps_to_one_form,
    a_gateways_secrets_are_sealed,
    a_state_that_was_changed_is_named,
    a_gateway_may_stay_for_ever,
);

fn boards<const N: usize>(boards: [(ProjectId, &[u8]); N]) -> DataBody {
    let yjs_state = boards.map(|(project, update)| (project, STANDARD.encode(update))).into();
    DataBody { yjs_state, gateway_state: None }
}

async fn a_push_is_merged_and_erases_nothing(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (old, claims) = archive.claims().await;
    let Archive { world, data, org, project, .. } = &archive;
    let other = world.orgs.create_project(0, *org, world.owner(), "Europa").await.unwrap().id;
    let [one, two] = [yjs::entry(1, "a", "1"), yjs::entry(2, "b", "2")];
    data.push_json(&claims, boards([(*project, &one), (other, &two)])).await.unwrap();
    // Only one project was opened this time.
    let pushed = data.push_json(&claims, boards([(*project, &two)])).await.unwrap();
    assert_eq!((pushed.success, pushed.size_bytes), (true, two.len() as u64));
    assert_eq!(archive.content(&archive.board()).await, entries([("a", "1"), ("b", "2")]));
    let before = archive.stored(&archive.board()).await;
    for _ in 0..3 {
        data.push_json(&claims, boards([(*project, &one)])).await.unwrap();
    }
    assert_eq!(archive.stored(&archive.board()).await, before, "an autosave without news stores nothing");
    // The next gateway gets all of it.
    let moved = world.pool.drain(old.slot).await.unwrap().unwrap();
    let answer = data.pull_json(&world.claims(&moved)).await.unwrap();
    let state = answer.data.unwrap().yjs_state;
    let content = |project| yjs::content(&STANDARD.decode(&state[&project]).unwrap());
    assert_eq!(content(*project), entries([("a", "1"), ("b", "2")]));
    assert_eq!(content(other), entries([("b", "2")]));
    assert!(matches!(data.pull_json(&claims).await, Err(JsonError::Stale(_))));
    assert!(matches!(data.push_json(&claims, boards([(*project, &one)])).await, Err(JsonError::Stale(_))));
}

async fn what_is_pushed_has_the_form_of_the_contract(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let Archive { data, org, project, .. } = &archive;
    let new = serde_json::to_value(data.pull_json(&claims).await.unwrap()).unwrap();
    assert_eq!(new, json!({"success": true, "timestamp": null, "data": null}));
    let body = json!({
        "organization_id": org.to_string(),
        "gateway_id": claims.gateway.to_string(),
        "timestamp": "2025-01-15T10:30:00Z",
        "data": {
            "yjs_state": {project.to_string(): STANDARD.encode(yjs::entry(1, "a", "1"))},
            "gateway_state": {"permissions": {"x": 1}, "oauth_clients": {}, "container_tokens": {"uc_1": "secret"}},
        },
    });
    let PushBody { data: pushed, .. } = serde_json::from_value(body.clone()).unwrap();
    data.push_json(&claims, pushed).await.unwrap();
    let answer = serde_json::to_value(data.pull_json(&claims).await.unwrap()).unwrap();
    assert_eq!(answer["timestamp"], "2026-11-21T18:00:00Z");
    assert_eq!(answer["data"]["gateway_state"], body["data"]["gateway_state"]);
    assert_eq!(answer["data"]["yjs_state"].as_object().unwrap().len(), 1);
}

async fn a_push_that_cannot_be_is_refused_whole(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let Archive { data, project, .. } = &archive;
    let nowhere = ProjectId(Uuid::from_u128(1));
    let one = yjs::entry(1, "a", "1");
    let unknown = data.push_json(&claims, boards([(*project, &one), (nowhere, &one)])).await;
    assert!(matches!(unknown, Err(JsonError::UnknownProject(given)) if given == nowhere), "{unknown:?}");
    for text in ["no base64!", "", "AAAA////", "gICAgAE="] {
        let body = DataBody { yjs_state: [(*project, text.to_owned())].into(), gateway_state: None };
        let malformed = data.push_json(&claims, body).await;
        assert!(matches!(malformed, Err(JsonError::Malformed(given)) if given == *project), "{text}: {malformed:?}");
    }
    assert_eq!(data.pull_json(&claims).await.unwrap().data, None);
}

/// Pushed JSON takes numbers that appends would then repeat: they would be taken for known, and lost.
async fn a_gateway_keeps_to_one_form(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (old, claims) = archive.claims().await;
    let Archive { world, data, project, .. } = &archive;
    let one = yjs::entry(1, "a", "1");
    data.push_json(&claims, boards([(*project, &one)])).await.unwrap();
    let append = |claims, seq| updates(claims, &archive.board(), seq, &[yjs::entry(2, "b", "2")]);
    let mixed = data.append(&claims, append(&claims, 1)).await;
    assert!(matches!(mixed, Err(AppendError::Mixed(_))), "{mixed:?}");
    let moved = world.pool.drain(old.slot).await.unwrap().unwrap();
    let claims = world.claims(&moved);
    data.append(&claims, append(&claims, 2)).await.unwrap();
    let mixed = data.push_json(&claims, boards([(*project, &one)])).await;
    assert!(matches!(mixed, Err(JsonError::Mixed(_))), "{mixed:?}");
    data.push_json(&claims, secrets("no document")).await.unwrap();
    assert_eq!(archive.content(&archive.board()).await, entries([("a", "1"), ("b", "2")]));
}

fn secrets(canary: &str) -> DataBody {
    let state = GatewayState { container_tokens: Some(json!({"uc_1": canary})), ..GatewayState::default() };
    DataBody { gateway_state: Some(state), ..DataBody::default() }
}

/// GW-10: a search of the files for a known token finds nothing.
async fn a_gateways_secrets_are_sealed(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let Archive { world, data, org, .. } = &archive;
    data.push_json(&claims, secrets("canary-7d1f")).await.unwrap();
    let dump = world.scratch.dump().await;
    assert!(dump.contains("gateway_states"), "the search looks at the right place");
    for form in ["canary-7d1f".to_owned(), STANDARD.encode("canary-7d1f")] {
        assert!(!dump.contains(form.trim_end_matches('=')));
    }
    let stored = world.states.load(*org).await.unwrap().unwrap();
    assert_eq!(stored.container_tokens, Some(json!({"uc_1": "canary-7d1f"})));
}

async fn a_state_that_was_changed_is_named(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let Archive { world, data, org, .. } = &archive;
    data.push_json(&claims, secrets("mine")).await.unwrap();
    // Another organization's state in this one's place.
    let (other, sql) = (world.org().await, "UPDATE gateway_states SET org_id = $1");
    sqlx::query(sql).bind(other.to_string()).execute(world.scratch.database.sqlx()).await.unwrap();
    assert_eq!(world.states.load(*org).await.unwrap(), None);
    let moved = world.states.load(other).await;
    assert!(matches!(moved, Err(StateError::Unseal { org, .. }) if org == other), "{moved:?}");
    assert!(!format!("{moved:?}").contains("mine"));
}

async fn a_gateway_may_stay_for_ever(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let Archive { world, data, org, .. } = &archive;
    let told = async |world: &World| world.pool.brief(&claims).await.unwrap().disable_shutdown;
    data.push_json(&claims, secrets("kept")).await.unwrap();
    assert!(!told(world).await);
    data.disable_shutdown(&claims, true).await.unwrap();
    assert!(told(world).await);
    data.push_json(&claims, secrets("kept too")).await.unwrap();
    assert!(told(world).await, "a push that does not speak of it does not change it");
    data.disable_shutdown(&claims, false).await.unwrap();
    assert!(!told(world).await);
    assert!(world.states.load(*org).await.unwrap().unwrap().container_tokens.is_some(), "and the rest is there");
}
