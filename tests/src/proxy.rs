//! A WebSocket proxy in front of a relay that injects faults on command. It handles frames without
//! interpreting them.

use crate::market::TEST_TIMEOUT;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use nostr_sdk::{Event, JsonUtil};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
pub use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// Concurrent connections; a further one waits.
const CONNECTIONS_MAX: usize = 16;
/// Size of the head of an HTTP request.
const HEAD_BYTES_MAX: usize = 4096;
/// Buffered frames of an observer.
const OBSERVED_MAX: usize = 4096;
/// Frames waiting for injection.
const INJECTED_MAX: usize = 64;

/// Direction of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the relay to the node.
    ToNode,
    /// From the node to the relay.
    ToRelay,
}

/// What the proxy does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// Forward it.
    Pass,
    /// Discard it.
    Drop,
    /// Forward it twice.
    Duplicate,
    /// Delay it, and all frames behind it.
    Delay(Duration),
    /// Forward it after the next one.
    Reorder,
}

type Rule = Arc<dyn Fn(Direction, &str) -> FaultAction + Send + Sync>;
type Socket = WebSocketStream<TcpStream>;

/// Rules for all connections.
#[derive(Clone)]
struct Rules {
    rule: Rule,
    /// Counts the calls that end all connections.
    disconnects: u64,
    refuse: bool,
}

struct State {
    rules: watch::Sender<Rules>,
    open: watch::Sender<usize>,
    seen: broadcast::Sender<(Direction, String)>,
    injected: broadcast::Sender<(Direction, Frame)>,
    written: watch::Sender<u64>,
    info_read: watch::Sender<bool>,
}

/// Runs until dropped. Initially every frame passes.
pub struct Proxy {
    url: String,
    state: Arc<State>,
    task: AbortHandle,
}

