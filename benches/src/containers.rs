//! Containers of the project that a load has at our server: made by commands, reached at their hosts, run by the Docker of
//! this machine. Owns the `docker` command.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::http::{self, Connection};
use crate::server::{Server, text};

/// How long a container may take until it runs, and until it answers.
const RUNNING_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// One connection to the gateway of the load's project, for commands.
pub(crate) struct Commands {
    connection: Connection,
    headers: String,
    path: String,
    project: String,
}

/// A container, as the answer to its command names it.
#[derive(Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// The host of its URL, with the port.
    pub(crate) host: String,
}

impl Commands {
    /// For the project of whoever signed up first.
    pub(crate) async fn open(server: &Server) -> Result<Self> {
        let project = server.admission()?.project.clone();
        Self::to(server, project).await
    }

    /// For another project of the same organization.
    pub(crate) async fn to(server: &Server, project: String) -> Result<Self> {
        let admission = server.admission()?;
        let connection = Connection::open(server.address()).await?;
        let headers = format!("Host: {}\r\nAuthorization: Bearer {}\r\n", server.address(), admission.token);
        Ok(Self { connection, headers, path: format!("/-/gw/org-{}", admission.org), project })
    }

    /// Gives a command, which is durable when this returns; its result.
    pub(crate) async fn give(&mut self, event: Value) -> Result<Value> {
        let body = json!({"project_id": self.project, "event": event});
        let path = format!("{}/collab/event", self.path);
        let request = http::prepare("POST", &path, &self.headers, Some(&body));
        let mut answer = self.connection.ask(&request).await?.json()?;
        Ok(answer["result"].take())
    }

    /// A new container.
    pub(crate) async fn create(&mut self, name: &str, image: &str) -> Result<Container> {
        self.make(json!({"name": name, "image": image})).await
    }

    /// A new container that somebody else runs, so that it is stopped and started by the word alone.
    pub(crate) async fn create_elsewhere(&mut self, name: &str) -> Result<Container> {
        self.make(json!({"name": name, "image": "generic/bench/nothing:1", "runner": "elsewhere"})).await
    }

    async fn make(&mut self, mut event: Value) -> Result<Container> {
        event["type"] = "user-containers:new".into();
        let made = self.give(event).await?;
        let url = text(&made["url"])?;
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Ok(Container { id: text(&made["user_container_id"])?, host })
    }

