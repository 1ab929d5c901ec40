//! The routes of the control API. Queries are answered from `NodeStatus`; changes are passed as a
//! `ControlCommand` to the program that runs the node.

use super::deadline::RequestDeadline;
use super::ring::{self, Ring};
use super::status::NodeStatus;
use crate::panics::panics;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures::StreamExt;
use futures::stream;
use pylon_control_api::{
    ApiError, Backends, Daemon, Events, Guests, Reloaded, Review, Status, StopRequest, Stopping,
};
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_slots::InstallFailure;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Events in a response, unless the request has a limit.
const EVENTS_DEFAULT: usize = 100;
/// Concurrent event streams.
const FOLLOWERS_MAX: usize = 16;
/// The longest wait for running jobs.
const DRAIN_SECONDS_MAX: u64 = 24 * 3600;

/// A command for the program that runs the node. Most have a channel for the reply.
pub enum ControlCommand {
    /// Stops the node; running jobs have this long to finish.
    Stop(Duration),
    /// Read the settings again; the error is one line.
    Reload(oneshot::Sender<Result<Reloaded, String>>),
    /// Change a slot; the error names the step that failed.
    Change(Box<SlotChange>, oneshot::Sender<Result<SlotStatus, InstallFailure>>),
    /// Accept or reject a result that waits for review.
    Review(Review, oneshot::Sender<Result<(), String>>),
}

/// What the routes need from the program that runs the node.
pub struct ControlContext {
    /// The status of the node.
    pub status: NodeStatus,
    /// The latest events.
    pub ring: Ring,
    /// The process; the uptime is set in each response.
    pub daemon: Daemon,
    /// When the process started.
    pub started: Instant,
    /// Receives the commands.
    pub commands: mpsc::Sender<ControlCommand>,
}

struct RouterState {
    control: ControlContext,
    followers: Arc<Semaphore>,
}

pub(super) fn router(control: ControlContext) -> Router {
    let context =
        Arc::new(RouterState { control, followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)) });
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/backends", get(backends))
        .route("/v1/events", get(events))
        .route("/v1/stop", post(stop))
        .route("/v1/reload", post(reload))
        .route("/v1/guests", get(guests).post(change))
        .route("/v1/review", post(review))
        .fallback(|| async {
            refuse(
                StatusCode::NOT_FOUND,
                "unknown path: the node may be of another version, restart it with this one",
            )
        })
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "this path has another method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(context)
}

fn refuse(code: StatusCode, error: impl Into<String>) -> Response {
    (code, Json(ApiError { code: None, error: error.into() })).into_response()
}

