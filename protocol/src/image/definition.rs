//! What a module of images says about one image: a definition, read from TOML. Every error names its field.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Digest, ImageId, ImageUri, Reference, Tag};
use crate::{
    container::{ResourceBounds, Resources, ServiceName, VariableName, VariableValue},
    route::PublicPath,
};

/// Longest texts for people, in characters.
const NAME_CHARS_MAX: usize = 80;
const DESCRIPTION_CHARS_MAX: usize = 500;
const PATH_BYTES_MAX: usize = 200;
/// Most services of an image, and most of its ports.
const SERVICES_MAX: usize = 16;
const VARIABLES_MAX: usize = 32;
const ARGUMENTS_MAX: usize = 64;
const PUBLIC_PATHS_MAX: usize = 16;

/// A definition that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidDefinition {
    /// Path of the field, like `services[1].port`; a point for the whole.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl InvalidDefinition {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// What kind of program an image holds: it decides which card is shown. One that this version does not know is generic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerType {
    /// JupyterLab.
    Jupyter,
    /// pgAdmin.
    Pgadmin,
    /// n8n.
    N8n,
    /// VS Code in the browser.
    Vscode,
    /// Anything else.
    #[default]
    #[serde(other)]
    Generic,
}

/// Where an image is listed for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Notebooks.
    Notebook,
    /// Editors of code.
    Editor,
    /// Databases and what shows them.
    Database,
    /// What runs other things.
    Automation,
    /// A command line.
    Terminal,
    /// None of these.
    Other,
}

impl ContainerType {
    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jupyter => "jupyter",
            Self::Pgadmin => "pgadmin",
            Self::N8n => "n8n",
            Self::Vscode => "vscode",
            Self::Generic => "generic",
        }
    }
}

impl Category {
    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notebook => "notebook",
            Self::Editor => "editor",
            Self::Database => "database",
            Self::Automation => "automation",
            Self::Terminal => "terminal",
            Self::Other => "other",
        }
    }
}

/// An HTTP service that an image offers as soon as it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDefinition {
    /// Its name in host names.
    pub name: ServiceName,
    /// The port that it listens on in the container.
    pub port: u16,
    /// What is asked for to know whether it answers.
    #[serde(default = "root")]
    pub probe: String,
    /// What of it is reached without signing in, each with everything below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_paths: Vec<PublicPath>,
}

fn root() -> String {
    "/".to_owned()
}

/// A variable that an image understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableDefinition {
    /// Its name.
    pub name: VariableName,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Whether a container cannot do without it.
    #[serde(default)]
    pub required: bool,
    /// Whether it must be given as a secret.
    #[serde(default)]
    pub secret: bool,
    /// What it is unless it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// What an image needs beyond the ordinary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageOptions {
    /// Arguments instead of those that the image brings along.
    pub command: Vec<String>,
    /// Capabilities of the kernel that it keeps; all others are dropped.
    pub capabilities: BTreeSet<Capability>,
    /// Thousandths of a processor, unless a member says otherwise.
    #[serde(rename = "cpuMillis", skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Memory in MiB, unless a member says otherwise.
    #[serde(rename = "memoryMb", skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u32>,
}

/// The capabilities that an image may keep: none of them reaches beyond its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    /// Change owners of files.
    Chown,
    /// Read and write files of others.
    DacOverride,
    /// Act on files as their owner.
    Fowner,
    /// Signal processes of others.
    Kill,
    /// Bind to ports below 1024.
    NetBindService,
    /// Become another group.
    Setgid,
    /// Become another user.
    Setuid,
}

/// One image that members can choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContainerImage {
    /// What members and documents call it.
    pub id: ImageId,
    /// What people call it.
    pub name: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Where it is had from; without it each container brings an image of its own, among those that are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<ImageUri>,
    /// Under which tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// What it has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What kind of program it holds.
    #[serde(default)]
    pub container_type: ContainerType,
    /// Where it is listed.
    pub category: Category,
    /// Ports that it listens on, those of its services among them.
    #[serde(default)]
    pub ports: BTreeSet<u16>,
    /// Its HTTP services; the first one is what a container's plain URL leads to.
    #[serde(default)]
    pub services: Vec<ServiceDefinition>,
    /// Variables that it understands. Others may be given too.
    #[serde(default)]
    pub env: Vec<VariableDefinition>,
    /// What it needs beyond the ordinary.
    #[serde(default)]
    pub options: ImageOptions,
}

impl ContainerImage {
    /// Reads a definition in TOML.
    ///
    /// # Errors
    /// It is not TOML, or a field is missing, wrong or unknown.
    pub fn from_toml(text: &str) -> Result<Self, InvalidDefinition> {
        let table = toml::Deserializer::parse(text);
        let table = table.map_err(|error| InvalidDefinition::new(".", error.message().to_owned()))?;
        let image: Self = serde_path_to_error::deserialize(table).map_err(|error| {
            let problem = error.inner().to_string();
            InvalidDefinition::new(error.path().to_string(), problem.lines().next_back().unwrap_or_default())
        })?;
        image.check()?;
        Ok(image)
    }

