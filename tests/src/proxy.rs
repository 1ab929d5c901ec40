//! A WebSocket proxy in front of a relay: what can go wrong between the two, on command. It knows frames and nothing of what they say.

use crate::stage::PATIENCE;
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

/// Connections at once; a further one waits.
const CONNECTIONS: usize = 16;
/// The head of a request.
const HEAD_BYTES: usize = 4096;
/// Frames that an observer may be behind.
const SEEN: usize = 4096;
/// Frames that wait to be slipped in.
const INJECTED: usize = 64;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the relay to the node.
    In,
    /// From the node to the relay.
    Out,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Pass,
    /// It does not.
    Lose,
    /// It arrives twice.
    Twice,
    /// It arrives so much later, and all behind it too.
    Late(Duration),
    /// The next one overtakes it.
    AfterNext,
}

type Rule = Arc<dyn Fn(Way, &str) -> Fate + Send + Sync>;
type Socket = WebSocketStream<TcpStream>;

/// What the connections obey.
#[derive(Clone)]
struct Weather {
    rule: Rule,
    cuts: u64,
    refuses: bool,
}

struct Air {
    weather: watch::Sender<Weather>,
    open: watch::Sender<usize>,
    seen: broadcast::Sender<(Way, String)>,
    injected: broadcast::Sender<(Way, Frame)>,
    written: watch::Sender<u64>,
    told: watch::Sender<bool>,
}

/// Runs until dropped. At first everything passes.
pub struct Proxy {
    url: String,
    air: Arc<Air>,
    task: AbortHandle,
}

