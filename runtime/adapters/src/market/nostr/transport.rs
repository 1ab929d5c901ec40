//! What is done with frames before the library sees them. All others pass untouched.
//!
//! Requests that have expired (NIP-40): the library drops them in silence; who addressed us shall hear why there is no answer. And the echo of
//! our own answers, which is not worth the check of a signature.

use super::MAX_MESSAGE_BYTES;
use super::asks::Overheard;
use super::intake::Intake;
use futures::StreamExt;
use nostr_sdk::pool::ConnectionMode;
use nostr_sdk::pool::transport::error::TransportError;
use nostr_sdk::pool::transport::websocket::{DefaultWebsocketTransport, WebSocketSink, WebSocketStream, WebSocketTransport};
use nostr_sdk::prelude::{BoxedFuture, Event, JsonUtil, RelayMessage, Url};
use std::sync::Arc;
use std::time::Duration;

/// The library's transport with a look at what comes in.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) intake: Arc<Intake>,
    pub(super) overheard: Arc<Overheard>,
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
            let (intake, overheard) = (Arc::clone(&self.intake), Arc::clone(&self.overheard));
            let stream = stream.filter_map(move |frame| {
                let (intake, overheard) = (Arc::clone(&intake), Arc::clone(&overheard));
                async move {
                    let text = frame.as_ref().ok().and_then(|frame| frame.as_text());
                    if text.is_some_and(|text| overheard.is_echo(text)) {
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

/// The event in this frame, if it has expired. Nothing is parsed that does not speak of it.
fn expired(frame: &str) -> Option<Event> {
    if frame.len() > MAX_MESSAGE_BYTES as usize || !frame.contains("\"expiration\"") {
        return None;
    }
    match RelayMessage::from_json(frame).ok()? {
        RelayMessage::Event { event, .. } if event.is_expired() => Some(event.into_owned()),
        _ => None,
    }
}
