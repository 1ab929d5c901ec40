//! The client of the control API.

use crate::socket::socket_path_error;
use crate::types::{
    ApiError, Backends, Events, Guests, Reloaded, Review, Status, StopRequest, Stopping, VERSION,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use pylon_core::slots::{SlotChange, SlotStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A node responds at once, unless it has many clients.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// The node's own limit for requests that take work.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a response, or of one line of an event stream.
const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// Sends requests to the node of one home folder.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens on the socket.
    #[error("no node runs on this home: start it with `pylon start`")]
    NotRunning,
    /// The node accepted the connection and did not respond.
    #[error("the node did not respond within {0} s: check its log")]
    Timeout(u64),
    /// The node refused the request, with this message.
    #[error("{0}")]
    Refused(String),
    /// The response is not the expected type.
    #[error(
        "the response of the node is not in the format that this version of pylon expects ({0}): \
         restart the node with this version"
    )]
    UnexpectedResponse(String),
    /// The path of the socket is not usable, for this reason.
    #[error("{0}")]
    InvalidPath(String),
    /// The connection failed.
    #[error("cannot connect to the node: {0}")]
    Connection(String),
}

impl Client {
    /// A client for the node with this socket. It connects with each request.
    pub fn new(socket: PathBuf) -> Self {
        Self { path: socket }
    }

    /// The status of the node.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/status").await
    }

    /// The inference backends.
    pub async fn backends(&self) -> Result<Backends, ClientError> {
        self.get("/backends").await
    }

    /// The latest events, oldest first.
    pub async fn events(&self, limit: usize) -> Result<Events, ClientError> {
        self.get(&format!("/events?limit={limit}")).await
    }

    /// The latest events and all later ones, one line each, until the node stops or `each` fails.
    pub async fn follow<E>(
        &self,
        limit: usize,
        mut each: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<Result<(), E>, ClientError> {
        let path = format!("/events?follow=true&limit={limit}");
        let mut body =
            within(RESPONSE_TIMEOUT, self.send(Method::GET, &path, None)).await?.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            // The node has stopped or crashed.
            let Ok(frame) = frame else { break };
            rest.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if let Err(error) = each(String::from_utf8_lossy(&line).trim_end()) {
                    return Ok(Err(error));
                }
            }
            if rest.len() > RESPONSE_BYTES_MAX {
                return Err(ClientError::UnexpectedResponse("a line that is too long".into()));
            }
        }
        Ok(Ok(()))
    }

    /// Stops the node. Running jobs have this long to finish.
    pub async fn stop(&self, drain_seconds: u64) -> Result<Stopping, ClientError> {
        self.post("/stop", Some(&StopRequest { drain_seconds }), RESPONSE_TIMEOUT).await
    }

    /// Makes the node read its settings again.
    pub async fn reload(&self) -> Result<Reloaded, ClientError> {
        self.post("/reload", None::<&()>, WORK_TIMEOUT).await
    }

    /// The guests in all slots.
    pub async fn guests(&self) -> Result<Guests, ClientError> {
        self.get_with_timeout(WORK_TIMEOUT, "/guests").await
    }

    /// Changes a slot; returns the status of the affected guest.
    pub async fn change(&self, change: &SlotChange) -> Result<SlotStatus, ClientError> {
        self.post("/guests", Some(change), WORK_TIMEOUT).await
    }

    /// Accepts or rejects a result that waits for review.
    pub async fn review(&self, review: Review) -> Result<Review, ClientError> {
        self.post("/review", Some(&review), WORK_TIMEOUT).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_with_timeout(RESPONSE_TIMEOUT, path).await
    }

    async fn get_with_timeout<T: DeserializeOwned>(
        &self,
        limit: Duration,
        path: &str,
    ) -> Result<T, ClientError> {
        within(limit, async { parse(self.send(Method::GET, path, None).await?).await }).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
        limit: Duration,
    ) -> Result<T, ClientError> {
        let body = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|error| ClientError::Connection(error.to_string()))?;
        within(limit, async { parse(self.send(Method::POST, path, body).await?).await }).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Incoming>, ClientError> {
        if let Some(message) = socket_path_error(&self.path) {
            return Err(ClientError::InvalidPath(message));
        }
        let stream = UnixStream::connect(&self.path).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => ClientError::NotRunning,
            ErrorKind::PermissionDenied => {
                ClientError::Connection("its socket belongs to another user".into())
            }
            _ => ClientError::Connection(error.to_string()),
        })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(connection_error)?;
        tokio::spawn(connection);
        let mut request =
            Request::builder().method(method).uri(format!("{VERSION}{path}")).header(HOST, "pylon");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        let request =
            request.body(body).map_err(|error| ClientError::Connection(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(connection_error)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status();
        match parse::<ApiError>(response).await {
            Ok(failure) => Err(ClientError::Refused(failure.error)),
            Err(_) => Err(ClientError::UnexpectedResponse(format!("HTTP {}", code.as_u16()))),
        }
    }
}

async fn within<T>(
    limit: Duration,
    response: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(limit, response).await.unwrap_or(Err(ClientError::Timeout(limit.as_secs())))
}

async fn parse<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
    let body = body.map_err(|error| ClientError::Connection(error.to_string()))?.to_bytes();
    serde_json::from_slice(&body)
        .map_err(|error| ClientError::UnexpectedResponse(error.to_string()))
}

fn connection_error(error: hyper::Error) -> ClientError {
    ClientError::Connection(error.to_string())
}
