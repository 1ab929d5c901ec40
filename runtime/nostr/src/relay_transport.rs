//! How the node, the buyer and the doctor connect to relays. In contrast to the library's own
//! connections, an IPv6 address is possible, and the authorities of this machine are trusted.

use async_wsocket::url::Host;
use async_wsocket::{Message, WebSocket};
use futures::future::select_ok;
use futures::stream::SplitSink;
use futures::{Sink, SinkExt, StreamExt, TryStreamExt};
use nostr_sdk::pool::ConnectionMode;
use nostr_sdk::pool::transport::error::TransportError;
use nostr_sdk::pool::transport::websocket::{WebSocketSink, WebSocketStream, WebSocketTransport};
use nostr_sdk::prelude::{BoxedFuture, Url};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::error::{Error, UrlError};
use tokio_tungstenite::{Connector, client_async_tls_with_config};

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;
/// An address is tried if the one before has not connected within this time (RFC 8305).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Connections of the library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayTransport;

impl WebSocketTransport for RelayTransport {
    fn support_ping(&self) -> bool {
        true
    }

    fn connect<'a>(
        &'a self,
        url: &'a Url,
        _mode: &'a ConnectionMode,
        deadline: Duration,
    ) -> BoxedFuture<'a, Result<(WebSocketSink, WebSocketStream), TransportError>> {
        Box::pin(async move {
            let timed_out = |_| TransportError::backend(io::Error::from(io::ErrorKind::TimedOut));
            let connected = timeout(deadline, connect(url)).await.map_err(timed_out)?;
            let socket = connected.map_err(TransportError::backend)?;
            let (sink, stream) = socket.split();
            let stream = Box::pin(stream.map_err(TransportError::backend));
            Ok((Box::new(TransportSink(sink)) as WebSocketSink, stream as WebSocketStream))
        })
    }
}

/// TLS with the authorities that the node trusts.
pub(crate) fn tls() -> Option<Connector> {
    Some(Connector::Rustls(Arc::new(pylon_egress::tls::client_config())))
}

async fn connect(url: &Url) -> Result<WebSocket, Error> {
    let host = url.host().ok_or(UrlError::NoHostName)?;
    let port = url.port_or_known_default().ok_or(UrlError::UnsupportedUrlScheme)?;
    let addresses: Vec<SocketAddr> = match host {
        Host::Domain(name) => lookup_host((name, port)).await?.take(ADDRESSES_MAX).collect(),
        Host::Ipv4(address) => vec![(address, port).into()],
        Host::Ipv6(address) => vec![(address, port).into()],
    };
    let stream = connect_to_any(addresses).await?;
    let handshake = client_async_tls_with_config(url.as_str(), stream, None, tls());
    let (socket, _) = Box::pin(handshake).await?;
    Ok(WebSocket::Tokio(socket))
}

async fn connect_to_any(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    if addresses.is_empty() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    let attempts = addresses.into_iter().zip(0..).map(|(address, number)| {
        Box::pin(async move {
            sleep(NEXT_ADDRESS_DELAY * number).await;
            TcpStream::connect(address).await
        })
    });
    select_ok(attempts).await.map(|(stream, _)| stream)
}

/// Like `sink_map_err`, but can be polled after an error.
struct TransportSink(SplitSink<WebSocket, Message>);

impl Sink<Message> for TransportSink {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready_unpin(cx).map_err(TransportError::backend)
    }

    fn start_send(mut self: Pin<&mut Self>, item: Message) -> Result<(), Self::Error> {
        self.0.start_send_unpin(item).map_err(TransportError::backend)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_flush_unpin(cx).map_err(TransportError::backend)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_close_unpin(cx).map_err(TransportError::backend)
    }
}
