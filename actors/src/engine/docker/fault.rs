//! What an engine's refusals mean.

use bollard::errors::Error;

use crate::engine::runtime::RuntimeError;

/// How engines say that something is full. They have no code for it.
const FULL: [&str; 5] = [
    "no space left",
    "cannot allocate memory",
    "non-overlapping",
    "resource temporarily unavailable",
    "too many open files",
];
/// How registries say that there is no such image. Those that exist and are not for us look the same.
const NO_IMAGE: [&str; 8] = [
    "manifest unknown",
    "not found",
    "repository does not exist",
    "access denied",
    "access to the resource is denied",
    "no matching manifest",
    "unauthorized",
    "invalid reference",
];

fn says(text: &str, phrases: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// What went wrong.
pub(super) fn fault(error: Error) -> RuntimeError {
    if let Error::DockerResponseServerError { status_code, message } = error {
        return refusal(status_code, message);
    }
    if let Error::DockerStreamError { error } = error {
        return RuntimeError::Failed(error);
    }
    // Whatever else happens happens between here and the engine.
    RuntimeError::Unavailable(error.to_string())
}

fn refusal(status: u16, text: String) -> RuntimeError {
    if says(&text, &FULL) {
        return RuntimeError::NoCapacity(text);
    }
    match status {
        404 if says(&text, &["executable file", "oci runtime"]) => RuntimeError::Refused(text),
        404 => RuntimeError::NotFound,
        409 => RuntimeError::Conflict(text),
        400..=499 => RuntimeError::Refused(text),
        502..=504 => RuntimeError::Unavailable(text),
        _ => RuntimeError::Failed(text),
    }
}

/// Why an image did not come.
pub(super) fn pull_fault(error: Error) -> RuntimeError {
    let error = fault(error);
    match error {
        RuntimeError::NotFound => RuntimeError::NoSuchImage("the registry does not have it".to_owned()),
        RuntimeError::Refused(text) => RuntimeError::NoSuchImage(text),
        RuntimeError::Failed(text) if says(&text, &FULL) => RuntimeError::NoCapacity(text),
        RuntimeError::Failed(text) if says(&text, &["no such host", "dial tcp", "timeout"]) => {
            RuntimeError::ImageAway(text)
        }
        RuntimeError::Failed(text) if says(&text, &NO_IMAGE) => RuntimeError::NoSuchImage(text),
        RuntimeError::Failed(text) | RuntimeError::Conflict(text) => RuntimeError::ImageAway(text),
        RuntimeError::Unavailable(_)
        | RuntimeError::NoSuchImage(_)
        | RuntimeError::ImageAway(_)
        | RuntimeError::NoCapacity(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn refusals_mean_what_engines_say() {
        let text = |text: &str| text.to_owned();
        let check = |status, message: &str, expect: RuntimeError| assert_eq!(fault(server(status, message)), expect);
        check(404, "No such container: x", RuntimeError::NotFound);
        check(409, "is running", RuntimeError::Conflict(text("is running")));
        check(400, "No command specified", RuntimeError::Refused(text("No command specified")));
        check(500, "write: No space left on device", RuntimeError::NoCapacity(text("write: No space left on device")));
        check(500, "oops", RuntimeError::Failed(text("oops")));
        check(503, "busy", RuntimeError::Unavailable(text("busy")));
        let exec = "OCI runtime create failed: exec: \"x\": executable file not found in $PATH";
        check(404, exec, RuntimeError::Refused(text(exec)));
    }

    #[test]
    fn an_image_that_is_not_there_is_not_one_that_does_not_come() {
        let check = |message: &str, gone: bool| {
            let stream = pull_fault(Error::DockerStreamError { error: message.to_owned() });
            for error in [stream, pull_fault(server(500, message))] {
                assert_eq!(matches!(error, RuntimeError::NoSuchImage(_)), gone, "{message}: {error:?}");
                assert_eq!(matches!(error, RuntimeError::ImageAway(_)), !gone, "{message}: {error:?}");
            }
        };
        check("manifest for a:1 not found: manifest unknown: manifest unknown", true);
        check("pull access denied for a, repository does not exist or may require 'docker login'", true);
        check("Get \"https://r/v2/\": dial tcp: lookup r: no such host", false);
        check("toomanyrequests: slow down", false);
        assert!(matches!(pull_fault(server(404, "any")), RuntimeError::NoSuchImage(_)));
    }
}
