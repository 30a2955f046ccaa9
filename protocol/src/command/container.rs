//! Commands about user containers, from members and from containers themselves. Owns how they are written and who may give
//! them; what they do is decided in [`crate::container`].

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Refusal, fields, kind_of, optional_fields};
use crate::{
    access::Permission,
    container::{
        ContainerName, InvalidHost, InvalidName, RunnerName, SecretText, ServiceName, VARIABLES_MAX, VariableName,
        VariableValue, time_of,
    },
    id::ContainerId,
    image::ImageChoice,
};

/// What a container may say of its host at once, in bytes of JSON.
const SYSTEM_BYTES_MAX: usize = 4096;
/// The field that names a container.
const NAMED: &str = "user_container_id";
/// The runner that is nobody's own machine.
const PLATFORM: &str = "platform";

/// One command, of a closed set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerCommand {
    /// `user-containers:new`.
    New(NewContainer),
    /// `user-containers:delete`.
    Delete(ContainerId),
    /// `user-container:start`.
    Start(ContainerId),
    /// `user-container:stop`.
    Stop(ContainerId),
    /// `user-container:restart`.
    Restart(ContainerId),
    /// `user-containers:host`: who runs it; `None` is the platform.
    Host(ContainerId, Option<RunnerName>),
    /// `user-container:watchdog`: it lives, and says this of its host.
    Watchdog(Option<Value>),
    /// `user-container:map-http-service`: a service of it listens on this port.
    MapHttpService(ServiceName, u16),
    /// `user-containers:activity`: when somebody last did something in it, in milliseconds since 1970.
    Activity(u64),
}

/// A container that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContainer {
    /// Its name for people.
    pub name: ContainerName,
    /// What it is made from.
    pub image: ImageChoice,
    /// Who runs it; `None` is the platform.
    pub runner: Option<RunnerName>,
    /// Its environment, as far as everybody may read it.
    pub env: BTreeMap<VariableName, VariableValue>,
    /// The rest of its environment.
    pub secrets: BTreeMap<VariableName, SecretText>,
    /// What it may have; the rest is up to its image.
    pub limits: NewLimits,
    /// Where it serves HTTP, if its image is a member's own; otherwise the image says so.
    pub port: Option<u16>,
}

/// Limits as far as they were said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewLimits {
    /// Thousandths of a processor.
    pub cpu_millis: Option<u32>,
    /// Memory, in MiB.
    pub memory_mb: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// Who may give a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// A member with this permission in the project.
    Member(Permission),
    /// A container, about itself and no other.
    Container,
}

impl ContainerCommand {
    /// Reads an event `{type, ...}`.
    ///
    /// # Errors
    /// It is no event, of no known type, or a field is missing, wrong or unknown.
    pub fn parse(event: &Value) -> Result<Self, Refusal> {
        let (kind, event) = kind_of(event)?;
        Self::read(kind, event)
    }

    /// Which container an event names, if any. What containers say of themselves need not name them.
    pub fn named(event: &Value) -> Option<ContainerId> {
        event.get(NAMED)?.as_str()?.parse().ok()
    }

    pub(super) fn read(kind: &str, event: &Map<String, Value>) -> Result<Self, Refusal> {
        match kind {
            "user-containers:new" => new(event).map(Self::New),
            "user-containers:delete" => only_id(event).map(Self::Delete),
            "user-container:start" => only_id(event).map(Self::Start),
            "user-container:stop" => only_id(event).map(Self::Stop),
            "user-container:restart" => only_id(event).map(Self::Restart),
            "user-containers:host" => {
                let [id, runner_name] = fields(event, [NAMED, "runner"])?;
                Ok(Self::Host(container_id(id)?, runner(Some(runner_name))?))
            }
            "user-container:watchdog" => {
                let ([], [system, named]) = optional_fields(event, [], ["system", NAMED])?;
                named.map(container_id).transpose()?;
                system.map(system_of).transpose().map(Self::Watchdog)
            }
            "user-container:map-http-service" => {
                let ([name, port], [named]) = optional_fields(event, ["name", "port"], [NAMED])?;
                named.map(container_id).transpose()?;
                let name =
                    text("name", name)?.parse().map_err(|invalid: InvalidHost| Refusal::invalid("name", invalid.0))?;
                Ok(Self::MapHttpService(name, port_of(port)?))
            }
            "user-containers:activity" => {
                let ([last], [named]) = optional_fields(event, ["last_activity"], [NAMED])?;
                named.map(container_id).transpose()?;
                let at_ms = time_of(text("last_activity", last)?);
                at_ms.map(Self::Activity).ok_or(Refusal::invalid("last_activity", "must be an ISO 8601 time"))
            }
            _ => Err(Refusal::unknown(kind)),
        }
    }

