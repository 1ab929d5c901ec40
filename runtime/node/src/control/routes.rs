//! What is answered to whom asks. Orders are handed to the one who runs the node; facts are answered here.

use super::ring::{self, Ring};
use super::server::Patience;
use crate::control::Facts;
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
    Backends, Daemon, Events, Failure, Guests, Reloaded, Review, Status, StopRequest, Stopping,
};
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_slots::InstallFailure;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// A request's own text.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Events in an answer, unless it is said how many.
const EVENTS: usize = 100;
/// Those who follow at once.
const FOLLOWERS_MAX: usize = 16;
/// Longer than this nobody waits for jobs to end.
const DRAIN_SECONDS_MAX: u64 = 24 * 3600;

/// Something to do, for the one who runs the node.
pub enum Order {
    /// End, letting work go on for so long.
    Stop(Duration),
    /// Read the settings again; the answer is what came of it, or one line.
    Reload(oneshot::Sender<Result<Reloaded, String>>),
    /// Change a slot; the answer is who is there then, or the step that failed.
    Guests(Box<SlotChange>, oneshot::Sender<Result<SlotStatus, InstallFailure>>),
    /// Send a result that waits for the operator, or do not.
    Review(Review, oneshot::Sender<Result<(), String>>),
}

/// What the answers are made of.
pub struct Desk {
    /// Of the node.
    pub facts: Facts,
    /// The latest events.
    pub ring: Ring,
    /// The process. The time is added to each answer.
    pub daemon: Daemon,
    /// When it started.
    pub begun: Instant,
    /// Who runs the node.
    pub orders: mpsc::Sender<Order>,
}

struct Shared {
    desk: Desk,
    followers: Arc<Semaphore>,
}

pub(super) fn router(desk: Desk) -> Router {
    let shared = Arc::new(Shared { desk, followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)) });
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
                "there is no such path: is this pylon as new as the node?",
            )
        })
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "not with this method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

fn refuse(code: StatusCode, error: impl Into<String>) -> Response {
    (code, Json(Failure { code: None, error: error.into() })).into_response()
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let Desk { facts, daemon, begun, .. } = &shared.desk;
    match facts.stats().and_then(|stats| Ok((stats, facts.refused()?))) {
        Ok((stats, refused)) => Json(Status {
            daemon: Daemon { uptime_secs: begun.elapsed().as_secs(), ..daemon.clone() },
            stats,
            refused,
            backends: facts.backends(),
            agent_backends: Vec::new(),
            kinds: facts.kinds(),
            relays: facts.relays(),
        })
        .into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn backends(State(shared): State<Arc<Shared>>) -> Json<Backends> {
    Json(Backends { backends: shared.desk.facts.fresh_backends().await })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    limit: Option<usize>,
    #[serde(default)]
    follow: bool,
}

async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(patience): Extension<Patience>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let Wanted { limit, follow } = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let limit = limit.unwrap_or(EVENTS);
    if !follow {
        let events = shared
            .desk
            .ring
            .latest(limit)
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        return Json(Events { events }).into_response();
    }
    match Arc::clone(&shared.followers).try_acquire_owned() {
        Ok(place) => {
            patience.for_good();
            stream_of(&shared.desk.ring, limit, place)
        }
        Err(_) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{FOLLOWERS_MAX} follow the events already: end one of them"),
        ),
    }
}

/// One line each, until the client or the node is gone.
fn stream_of(ring: &Ring, limit: usize, place: OwnedSemaphorePermit) -> Response {
    let (before, after) = ring.follow(limit);
    let before = stream::iter(before);
    let after = stream::unfold((after, place), |(mut after, place)| async {
        match after.recv().await {
            Ok(line) => Some((line, (after, place))),
            Err(RecvError::Lagged(count)) => Some((ring::missed(count), (after, place))),
            Err(RecvError::Closed) => None,
        }
    });
    let lines =
        before.chain(after).map(|line| Ok::<_, std::convert::Infallible>(format!("{line}\n")));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn stop(
    State(shared): State<Arc<Shared>>,
    request: Result<Json<StopRequest>, JsonRejection>,
) -> Response {
    let StopRequest { drain_seconds } = match request {
        Ok(Json(request)) => request,
        Err(error) => return refuse(error.status(), error.body_text()),
    };
    let order = Order::Stop(Duration::from_secs(drain_seconds.min(DRAIN_SECONDS_MAX)));
    match shared.desk.orders.try_send(order) {
        Ok(()) => {
            (StatusCode::ACCEPTED, Json(Stopping { pid: shared.desk.daemon.pid })).into_response()
        }
        Err(_) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "the node is busy with other orders: try again")
        }
    }
}

async fn reload(
    State(shared): State<Arc<Shared>>,
    Extension(patience): Extension<Patience>,
) -> Response {
    patience.for_work();
    match ordered(&shared, Order::Reload).await {
        Ok(Ok(reloaded)) => Json(reloaded).into_response(),
        Ok(Err(error)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, error),
        Err(busy) => busy,
    }
}

async fn guests(
    State(shared): State<Arc<Shared>>,
    Extension(patience): Extension<Patience>,
) -> Json<Guests> {
    // Somebody may be changing them.
    patience.for_work();
    let facts = &shared.desk.facts;
    Json(Guests { guests: facts.guests().await, lockdown: Some(facts.rules().await) })
}

async fn change(
    State(shared): State<Arc<Shared>>,
    Extension(patience): Extension<Patience>,
    change: Result<Json<SlotChange>, JsonRejection>,
) -> Response {
    let change = match change {
        Ok(Json(change)) => Box::new(change),
        Err(error) => return refuse(error.status(), error.body_text()),
    };
    patience.for_work();
    match ordered(&shared, |reply| Order::Guests(change, reply)).await {
        Ok(Ok(status)) => Json(status).into_response(),
        Ok(Err(InstallFailure { code, message })) => {
            let failure = Failure { code: Some(code.into()), error: format!("{code}: {message}") };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(failure)).into_response()
        }
        Err(busy) => busy,
    }
}

async fn review(
    State(shared): State<Arc<Shared>>,
    Extension(patience): Extension<Patience>,
    request: Result<Json<Review>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(error) => return refuse(error.status(), error.body_text()),
    };
    patience.for_work();
    match ordered(&shared, |reply| Order::Review(request, reply)).await {
        Ok(Ok(())) => Json(request).into_response(),
        Ok(Err(error)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, error),
        Err(busy) => busy,
    }
}

/// What came of an order, or why it was not taken.
async fn ordered<T>(
    shared: &Shared,
    order: impl FnOnce(oneshot::Sender<T>) -> Order,
) -> Result<T, Response> {
    let (reply, answer) = oneshot::channel();
    let busy = |_| {
        refuse(StatusCode::SERVICE_UNAVAILABLE, "the node is busy with other orders: try again")
    };
    shared.desk.orders.try_send(order(reply)).map_err(busy)?;
    answer.await.map_err(|_| refuse(StatusCode::SERVICE_UNAVAILABLE, "the node stops"))
}
