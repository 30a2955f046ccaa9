//! `orrery keys`: the keys of a data folder. Only `orrery up` makes them by itself; every other role refuses to start
//! without them.

use std::process::ExitCode;

use anyhow::bail;
use orrery_ganymede::{state_key::StateKey, tokens::TokenKeys};
use serde::Serialize;

use crate::{
    cli::{KeysArgs, KeysCommand},
    config::Config,
    data::DataFolder,
    output,
};

#[derive(Serialize)]
struct Answer {
    /// Names of the signing keys; the first one signs.
    signing: Vec<String>,
}

pub(crate) fn run(args: &KeysArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(&args.config_args())?;
    let keys = match args.command {
        KeysCommand::Create => {
            let data = DataFolder::open(&config.data)?;
            if TokenKeys::path(data.path()).exists() {
                bail!("{} has keys already", data.path().display());
            }
            StateKey::load_or_create(data.path())?;
            TokenKeys::load_or_create(data.path())?
        }
        KeysCommand::Rotate => TokenKeys::rotate(&config.data)?,
        KeysCommand::List => TokenKeys::load(&config.data)?,
    };
    let signing = keys.names();
    if json {
        output::json(&Answer { signing })?;
    } else {
        signing.iter().for_each(output::line);
    }
    Ok(ExitCode::SUCCESS)
}