    /// What no single field can tell.
    fn check(&self) -> Result<(), InvalidDefinition> {
        let refuse = |field: String, problem: &str| Err(InvalidDefinition::new(field, problem));
        if !is_text(&self.name, 1, NAME_CHARS_MAX) {
            return refuse("name".to_owned(), "must be 1 to 80 characters, none of them a control character");
        }
        if !is_text(&self.description, 0, DESCRIPTION_CHARS_MAX) {
            return refuse(
                "description".to_owned(),
                "must be at most 500 characters, none of them a control character",
            );
        }
        if self.uri.is_none() && self.tag.is_some() {
            return refuse("tag".to_owned(), "belongs to a uri");
        }
        if self.uri.is_none() && self.digest.is_some() {
            return refuse("digest".to_owned(), "belongs to a uri");
        }
        if self.ports.contains(&0) || self.ports.len() > SERVICES_MAX {
            return refuse("ports".to_owned(), "must be at most 16, from 1 to 65535");
        }
        self.check_services()?;
        self.check_variables()?;
        self.check_options()
    }

    fn check_services(&self) -> Result<(), InvalidDefinition> {
        for (at, service) in self.services.iter().enumerate() {
            let refuse =
                |field: &str, problem: &str| Err(InvalidDefinition::new(format!("services[{at}].{field}"), problem));
            if self.services[..at].iter().any(|other| other.name == service.name) {
                return refuse("name", "is that of another service");
            }
            if !self.ports.contains(&service.port) {
                return refuse("port", "is not one of the ports");
            }
            let visible = service.probe.bytes().all(|byte| byte.is_ascii_graphic());
            if !service.probe.starts_with('/') || !visible || service.probe.len() > PATH_BYTES_MAX {
                return refuse("probe", "must be a path: / and at most 199 visible ASCII characters");
            }
            if service.public_paths.len() > PUBLIC_PATHS_MAX {
                return refuse("public_paths", "must be at most 16");
            }
        }
        if self.services.len() > SERVICES_MAX {
            return Err(InvalidDefinition::new("services", "must be at most 16"));
        }
        Ok(())
    }

    fn check_variables(&self) -> Result<(), InvalidDefinition> {
        if self.env.len() > VARIABLES_MAX {
            return Err(InvalidDefinition::new("env", "must be at most 32"));
        }
        for (at, variable) in self.env.iter().enumerate() {
            let refuse =
                |field: &str, problem: String| Err(InvalidDefinition::new(format!("env[{at}].{field}"), problem));
            if self.env[..at].iter().any(|other| other.name == variable.name) {
                return refuse("name", "is that of another variable".to_owned());
            }
            if !is_text(&variable.description, 0, DESCRIPTION_CHARS_MAX) {
                return refuse("description", "must be at most 500 characters".to_owned());
            }
            let Some(default) = &variable.default else { continue };
            if variable.secret {
                return refuse("default", "a secret has none".to_owned());
            }
            if let Err(problem) = VariableValue::plain(default) {
                return refuse("default", problem.to_string());
            }
        }
        Ok(())
    }

    fn check_options(&self) -> Result<(), InvalidDefinition> {
        let visible = |argument: &String| argument.len() <= PATH_BYTES_MAX && !argument.chars().any(char::is_control);
        if self.options.command.len() > ARGUMENTS_MAX || !self.options.command.iter().all(visible) {
            return Err(InvalidDefinition::new("options.command", "must be at most 64 arguments of at most 200 bytes"));
        }
        self.resources().check(&ResourceBounds::default()).map_err(|refused| {
            let field = if refused.field == "cpus" { "cpuMillis" } else { "memoryMb" };
            InvalidDefinition::new(format!("options.{field}"), refused.problem)
        })
    }

    /// What a container of it may have, unless a member says otherwise.
    pub fn resources(&self) -> Resources {
        let default = Resources::default();
        Resources {
            cpu_millis: self.options.cpu_millis.unwrap_or(default.cpu_millis),
            memory_mb: self.options.memory_mb.unwrap_or(default.memory_mb),
            ..default
        }
    }

    /// Whether it says nothing of where a container of it listens, because it is not known which image that is.
    pub fn leaves_services_open(&self) -> bool {
        self.uri.is_none() && self.services.is_empty()
    }

    /// The image that the definition names; `None` if it leaves that open.
    pub fn reference(&self) -> Option<Reference> {
        let uri = self.uri.clone()?;
        Some(Reference { uri, tag: self.tag.clone(), digest: self.digest.clone() })
    }
}

fn is_text(text: &str, chars_min: usize, chars_max: usize) -> bool {
    let chars = text.chars().count();
    (chars_min..=chars_max).contains(&chars) && !text.chars().any(char::is_control)
}
