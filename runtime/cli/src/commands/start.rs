//! `pylon start`: checks everything that a node needs, then runs the node until it is stopped.

use crate::args::{Mode, StartArgs};
use crate::commands::status::available;
use crate::daemon;
use crate::log;
use crate::output::{paragraph, print};
use crate::subprocess_compiler::reporting_compiler;
use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pylon_control_api::{Backend, Client, Daemon, Relay, Reloaded, Status};
use pylon_core::ports::clock::Clock;
use pylon_core::text::sanitize_line;
use pylon_node::clock::SystemClock;
use pylon_node::config::Source;
use pylon_node::control::{ControlCommand, ControlContext, NodeStatus, Ring, Server};
use pylon_node::home::{Home, LOG_FILE};
use pylon_node::identity::Identity;
use pylon_node::lock::LockHolder;
use pylon_node::node::{Node, Parts};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// The time that running jobs have after a signal; unfinished ones continue after the next start.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a start in the background waits for the first relay before it reports.
const RELAY_TIMEOUT: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Commands that run concurrently, and commands that wait.
const COMMAND_CONCURRENCY: usize = 8;

/// Runs the node in the foreground, or starts it in the background.
pub(crate) fn run(args: &StartArgs) -> Result<()> {
    let home = Home::from_env()?;
    if args.foreground {
        return run_node(&home, args);
    }
    let status = daemon::start(&home, args)?;
    let status = wait_for_a_relay(&home, status)?;
    let npub = Identity::load(&home)?.npub();
    print(&format!(
        "{}{}{}",
        paragraph(
            &format!("pylon runs (PID {}), ", status.daemon.pid),
            &format!("log {}", home.log_file().display())
        ),
        started_page(args.node.mode(), &npub, &status),
        missing(args.node.mode(), &status)
    ))
}

/// The status once a relay is connected, or after the timeout.
fn wait_for_a_relay(home: &Home, mut status: Status) -> Result<Status> {
    super::block_on(async {
        let (client, deadline) = (Client::new(home.socket()), Instant::now() + RELAY_TIMEOUT);
        while !status.relays.is_empty()
            && !status.relays.iter().any(|relay| relay.connected)
            && Instant::now() < deadline
        {
            tokio::time::sleep(POLL_INTERVAL).await;
            status = client.status().await?;
        }
        Ok(status)
    })
}

/// What the node still waits for, and what to do; it begins to work by itself.
fn missing(mode: Mode, status: &Status) -> String {
    let mut out = String::new();
    if !is_any_available(&status.backends) {
        out += &paragraph(
            "Not ready: ",
            "no backend responds, so the node takes no jobs: start a model server, or set its \
             address under `[inference]`; the node finds it by itself",
        );
    }
    if mode != Mode::Host && !status.relays.iter().any(|relay| relay.connected) {
        out += &paragraph(
            "Not ready: ",
            "no relay is connected, so no job arrives: check the network and `relays` with `pylon \
             doctor`; the node connects by itself",
        );
    }
    out
}

fn is_any_available(backends: &[Backend]) -> bool {
    backends.iter().any(|backend| backend.available)
}

/// A summary of the started node.
fn started_page(mode: Mode, npub: &str, status: &Status) -> String {
    let or_none = |names: Vec<String>| {
        if names.is_empty() { "none".into() } else { sanitize_line(&names.join(", ")) }
    };
    let (npub, backends) = (npub.to_owned(), available(&status.backends));
    let mut rows =
        vec![("identity", npub), ("modes", status.daemon.modes.join(", ")), ("backends", backends)];
    match mode {
        Mode::Host => rows.push(("relays", "none: the node serves local clients only".into())),
        Mode::Provider | Mode::Both => rows.extend([
            ("relays", or_none(status.relays.iter().map(relay_name).collect())),
            ("kinds", or_none(status.kinds.iter().map(u16::to_string).collect())),
            ("wallet", "none: all jobs are free".into()),
        ]),
    }
    rows.iter().map(|(name, value)| paragraph(&format!("  {name:<9} "), value)).collect()
}

fn relay_name(relay: &Relay) -> String {
    let note = if relay.connected { "" } else { " (not connected)" };
    format!("{}{note}", relay.url)
}

