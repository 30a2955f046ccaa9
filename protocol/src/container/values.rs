//! Containers as plain values of the `system` document: `userContainers`, one map for each, one key for each leaf.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use jiff::Timestamp;

use super::{Container, Reason, Resources, SecretId, Service, ServiceName, Spec, Status, VariableName, VariableValue};
use crate::{
    document::system::{Fields, Value},
    id::{ContainerId, UserId},
};

/// The root of the `system` document that containers are in.
pub const ROOT: &str = "userContainers";

/// A container in a document that cannot be read: another version wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} {problem}")]
pub struct Unreadable {
    /// Where in the document.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Unreadable {
    /// Which container it is, if its id can be read.
    pub fn container(&self) -> Option<ContainerId> {
        self.path.split('.').nth(1)?.parse().ok()
    }
}

/// All containers of a document, and what of it cannot be read.
pub(super) fn read_all(values: &Fields) -> (BTreeMap<ContainerId, Container>, Vec<Unreadable>) {
    let (mut containers, mut unreadable) = (BTreeMap::new(), Vec::new());
    let entries = if let Some(Value::Map(entries)) = values.get(ROOT) { Some(entries) } else { None };
    for (key, value) in entries.into_iter().flatten() {
        let at = At { path: format!("{ROOT}.{key}"), value };
        match key.parse().map_err(|error| at.fault(error)).and_then(|id| container(id, &at)) {
            Ok(container) => drop(containers.insert(container.id, container)),
            Err(fault) => unreadable.push(fault),
        }
    }
    (containers, unreadable)
}

/// A container as it stands in the document.
pub fn value_of(container: &Container) -> Value {
    map([("spec", spec_value(&container.spec)), ("status", status_value(&container.status))])
}

/// A container as JSON: its id, and what stands in the document.
pub fn json_of(container: &Container) -> serde_json::Value {
    let mut json = value_of(container).to_json();
    json["id"] = container.id.to_string().into();
    json
}

/// A time as it is written everywhere: ISO 8601, UTC, to the millisecond.
pub fn time_text(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX);
    format!("{at:.3}")
}

/// A time from its text, in milliseconds since 1970; `None` if it is none, or before.
pub fn time_of(text: &str) -> Option<u64> {
    text.parse::<Timestamp>().ok()?.as_millisecond().try_into().ok()
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn text(text: impl Display) -> Value {
    Value::Text(text.to_string())
}

fn number(number: u32) -> Value {
    Value::Number(f64::from(number))
}

fn spec_value(spec: &Spec) -> Value {
    let env = spec.env.iter().map(|(name, value)| {
        let value = match value {
            VariableValue::Plain(plain) => text(plain),
            VariableValue::Secret(id) => map([("secret", text(id))]),
        };
        (name.to_string(), value)
    });
    let limits = map([
        ("cpus", Value::Number(f64::from(spec.limits.cpu_millis) / 1_000.0)),
        ("memory_mb", number(spec.limits.memory_mb)),
        ("pids", number(spec.limits.pids)),
    ]);
    map([
        ("name", text(&spec.name)),
        ("slug", text(&spec.slug)),
        ("image", text(&spec.image)),
        ("runner", spec.runner.as_ref().map_or(Value::Null, text)),
        ("env", Value::Map(env.collect())),
        ("limits", limits),
        ("services_declared", Value::List(spec.services_declared.iter().map(text).collect())),
        ("desired", text(spec.desired)),
        ("generation", number(spec.generation)),
        ("created_by", text(spec.created_by)),
        ("created_at", text(time_text(spec.created_at_ms))),
    ])
}

fn status_value(status: &Status) -> Value {
    let (code, why) =
        status.reason.as_ref().map_or((Value::Null, Value::Null), |reason| (text(reason.code), text(&reason.text)));
    let services = status
        .services
        .iter()
        .map(|(name, service)| (name.to_string(), map([("url", text(&service.url)), ("state", text(service.state))])));
    let mut value = map([
        ("phase", text(status.phase)),
        ("observed_generation", number(status.observed_generation)),
        ("reason", map([("code", code), ("text", why)])),
        ("since", text(time_text(status.since_ms))),
        ("services", Value::Map(services.collect())),
    ]);
    if let (Value::Map(fields), Some(stop_at_ms)) = (&mut value, status.stop_at_ms) {
        fields.insert("stop_at".to_owned(), text(time_text(stop_at_ms)));
    }
    value
}

/// A value, and where it was found.
struct At<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> At<'a> {
    fn fault(&self, problem: impl Display) -> Unreadable {
        Unreadable { path: self.path.clone(), problem: problem.to_string() }
    }

    fn fields(&self) -> Result<&'a Fields, Unreadable> {
        if let Value::Map(fields) = self.value { Ok(fields) } else { Err(self.fault("is no map")) }
    }

    fn optional(&self, key: &str) -> Result<Option<Self>, Unreadable> {
        let found = self.fields()?.get(key).filter(|value| **value != Value::Null);
        Ok(found.map(|value| Self { path: format!("{}.{key}", self.path), value }))
    }

    fn get(&self, key: &str) -> Result<Self, Unreadable> {
        self.optional(key)?
            .ok_or_else(|| Unreadable { path: format!("{}.{key}", self.path), problem: "is missing".to_owned() })
    }

    fn each(&self) -> Result<impl Iterator<Item = (&'a str, Self)> + use<'a>, Unreadable> {
        let path = self.path.clone();
        Ok(self.fields()?.iter().map(move |(key, value)| (key.as_str(), Self { path: format!("{path}.{key}"), value })))
    }

    fn text(&self) -> Result<&'a str, Unreadable> {
        if let Value::Text(text) = self.value { Ok(text) } else { Err(self.fault("is no text")) }
    }

    fn parse<T: FromStr<Err: Display>>(&self) -> Result<T, Unreadable> {
        self.text()?.parse().map_err(|error| self.fault(error))
    }

    fn time(&self) -> Result<u64, Unreadable> {
        time_of(self.text()?).ok_or_else(|| self.fault("is no time"))
    }

    fn float(&self) -> Result<f64, Unreadable> {
        if let Value::Number(number) = self.value { Ok(*number) } else { Err(self.fault("is no number")) }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded the line before")]
    fn number(&self, scale: f64) -> Result<u32, Unreadable> {
        let number = (self.float()? * scale).round();
        if (0.0..=f64::from(u32::MAX)).contains(&number) {
            Ok(number as u32)
        } else {
            Err(self.fault("is out of range"))
        }
    }
}

