//! An organization with 2,500 containers, each under its id and its slug, so 5,000 routes. One of them is stopped or started
//! while somebody asks its host again and again: how long from the command until a request sees it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::{join, try_join_all};
use serde_json::json;

use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::containers::{Commands, Container};
use crate::http::{self, Connection};
use crate::server::{Server, text};
use crate::stats::{ms, us_each};

const PROJECTS: usize = 5;
/// In each project: what one may have by default.
const CONTAINERS: usize = 500;
/// Changes that are measured.
const CHANGES: usize = 100;
const SEEN_DEADLINE: Duration = Duration::from_secs(10);
/// Between two changes, so that each meets a gateway at rest.
const REST: Duration = Duration::from_millis(50);

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let containers = scaled(CONTAINERS, scale);
    let mut projects = try_join_all((0..PROJECTS).map(|number| fill(server, number, containers))).await?;
    let mut connection = Connection::open(server.address()).await?;

    let (mut seen, mut behind) = (Vec::new(), Vec::new());
    let changes = scaled(CHANGES, scale);
    let before = server.cpu()?;
    for number in 0..changes {
        let (commands, containers) = &mut projects[number % PROJECTS];
        // A container is stopped in one round, and started in the next.
        let round = number / PROJECTS;
        let container = &containers[round / 2 * 7 % containers.len()];
        let change = change(server, &mut connection, commands, container, round.is_multiple_of(2)).await?;
        seen.push(ms(change.seen));
        behind.push(ms(change.seen.saturating_sub(change.answered)));
        tokio::time::sleep(REST).await;
    }
    let cpu = server.cpu()? - before;
    let (p50, p99) = p50_p99(seen);
    let (_, behind_p99) = p50_p99(behind);
    Ok(Outcome::of(p99.context("nothing changed")?)
        .with("p50 ms", p50)
        .with("after the answer, p99 ms", behind_p99)
        .with("CPU us per change and its requests", us_each(cpu, changes as u64)))
}

/// A new project with containers that nothing runs.
async fn fill(server: &Server, number: usize, containers: usize) -> Result<(Commands, Vec<Container>)> {
    let path = format!("/api/orgs/{}/projects", server.admission()?.org);
    let made = server.ask("POST", &path, Some(&json!({"name": format!("Project {number}")}))).await?;
    let project = text(&made["project"]["id"])?;
    server.ask("POST", &format!("/projects/{project}/start"), Some(&json!({}))).await?;
    let mut commands = Commands::to(server, project).await?;
    let mut made = Vec::with_capacity(containers);
    for at in 0..containers {
        made.push(commands.create_elsewhere(&format!("Container {at}")).await?);
    }
    Ok((commands, made))
}

/// Times since a command was sent.
struct Change {
    answered: Duration,
    /// When the first answer came that shows it.
    seen: Duration,
}

/// Stops or starts a container while its host is asked.
async fn change(
    server: &Server,
    connection: &mut Connection,
    commands: &mut Commands,
    container: &Container,
    stop: bool,
) -> Result<Change> {
    let request = http::prepare("GET", "/", &container.bearer(server)?, None);
    let (kind, expected) = if stop { ("stop", "CONTAINER_STOPPED") } else { ("start", "CONTAINER_STARTING") };
    ensure!(cause(connection, &request).await? != expected, "it says {expected} before it is told to {kind}");
    let event = json!({"type": format!("user-container:{kind}"), "user_container_id": container.id});
    let sent = Instant::now();
    let answered = Cell::new(None);
    let command = async {
        commands.give(event).await?;
        answered.set(Some(sent.elapsed()));
        anyhow::Ok(())
    };
    let asking = async {
        while cause(connection, &request).await? != expected {
            ensure!(sent.elapsed() < SEEN_DEADLINE, "not seen within {SEEN_DEADLINE:?}");
        }
        anyhow::Ok(sent.elapsed())
    };
    let (done, seen) = join(command, asking).await;
    done?;
    Ok(Change { answered: answered.get().context("it was not answered")?, seen: seen? })
}

/// Why a container's host says that it does not answer.
async fn cause(connection: &mut Connection, request: &[u8]) -> Result<String> {
    let answer = connection.ask(request).await?;
    ensure!(answer.status == 503, "answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
    text(&serde_json::from_slice::<serde_json::Value>(answer.body)?["error"]["code"])
}