    /// Its type, as written in an event.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::New(_) => "user-containers:new",
            Self::Delete(_) => "user-containers:delete",
            Self::Start(_) => "user-container:start",
            Self::Stop(_) => "user-container:stop",
            Self::Restart(_) => "user-container:restart",
            Self::Host(..) => "user-containers:host",
            Self::Watchdog(_) => "user-container:watchdog",
            Self::MapHttpService(..) => "user-container:map-http-service",
            Self::Activity(_) => "user-containers:activity",
        }
    }

    /// Who may give it. What containers say of themselves needs no idempotency key: said twice, it is as if said once.
    pub const fn authority(&self) -> Authority {
        match self {
            Self::New(_) | Self::Delete(_) | Self::Start(_) | Self::Stop(_) | Self::Restart(_) | Self::Host(..) => {
                Authority::Member(Permission::ManageContainers)
            }
            Self::Watchdog(_) | Self::MapHttpService(..) | Self::Activity(_) => Authority::Container,
        }
    }
}

fn new(event: &Map<String, Value>) -> Result<NewContainer, Refusal> {
    let ([name, image], [runner_name, env, limits, port]) =
        optional_fields(event, ["name", "image"], ["runner", "env", "limits", "port"])?;
    let image_problem = "must be an image id, or one that leaves the image open, a slash and an image";
    let (env, secrets) = env.map(environment).transpose()?.unwrap_or_default();
    Ok(NewContainer {
        name: text("name", name)?.parse().map_err(|invalid: InvalidName| Refusal::invalid("name", invalid.0))?,
        image: text("image", image)?.parse().map_err(|_| Refusal::invalid("image", image_problem))?,
        runner: runner(runner_name)?,
        env,
        secrets,
        limits: limits.map(new_limits).transpose()?.unwrap_or_default(),
        port: port.map(port_of).transpose()?,
    })
}

fn port_of(value: &Value) -> Result<u16, Refusal> {
    let port = value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    port.ok_or(Refusal::invalid("port", "must be from 1 to 65535"))
}

fn text<'a>(field: &str, value: &'a Value) -> Result<&'a str, Refusal> {
    value.as_str().ok_or(Refusal::invalid(field, "must be a string"))
}

fn only_id(event: &Map<String, Value>) -> Result<ContainerId, Refusal> {
    let [id] = fields(event, [NAMED])?;
    container_id(id)
}

fn container_id(value: &Value) -> Result<ContainerId, Refusal> {
    let problem = "must be a container id (uc_ and 16 of [a-z0-9])";
    text(NAMED, value)?.parse().map_err(|_| Refusal::invalid(NAMED, problem))
}

fn runner(value: Option<&Value>) -> Result<Option<RunnerName>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) if value == PLATFORM => Ok(None),
        Some(value) => {
            let runner = text("runner", value)?.parse();
            runner.map(Some).map_err(|invalid: InvalidName| Refusal::invalid("runner", invalid.0))
        }
    }
}

/// What everybody may read of an environment, and what nobody may.
type Environment = (BTreeMap<VariableName, VariableValue>, BTreeMap<VariableName, SecretText>);

fn environment(value: &Value) -> Result<Environment, Refusal> {
    let variables = value.as_object().ok_or(Refusal::invalid("env", "must be an object"))?;
    if variables.len() > VARIABLES_MAX {
        return Err(Refusal::invalid("env", "must be at most 64 variables"));
    }
    let mut environment = Environment::default();
    for (name, value) in variables {
        let field = format!("env.{name}");
        let name = name.parse::<VariableName>().map_err(|invalid| Refusal::invalid(&field, invalid.0))?;
        match variable(&field, value)? {
            (text, true) => {
                let secret = SecretText::new(text).map_err(|invalid| Refusal::invalid(&field, invalid.0))?;
                environment.1.insert(name, secret);
            }
            (text, false) => {
                let plain = VariableValue::plain(text).map_err(|invalid| Refusal::invalid(&field, invalid.0))?;
                environment.0.insert(name, plain);
            }
        }
    }
    Ok(environment)
}

/// The text of a variable, and whether it is a secret.
fn variable<'a>(field: &str, value: &'a Value) -> Result<(&'a str, bool), Refusal> {
    if let Some(plain) = value.as_str() {
        return Ok((plain, false));
    }
    let refused = || Refusal::invalid(field, "must be a string or {value, secret}");
    let fields = value.as_object().ok_or_else(refused)?;
    if fields.keys().any(|key| !["value", "secret"].contains(&key.as_str())) {
        return Err(refused());
    }
    let text = fields.get("value").and_then(Value::as_str).ok_or_else(refused)?;
    let secret = fields.get("secret").map_or(Some(false), Value::as_bool).ok_or_else(refused)?;
    Ok((text, secret))
}

