//! Awareness messages and the JSON in them.

use orrery_protocol::{
    guard::{scan_awareness, walk_awareness},
    json,
    limits::WireLimits,
};
use yrs::{block::ClientID, sync::AwarenessUpdate, updates::decoder::Decode};

/// The scan and the walk see the same entries, yrs reads them too, and accepted JSON is JSON.
pub fn awareness(data: &[u8]) {
    let limits = WireLimits::default();
    let mut scanned = Vec::new();
    let scan = scan_awareness(data, &limits, |entry| {
        scanned.push((entry.client.get(), entry.clock, entry.state.to_owned()));
    });
    let mut walked = Vec::new();
    let walk = walk_awareness(data, &limits, |entry| {
        walked.push((entry.client.get(), entry.clock, entry.state.to_owned()));
    });
    assert!(scanned.starts_with(&walked), "the walk stops no later than the scan");
    if walk.is_ok() {
        assert_eq!(scan, Ok(()));
        assert_eq!(walked, scanned);
    }
    if scan.is_ok() {
        let update = AwarenessUpdate::decode_v1(data).expect("yrs reads what the guard accepts");
        for (client, clock, state) in scanned.iter().rev() {
            let last = scanned.iter().rfind(|(other, ..)| other == client).expect("is there");
            if last == &(*client, *clock, state.clone()) {
                let entry = &update.clients[&ClientID::new(*client)];
                assert_eq!((entry.clock, &*entry.json), (*clock, state.as_str()));
            }
        }
    }
    for (_, _, state) in &scanned {
        check_json(state);
    }
}

/// Accepted for documents: serde_json, which yrs uses, reads it. Accepted only for browsers: half a surrogate pair.
fn check_json(text: &str) {
    let browser = json::validate(text);
    match json::validate_for_document(text) {
        Ok(()) => {
            assert_eq!(browser, Ok(()));
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
            assert!(parsed.is_ok(), "{text:?}: {parsed:?}");
        }
        Err(fault) => {
            assert!(fault.offset <= text.len(), "{text:?}: {fault}");
            let half = browser.is_ok();
            assert!(!half || text.contains("\\u"), "{text:?}");
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
            // serde_json allows more nesting, and numbers that round to the largest double.
            let bounded = fault.what == orrery_protocol::guard::MalformedKind::Json;
            assert!(parsed.is_err() || !bounded || text.contains("e+308") || text.len() > 300, "{text:?}: {fault}");
        }
    }
}
