//! `pylon start`: everything a node needs is checked before anything is reached; then it works until it is told to stop.

use crate::args::{Mode, StartArgs};
use crate::commands::compile_component::apart;
use crate::commands::status::available;
use crate::daemon;
use crate::log;
use crate::output::say;
use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pylon_control_api::{Daemon, Reloaded, Status};
use pylon_core::ports::clock::Clock;
use pylon_core::text::sanitize_line;
use pylon_node::clock::SystemClock;
use pylon_node::config::Source;
use pylon_node::control::Facts;
use pylon_node::control::{Desk, Order, Ring, Server};
use pylon_node::home::{Holder, Home};
use pylon_node::identity::Identity;
use pylon_node::node::{Node, Parts};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// How long work may go on after a signal; what is not done then goes on at the next start.
const DRAIN: Duration = Duration::from_secs(20);
/// Orders that are followed at once, and that wait for those.
const ORDERS: usize = 8;

/// Runs the node until it is asked to stop, here or in the background.
pub(crate) fn run(args: &StartArgs) -> Result<()> {
    let home = Home::from_env()?;
    if args.foreground {
        return work(&home, args);
    }
    let status = daemon::start(&home, args)?;
    let npub = Identity::load(&home)?.npub();
    say(&format!(
        "pylon runs (PID {}), log {}\n{}",
        status.daemon.pid,
        home.log_file().display(),
        about(args.mode, &npub, &status)
    ))
}

/// What has just been started.
fn about(mode: Mode, npub: &str, status: &Status) -> String {
    let or_none = |words: Vec<String>| {
        if words.is_empty() { "none".into() } else { sanitize_line(&words.join(", ")) }
    };
    let (npub, backends) = (npub.to_owned(), available(&status.backends));
    let mut rows =
        vec![("identity", npub), ("modes", status.daemon.modes.join(", ")), ("backends", backends)];
    match mode {
        Mode::Host => {
            rows.push(("relays", "none: it serves this machine only, and sells nothing".into()))
        }
        Mode::Provider | Mode::Both => rows.extend([
            ("relays", or_none(status.relays.iter().map(|relay| relay.url.clone()).collect())),
            ("kinds", or_none(status.kinds.iter().map(u16::to_string).collect())),
            ("wallet", "none: every job is free".into()),
        ]),
    }
    rows.iter().map(|(name, what)| format!("  {name:<9} {what}\n")).collect()
}

fn work(home: &Home, args: &StartArgs) -> Result<()> {
    if args.detached {
        daemon::leave_terminal()?;
        home.open()?.folder("logs")?;
        log::install_file(log::NODE, &home.log_file())?;
    } else {
        log::install(log::NODE)?;
    }
    let source = Source::new(home, args.config.as_deref());
    let config = source.load()?;
    let identity = Identity::load(home)?;
    let state = home.open()?;
    let _lock = state.lock(Holder::Node)?;
    tracing::info!(npub = identity.npub(), home = %home.state_dir().display(), mode = args.mode.word(), "starting");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let parts =
            Parts { host_only: args.mode == Mode::Host, compilation: apart()?, ..Parts::default() };
        let ring = Ring::listen(&parts.bus);
        let (begun, started_at) = (Instant::now(), SystemClock.now().get());
        let node = Node::start(home, &state, &config, identity.keys().clone(), parts).await?;
        let (orders, mut waiting) = mpsc::channel(ORDERS);
        let daemon = Daemon {
            running: true,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            modes: args.mode.names(),
            config: source.path().display().to_string(),
            started_at,
            uptime_secs: 0,
        };
        let server =
            Server::open(&state, Desk { facts: node.facts(), ring, daemon, begun, orders })?;
        announce(args.mode, &node.facts());
        let within = until_stop(&node, &source, &mut signals, &mut waiting).await;
        drain(node, within, &mut signals, &mut waiting).await;
        drop(server);
        tracing::info!("stopped");
        Ok(())
    })
}

fn announce(mode: Mode, facts: &Facts) {
    let backends = available(&facts.backends());
    match mode {
        Mode::Host => tracing::info!(
            backends,
            "serving this machine only: no relay is opened, and nothing is sold"
        ),
        Mode::Provider | Mode::Both => {
            let (relays, kinds) = (
                facts.relays().into_iter().map(|relay| relay.url).collect::<Vec<_>>(),
                facts.kinds(),
            );
            tracing::info!(
                backends,
                ?relays,
                ?kinds,
                "listening for jobs; without a wallet they are free"
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

/// Follows orders until one is to stop, and within which time. An order that takes long holds up no other.
async fn until_stop(
    node: &Node,
    source: &Source,
    signals: &mut Signals,
    waiting: &mut mpsc::Receiver<Order>,
) -> Duration {
    let mut followed = FuturesUnordered::new();
    loop {
        let order = tokio::select! {
            _ = signals.terminate.recv() => return DRAIN,
            _ = signals.interrupt.recv() => return DRAIN,
            _ = signals.hang_up.recv(), if followed.len() < ORDERS => Order::Reload(oneshot::channel().0),
            Some(()) = followed.next(), if !followed.is_empty() => continue,
            Some(order) = waiting.recv(), if followed.len() < ORDERS => order,
        };
        match order {
            Order::Stop(within) => return within,
            order => followed.push(follow(order, node, source)),
        }
    }
}

/// Does what is asked, and says what came of it. Who asked may have gone.
async fn follow(order: Order, node: &Node, source: &Source) {
    match order {
        Order::Stop(_) => {}
        Order::Reload(reply) => drop(reply.send(reload(node, source).await)),
        Order::Guests(deed, reply) => drop(reply.send(node.change(&deed).await)),
        Order::Review(review, reply) => {
            let done = node.review(review.job, review.release).await;
            drop(reply.send(done.map_err(|error| format!("{error:#}"))));
        }
    }
}

/// Reads the settings again. A mistake changes nothing.
async fn reload(node: &Node, source: &Source) -> Result<Reloaded, String> {
    let reloaded = async { node.reload(&source.load()?).await };
    match reloaded.await {
        Ok(reloaded) => {
            tracing::info!(applied = ?reloaded.applied, needs_restart = ?reloaded.needs_restart, "settings read again");
            Ok(reloaded)
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(error, "settings not read again: nothing was changed");
            Err(format!("{error} (nothing was changed)"))
        }
    }
}

/// Ends in order; who asks once more is not kept waiting. The journal knows what was under way.
async fn drain(
    node: Node,
    within: Duration,
    signals: &mut Signals,
    waiting: &mut mpsc::Receiver<Order>,
) {
    tracing::info!("stopping: no new jobs, at most {} s for those at work", within.as_secs());
    tokio::select! {
        () = node.stop(within) => {}
        () = signals.stop() => tracing::warn!("stopping at once: what is at work goes on at the next start"),
        () = overruled(waiting) => tracing::warn!("stopping now: what is at work goes on at the next start"),
    }
}

/// Until somebody who stops the node again has waited as long as he would.
async fn overruled(waiting: &mut mpsc::Receiver<Order>) {
    loop {
        match waiting.recv().await {
            Some(Order::Stop(within)) => return tokio::time::sleep(within).await,
            // Who asks for anything else hears that it stops.
            Some(_) => {}
            None => return std::future::pending().await,
        }
    }
}
