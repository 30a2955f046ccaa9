//! The loads: one file per target, each with its own numbers at the top.

mod allocation;
mod burst;
mod command;
mod create_to_running;
mod cursors;
mod failover;
mod fan_out;
mod fan_out_flood;
mod hot_swap;
mod idle;
mod large_document;
mod many_rooms;
pub(crate) mod pace;
mod proxy;
mod proxy_echo;
pub(crate) mod reader;
mod reconcile;
mod route_change;
mod saved;
mod sign_in;
mod slow_reader;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::server::{Engine, Kind, Server};

/// What can be loaded, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Load {
    /// 1 writer at 50/s, 200 readers.
    FanOut,
    /// 1 writer as fast as it can, 200 readers.
    FanOutFlood,
    /// 200 rooms of 1 writer at 5/s and 1 reader.
    ManyRooms,
    /// 2,000 connections that say nothing.
    Idle,
    /// Joins of a document of 260,000 edits.
    LargeDocument,
    /// 100,000 updates at once.
    Burst,
    /// 10 readers stall while map keys are overwritten.
    SlowReader,
    /// 10 readers stall while text is appended.
    SlowReaderText,
    /// 200 cursors whose clients repeat what they hear, as y-websocket 3.1.0 does.
    Cursors,
    /// 200 cursors whose clients do not repeat.
    CursorsNoEcho,
    /// Acknowledgement of what is on disk, at 1,000 updates/s.
    Saved,
    /// Organizations get a gateway from a warm pool.
    Allocation,
    /// The gateway process that serves an organization is killed.
    Failover,
    /// An organization moves between gateways while somebody types.
    HotSwap,
    /// People sign in, eight at once.
    SignIn,
    /// Commands to a gateway, one after the other.
    Command,
    /// Containers are made on a real Docker.
    CreateToRunning,
    /// Passes of the reconciler over 500 containers that are as they should be.
    Reconcile,
    /// Small answers through the front door and through nginx.
    Proxy,
    /// The same with answers of 64 KiB.
    ProxyLarge,
    /// WebSocket messages through the front door and through nginx.
    ProxyEcho,
    /// One of 5,000 routes changes.
    RouteChange,
}

