//! A wall clock that can be set wrong while a process runs by it. Clocks that only count go on as they are.

use std::{fs, path::PathBuf};

/// Where Debian has the library that says what the time is.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The wall clock of one process.
pub(crate) struct WallClock {
    library: &'static str,
    /// By how much it differs from the machine's.
    file: PathBuf,
}

impl WallClock {
    /// A right one. None where there is no library to set it by; says so, and in CI, where everything can be had, fails.
    pub(crate) fn new(file: PathBuf) -> Option<Self> {
        let library = LIBRARIES.into_iter().find(|library| fs::exists(library).unwrap_or(false));
        if library.is_none() {
            let is_ci = std::env::vars().any(|(name, value)| name == "CI" && !value.is_empty());
            assert!(!is_ci, "libfaketime is not installed");
            eprintln!("SKIPPED: a clock that is wrong needs libfaketime; make test installs it");
        }
        let clock = Self { library: library?, file };
        clock.set(0);
        Some(clock)
    }

    /// What a process runs by it with.
    pub(crate) fn environment(&self) -> [(&str, &str); 4] {
        [
            ("LD_PRELOAD", self.library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().expect("text")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }

    /// From now on it is ahead by so many seconds, or behind.
    pub(crate) fn set(&self, ahead_s: i64) {
        // A reader sees all of it or all of what was before.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{ahead_s:+}\n")).expect("a file");
        fs::rename(new, &self.file).expect("a file");
    }
}
