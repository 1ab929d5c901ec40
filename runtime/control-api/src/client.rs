//! The other end of the socket, for the commands.

use crate::socket_path_error;
use crate::types::{
    Backends, Events, Failure, Guests, Reloaded, Review, Status, StopRequest, Stopping, VERSION,
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

/// A node that answers does so at once, unless many ask.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// As long as the node itself takes at most.
const WORK_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of an answer, and of a line of one without an end.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Asks the node on a home.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error("no node runs on this home: start one with `pylon start`")]
    NotRunning,
    /// Somebody is there and does not answer.
    #[error("the node does not answer within {0} s: see its log")]
    Silent(u64),
    /// It says no, in its words.
    #[error("{0}")]
    Refused(String),
    /// Not what was asked for.
    #[error(
        "the node answers otherwise than this pylon expects ({0}): restart it with this version"
    )]
    Strange(String),
    /// Nobody can be there, and why.
    #[error("{0}")]
    Unreachable(String),
    /// The socket.
    #[error("cannot talk to the node: {0}")]
    Broken(String),
}

impl Client {
    /// To the node with this socket, whether it runs or not.
    pub fn new(socket: PathBuf) -> Self {
        Self { path: socket }
    }

    /// How it is.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/status").await
    }

    /// Who generates text.
    pub async fn backends(&self) -> Result<Backends, ClientError> {
        self.get("/backends").await
    }

    /// The latest events.
    pub async fn events(&self, limit: usize) -> Result<Events, ClientError> {
        self.get(&format!("/events?limit={limit}")).await
    }

    /// The latest events and all after them, one line each, until the node ends or `each` fails.
    pub async fn follow<E>(
        &self,
        limit: usize,
        mut each: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<Result<(), E>, ClientError> {
        let path = format!("/events?follow=true&limit={limit}");
        let mut body = within(ANSWER_WITHIN, self.ask(Method::GET, &path, None)).await?.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            // The node has ended, in order or not.
            let Ok(frame) = frame else { break };
            rest.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if let Err(error) = each(String::from_utf8_lossy(&line).trim_end()) {
                    return Ok(Err(error));
                }
            }
            if rest.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::Strange("a line without an end".into()));
            }
        }
        Ok(Ok(()))
    }

    /// Asks it to end, letting work go on for so long.
    pub async fn stop(&self, drain_seconds: u64) -> Result<Stopping, ClientError> {
        self.post("/stop", Some(&StopRequest { drain_seconds }), ANSWER_WITHIN).await
    }

    /// Asks it to read its settings again.
    pub async fn reload(&self) -> Result<Reloaded, ClientError> {
        self.post("/reload", None::<&()>, WORK_WITHIN).await
    }

    /// The guests.
    pub async fn guests(&self) -> Result<Guests, ClientError> {
        within(WORK_WITHIN, async { whole(self.ask(Method::GET, "/guests", None).await?).await })
            .await
    }

    /// Asks it to change a slot.
    pub async fn change(&self, change: &SlotChange) -> Result<SlotStatus, ClientError> {
        self.post("/guests", Some(change), WORK_WITHIN).await
    }

    /// Asks it to send a result that waits for the operator, or not to.
    pub async fn review(&self, review: Review) -> Result<Review, ClientError> {
        self.post("/review", Some(&review), WORK_WITHIN).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        within(ANSWER_WITHIN, async { whole(self.ask(Method::GET, path, None).await?).await }).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let body = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        within(patience, async { whole(self.ask(Method::POST, path, body).await?).await }).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Incoming>, ClientError> {
        if let Some(told) = socket_path_error(&self.path) {
            return Err(ClientError::Unreachable(told));
        }
        let stream = UnixStream::connect(&self.path).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => ClientError::NotRunning,
            ErrorKind::PermissionDenied => {
                ClientError::Broken("its socket belongs to another user".into())
            }
            _ => ClientError::Broken(error.to_string()),
        })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let mut request =
            Request::builder().method(method).uri(format!("{VERSION}{path}")).header(HOST, "pylon");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        let request = request.body(body).map_err(|error| ClientError::Broken(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status();
        match whole::<Failure>(response).await {
            Ok(failure) => Err(ClientError::Refused(failure.error)),
            Err(_) => Err(ClientError::Strange(format!("HTTP {}", code.as_u16()))),
        }
    }
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(patience, answer).await.unwrap_or(Err(ClientError::Silent(patience.as_secs())))
}

async fn whole<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| ClientError::Broken(error.to_string()))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| ClientError::Strange(error.to_string()))
}

fn broken(error: hyper::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}
