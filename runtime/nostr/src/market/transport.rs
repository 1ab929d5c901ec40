//! What is done with frames before the library sees them. All others pass untouched.
//!
//! Requests that have expired (NIP-40): the library drops them in silence; who addressed us shall hear why there is no answer. And the echo of
//! our own answers, which is not worth the check of a signature. And a connection ends here when nothing comes over it any more: only then does the
//! library begin another one.

use super::MESSAGE_BYTES_MAX;
use super::intake::Intake;
use super::price_feed::PriceFeed;
use futures::StreamExt;
use nostr_sdk::pool::ConnectionMode;
use nostr_sdk::pool::transport::error::TransportError;
use nostr_sdk::pool::transport::websocket::{
    DefaultWebsocketTransport, WebSocketSink, WebSocketStream, WebSocketTransport,
};
use nostr_sdk::prelude::{BoxedFuture, Event, JsonUtil, RelayMessage, RelayUrl, Url};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};

/// The library's transport with a look at what comes in.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) intake: Arc<Intake>,
    pub(super) prices: Arc<PriceFeed>,
    /// Relays whose connections are ended, so that the library begins new ones.
    pub(super) hang_up: broadcast::Sender<RelayUrl>,
}

impl WebSocketTransport for Transport {
    fn support_ping(&self) -> bool {
        DefaultWebsocketTransport.support_ping()
    }

    fn connect<'a>(
        &'a self,
        url: &'a Url,
        mode: &'a ConnectionMode,
        timeout: Duration,
    ) -> BoxedFuture<'a, Result<(WebSocketSink, WebSocketStream), TransportError>> {
        Box::pin(async move {
            let (sink, stream) = DefaultWebsocketTransport.connect(url, mode, timeout).await?;
            let (intake, prices) = (Arc::clone(&self.intake), Arc::clone(&self.prices));
            let stream = stream
                .take_until(Box::pin(told(self.hang_up.subscribe(), url.clone())))
                .filter_map(move |frame| {
                    let (intake, prices) = (Arc::clone(&intake), Arc::clone(&prices));
                    async move {
                        let text = frame.as_ref().ok().and_then(|frame| frame.as_text());
                        if text.is_some_and(|text| prices.is_echo(text)) {
                            return None;
                        }
                        if let Some(event) = text.and_then(expired) {
                            intake.take_unverified(&event).await;
                        }
                        Some(frame)
                    }
                });
            Ok((sink, Box::pin(stream) as WebSocketStream))
        })
    }
}

/// Until somebody wants the connection to this relay to end.
async fn told(mut hang_up: broadcast::Receiver<RelayUrl>, url: Url) {
    loop {
        match hang_up.recv().await {
            Ok(relay) if *<&Url>::from(&relay) == url => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// The event in this frame, if it has expired. Nothing is parsed that does not speak of it.
fn expired(frame: &str) -> Option<Event> {
    if frame.len() > MESSAGE_BYTES_MAX as usize || !frame.contains("\"expiration\"") {
        return None;
    }
    match RelayMessage::from_json(frame).ok()? {
        RelayMessage::Event { event, .. } if event.is_expired() => Some(event.into_owned()),
        _ => None,
    }
}
