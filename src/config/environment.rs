//! The environment as a layer of the configuration. The only place that reads it.
//!
//! `ORRERY_` and the key's path in capitals, joined by underscores: `limits.wire.frame_bytes_max` is
//! `ORRERY_LIMITS_WIRE_FRAME_BYTES_MAX`.

use std::{collections::BTreeMap, env, path::PathBuf};

use anyhow::{Context, anyhow, bail};
use orrery_ganymede::dns;
use toml::{Table, Value};

use super::layers;

const PREFIX: &str = "ORRERY_";

/// Names the configuration file.
const CONFIG: &str = "ORRERY_CONFIG";

/// Names this binary, for the programs that test it; they pass their environment on to it.
const BINARY: &str = "ORRERY_BIN";

/// What of the environment concerns us.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// As this process found it.
    pub(crate) fn of_process() -> anyhow::Result<Self> {
        let mut found = BTreeMap::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            if name.starts_with(PREFIX) || name == "HOME" || name == "XDG_DATA_HOME" || alias(&name).is_some() {
                let value = value.into_string().map_err(|_| anyhow!("{name}: not UTF-8"))?;
                found.insert(name, value);
            }
        }
        Ok(Self(found))
    }

    /// The file that `ORRERY_CONFIG` names.
    pub(super) fn config_file(&self) -> Option<PathBuf> {
        self.0.get(CONFIG).map(PathBuf::from)
    }

    /// The platform's usual data folder; empty where no home folder is known.
    pub(super) fn data_folder(&self) -> PathBuf {
        let absolute = |name: &str| self.0.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let share = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
        let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(share)));
        base.map(|base| base.join("orrery")).unwrap_or_default()
    }

    /// Each variable of ours as its own layer, named after it. `known` has every key.
    pub(super) fn layers(&self, known: &Table) -> anyhow::Result<Vec<(String, Table)>> {
        let leaves = layers::leaves(known);
        let ours = |name: &str| name.starts_with(PREFIX) && name != CONFIG && name != BINARY;
        let meant = |name: &str| name != dns::DOMAIN || self.0.contains_key(dns::SERVER_URL);
        let ours = self.0.iter().filter(|(name, _)| ours(name) || alias(name).is_some() && meant(name));
        // In the order of their names, so that one of ours wins over its alias.
        ours.map(|(name, text)| {
            let means = |path: &[String]| variable(path) == *name || alias(name) == Some(path.join(".").as_str());
            let Some((path, like)) = leaves.iter().find(|(path, _)| means(path)) else {
                bail!("{name}: unknown variable")
            };
            let value = read(text, like).with_context(|| name.clone())?;
            Ok((name.clone(), nest(path, value)))
        })
        .collect()
    }
}

/// The key that a variable without our prefix sets.
fn alias(name: &str) -> Option<&'static str> {
    dns::VARIABLES.iter().find(|(variable, _)| *variable == name).map(|(_, key)| *key)
}

fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").to_ascii_uppercase())
}

fn read(text: &str, like: &Value) -> anyhow::Result<Value> {
    let kind = layers::kind(like);
    let value = match like {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => bail!("must be {kind}, in the configuration file"),
    };
    value.with_context(|| format!("must be {kind}, not {text:?}"))
}

/// `value` below `path`, as a table with nothing else in it.
fn nest(path: &[String], value: Value) -> Table {
    match path {
        [] => Table::new(),
        [key] => Table::from_iter([(key.clone(), value)]),
        [key, rest @ ..] => Table::from_iter([(key.clone(), Value::Table(nest(rest, value)))]),
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