fn run_node(home: &Home, args: &StartArgs) -> Result<()> {
    let (mode, format) = (args.node.mode(), args.node.log_format);
    if args.detached {
        daemon::leave_terminal()?;
        log::install_file(log::NODE, format, home.open()?.folder("logs")?, LOG_FILE)?;
    } else {
        log::install(log::NODE, format)?;
    }
    let source = Source::new(home, args.node.config.as_deref());
    let config = source.load()?;
    let identity = Identity::load(home)?;
    let state = home.open()?;
    let _lock = state.lock(LockHolder::Node)?;
    tracing::info!(
        npub = identity.npub(),
        home = %home.state_dir().display(),
        mode = mode.as_str(),
        "starting"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot create threads")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let report: fn() = if args.detached { daemon::report_compilation } else { log_compilation };
        let parts = Parts {
            host_only: mode == Mode::Host,
            compilation: reporting_compiler(report)?,
            ..Parts::default()
        };
        let ring = Ring::listen(&parts.bus);
        let (started, started_at) = (Instant::now(), SystemClock.now().get());
        let node = Node::start(home, &state, &config, identity.keys().clone(), parts).await?;
        let (sender, mut commands) = mpsc::channel(COMMAND_CONCURRENCY);
        let daemon = Daemon {
            running: true,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            modes: mode.names(),
            config: source.path().display().to_string(),
            started_at,
            uptime_secs: 0,
        };
        let server = Server::open(
            &state,
            ControlContext { status: node.status(), ring, daemon, started, commands: sender },
        )?;
        log_started(mode, &node.status());
        let (timeout, failed) = tokio::select! {
            timeout = run_until_stop(&node, &source, &mut signals, &mut commands) => (timeout, false),
            () = node.failed() => (DRAIN_TIMEOUT, true),
        };
        stop(node, timeout, &mut signals, &mut commands).await;
        drop(server);
        ensure!(!failed, "a worker panicked, so the node has stopped: the log says where");
        tracing::info!("stopped");
        Ok(())
    })
}

fn log_compilation() {
    tracing::info!("compiling a guest, later starts load its code from the cache");
}

fn log_started(mode: Mode, status: &NodeStatus) {
    let backends = status.backends();
    if !is_any_available(&backends) {
        tracing::warn!("no backend responds, so the node takes no jobs: start a model server");
    }
    let backends = available(&backends);
    match mode {
        Mode::Host => tracing::info!(backends, "serving local clients only, without relays"),
        Mode::Provider | Mode::Both => {
            let (relays, kinds) = (
                status.relays().into_iter().map(|relay| relay.url).collect::<Vec<_>>(),
                status.kinds(),
            );
            tracing::info!(
                backends,
                ?relays,
                ?kinds,
                "listening for jobs, which are free without a wallet"
            );
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Executes commands until one stops the node, and returns its timeout. A slow command does not
/// block others.
async fn run_until_stop(
    node: &Node,
    source: &Source,
    signals: &mut Signals,
    commands: &mut mpsc::Receiver<ControlCommand>,
) -> Duration {
    let mut running = FuturesUnordered::new();
    loop {
        let command = tokio::select! {
            _ = signals.terminate.recv() => return DRAIN_TIMEOUT,
            _ = signals.interrupt.recv() => return DRAIN_TIMEOUT,
            _ = signals.hang_up.recv(), if running.len() < COMMAND_CONCURRENCY => {
                ControlCommand::Reload(oneshot::channel().0)
            }
            Some(()) = running.next(), if !running.is_empty() => continue,
            Some(command) = commands.recv(), if running.len() < COMMAND_CONCURRENCY => command,
        };
        match command {
            ControlCommand::Stop(timeout) => return timeout,
            command => running.push(execute(command, node, source)),
        }
    }
}

/// Executes a command and sends the reply, unless the client has disconnected.
async fn execute(command: ControlCommand, node: &Node, source: &Source) {
    match command {
        ControlCommand::Stop(_) => {}
        ControlCommand::Reload(reply) => drop(reply.send(reload(node, source).await)),
        ControlCommand::Change(change, reply) => drop(reply.send(node.change(&change).await)),
        ControlCommand::Review(review, reply) => {
            let result = node.review(review.job, review.accept).await;
            drop(reply.send(result.map_err(|error| format!("{error:#}"))));
        }
    }
}

/// Reads the settings again. An error changes nothing.
async fn reload(node: &Node, source: &Source) -> Result<Reloaded, String> {
    let reloaded = async { node.reload(&source.load()?).await };
    match reloaded.await {
        Ok(reloaded) => {
            let Reloaded { applied, needs_restart, .. } = &reloaded;
            tracing::info!(?applied, ?needs_restart, "settings reloaded");
            Ok(reloaded)
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(error, "reload failed, nothing was changed");
            Err(format!("{error} (nothing was changed)"))
        }
    }
}

/// Stops the node. A second signal or stop command shortens the wait; unfinished jobs are in the
/// journal.
async fn stop(
    node: Node,
    timeout: Duration,
    signals: &mut Signals,
    commands: &mut mpsc::Receiver<ControlCommand>,
) {
    tracing::info!("stopping: no new jobs, at most {} s for running jobs", timeout.as_secs());
    tokio::select! {
        () = node.stop(timeout) => {}
        () = signals.stop() => {
            tracing::warn!("second signal: unfinished jobs continue after the next start");
        }
        () = shorter_stop(commands) => {
            tracing::warn!("second stop command: unfinished jobs continue after the next start");
        }
    }
}

/// Waits for another stop command, and then for its timeout.
async fn shorter_stop(commands: &mut mpsc::Receiver<ControlCommand>) {
    loop {
        match commands.recv().await {
            Some(ControlCommand::Stop(timeout)) => return tokio::time::sleep(timeout).await,
            // Dropping the reply of another command reports that the node is stopping.
            Some(_) => {}
            None => return std::future::pending().await,
        }
    }
}