fn new_limits(value: &Value) -> Result<NewLimits, Refusal> {
    let limits = value.as_object().ok_or(Refusal::invalid("limits", "must be an object"))?;
    let mut read = NewLimits::default();
    for (name, value) in limits {
        let field = format!("limits.{name}");
        match name.as_str() {
            "cpus" => read.cpu_millis = Some(thousandths(&field, value)?),
            "memory_mb" => read.memory_mb = Some(whole(&field, value)?),
            "pids" => read.pids = Some(whole(&field, value)?),
            _ => return Err(Refusal::invalid(&field, "is unknown")),
        }
    }
    Ok(read)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded in the same line")]
fn thousandths(field: &str, value: &Value) -> Result<u32, Refusal> {
    let number = value.as_f64().map(|number| (number * 1_000.0).round());
    let number = number.filter(|number| (0.0..=f64::from(u32::MAX)).contains(number)).map(|number| number as u32);
    number.ok_or(Refusal::invalid(field, "must be a number of processors"))
}

fn whole(field: &str, value: &Value) -> Result<u32, Refusal> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or(Refusal::invalid(field, "must be a whole number"))
}

fn system_of(value: &Value) -> Result<Value, Refusal> {
    if value.is_object() && value.to_string().len() <= SYSTEM_BYTES_MAX {
        Ok(value.clone())
    } else {
        Err(Refusal::invalid("system", "must be an object of at most 4096 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::Command;

    const ID: &str = "uc_7000000000000000";

    fn parse(event: &Value) -> Result<ContainerCommand, String> {
        ContainerCommand::parse(event).map_err(|refusal| refusal.to_string())
    }

    #[track_caller]
    fn check_new(changes: Value, expect: Result<(), &str>) {
        let mut event = json!({"type": "user-containers:new", "name": "Notebook", "image": "jupyter:minimal"});
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        assert_eq!(parse(&event).map(drop), expect.map_err(str::to_owned), "{event}");
    }

    #[test]
    fn a_new_container_is_read_strictly() {
        check_new(json!({}), Ok(()));
        check_new(json!({"name": ""}), Ok(()));
        check_new(json!({"name": 7}), Err("name must be a string"));
        let long = "name must be at most 200 characters, none of them a control character";
        check_new(json!({"name": "x".repeat(201)}), Err(long));
        check_new(json!({"name": "a\nb"}), Err(long));
        let image = "image must be an image id, or one that leaves the image open, a slash and an image";
        check_new(json!({"image": "--privileged"}), Err(image));
        check_new(json!({"runner": "platform", "env": null, "limits": null}), Ok(()));
        check_new(json!({"runner": "My PC"}), Err("runner must be 1 to 63 of [a-z0-9-], with no hyphen first"));
        check_new(json!({"env": {"A": "1", "B": {"value": "hunter2", "secret": true}, "C": {"value": "3"}}}), Ok(()));
        let odd = "env.A must be a string or {value, secret}";
        for bad in [json!(1), json!({"secret": "s"}), json!({"value": "s", "secret": 1}), json!({"value": "s", "x": 1})]
        {
            check_new(json!({"env": {"A": bad}}), Err(odd));
        }
        let nul = json!({"env": {"A": {"value": "a\u{0}b", "secret": true}}});
        check_new(nul, Err("env.A must be at most 4096 bytes, and none of them 0"));
        check_new(json!({"env": {"ORRERY_URL": "x"}}), Err("env.ORRERY_URL is set by the platform"));
        let broken = "env.A must be without control characters and line breaks";
        check_new(json!({"env": {"A": "1\nB=2"}}), Err(broken));
        check_new(json!({"port": 8080}), Ok(()));
        check_new(json!({"port": null}), Ok(()));
        for bad in [json!(0), json!(65536), json!("8080"), json!(-1), json!(80.5), json!([80])] {
            check_new(json!({"port": bad}), Err("port must be from 1 to 65535"));
        }
        check_new(json!({"limits": {"cpus": 0.5, "memory_mb": 512}}), Ok(()));
        check_new(json!({"limits": {"cpus": "2"}}), Err("limits.cpus must be a number of processors"));
        check_new(json!({"limits": {"cpus": -1}}), Err("limits.cpus must be a number of processors"));
        check_new(json!({"limits": {"memory_mb": 0.5}}), Err("limits.memory_mb must be a whole number"));
        check_new(json!({"limits": {"gpus": 1}}), Err("limits.gpus is unknown"));
        check_new(json!({"volume": "v"}), Err("volume is unknown"));
    }

    #[test]
    fn a_secret_stands_apart_and_is_never_printed() {
        let env = json!({"A": "open", "B": {"value": "hunter2", "secret": true}});
        let event = json!({"type": "user-containers:new", "name": "Notebook", "image": "jupyter:minimal", "env": env});
        let Ok(ContainerCommand::New(new)) = ContainerCommand::parse(&event) else { panic!("a good event") };
        assert_eq!((new.env.len(), new.secrets.len()), (1, 1));
        assert_eq!(new.secrets[&"B".parse().unwrap()].expose(), "hunter2");
        assert!(!format!("{new:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_said_of_one_container_names_it() {
        let id: ContainerId = ID.parse().unwrap();
        for (kind, expect) in [
            ("user-containers:delete", ContainerCommand::Delete(id)),
            ("user-container:start", ContainerCommand::Start(id)),
            ("user-container:stop", ContainerCommand::Stop(id)),
            ("user-container:restart", ContainerCommand::Restart(id)),
        ] {
            assert_eq!(parse(&json!({"type": kind, "user_container_id": ID})), Ok(expect.clone()));
            assert_eq!(expect.kind(), kind);
            assert_eq!(parse(&json!({"type": kind})), Err("user_container_id is missing".to_owned()));
            let problem = "user_container_id must be a container id (uc_ and 16 of [a-z0-9])";
            assert_eq!(parse(&json!({"type": kind, "user_container_id": "x"})), Err(problem.to_owned()));
        }
        let host = |runner: Value| json!({"type": "user-containers:host", "user_container_id": ID, "runner": runner});
        assert_eq!(parse(&host(json!("laptop"))), Ok(ContainerCommand::Host(id, Some("laptop".parse().unwrap()))));
        assert_eq!(parse(&host(json!("platform"))), Ok(ContainerCommand::Host(id, None)));
    }

    #[test]
    fn containers_speak_of_themselves_only() {
        let watchdog = |changes: Value| {
            let mut event = json!({"type": "user-container:watchdog"});
            changes.as_object().unwrap().iter().for_each(|(key, value)| event[key] = value.clone());
            parse(&event)
        };
        assert_eq!(watchdog(json!({})), Ok(ContainerCommand::Watchdog(None)));
        assert!(watchdog(json!({"system": {"cpus": 8}})).is_ok());
        let problem = Err("system must be an object of at most 4096 bytes".to_owned());
        assert_eq!(watchdog(json!({"system": {"x": "y".repeat(5000)}})), problem);
        assert_eq!(watchdog(json!({"system": []})), problem);
        assert_eq!(watchdog(json!({"user_container_id": ID})), Ok(ContainerCommand::Watchdog(None)));
        assert!(watchdog(json!({"user_container_id": "x"})).is_err());
        assert_eq!(ContainerCommand::named(&json!({"user_container_id": ID})), ID.parse().ok());
        let map = |port: Value| parse(&json!({"type": "user-container:map-http-service", "name": "web", "port": port}));
        assert_eq!(map(json!(8080)), Ok(ContainerCommand::MapHttpService("web".parse().unwrap(), 8080)));
        for bad in [json!(0), json!(65536), json!("80"), json!(-1), json!(1.5)] {
            assert_eq!(map(bad), Err("port must be from 1 to 65535".to_owned()));
        }
        let activity = |at: Value| parse(&json!({"type": "user-containers:activity", "last_activity": at}));
        assert_eq!(activity(json!("1970-01-01T00:00:01Z")), Ok(ContainerCommand::Activity(1_000)));
        assert!(activity(json!("yesterday")).is_err());
    }

    #[test]
    fn members_need_to_manage_containers_and_containers_need_nothing() {
        let manage = Authority::Member(Permission::ManageContainers);
        let id: ContainerId = ID.parse().unwrap();
        assert_eq!(ContainerCommand::Stop(id).authority(), manage);
        assert_eq!(ContainerCommand::Watchdog(None).authority(), Authority::Container);
        assert_eq!(ContainerCommand::Activity(0).authority(), Authority::Container);
    }

    #[test]
    fn events_that_were_removed_are_unknown() {
        for kind in [
            "servers:new",
            "servers:delete",
            "servers:host",
            "server:watchdog",
            "server:map-http-service",
            "servers:new-volume",
            "servers:mount-volume",
            "servers:unmount-volume",
            "servers:delete-volume",
            "servers:to-cloud",
            "servers:cloud-pause",
            "servers:_update-instance-state",
            "new-volume",
            "mount-volume",
            "unmount-volume",
            "delete-volume",
            "user-containers:new-volume",
            "user-containers:mount-volume",
            "user-containers:to-cloud",
            "user-container:cloud-start",
            "user-container:cloud-delete",
            "user-containers:start",
            "user-container:new",
        ] {
            let event = json!({"type": kind, "user_container_id": ID});
            assert_eq!(ContainerCommand::parse(&event), Err(Refusal::Unknown(kind.to_owned())));
            assert_eq!(Command::parse(&event), Err(Refusal::Unknown(kind.to_owned())));
        }
    }
}