impl Proxy {
    /// Starts one in front of a relay at `ws://HOST:PORT`, of which it says this (NIP-11).
    pub async fn start(relay: &str, about: &'static str) -> Self {
        let relay: SocketAddr = relay.trim_start_matches("ws://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let weather = Weather { rule: Arc::new(|_, _| Fate::Pass), cuts: 0, refuses: false };
        let air = Arc::new(Air {
            weather: watch::Sender::new(weather),
            open: watch::Sender::new(0),
            seen: broadcast::Sender::new(SEEN),
            injected: broadcast::Sender::new(INJECTED),
            written: watch::Sender::new(0),
            told: watch::Sender::new(false),
        });
        let task = tokio::spawn(accept(listener, relay, about, Arc::clone(&air))).abort_handle();
        Self { url, air, task }
    }

    /// Where it is: `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on this decides what becomes of each text frame.
    pub fn rule(&self, rule: impl Fn(Way, &str) -> Fate + Send + Sync + 'static) {
        self.air.weather.send_modify(|weather| weather.rule = Arc::new(rule));
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.rule(|_, _| Fate::Pass);
    }

    /// Ends every connection. Who comes back is let in.
    pub fn cut(&self) {
        self.air.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Ends every connection and lets nobody in. When this returns, nothing passes any more.
    pub async fn cut_off(&self) {
        self.air
            .weather
            .send_modify(|weather| (weather.cuts, weather.refuses) = (weather.cuts + 1, true));
        let mut open = self.air.open.subscribe();
        timeout(PATIENCE, open.wait_for(|open| *open == 0)).await.unwrap().unwrap();
    }

    /// Lets everybody in again.
    pub fn let_back(&self) {
        self.air.weather.send_modify(|weather| weather.refuses = false);
    }

    /// Slips a frame in, on every connection, of which there is at least one. It has been written when this returns.
    pub async fn inject(&self, way: Way, frame: Frame) {
        let mut open = self.air.open.subscribe();
        timeout(PATIENCE, open.wait_for(|open| *open > 0))
            .await
            .expect("somebody is connected")
            .unwrap();
        let mut written = self.air.written.subscribe();
        let before = *written.borrow();
        self.air.injected.send((way, frame)).unwrap();
        timeout(PATIENCE, written.wait_for(|written| *written > before)).await.unwrap().unwrap();
    }

    /// Waits until somebody has read what it says of its relay.
    pub async fn told(&self) {
        let mut told = self.air.told.subscribe();
        timeout(PATIENCE, told.wait_for(|told| *told)).await.expect("somebody asks").unwrap();
    }

    /// All frames from now on, before anything becomes of them.
    pub fn watch(&self) -> Traffic {
        Traffic(self.air.seen.subscribe())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What passes by.
pub struct Traffic(broadcast::Receiver<(Way, String)>);

impl Traffic {
    /// The next event of this kind on this way.
    pub async fn event(&mut self, way: Way, kind: u16) -> Event {
        let found = timeout(PATIENCE, async {
            loop {
                let (its, frame) = self.0.recv().await.unwrap();
                if let Some(event) =
                    event_in(&frame).filter(|event| its == way && event.kind.as_u16() == kind)
                {
                    return event;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no event of kind {kind} passes"))
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

async fn accept(listener: TcpListener, relay: SocketAddr, about: &'static str, air: Arc<Air>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        let Ok((node, _)) = listener.accept().await else { return };
        if !air.weather.borrow().refuses {
            connections.spawn(connect(node, relay, about, Arc::clone(&air)));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until an end of it is closed or it is cut; or the answer to a question about the relay.
async fn connect(mut node: TcpStream, relay: SocketAddr, about: &'static str, air: Arc<Air>) {
    let mut weather = air.weather.subscribe();
    let cuts = weather.borrow_and_update().cuts;
    if asks_about(&node).await {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{about}",
            about.len()
        );
        let _ = node.write_all(answer.as_bytes()).await;
        let _ = node.shutdown().await;
        // Until whoever asked has read it.
        let _ = copy(&mut node, &mut sink()).await;
        air.told.send_replace(true);
        return;
    }
    let Ok(node) = accept_async(node).await else { return };
    let Ok(stream) = TcpStream::connect(relay).await else { return };
    let Ok((relay, _)) = client_async(format!("ws://{relay}"), stream).await else { return };
    let _open = Open::count(&air.open);
    let ((to_node, from_node), (to_relay, from_relay)) = (node.split(), relay.split());
    tokio::select! {
        biased;
        _ = weather.wait_for(|weather| weather.cuts != cuts) => {}
        () = carry(Way::Out, from_node, to_relay, &air) => {}
        () = carry(Way::In, from_relay, to_node, &air) => {}
    }
}

/// A request that does not want a WebSocket. Its head comes in one piece: it is small, and from this machine.
async fn asks_about(node: &TcpStream) -> bool {
    let mut head = [0; HEAD_BYTES];
    let read = node.peek(&mut head).await.unwrap_or_default();
    !String::from_utf8_lossy(&head[..read]).to_ascii_lowercase().contains("upgrade: websocket")
}

/// Text frames of one way. Each end's pings are answered here.
async fn carry(
    way: Way,
    mut from: SplitStream<Socket>,
    mut to: SplitSink<Socket, Frame>,
    air: &Air,
) {
    let mut injected = air.injected.subscribe();
    let mut overtaken = None;
    loop {
        let sent = tokio::select! {
            frame = from.next() => {
                let Some(Ok(frame)) = frame else { return };
                let Frame::Text(text) = &frame else { continue };
                let rule = Arc::clone(&air.weather.borrow().rule);
                let fate = rule(way, text);
                // Nobody may be watching.
                let _ = air.seen.send((way, text.to_string()));
                let frames = match fate {
                    Fate::Lose => continue,
                    Fate::AfterNext if overtaken.is_none() => {
                        overtaken = Some(frame);
                        continue;
                    }
                    Fate::Twice => [Some(frame.clone()), Some(frame)],
                    Fate::Late(by) => {
                        sleep(by).await;
                        [Some(frame), overtaken.take()]
                    }
                    Fate::Pass | Fate::AfterNext => [Some(frame), overtaken.take()],
                };
                let mut frames = futures::stream::iter(frames.into_iter().flatten().map(Ok));
                to.send_all(&mut frames).await
            }
            Ok((its, frame)) = injected.recv() => {
                if its != way {
                    continue;
                }
                let sent = to.send(frame).await;
                air.written.send_modify(|written| *written += 1);
                sent
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Counted while it lives.
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
