//! One user container as everybody in its project sees it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::{Desired, Phase, Reason, Resources, Service, ServiceName, VariableName, VariableValue};
use crate::{
    id::{ContainerId, Slug, UserId},
    image::ImageChoice,
};

/// A container: what is wanted of it, and what is seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name for programs.
    pub id: ContainerId,
    /// What is wanted.
    pub spec: Spec,
    /// What is seen.
    pub status: Status,
}

/// What is wanted of a container. Only commands change it; but what its image declares is known once there is the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name for people.
    pub name: ContainerName,
    /// Its name in the alias of its URL; never changes.
    pub slug: Slug,
    /// What it is made from.
    pub image: ImageChoice,
    /// Who runs it; the platform unless somebody brought a machine.
    pub runner: Option<RunnerName>,
    /// Its environment.
    pub env: BTreeMap<VariableName, VariableValue>,
    /// What it may have of its host.
    pub limits: Resources,
    /// Services that its image brings, the first one first.
    pub services_declared: Vec<ServiceName>,
    /// Whether it shall run.
    pub desired: Desired,
    /// How often it has had to be made anew: what an engine has of an earlier one is not it.
    pub generation: u32,
    /// Who asked for it.
    pub created_by: UserId,
    /// When, in milliseconds since 1970.
    pub created_at_ms: u64,
}

/// What is seen of a container. Only transitions are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub phase: Phase,
    /// The generation that an engine was last seen to have; 0 if none was.
    pub observed_generation: u32,
    /// Why it is there, where that is not plain.
    pub reason: Option<Reason>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Its services and where they are reached.
    pub services: BTreeMap<ServiceName, Service>,
    /// When what is to stop will be ended, in milliseconds since 1970.
    pub stop_at_ms: Option<u64>,
}

/// A container's name for people: at most 200 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerName(String);

/// A machine that runs containers: `[a-z0-9-]`, at most 63.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunnerName(String);

/// A text that is no name; how it is put follows the name of what it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(pub &'static str);

const NAME_CHARS_MAX: usize = 200;
const RUNNER_BYTES_MAX: usize = 63;

impl ContainerName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName("must be at most 200 characters, none of them a control character"))
        }
    }
}

impl FromStr for RunnerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=RUNNER_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName("must be 1 to 63 of [a-z0-9-], with no hyphen first"))
        }
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RunnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Container {
    /// Goes over to a phase, or says why it stays in it.
    ///
    /// # Panics
    /// The phase cannot follow: a defect.
    pub(crate) fn turn(&mut self, now_ms: u64, phase: Phase, reason: Option<Reason>) {
        let from = self.status.phase;
        self.status.reason = reason;
        if from == phase {
            return;
        }
        assert!(from.may_become(phase), "{phase} cannot follow {from}");
        self.status.phase = phase;
        self.status.since_ms = now_ms;
        self.status.stop_at_ms = None;
    }
}
