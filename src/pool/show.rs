//! How the gateway pool is printed.

use super::{
    Slot, Status,
    home::{Created, Runs},
};
use crate::output;

pub(super) fn created(created: &[Created], json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(&created);
    }
    for created in created {
        let Created { gateway_id, listen, runs } = created;
        let log = created.log();
        output::line(match runs {
            Runs::Process { pid, .. } => format!("{gateway_id}  process {pid}  {listen}  log {log}"),
            Runs::Container { container } => format!("{gateway_id}  {container}  {listen}  {log}"),
        });
    }
    Ok(())
}

pub(super) fn status(status: &Status, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(status);
    }
    let Status { total, ready, allocated, draining, lost } = status;
    output::line(format_args!("{total} slots: {ready} ready, {allocated} allocated, {draining} draining, {lost} lost"));
    Ok(())
}

pub(super) fn slots(slots: &[Slot], json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(&slots);
    }
    output::line(format_args!(
        "{:<5} {:<10} {:<36} {:>6} {:<11} {:<24} {:<24} {}",
        "SLOT", "STATE", "ORGANIZATION", "EPOCH", "STEP", "SINCE", "RENEWED", "GATEWAY"
    ));
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for slot in slots {
        output::line(format_args!(
            "{:<5} {:<10} {:<36} {:>6} {:<11} {:<24} {:<24} {}",
            slot.slot,
            slot.state,
            or_dash(&slot.org),
            slot.epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
            or_dash(&slot.step),
            or_dash(&slot.since),
            or_dash(&slot.last_renewal),
            place(slot),
        ));
    }
    Ok(())
}

/// Where the gateway of a slot is.
fn place(slot: &Slot) -> String {
    match (&slot.listen, &slot.container) {
        (Some(listen), Some(container)) => format!("{listen} {container}"),
        (Some(listen), None) => listen.clone(),
        (None, _) => "in this process".to_owned(),
    }
}
