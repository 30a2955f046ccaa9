//! The form of commands, for the description alone: what is read is a [`Command`](orrery_protocol::command::Command), and a test
//! here holds each form against it.

#![expect(dead_code, reason = "only their form is used")]

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

/// A command, by its type. A field that its type does not know is an error.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type")]
#[schema(as = Event)]
pub(super) enum EventForm {
    /// Makes a container; answers its `user_container_id`, `slug` and `url`. For editors, as all that follow but the last.
    #[serde(rename = "user-containers:new")]
    New {
        /// For people. An empty one is that of its image.
        #[schema(max_length = 200)]
        name: String,
        /// An id of the catalogue, such as `jupyter:minimal`, or `generic/` and an image.
        image: String,
        /// Whose machine runs it; the platform, if that is not said.
        #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
        runner: Option<String>,
        /// At most 64 variables, by name.
        env: Option<BTreeMap<String, VariableForm>>,
        /// What it may have; the rest is up to its image.
        limits: Option<LimitsForm>,
        /// Where it serves HTTP, if its image is one of your own.
        #[schema(minimum = 1)]
        port: Option<u16>,
    },
    #[serde(rename = "user-containers:delete")]
    Delete {
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: String,
    },
    #[serde(rename = "user-container:start")]
    Start {
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: String,
    },
    #[serde(rename = "user-container:stop")]
    Stop {
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: String,
    },
    #[serde(rename = "user-container:restart")]
    Restart {
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: String,
    },
    /// Has somebody's own machine run a container, or the platform.
    #[serde(rename = "user-containers:host")]
    Host {
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: String,
        /// `platform`, or the name of a machine.
        #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", required = true)]
        runner: Option<String>,
    },
    /// Of a container: it lives. For containers alone, of themselves, as the two that follow.
    #[serde(rename = "user-container:watchdog")]
    Watchdog {
        /// What it says of its host, in at most 4,096 bytes.
        #[schema(value_type = Option<Object>)]
        system: Option<serde_json::Value>,
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: Option<String>,
    },
    /// Of a container: a service of it listens on this port.
    #[serde(rename = "user-container:map-http-service")]
    MapHttpService {
        name: String,
        #[schema(minimum = 1)]
        port: u16,
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: Option<String>,
    },
    /// Of a container: when somebody last did something in it.
    #[serde(rename = "user-containers:activity")]
    Activity {
        #[schema(format = DateTime)]
        last_activity: String,
        #[schema(pattern = "^uc_[0-9a-z]{16}$")]
        user_container_id: Option<String>,
    },
    /// The gateway serves on however long nobody does anything, or does not. For administrators of the project.
    #[serde(rename = "gateway:disable-shutdown")]
    DisableShutdown { disabled: bool },
}

/// What a variable is set to.
#[derive(Deserialize, ToSchema)]
#[schema(as = Variable)]
#[serde(untagged)]
pub(super) enum VariableForm {
    /// For every member of the project to read.
    Plain(String),
    Given {
        value: String,
        /// Nobody reads it again but the container.
        secret: Option<bool>,
    },
}

#[derive(Deserialize, ToSchema)]
#[schema(as = Limits)]
pub(super) struct LimitsForm {
    /// In processors.
    cpus: Option<f64>,
    memory_mb: Option<u32>,
    pids: Option<u32>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use orrery_protocol::command::Command;
    use serde_json::{Map, Value, json};
    use utoipa::PartialSchema;

    use super::*;

    /// Each type, the fields of its events, and those that they must have.
    fn forms() -> Vec<(String, BTreeSet<String>, BTreeSet<String>)> {
        let schema = serde_json::to_value(EventForm::schema()).unwrap();
        let form = |form: &Value| {
            let properties = form["properties"].as_object().unwrap();
            let kind = properties["type"]["enum"][0].as_str().unwrap().to_owned();
            let fields = properties.keys().filter(|name| *name != "type").cloned().collect();
            let required = form["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
            (kind, fields, required.filter(|name| name != "type").collect())
        };
        schema["oneOf"].as_array().unwrap().iter().map(form).collect()
    }

    /// What is said of an event whose fields are null.
    fn said(kind: &str, fields: impl IntoIterator<Item = String>) -> String {
        let mut event: Map<_, _> = fields.into_iter().map(|field| (field, Value::Null)).collect();
        event.insert("type".to_owned(), kind.into());
        Command::parse(&event.into()).map_or_else(|refusal| refusal.to_string(), |_| String::new())
    }

    #[test]
    fn every_command_has_the_form_that_is_described() {
        for (kind, fields, required) in forms() {
            for field in &fields {
                let without: Vec<_> = fields.iter().filter(|other| *other != field).cloned().collect();
                let is_missing = said(&kind, without) == format!("{field} is missing");
                assert_eq!(is_missing, required.contains(field), "{kind}: {field}");
            }
            let all = said(&kind, fields.clone());
            assert!(!all.ends_with(" is unknown"), "{kind}: {all}");
            let more = said(&kind, fields.iter().cloned().chain(["more".to_owned()]));
            assert_eq!(more, "more is unknown", "{kind}");
        }
    }

    #[test]
    fn every_command_of_the_page_for_clients_is_described() {
        let page = include_str!("../../../docs/clients.md");
        let named = page.split('`').filter(|text| text.starts_with("user-container") || text.starts_with("gateway:"));
        let described: BTreeSet<_> = forms().into_iter().map(|(kind, _, _)| kind).collect();
        assert_eq!(named.map(str::to_owned).collect::<BTreeSet<_>>(), described);
    }

    #[test]
    fn variables_and_limits_have_the_form_that_is_described() {
        let event = json!({
            "type": "user-containers:new",
            "name": "Notebook",
            "image": "jupyter:minimal",
            "env": {"A": "1", "B": {"value": "2"}, "C": {"value": "3", "secret": true}},
            "limits": {"cpus": 0.5, "memory_mb": 512, "pids": 64},
            "runner": "laptop",
            "port": 8080,
        });
        assert!(Command::parse(&event).is_ok());
        assert!(serde_json::from_value::<EventForm>(event).is_ok());
    }
}
