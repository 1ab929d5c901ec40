//! One connection to a relay that a customer named, at an address that the egress policy allowed,
//! for one query or one event.

use super::options::MESSAGE_BYTES_MAX;
use crate::relay_transport::tls;
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

/// Frames that are read until the relay answers.
const FRAMES_MAX: usize = 64;

/// A connected relay. The caller sets the deadline.
pub(super) struct OneShotRelayClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl OneShotRelayClient {
    /// Connects. Returns `None` if the policy denies it or the relay does not answer.
    pub(super) async fn connect(addresses: &EgressPolicy, relay: &str) -> Option<Self> {
        let (url, found) = match addresses.resolve(relay, Scheme::WebSocket).await {
            Ok(found) => found,
            Err(why) => {
                tracing::debug!(
                    why = why.message(),
                    "connection to a relay named by a customer denied"
                );
                return None;
            }
        };
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX as usize))
            .max_frame_size(Some(MESSAGE_BYTES_MAX as usize));
        let stream = open(&found).await?;
        let (socket, _) =
            client_async_tls_with_config(url.as_str(), stream, Some(limits), tls()).await.ok()?;
        Some(Self { socket })
    }

    /// Queries this event.
    pub(super) async fn find(&mut self, id: EventId) -> Option<Event> {
        let filter = Filter::new().id(id).limit(1);
        self.send(&ClientMessage::req(SubscriptionId::new("pylon"), vec![filter])).await?;
        for _ in 0..FRAMES_MAX {
            match self.receive().await? {
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

    /// Publishes this event. Returns whether the relay accepts it.
    pub(super) async fn publish(&mut self, event: &Event) -> Option<bool> {
        self.send(&ClientMessage::Event(Cow::Borrowed(event))).await?;
        for _ in 0..FRAMES_MAX {
            if let Some(RelayMessage::Ok { event_id, status, .. }) = self.receive().await?
                && event_id == event.id
            {
                return Some(status);
            }
        }
        None
    }

    async fn send(&mut self, message: &ClientMessage<'_>) -> Option<()> {
        self.socket.send(Frame::text(message.as_json())).await.ok()
    }

    /// The next frame, parsed if possible. `None` if the connection is closed.
    async fn receive(&mut self) -> Option<Option<RelayMessage<'static>>> {
        let frame = self.socket.next().await?.ok()?;
        let message = frame.to_text().ok().and_then(|text| RelayMessage::from_json(text).ok());
        Some(message)
    }
}

async fn open(found: &[SocketAddr]) -> Option<TcpStream> {
    TcpStream::connect(found).await.ok()
}