fn container(id: ContainerId, at: &At<'_>) -> Result<Container, Unreadable> {
    Ok(Container { id, spec: spec(&at.get("spec")?)?, status: status(&at.get("status")?)? })
}

fn spec(at: &At<'_>) -> Result<Spec, Unreadable> {
    let limits = at.get("limits")?;
    let declared = at.get("services_declared")?;
    let Value::List(declared_names) = declared.value else { return Err(declared.fault("is no list")) };
    let declared_names = declared_names.iter().map(|value| At { path: declared.path.clone(), value }.parse());
    let env = at.get("env")?.each()?.map(|(name, at)| {
        let name = name.parse::<VariableName>().map_err(|error| at.fault(error))?;
        let value = match at.value {
            Value::Map(_) => VariableValue::Secret(at.get("secret")?.parse::<SecretId>()?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                VariableValue::plain(at.text()?).map_err(|error| at.fault(error))?
            }
        };
        Ok((name, value))
    });
    Ok(Spec {
        name: at.get("name")?.parse()?,
        slug: at.get("slug")?.parse()?,
        image: at.get("image")?.parse()?,
        runner: at.optional("runner")?.map(|runner| runner.parse()).transpose()?,
        env: env.collect::<Result<_, Unreadable>>()?,
        limits: Resources {
            cpu_millis: limits.get("cpus")?.number(1_000.0)?,
            memory_mb: limits.get("memory_mb")?.number(1.0)?,
            pids: limits.get("pids")?.number(1.0)?,
        },
        services_declared: declared_names.collect::<Result<_, Unreadable>>()?,
        desired: at.get("desired")?.parse()?,
        generation: at.get("generation")?.number(1.0)?,
        created_by: at.get("created_by")?.parse::<UserId>()?,
        created_at_ms: at.get("created_at")?.time()?,
    })
}

fn status(at: &At<'_>) -> Result<Status, Unreadable> {
    let reason = at.get("reason")?;
    let reason = match reason.optional("code")? {
        Some(code) => Some(Reason::new(code.parse()?, reason.get("text")?.text()?)),
        None => None,
    };
    let services = at.get("services")?.each()?.map(|(name, at)| {
        let name = name.parse::<ServiceName>().map_err(|error| at.fault(error))?;
        Ok((name, Service { url: at.get("url")?.text()?.to_owned(), state: at.get("state")?.parse()? }))
    });
    Ok(Status {
        phase: at.get("phase")?.parse()?,
        observed_generation: at.get("observed_generation")?.number(1.0)?,
        reason,
        since_ms: at.get("since")?.time()?,
        services: services.collect::<Result<_, Unreadable>>()?,
        stop_at_ms: at.optional("stop_at")?.map(|stop_at| stop_at.time()).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_version_wrote_is_told_by_its_path() {
        let check = |entry: Value, expect: &str| {
            let entries = Fields::from([("uc_7000000000000000".to_owned(), entry)]);
            let (containers, unreadable) = read_all(&Fields::from([(ROOT.to_owned(), Value::Map(entries))]));
            let told: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
            assert_eq!((containers.len(), told), (0, vec![expect.to_owned()]));
        };
        check(Value::Null, "userContainers.uc_7000000000000000 is no map");
        check(map([]), "userContainers.uc_7000000000000000.spec is missing");
        let spec =
            map([("limits", map([])), ("services_declared", Value::List(vec![Value::Bool(true)])), ("env", map([]))]);
        check(map([("spec", spec)]), "userContainers.uc_7000000000000000.spec.name is missing");
        let spec = map([
            ("limits", map([])),
            ("services_declared", Value::List(vec![])),
            ("env", map([])),
            ("name", text("a")),
            ("slug", text("--")),
        ]);
        let problem = "\"--\" is not a slug ([a-z][a-z0-9-]*, no -- and at most 63)";
        check(map([("spec", spec)]), &format!("userContainers.uc_7000000000000000.spec.slug {problem}"));
        let (_, unreadable) = read_all(&Fields::from([(ROOT.to_owned(), map([("uc_1", Value::Null)]))]));
        assert_eq!(unreadable[0].path, "userContainers.uc_1");
    }

    #[test]
    fn times_are_written_to_the_millisecond() {
        assert_eq!(time_text(1_795_286_400_123), "2026-11-21T18:40:00.123Z");
        assert_eq!(time_of("2026-11-21T18:40:00.123Z"), Some(1_795_286_400_123));
        assert_eq!(time_of("2026-11-21T19:40:00.123+01:00"), Some(1_795_286_400_123));
        for bad in ["", "now", "2026-11-21", "1795286400123", "1969-12-31T23:59:59Z"] {
            assert_eq!(time_of(bad), None, "{bad:?}");
        }
        assert_eq!(time_text(u64::MAX).len(), "9999-12-30T22:00:00.999Z".len());
    }
}