impl Load {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::FanOutFlood => "fan-out-flood",
            Self::ManyRooms => "many-rooms",
            Self::Idle => "idle",
            Self::LargeDocument => "large-document",
            Self::Burst => "burst",
            Self::SlowReader => "slow-reader",
            Self::SlowReaderText => "slow-reader-text",
            Self::Cursors => "cursors",
            Self::CursorsNoEcho => "cursors-no-echo",
            Self::Saved => "saved",
            Self::Allocation => "allocation",
            Self::Failover => "failover",
            Self::HotSwap => "hot-swap",
            Self::SignIn => "sign-in",
            Self::Command => "command",
            Self::CreateToRunning => "create-to-running",
            Self::Reconcile => "reconcile",
            Self::Proxy => "proxy",
            Self::ProxyLarge => "proxy-large",
            Self::ProxyEcho => "proxy-echo",
            Self::RouteChange => "route-change",
        }
    }

    /// What the load's figure is, with its unit.
    pub(crate) fn figure(self) -> &'static str {
        match self {
            Self::FanOut => "server CPU per delivery, us",
            Self::FanOutFlood => "server CPU per delivered update, us",
            Self::ManyRooms => "server CPU per update, us",
            Self::Idle => "resident KiB per connection",
            Self::LargeDocument => "server CPU per join, ms",
            Self::Burst => "until the reader has all, s",
            Self::SlowReader | Self::SlowReaderText => "growth of resident memory, MB",
            Self::Cursors | Self::CursorsNoEcho => "server CPU per delivered entry, us",
            Self::Saved => "until acknowledged as saved, p99 ms",
            Self::Allocation => "until served, p99 ms",
            Self::Failover => "until served elsewhere, p99 s",
            Self::HotSwap => "write pause, p99 ms",
            Self::SignIn => "server CPU per sign-in, ms",
            Self::Command => "until a new container is acknowledged, p99 ms",
            Self::CreateToRunning => "until the document says running, p99 ms",
            Self::Reconcile => "CPU per pass, ms",
            Self::Proxy | Self::ProxyLarge => "server CPU per request / nginx's",
            Self::ProxyEcho => "server CPU per message / nginx's",
            Self::RouteChange => "until a request sees it, p99 ms",
        }
    }

    /// Whether the load means anything for a server.
    pub(crate) fn applies_to(self, kind: Kind) -> bool {
        match self {
            // The floor would relay every repetition to everyone, without end.
            Self::Cursors => kind != Kind::Floor,
            // Nobody else acknowledges what is on disk, has gateways that organizations move between, accounts or containers.
            Self::Saved
            | Self::Allocation
            | Self::Failover
            | Self::HotSwap
            | Self::SignIn
            | Self::Command
            | Self::CreateToRunning
            | Self::Reconcile
            | Self::Proxy
            | Self::ProxyLarge
            | Self::ProxyEcho
            | Self::RouteChange => kind == Kind::Orrery,
            Self::FanOut
            | Self::FanOutFlood
            | Self::ManyRooms
            | Self::Idle
            | Self::LargeDocument
            | Self::Burst
            | Self::SlowReader
            | Self::SlowReaderText
            | Self::CursorsNoEcho => true,
        }
    }

    /// Whether our server runs containers under the load.
    pub(crate) fn engine(self) -> Engine {
        let real = matches!(self, Self::CreateToRunning | Self::Proxy | Self::ProxyLarge | Self::ProxyEcho);
        if real { Engine::Docker } else { Engine::Off }
    }

    /// Runs the load at `scale` of its full size.
    pub(crate) async fn run(self, server: &Server, scale: f64) -> Result<Outcome> {
        match self {
            Self::FanOut => fan_out::run(server, scale).await,
            Self::FanOutFlood => fan_out_flood::run(server, scale).await,
            Self::ManyRooms => many_rooms::run(server, scale).await,
            Self::Idle => idle::run(server, scale).await,
            Self::LargeDocument => large_document::run(server, scale).await,
            Self::Burst => burst::run(server, scale).await,
            Self::SlowReader => slow_reader::run(server, scale, slow_reader::Writing::Map).await,
            Self::SlowReaderText => slow_reader::run(server, scale, slow_reader::Writing::Text).await,
            Self::Cursors => cursors::run(server, scale, cursors::Echo::Repeat).await,
            Self::CursorsNoEcho => cursors::run(server, scale, cursors::Echo::Silent).await,
            Self::Saved => saved::run(server, scale).await,
            Self::Allocation => allocation::run(server, scale).await,
            Self::Failover => failover::run(server, scale).await,
            Self::HotSwap => hot_swap::run(server, scale).await,
            Self::SignIn => sign_in::run(server, scale).await,
            Self::Command => command::run(server, scale).await,
            Self::CreateToRunning => create_to_running::run(server, scale).await,
            Self::Reconcile => reconcile::run(server, scale).await,
            Self::Proxy => proxy::run(server, scale, proxy::Body::Small).await,
            Self::ProxyLarge => proxy::run(server, scale, proxy::Body::Large).await,
            Self::ProxyEcho => proxy_echo::run(server, scale).await,
            Self::RouteChange => route_change::run(server, scale).await,
        }
    }
}

/// What one run of one load on one server gave.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// The figure of [`Load::figure`]; absent if the load could not be measured.
    pub(crate) figure: Option<f64>,
    /// Further figures, by name and unit.
    pub(crate) more: BTreeMap<&'static str, f64>,
    /// What the server did wrong. A figure beside a fault is no merit.
    pub(crate) fault: Option<String>,
}

impl Outcome {
    pub(crate) fn of(figure: f64) -> Self {
        Self { figure: Some(figure), ..Self::default() }
    }

    pub(crate) fn failed(fault: String) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Option<f64>>) -> Self {
        self.more.extend(value.into().map(|value| (name, value)));
        self
    }

    pub(crate) fn fault(mut self, fault: Option<String>) -> Self {
        self.fault = self.fault.or(fault);
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.figure {
            Some(figure) => write!(f, "{figure:>10.3}")?,
            None => write!(f, "{:>10}", "-")?,
        }
        for (name, value) in &self.more {
            write!(f, "  {name} {value:.2}")?;
        }
        self.fault.iter().try_for_each(|fault| write!(f, "  FAULT: {fault}"))
    }
}

/// `full` at `scale`, at least 1.
fn scaled(full: usize, scale: f64) -> usize {
    ((full as f64 * scale).round() as usize).max(1)
}
