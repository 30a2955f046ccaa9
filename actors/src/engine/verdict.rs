//! What a failure means for a container, in words that everybody may read: an engine's own may name paths and addresses.

use orrery_protocol::container::{Observation, Reason, ReasonCode};

use super::runtime::RuntimeError;
use crate::control_plane::ControlError;

/// Why something that a container needs was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("its secrets cannot be had: {0}")]
    Credentials(#[from] ControlError),
    #[error("the secret {0} has no value")]
    SecretMissing(String),
    #[error("nothing can be listened on where it would reach the platform: {0}")]
    Porch(#[from] std::io::Error),
    #[error("how it is made is not known")]
    NoBlueprint,
}

/// What a container is said to suffer from; `None` if that is nothing yet.
pub(super) fn verdict(error: &WorkError) -> Option<Observation> {
    use ReasonCode::Refused;
    let (code, text, for_good) = match error {
        WorkError::Runtime(error) => return runtime_verdict(error),
        WorkError::Credentials(ControlError::Stale) | WorkError::NoBlueprint => return None,
        WorkError::Credentials(_) => (Refused, "its secrets cannot be had now".to_owned(), false),
        WorkError::SecretMissing(name) => (Refused, format!("the secret {name} has no value"), false),
        WorkError::Porch(_) => return Some(unreachable_platform()),
    };
    Some(Observation::CannotRun { reason: Reason::new(code, &text), for_good })
}

/// What a container suffers from that cannot be told where the platform is, for now.
pub(super) fn unreachable_platform() -> Observation {
    let reason = Reason::new(ReasonCode::NoCapacity, "the platform cannot be reached from its network");
    Observation::CannotRun { reason, for_good: false }
}

/// The same for an image that does not come.
pub(super) fn pull_verdict(error: &RuntimeError) -> Option<Observation> {
    let (text, for_good) = match error {
        RuntimeError::NoSuchImage(_) => ("its image is neither here nor in its registry, or is not for us", true),
        RuntimeError::ImageAway(_) => ("its image cannot be fetched now", false),
        RuntimeError::NoCapacity(_)
        | RuntimeError::Unavailable(_)
        | RuntimeError::Refused(_)
        | RuntimeError::Failed(_)
        | RuntimeError::NotFound
        | RuntimeError::Conflict(_) => return runtime_verdict(error),
    };
    Some(Observation::CannotRun { reason: Reason::new(ReasonCode::ImageUnavailable, text), for_good })
}

fn runtime_verdict(error: &RuntimeError) -> Option<Observation> {
    use ReasonCode::{NoCapacity, Refused};
    let (code, text, for_good) = match error {
        // What is so is seen in the next pass.
        RuntimeError::Unavailable(_)
        | RuntimeError::NotFound
        | RuntimeError::NoSuchImage(_)
        | RuntimeError::ImageAway(_) => return None,
        RuntimeError::NoCapacity(_) => (NoCapacity, "there is no room for it", false),
        RuntimeError::Refused(text) => (Refused, refusal(text), true),
        RuntimeError::Failed(text) => (Refused, failure(text), false),
        RuntimeError::Conflict(_) => (Refused, "its name is taken in the container engine", false),
    };
    Some(Observation::CannotRun { reason: Reason::new(code, text), for_good })
}

/// What people can do something about.
fn refusal(text: &str) -> &'static str {
    let says = |phrase: &str| text.to_ascii_lowercase().contains(phrase);
    if says("no command specified") {
        "its image does not say which program to run"
    } else if says("executable file not found") || says("no such file or directory") {
        "the program that it should run is not in its image"
    } else if says("permission denied") {
        "the program that it should run may not be run"
    } else {
        "the container engine does not take it as it is"
    }
}

/// What whoever runs the engine can do something about.
fn failure(text: &str) -> &'static str {
    // Its task outlived an engine that ended while it started it. Engines before 23 never get over that.
    let outlived = text.contains("task") && text.contains("already exists");
    if outlived {
        "the container engine ended while it started it, and cannot start it before its machine is started anew"
    } else {
        "the container engine failed to run it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_engines_words_is_shown_to_everybody() {
        let canary = "10.1.2.3 /var/lib/x hunter2";
        let text = || canary.to_owned();
        let errors = [
            RuntimeError::Unavailable(text()),
            RuntimeError::NoSuchImage(text()),
            RuntimeError::ImageAway(text()),
            RuntimeError::NoCapacity(text()),
            RuntimeError::Refused(text()),
            RuntimeError::Failed(text()),
            RuntimeError::Conflict(text()),
            RuntimeError::NotFound,
        ];
        let shown = errors.into_iter().flat_map(|error| [pull_verdict(&error), verdict(&WorkError::Runtime(error))]);
        let credentials = verdict(&WorkError::Credentials(ControlError::Refused(text())));
        let porch = verdict(&WorkError::Porch(std::io::Error::other(canary)));
        let mut count = 0;
        for observation in shown.chain([credentials, porch]).flatten() {
            let Observation::CannotRun { reason, .. } = observation else { panic!("{observation:?}") };
            assert!(!["10.1", "/var", "hunter2"].iter().any(|part| reason.text.contains(part)), "{reason:?}");
            count += 1;
        }
        assert_eq!(count, 12);
    }

    #[test]
    fn a_task_that_outlived_its_engine_is_told_from_other_failures() {
        let text = |said: &str| match runtime_verdict(&RuntimeError::Failed(said.to_owned())) {
            Some(Observation::CannotRun { reason, for_good: false }) => reason.text,
            other => panic!("{other:?}"),
        };
        assert!(text("task 5baf74fc: already exists").contains("started anew"));
        assert_eq!(text("oops"), "the container engine failed to run it");
    }

    #[test]
    fn trying_again_is_in_vain_only_where_it_is() {
        let for_good = |observation: Option<Observation>| match observation {
            Some(Observation::CannotRun { for_good, .. }) => Some(for_good),
            _ => None,
        };
        let refused = RuntimeError::Refused("No command specified".to_owned());
        assert_eq!(for_good(verdict(&WorkError::Runtime(refused))), Some(true));
        assert_eq!(for_good(verdict(&WorkError::Runtime(RuntimeError::Failed(String::new())))), Some(false));
        assert_eq!(for_good(pull_verdict(&RuntimeError::NoSuchImage(String::new()))), Some(true));
        assert_eq!(for_good(pull_verdict(&RuntimeError::ImageAway(String::new()))), Some(false));
        assert_eq!(for_good(verdict(&WorkError::Credentials(ControlError::Stale))), None);
    }
}
