//! What every serving process does beside serving: its signals, its limits, its first and last lines.

use std::{
    future::Future,
    process::{self, ExitCode},
};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{data::Reach, output};

#[derive(Serialize)]
struct Started {
    url: String,
}

/// Serves until that ends.
pub(crate) fn run(serving: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serving);
    // A name may still be looked up, or the journal read, for somebody who does not want it any more.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

/// The last line of the start-up; as JSON it is one line too.
pub(crate) fn announce(reach: &Reach, json: bool) -> anyhow::Result<()> {
    let url = reach.url();
    if json {
        output::line(serde_json::to_string(&Started { url })?);
    } else {
        output::line(url);
    }
    Ok(())
}

/// What asks us to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// What `starting` comes to, or `None` if we are asked to stop before: then it is given up where it stands.
    pub(crate) async fn unless_stopped<T>(
        &mut self,
        starting: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Option<T>> {
        tokio::select! {
            started = starting => started.map(Some),
            () = self.next() => {
                tracing::info!("stopping before anything is served");
                Ok(None)
            }
        }
    }

    /// Waits for the first one. A second one ends the process at once.
    pub(crate) async fn stopping(mut self) {
        self.next().await;
        tracing::info!("stopping");
        self.stopped();
    }

    /// The first one came. One more ends the process at once.
    pub(crate) fn stopped(mut self) {
        tokio::spawn(async move {
            self.next().await;
            tracing::error!("stopped before everything was flushed");
            process::exit(1);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// One descriptor per peer: the usual soft limit of 1,024 is far below what one process can serve.
pub(crate) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, ?current, "the limit of open files stays");
    }
}
