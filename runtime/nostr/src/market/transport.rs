//! Handles some frames before the library sees them. All others pass unchanged.
//!
//! - Requests that the library drops: expired ones (NIP-40), and those with too many or with empty
//!   tags. A customer who named us gets an answer.
//! - Our own answers that relays return, which are not worth the check of a signature.
//! - A silent connection is ended here, because only then does the library begin a new one.

use super::intake::Intake;
use super::options::{EVENT_TAGS_MAX, MESSAGE_BYTES_MAX};
use super::price_feed::PriceFeed;
use crate::nip90::without_empty_tags;
use crate::relay_transport::RelayTransport;
use futures::StreamExt;
use nostr_sdk::pool::ConnectionMode;
use nostr_sdk::pool::transport::error::TransportError;
use nostr_sdk::pool::transport::websocket::{WebSocketSink, WebSocketStream, WebSocketTransport};
use nostr_sdk::prelude::{BoxedFuture, Event, JsonUtil, RelayMessage, RelayUrl, Url};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};

/// The connections of the node, with a filter for incoming frames.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) intake: Arc<Intake>,
    pub(super) prices: Arc<PriceFeed>,
    /// Relays whose connections are to be ended, so that the library begins new ones.
    pub(super) disconnect: broadcast::Sender<RelayUrl>,
}

impl WebSocketTransport for Transport {
    fn support_ping(&self) -> bool {
        RelayTransport.support_ping()
    }

    fn connect<'a>(
        &'a self,
        url: &'a Url,
        mode: &'a ConnectionMode,
        timeout: Duration,
    ) -> BoxedFuture<'a, Result<(WebSocketSink, WebSocketStream), TransportError>> {
        Box::pin(async move {
            let (sink, stream) = RelayTransport.connect(url, mode, timeout).await?;
            let (intake, prices) = (Arc::clone(&self.intake), Arc::clone(&self.prices));
            let stream = stream
                .take_until(Box::pin(disconnect_requested(
                    self.disconnect.subscribe(),
                    url.clone(),
                )))
                .filter_map(move |frame| {
                    let (intake, prices) = (Arc::clone(&intake), Arc::clone(&prices));
                    async move {
                        let text = frame.as_ref().ok().and_then(|frame| frame.as_text());
                        if text.is_some_and(|text| prices.is_echo(text)) {
                            return None;
                        }
                        if let Some(text) = text.filter(|text| intake.concerns(text)) {
                            match dropped_by_library(text) {
                                Some((event, false)) => intake.take_unverified(&event).await,
                                Some((event, true)) => intake.take_with_empty_tag(&event).await,
                                None => {}
                            }
                        }
                        Some(frame)
                    }
                });
            Ok((sink, Box::pin(stream) as WebSocketStream))
        })
    }
}

/// Waits until the connection to this relay is to be ended.
async fn disconnect_requested(mut disconnect: broadcast::Receiver<RelayUrl>, url: Url) {
    loop {
        match disconnect.recv().await {
            Ok(relay) if *<&Url>::from(&relay) == url => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// The event in this frame, if the library drops it: it has expired, or has too many tags, or has
/// an empty tag (`true`).
fn dropped_by_library(frame: &str) -> Option<(Event, bool)> {
    if frame.len() > MESSAGE_BYTES_MAX as usize {
        return None;
    }
    match RelayMessage::from_json(frame) {
        Ok(RelayMessage::Event { event, .. })
            if event.is_expired() || event.tags.len() > EVENT_TAGS_MAX =>
        {
            Some((event.into_owned(), false))
        }
        Ok(_) => None,
        Err(_) => without_empty_tags(frame).map(|event| (event, true)),
    }
}
