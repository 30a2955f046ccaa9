//! People who type while something happens to the processes that serve them.

use serde_json::json;

use super::{Access, Client, Clients, wait_for};

/// Clients that type a line every `every_ms` until they are told to stop.
pub(crate) fn typists<'a>(clients: &'a Clients, access: &Access, how_many: usize, every_ms: u64) -> Vec<Client<'a>> {
    let typist = |number: usize| {
        let name = format!("typist {number}");
        let client = clients.open(&name, access, &format!("doc:{}", number % 3));
        client.order("typeOn", json!({ "everyMs": every_ms, "asking": number % 2 == 1 }));
        client
    };
    (0..how_many).map(typist).collect()
}

/// Waits until a typist is connected and has typed that much more.
pub(crate) fn types_on(typist: &Client<'_>, lines: u64) {
    typist.is_synced();
    let typed = || typist.order("typed", json!({})).as_u64().expect("a number");
    let before = typed();
    wait_for("it types", || (typed() >= before + lines).then_some(()));
}

/// Everything that was confirmed is there for whoever comes now, and so is everything that was typed.
pub(crate) fn nothing_is_lost(clients: &Clients, access: &Access, typists: &[Client<'_>]) {
    for typist in typists {
        typist.order("stop", json!({}));
        typist.is_synced();
    }
    for (number, typist) in typists.iter().enumerate() {
        let reader = clients.open(&format!("reader {number}"), access, &format!("doc:{}", number % 3));
        reader.lacks_nothing_of(&typist.confirmed());
        clients.converge(&[typist, &reader]);
        reader.leave();
    }
    let confirmed: u64 = typists.iter().filter_map(|typist| typist.confirmed()["latest"].as_u64()).sum();
    assert!(confirmed > 0, "nothing was ever confirmed");
}
