//! nginx as the proxy: in front of the control plane (stage 1), in front of a gateway (stage 2). Takes what is wanted as
//! values and makes nginx do it; knows no container, no organization's state and no gateway.
//!
//! ```text
//! route tables ─> Wanted ─> render ─> trees/{n} ─ nginx -t ─> live -> trees/{n} ─> reload, at most every 200 ms
//!                                        └ broken: removed, and the live one stays
//! ```
//!
//! - Only [words](word) enter a configuration file: host names, addresses, numbers, paths of a closed alphabet.
//! - What is live was always found sound by nginx itself, so that its next start works too.
//! - A reload drops nothing: connections live on in the old workers, for as long as `worker_shutdown_ms`.

mod config;
mod program;
mod render;
mod trees;
mod wanted;
mod word;

use std::{io, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

pub use self::{
    config::{InvalidNginx, NginxConfig, NginxSettings},
    render::RenderError,
    wanted::{Certificate, Stage1Tls, Stage1Wanted, Stage2Wanted, Wanted},
    word::{Account, ConfigPath, InvalidAccount, InvalidPath},
};
use self::{program::Program, render::Renderer, trees::Trees};

/// Between two looks at whether nginx still runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two looks at certificates.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(60);
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Why nginx does not do what is wanted. What it did before it goes on doing.
#[derive(Debug, thiserror::Error)]
pub enum NginxError {
    /// The folder cannot be used.
    #[error("the folder of nginx cannot be used: {0}")]
    Folder(#[from] io::Error),
    /// A defect.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// nginx does not take it.
    #[error("nginx does not take its configuration: {0}")]
    Broken(String),
    /// nginx does not run.
    #[error("nginx does not start: {0}")]
    NotStarted(String),
    /// nginx runs and cannot be told anything.
    #[error("nginx cannot be signalled: {0}")]
    NotTold(#[source] io::Error),
}

/// What it took to make nginx do what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It does already.
    Unchanged,
    /// It was told to read its configuration again.
    Reloaded,
    /// It was started.
    Started,
    /// It does not run, and is not ours to start. It will do so when somebody starts it.
    Written,
}

/// One nginx and its configuration.
#[derive(Debug)]
pub struct Nginx {
    settings: NginxSettings,
    renderer: Renderer,
    program: Program,
    trees: Trees,
    /// Whether the nginx that runs was told of what is live. Of one that was there before nobody knows.
    told: bool,
    /// Whether nginx does what was wanted last.
    follows: watch::Sender<bool>,
}

impl Nginx {
    /// Takes over the folder, and an nginx that runs from it. Starts nothing.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(settings: NginxSettings) -> Result<Self, NginxError> {
        let (renderer, trees) = (Renderer::new()?, Trees::open(&settings)?);
        let (program, (follows, _)) = (Program::new(settings.clone()), watch::channel(true));
        Ok(Self { program, settings, renderer, trees, told: false, follows })
    }

    /// Whether nginx does what was wanted last, as far as somebody [`follow`](Self::follow)s. If not, the log says why.
    pub fn follows(&self) -> watch::Receiver<bool> {
        self.follows.subscribe()
    }

    /// Makes nginx do what is wanted. A second time does nothing at all; but one that ran before is told once.
    ///
    /// # Errors
    /// nginx does not take it, or cannot be started or told. The live configuration is then what it was, or sound.
    pub async fn apply(&mut self, wanted: &Wanted) -> Result<Applied, NginxError> {
        let changed = !self.is_live(wanted)?;
        if changed {
            self.make_live(wanted).await?;
        }
        if self.program.pid().is_none() {
            if !self.settings.manage {
                return Ok(if changed { Applied::Written } else { Applied::Unchanged });
            }
            self.program.start().await?;
            self.told = true;
            metrics::counter!("orrery_nginx_starts_total").increment(1);
            return Ok(Applied::Started);
        }
        if self.told {
            return Ok(Applied::Unchanged);
        }
        self.told = self.program.reload()?;
        metrics::counter!("orrery_nginx_reloads_total").increment(1);
        Ok(Applied::Reloaded)
    }

    /// Makes nginx do what follows from `source` until `stopping`, looking again now and then for what does not come from it:
    /// certificates are files.
    pub async fn run<T>(self, mut source: watch::Receiver<T>, wanted: impl Fn(&T) -> Wanted, stopping: impl Future) {
        let (sender, receiver) = watch::channel(None);
        let telling = async move {
            loop {
                let now = Some(wanted(&source.borrow_and_update()));
                sender.send_if_modified(|told| {
                    let differs = *told != now;
                    *told = now;
                    differs
                });
                if matches!(timeout(LOOK_AGAIN_EVERY, source.changed()).await, Ok(Err(_))) {
                    break;
                }
            }
        };
        let told = async move {
            tokio::select! {
                () = telling => {}
                _ = stopping => {}
            }
        };
        tokio::join!(told, self.follow(receiver));
    }

    /// Makes nginx do what is wanted for as long as somebody may want something, starts it again when it ends, and then, if
    /// it is ours, ends it. Says once what it cannot do, and tries again.
    pub async fn follow(mut self, mut wanted: watch::Receiver<Option<Wanted>>) {
        let mut retry = RETRY_FIRST;
        let mut not_before = Instant::now();
        wanted.mark_changed();
        let mut due = false;
        loop {
            match timeout(LOOK_EVERY, wanted.changed()).await {
                Ok(Err(_)) => break,
                Ok(Ok(())) => due = true,
                // It may have ended.
                Err(_) => due |= self.settings.manage && self.program.pid().is_none(),
            }
            sleep_until(not_before).await;
            let now = wanted.borrow_and_update().clone();
            let Some(now) = now.filter(|_| due) else { continue };
            match self.apply(&now).await {
                Ok(applied) => {
                    tracing::info!(?applied, "nginx follows");
                    self.follows.send_replace(true);
                    (due, retry) = (false, RETRY_FIRST);
                    not_before = Instant::now() + self.settings.reload_every;
                }
                Err(error) => {
                    tracing::error!(%error, ?retry, "nginx does not follow; what it did before it goes on doing");
                    metrics::counter!("orrery_nginx_failures_total").increment(1);
                    self.follows.send_replace(false);
                    not_before = Instant::now() + retry;
                    retry = (retry * 2).min(RETRY_MAX);
                }
            }
        }
        if let Err(error) = self.stop().await {
            tracing::warn!(%error, "nginx was not ended");
        }
    }

    /// Ends nginx, if it is ours to end.
    ///
    /// # Errors
    /// It cannot be told.
    pub async fn stop(&self) -> Result<(), NginxError> {
        if self.settings.manage { self.program.stop().await } else { Ok(()) }
    }

    fn is_live(&self, wanted: &Wanted) -> Result<bool, NginxError> {
        let Some(place) = self.trees.place_now() else { return Ok(false) };
        Ok(self.trees.now() == Some(&self.renderer.tree(&self.settings, wanted, &place)?))
    }

    async fn make_live(&mut self, wanted: &Wanted) -> Result<(), NginxError> {
        let place = self.trees.place_next();
        let tree = self.renderer.tree(&self.settings, wanted, &place)?;
        let sound = match self.trees.write(&tree) {
            Ok(()) => self.program.test(&place).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = sound {
            // What is left of it is removed with the next start at the latest.
            self.trees.discard().ok();
            return Err(error);
        }
        // Whatever becomes of what follows, there is something new to be told.
        self.told = false;
        Ok(self.trees.promote(tree)?)
    }
}
