//! `orrery token`: the administrator's way in, on the machine that holds the keys.

use std::{process::ExitCode, time::SystemTime};

use anyhow::Context;
use orrery_ganymede::tokens::TokenKeys;
use orrery_protocol::{
    access::{Principal, Role},
    id::{OrgId, ProjectId, UserId},
};
use serde::Serialize;

use crate::{
    cli::TokenArgs,
    config::Config,
    data::{First, Reach},
    output,
};

#[derive(Serialize)]
struct Answer {
    ws_url: String,
    org: OrgId,
    project: ProjectId,
    user: UserId,
    role: Role,
    token: String,
    /// In seconds.
    expires_in: u64,
}

pub(crate) fn run(args: &TokenArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(&args.config_args())?;
    let first = First::load(&config.data)?;
    let keys = TokenKeys::load(&config.data)?;
    let reach = Reach::load(&config.data)?.unwrap_or(Reach { listen: config.listen, domain: config.domain });
    let principal = Principal {
        user: args.user.unwrap_or(first.user),
        name: args.name.clone(),
        role: args.role,
        org: args.org.unwrap_or(first.org),
        project: args.project.unwrap_or(first.project),
    };
    let token = keys.sign(&principal, SystemTime::now(), args.ttl).context("no token could be signed")?;
    let Principal { user, role, org, project, .. } = principal;
    let answer = Answer { ws_url: reach.ws_url(org), org, project, user, role, token, expires_in: args.ttl.as_secs() };
    if json {
        output::json(&answer)?;
    } else {
        output::line(client(&answer));
    }
    Ok(ExitCode::SUCCESS)
}

/// A whole program for Node: what is typed into one copy of it shows in every other. All that is filled in is made of hex
/// digits, dots, dashes and slashes, so nothing needs quoting.
fn client(answer: &Answer) -> String {
    include_str!("token/client.mjs")
        .replace("{ws_url}", &answer.ws_url)
        .replace("{project}", &answer.project.to_string())
        .replace("{token}", &answer.token)
        .replace("{role}", &answer.role.to_string())
        .replace("{expires_in}", &answer.expires_in.to_string())
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_complete() {
        let id = "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";
        let program = client(&Answer {
            ws_url: "ws://127.0.0.1:7000/-/gw/org-x/collab".to_owned(),
            org: id.parse().unwrap(),
            project: id.parse().unwrap(),
            user: id.parse().unwrap(),
            role: Role::Editor,
            token: "a.b.c".to_owned(),
            expires_in: 60,
        });
        assert!(program.contains(&format!("'ws://127.0.0.1:7000/-/gw/org-x/collab/{id}', 'board'")), "{program}");
        assert!(program.contains("token: 'a.b.c'") && program.contains("60 seconds"));
        for place in ["{ws_url}", "{project}", "{token}", "{role}", "{expires_in}"] {
            assert!(!program.contains(place), "{place}");
        }
    }
}
