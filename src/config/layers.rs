//! Laying one table of configuration over another. The table below already has every key, so that an unknown key and a
//! wrong kind of value can both be named, with where they come from.

use anyhow::{Context, bail, ensure};
use toml::{Table, Value};

use super::numbers;

/// Lays `layer` over `base`. `origin` names the layer: a file or a variable.
pub(super) fn merge(base: &mut Table, layer: Table, origin: &str) -> anyhow::Result<()> {
    merge_at(base, layer, origin, "")
}

fn merge_at(base: &mut Table, layer: Table, origin: &str, path: &str) -> anyhow::Result<()> {
    for (key, value) in layer {
        let full = format!("{path}{key}");
        match (base.get_mut(&key), value) {
            (None, _) => bail!("{origin}: unknown key {full}"),
            (Some(Value::Table(below)), Value::Table(above)) => merge_at(below, above, origin, &format!("{full}."))?,
            (Some(below), above) => {
                // A text may be a secret, in whatever form it is given.
                let shown = if below.is_str() { String::new() } else { format!(", not {above}") };
                ensure!(below.same_type(&above), "{origin}: {full} must be {}{shown}", kind(below));
                if let Value::Integer(number) = above {
                    numbers::check(&full, number).with_context(|| origin.to_owned())?;
                }
                *below = above;
            }
        }
    }
    Ok(())
}

/// Every key that holds a value, as its path from the root.
pub(super) fn leaves(table: &Table) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        if let Value::Table(inner) = value {
            found.extend(leaves(inner).into_iter().map(|(mut path, value)| {
                path.insert(0, key.clone());
                (path, value)
            }));
        } else {
            found.push((vec![key.clone()], value.clone()));
        }
    }
    found
}

/// What a value must look like, as a noun phrase.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
