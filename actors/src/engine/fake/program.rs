//! What the objects of a fake engine do.

use std::time::Duration;

/// What a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Serve(u16),
    Deaf,
    Idle,
    Exit { code: i64, after: Duration },
    Eat,
    Stubborn,
}

impl Program {
    /// What `command` means; nothing at all serves on 8080.
    pub(super) fn of(command: &[String]) -> Self {
        let number = |at: usize| command.get(at).and_then(|text| text.parse().ok());
        match command.first().map(String::as_str) {
            Some("deaf") => Self::Deaf,
            Some("idle") => Self::Idle,
            Some("eat") => Self::Eat,
            Some("stubborn") => Self::Stubborn,
            Some("exit") => Self::Exit {
                code: number(1).unwrap_or(0).into(),
                after: Duration::from_millis(number(2).unwrap_or(0).into()),
            },
            Some(_) | None => Self::Serve(number(1).unwrap_or(8080)),
        }
    }

    /// When it ends by itself, with which code, and whether for lack of memory.
    pub(super) fn end(self) -> Option<(Duration, i64, bool)> {
        match self {
            Self::Exit { code, after } => Some((after, code, false)),
            Self::Eat => Some((Duration::from_millis(200), 137, true)),
            Self::Serve(_) | Self::Deaf | Self::Idle | Self::Stubborn => None,
        }
    }
}