impl Proxy {
    /// Starts one in front of a relay at `ws://HOST:PORT`, with this information document (NIP-11).
    pub async fn start(relay: &str, info: &'static str) -> Self {
        let relay: SocketAddr = relay.trim_start_matches("ws://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let rules =
            Rules { rule: Arc::new(|_, _| FaultAction::Pass), disconnects: 0, refuse: false };
        let state = Arc::new(State {
            rules: watch::Sender::new(rules),
            open: watch::Sender::new(0),
            seen: broadcast::Sender::new(OBSERVED_MAX),
            injected: broadcast::Sender::new(INJECTED_MAX),
            written: watch::Sender::new(0),
            info_read: watch::Sender::new(false),
        });
        let task = tokio::spawn(accept(listener, relay, info, Arc::clone(&state))).abort_handle();
        Self { url, state, task }
    }

    /// Its address: `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Applies this rule to each text frame from now on.
    pub fn rule(&self, rule: impl Fn(Direction, &str) -> FaultAction + Send + Sync + 'static) {
        self.state.rules.send_modify(|rules| rules.rule = Arc::new(rule));
    }

    /// Forwards every frame again.
    pub fn pass_all(&self) {
        self.rule(|_, _| FaultAction::Pass);
    }

    /// Closes every connection; new ones are accepted.
    pub fn disconnect(&self) {
        self.state.rules.send_modify(|rules| rules.disconnects += 1);
    }

    /// Closes every connection and refuses new ones. No frame passes after this returns.
    pub async fn block(&self) {
        self.state
            .rules
            .send_modify(|rules| (rules.disconnects, rules.refuse) = (rules.disconnects + 1, true));
        let mut open = self.state.open.subscribe();
        timeout(TEST_TIMEOUT, open.wait_for(|open| *open == 0)).await.unwrap().unwrap();
    }

    /// Accepts connections again.
    pub fn unblock(&self) {
        self.state.rules.send_modify(|rules| rules.refuse = false);
    }

    /// Injects a frame into every connection, once there is one. It has been written when this
    /// returns.
    pub async fn inject(&self, direction: Direction, frame: Frame) {
        let mut open = self.state.open.subscribe();
        timeout(TEST_TIMEOUT, open.wait_for(|open| *open > 0))
            .await
            .expect("a connection")
            .unwrap();
        let mut written = self.state.written.subscribe();
        let before = *written.borrow();
        self.state.injected.send((direction, frame)).unwrap();
        timeout(TEST_TIMEOUT, written.wait_for(|written| *written > before))
            .await
            .unwrap()
            .unwrap();
    }

    /// Waits until the information document has been read.
    pub async fn info_read(&self) {
        let mut read = self.state.info_read.subscribe();
        timeout(TEST_TIMEOUT, read.wait_for(|read| *read))
            .await
            .expect("a request for it")
            .unwrap();
    }

    /// All frames from now on, before the rule is applied.
    pub fn watch(&self) -> Traffic {
        Traffic(self.state.seen.subscribe())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Observed frames.
pub struct Traffic(broadcast::Receiver<(Direction, String)>);

impl Traffic {
    /// The next event of this kind in this direction.
    pub async fn event(&mut self, direction: Direction, kind: u16) -> Event {
        let found = timeout(TEST_TIMEOUT, async {
            loop {
                let (its, frame) = self.0.recv().await.unwrap();
                if let Some(event) =
                    event_in(&frame).filter(|event| its == direction && event.kind.as_u16() == kind)
                {
                    return event;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no event of kind {kind}"))
    }
}

/// The event in an EVENT frame, of a client or of a relay.
pub fn event_in(frame: &str) -> Option<Event> {
    if !frame.starts_with(r#"["EVENT""#) {
        return None;
    }
    let parts: Vec<serde_json::Value> = serde_json::from_str(frame).ok()?;
    Event::from_json(parts.last()?.to_string()).ok()
}

async fn accept(listener: TcpListener, relay: SocketAddr, info: &'static str, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let Ok((node, _)) = listener.accept().await else { return };
        if !state.rules.borrow().refuse {
            connections.spawn(connect(node, relay, info, Arc::clone(&state)));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until an end closes it or it is disconnected; or one request for the information
/// document.
async fn connect(mut node: TcpStream, relay: SocketAddr, info: &'static str, state: Arc<State>) {
    let mut rules = state.rules.subscribe();
    let disconnects = rules.borrow_and_update().disconnects;
    if requests_info(&node).await {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{info}",
            info.len()
        );
        let _ = node.write_all(answer.as_bytes()).await;
        let _ = node.shutdown().await;
        // Until the client has read it.
        let _ = copy(&mut node, &mut sink()).await;
        state.info_read.send_replace(true);
        return;
    }
    let Ok(node) = accept_async(node).await else { return };
    let Ok(stream) = TcpStream::connect(relay).await else { return };
    let Ok((relay, _)) = client_async(format!("ws://{relay}"), stream).await else { return };
    let _open = Open::count(&state.open);
    let ((to_node, from_node), (to_relay, from_relay)) = (node.split(), relay.split());
    tokio::select! {
        biased;
        _ = rules.wait_for(|rules| rules.disconnects != disconnects) => {}
        () = carry(Direction::ToRelay, from_node, to_relay, &state) => {}
        () = carry(Direction::ToNode, from_relay, to_node, &state) => {}
    }
}

/// Is this a plain HTTP request? Its head arrives in one piece: it is small, and from this machine.
async fn requests_info(node: &TcpStream) -> bool {
    let mut head = [0; HEAD_BYTES_MAX];
    let read = node.peek(&mut head).await.unwrap_or_default();
    !String::from_utf8_lossy(&head[..read]).to_ascii_lowercase().contains("upgrade: websocket")
}

/// Forwards text frames in one direction. Pings of each end are answered here.
async fn carry(
    direction: Direction,
    mut from: SplitStream<Socket>,
    mut to: SplitSink<Socket, Frame>,
    state: &State,
) {
    let mut injected = state.injected.subscribe();
    let mut held_back = None;
    loop {
        let sent = tokio::select! {
            frame = from.next() => {
                let Some(Ok(frame)) = frame else { return };
                let Frame::Text(text) = &frame else { continue };
                let rule = Arc::clone(&state.rules.borrow().rule);
                let action = rule(direction, text);
                // Fails without an observer.
                let _ = state.seen.send((direction, text.to_string()));
                let frames = match action {
                    FaultAction::Drop => continue,
                    FaultAction::Reorder if held_back.is_none() => {
                        held_back = Some(frame);
                        continue;
                    }
                    FaultAction::Duplicate => [Some(frame.clone()), Some(frame)],
                    FaultAction::Delay(by) => {
                        sleep(by).await;
                        [Some(frame), held_back.take()]
                    }
                    FaultAction::Pass | FaultAction::Reorder => [Some(frame), held_back.take()],
                };
                let mut frames = futures::stream::iter(frames.into_iter().flatten().map(Ok));
                to.send_all(&mut frames).await
            }
            Ok((its, frame)) = injected.recv() => {
                if its != direction {
                    continue;
                }
                let sent = to.send(frame).await;
                state.written.send_modify(|written| *written += 1);
                sent
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Counts an open connection.
struct Open<'a>(&'a watch::Sender<usize>);

impl<'a> Open<'a> {
    fn count(open: &'a watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}
