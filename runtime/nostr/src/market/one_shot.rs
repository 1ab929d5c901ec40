//! A visit to a relay that a stranger named: one connection, to where the policy for addresses led, for one question or one message.

use super::MESSAGE_BYTES_MAX;
use futures::{SinkExt, StreamExt};
use nostr_sdk::prelude::{
    ClientMessage, Event, EventId, Filter, JsonUtil, RelayMessage, SubscriptionId,
};
use pylon_egress::policy::{EgressPolicy, Scheme};
use std::borrow::Cow;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// Frames that are read before a relay has said what it was asked.
const FRAMES_MAX: usize = 64;

/// A relay within reach, until dropped. Whoever visits has a deadline.
pub(super) struct OneShotRelayClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl OneShotRelayClient {
    /// `None` if it may not be visited or does not answer.
    pub(super) async fn begin(addresses: &EgressPolicy, relay: &str) -> Option<Self> {
        let (url, found) = match addresses.resolve(relay, Scheme::WebSocket).await {
            Ok(found) => found,
            Err(why) => {
                tracing::debug!(
                    why = why.message(),
                    "a relay that a stranger named is not visited"
                );
                return None;
            }
        };
        // A program that has installed its provider already keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX as usize))
            .max_frame_size(Some(MESSAGE_BYTES_MAX as usize));
        let stream = connect(&found).await?;
        let (socket, _) =
            client_async_tls_with_config(url.as_str(), stream, Some(limits), None).await.ok()?;
        Some(Self { socket })
    }

    /// Has it this event?
    pub(super) async fn find(&mut self, id: EventId) -> Option<Event> {
        let filter = Filter::new().id(id).limit(1);
        self.say(&ClientMessage::req(SubscriptionId::new("pylon"), vec![filter])).await?;
        for _ in 0..FRAMES_MAX {
            match self.hear().await? {
                Some(RelayMessage::Event { event, .. })
                    if event.id == id && event.verify().is_ok() =>
                {
                    return Some(event.into_owned());
                }
                Some(RelayMessage::EndOfStoredEvents(_) | RelayMessage::Closed { .. }) => {
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// Does it take this event?
    pub(super) async fn give(&mut self, event: &Event) -> Option<bool> {
        self.say(&ClientMessage::Event(Cow::Borrowed(event))).await?;
        for _ in 0..FRAMES_MAX {
            if let Some(RelayMessage::Ok { event_id, status, .. }) = self.hear().await?
                && event_id == event.id
            {
                return Some(status);
            }
        }
        None
    }

    async fn say(&mut self, message: &ClientMessage<'_>) -> Option<()> {
        self.socket.send(Frame::text(message.as_json())).await.ok()
    }

    /// The next frame, with what it means if that is anything. `None` if there will be no more.
    async fn hear(&mut self) -> Option<Option<RelayMessage<'static>>> {
        let frame = self.socket.next().await?.ok()?;
        let message = frame.to_text().ok().and_then(|text| RelayMessage::from_json(text).ok());
        Some(message)
    }
}

async fn connect(found: &[SocketAddr]) -> Option<TcpStream> {
    TcpStream::connect(found).await.ok()
}