    /// Waits until a container runs and its services answer.
    pub(crate) async fn until_running(&mut self, container: &Container) -> Result<()> {
        let path = format!("{}/collab/{}/containers", self.path, self.project);
        let request = http::prepare("GET", &path, &self.headers, None);
        let deadline = Instant::now() + RUNNING_DEADLINE;
        loop {
            let listed = self.connection.ask(&request).await?.json()?;
            let listed = listed["containers"].as_array().context("no list")?;
            let status = listed.iter().find(|known| known["id"] == container.id.as_str()).map(|known| &known["status"]);
            match status.and_then(|status| status["phase"].as_str()) {
                Some("running") => return Ok(()),
                Some("failed") => bail!("the container failed: {}", status.unwrap_or(&Value::Null)),
                Some(_) | None => ensure!(Instant::now() < deadline, "it does not run within {RUNNING_DEADLINE:?}"),
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Container {
    /// Header lines of a request with the access token, which programs show.
    pub(crate) fn bearer(&self, server: &Server) -> Result<String> {
        Ok(format!("Host: {}\r\nAuthorization: Bearer {}\r\n", self.host, server.admission()?.token))
    }

    /// Header lines of a request with a visit, which browsers show: goes through the sign-in gate as one would.
    pub(crate) async fn visit(&self, server: &Server) -> Result<String> {
        let mut connection = Connection::open(server.address()).await?;
        let (authorize, nonce) =
            go(&mut connection, "/", &format!("Host: {}\r\nAccept: text/html\r\n", self.host)).await?;
        let session = server.admission()?.headers.as_str();
        let host = authorize.split('/').nth(2).context("no host")?;
        let (enter, _) = go(&mut connection, path_of(&authorize)?, &format!("Host: {host}\r\n{session}")).await?;
        let came_back = format!("Host: {}\r\nCookie: {}\r\n", self.host, cookie(&nonce, "orrery_nonce")?);
        let (_, visit) = go(&mut connection, path_of(&enter)?, &came_back).await?;
        Ok(format!("Host: {0}\r\nOrigin: http://{0}\r\nCookie: {1}\r\n", self.host, cookie(&visit, "orrery_visit")?))
    }

    /// Waits until its URL answers; when it did for the first time.
    pub(crate) async fn until_served(&self, server: &Server) -> Result<Instant> {
        let request = http::prepare("GET", "/", &self.bearer(server)?, None);
        let mut connection = Connection::open(server.address()).await?;
        let deadline = Instant::now() + RUNNING_DEADLINE;
        while connection.ask(&request).await?.status != 200 {
            ensure!(Instant::now() < deadline, "its URL does not answer within {RUNNING_DEADLINE:?}");
            tokio::time::sleep(POLL).await;
        }
        Ok(Instant::now())
    }

    /// Keeps the container's processes on one core.
    pub(crate) fn pin_to(&self, core: usize) -> Result<()> {
        docker(&["update", "--cpuset-cpus", &core.to_string(), &self.object()?]).map(drop)
    }

    /// Its address on the network that it shares with this host.
    pub(crate) fn address(&self) -> Result<String> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        docker(&["inspect", "--format", format, &self.object()?])
    }

    fn object(&self) -> Result<String> {
        docker(&["ps", "--quiet", "--filter", &format!("label=orrery.container={}", self.id)])
    }
}

/// Follows one step of the gate: where it leads, and the cookies that it sets.
async fn go(connection: &mut Connection, path: &str, headers: &str) -> Result<(String, Vec<String>)> {
    let answer = connection.ask(&http::prepare("GET", path, headers, None)).await?;
    let to = answer.header("location").next();
    let to = to.with_context(|| format!("{path} leads nowhere: {}", String::from_utf8_lossy(answer.body)))?;
    Ok((to.to_owned(), answer.header("set-cookie").map(str::to_owned).collect()))
}

/// Path and query of an absolute URL.
fn path_of(url: &str) -> Result<&str> {
    let (_, rest) = url.split_once("://").context("no URL")?;
    Ok(rest.find('/').map_or("/", |at| &rest[at..]))
}

/// `name=value` of a cookie that was set.
fn cookie<'a>(set: &'a [String], name: &str) -> Result<&'a str> {
    let pairs = set.iter().filter_map(|cookie| cookie.split(';').next());
    let mut named =
        pairs.filter(|pair| pair.split_once('=').is_some_and(|(key, value)| key == name && !value.is_empty()));
    named.next().with_context(|| format!("{name} is not set"))
}

/// What an organization has in the engine. Removed when this is dropped, which must be after its server has ended.
pub(crate) struct Remains {
    pub(crate) org: String,
}

impl Drop for Remains {
    fn drop(&mut self) {
        let label = format!("label=orrery.org={}", self.org);
        for (list, remove) in [
            (["ps", "--all", "--quiet"].as_slice(), ["rm", "--force"].as_slice()),
            (["network", "ls", "--quiet"].as_slice(), ["network", "rm"].as_slice()),
        ] {
            let found = docker(&[list, &["--filter", &label]].concat()).unwrap_or_default();
            // What cannot be removed is said by Docker itself, on stderr.
            found.split_whitespace().for_each(|id| drop(docker(&[remove, &[id]].concat())));
        }
    }
}

/// Builds an image of the loads with one of our scripts, if it is not there.
pub(crate) fn build(script: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(script).args(arguments).stdout(Stdio::null()).status();
    ensure!(status.with_context(|| format!("cannot run {script}"))?.success(), "{script} failed");
    Ok(())
}

/// What `docker` prints.
fn docker(arguments: &[&str]) -> Result<String> {
    let output =
        Command::new("docker").args(arguments).stderr(Stdio::inherit()).output().context("cannot run docker")?;
    ensure!(output.status.success(), "docker {} failed", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_is_taken_back_is_none() {
        let set = ["orrery_nonce=; Max-Age=0".to_owned(), "orrery_visit=a.b-c; HttpOnly; Path=/".to_owned()];
        assert_eq!(cookie(&set, "orrery_visit").unwrap(), "orrery_visit=a.b-c");
        assert!(cookie(&set, "orrery_nonce").is_err());
    }

    #[test]
    fn the_path_of_a_url_keeps_its_query() {
        assert_eq!(path_of("http://localhost:7000/gate/authorize?host=x").unwrap(), "/gate/authorize?host=x");
        assert_eq!(path_of("http://localhost:7000").unwrap(), "/");
        assert!(path_of("/relative").is_err());
    }
}