async fn status(State(context): State<Arc<RouterState>>) -> Response {
    let ControlContext { status, daemon, started, .. } = &context.control;
    match status.stats().and_then(|stats| Ok((stats, status.refused()?))) {
        Ok((stats, refused)) => Json(Status {
            daemon: Daemon { uptime_secs: started.elapsed().as_secs(), ..daemon.clone() },
            stats,
            jobs: status.jobs(),
            refused,
            panics: panics(),
            backends: status.backends(),
            agent_backends: Vec::new(),
            kinds: status.kinds(),
            relays: status.relays(),
            clock_off_s: status.clock_off_s(),
        })
        .into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn backends(State(context): State<Arc<RouterState>>) -> Json<Backends> {
    Json(Backends { backends: context.control.status.fresh_backends().await })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    limit: Option<usize>,
    #[serde(default)]
    follow: bool,
}

async fn events(
    State(context): State<Arc<RouterState>>,
    Extension(deadline): Extension<RequestDeadline>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Response {
    let EventsQuery { limit, follow } = match query {
        Ok(Query(query)) => query,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let limit = limit.unwrap_or(EVENTS_DEFAULT);
    if !follow {
        let events = context
            .control
            .ring
            .latest(limit)
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        return Json(Events { events }).into_response();
    }
    match Arc::clone(&context.followers).try_acquire_owned() {
        Ok(permit) => {
            deadline.remove();
            event_stream(&context.control.ring, limit, permit)
        }
        Err(_) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{FOLLOWERS_MAX} clients already follow the events: stop one of them"),
        ),
    }
}

/// One event per line, until the client disconnects or the node stops.
fn event_stream(ring: &Ring, limit: usize, permit: OwnedSemaphorePermit) -> Response {
    let (before, after) = ring.follow(limit);
    let before = stream::iter(before);
    let after = stream::unfold((after, permit), |(mut after, permit)| async {
        match after.recv().await {
            Ok(line) => Some((line, (after, permit))),
            Err(RecvError::Lagged(count)) => Some((ring::skipped(count), (after, permit))),
            Err(RecvError::Closed) => None,
        }
    });
    let lines =
        before.chain(after).map(|line| Ok::<_, std::convert::Infallible>(format!("{line}\n")));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn stop(
    State(context): State<Arc<RouterState>>,
    request: Result<Json<StopRequest>, JsonRejection>,
) -> Response {
    let StopRequest { drain_seconds } = match request {
        Ok(Json(request)) => request,
        Err(error) => return refuse(error.status(), error.body_text()),
    };
    let command = ControlCommand::Stop(Duration::from_secs(drain_seconds.min(DRAIN_SECONDS_MAX)));
    match context.control.commands.try_send(command) {
        Ok(()) => (StatusCode::ACCEPTED, Json(Stopping { pid: context.control.daemon.pid }))
            .into_response(),
        Err(_) => busy(),
    }
}

async fn reload(
    State(context): State<Arc<RouterState>>,
    Extension(deadline): Extension<RequestDeadline>,
) -> Response {
    deadline.extend();
    match execute(&context, ControlCommand::Reload).await {
        Ok(Ok(reloaded)) => Json(reloaded).into_response(),
        Ok(Err(error)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, error),
        Err(response) => response,
    }
}

async fn guests(
    State(context): State<Arc<RouterState>>,
    Extension(deadline): Extension<RequestDeadline>,
) -> Json<Guests> {
    // The slots may be locked by a change.
    deadline.extend();
    let status = &context.control.status;
    Json(Guests { guests: status.guests().await, lockdown: Some(status.rules().await) })
}

async fn change(
    State(context): State<Arc<RouterState>>,
    Extension(deadline): Extension<RequestDeadline>,
    change: Result<Json<SlotChange>, JsonRejection>,
) -> Response {
    let change = match change {
        Ok(Json(change)) => Box::new(change),
        Err(error) => return refuse(error.status(), error.body_text()),
    };
    deadline.extend();
    match execute(&context, |reply| ControlCommand::Change(change, reply)).await {
        Ok(Ok(slot)) => Json(slot).into_response(),
        Ok(Err(InstallFailure { code, message })) => {
            let failure = ApiError { code: Some(code.into()), error: format!("{code}: {message}") };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(failure)).into_response()
        }
        Err(response) => response,
    }
}

async fn review(
    State(context): State<Arc<RouterState>>,
    Extension(deadline): Extension<RequestDeadline>,
    request: Result<Json<Review>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(error) => return refuse(error.status(), error.body_text()),
    };
    deadline.extend();
    match execute(&context, |reply| ControlCommand::Review(request, reply)).await {
        Ok(Ok(())) => Json(request).into_response(),
        Ok(Err(error)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, error),
        Err(response) => response,
    }
}

/// Passes a command to the program that runs the node and waits for its reply.
async fn execute<T>(
    context: &RouterState,
    command: impl FnOnce(oneshot::Sender<T>) -> ControlCommand,
) -> Result<T, Response> {
    let (reply, answer) = oneshot::channel();
    context.control.commands.try_send(command(reply)).map_err(|_| busy())?;
    answer.await.map_err(|_| refuse(StatusCode::SERVICE_UNAVAILABLE, "the node is stopping"))
}

fn busy() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the node is busy with other commands: try again")
}
