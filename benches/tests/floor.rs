//! The loads themselves are sound: the bare relay, which does nothing wrong, passes them without a fault.

use std::process::Command;

#[test]
fn the_relay_passes_without_a_fault() {
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_orrery-benches"))
        .args(["run", "--servers", "floor", "--loads", "fan-out-flood,large-document,burst,cursors-no-echo"])
        .args(["--runs", "1", "--scale", "0.05", "--data"])
        .arg(data.path())
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for load in ["fan-out-flood", "large-document", "burst", "cursors-no-echo"] {
        assert!(table.contains(&format!("| {load} | floor | ")), "{load} is missing:\n{table}");
    }
    assert!(!table.contains("FAULT"), "{table}");
}
