//! Awareness messages and the JSON in them.

use orrery_protocol::{
    guard::{MalformedKind, scan_awareness, walk_awareness},
    json,
    limits::WireLimits,
};
use yrs::{Any, block::ClientID, sync::AwarenessUpdate, updates::decoder::Decode};

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

/// Accepted for documents: yrs reads it. Accepted only for browsers: half a surrogate pair, or a number of 64 bits.
fn check_json(text: &str) {
    let browser = json::validate(text);
    match json::validate_for_document(text) {
        Ok(()) => {
            assert_eq!(browser, Ok(()));
            let parsed = Any::from_json(text);
            assert!(parsed.is_ok(), "{text:?}: {parsed:?}");
        }
        Err(fault) => {
            assert!(fault.offset <= text.len(), "{text:?}: {fault}");
            // yrs allows more nesting, and is not exact about the largest doubles.
            let near_largest = text.contains("797693134862315");
            let exact = fault.what == MalformedKind::Json && !near_largest;
            assert!(Any::from_json(text).is_err() || !exact, "{text:?}: {fault}");
            let number = text.as_bytes()[fault.offset..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let for_browsers_only = text.contains("\\u") || (19..=20).contains(&number) || near_largest;
            assert!(browser.is_err() || for_browsers_only, "{text:?}: {fault}");
        }
    }
}
