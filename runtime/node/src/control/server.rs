//! The socket: who may connect, how many at once, and for how long. Nothing a client does or leaves undone holds up the node.

use super::routes::{self, Desk};
use crate::home::State;
use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pylon_control_api::socket_path_error;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Connections at once; further ones wait for one to end.
const CONNECTIONS_MAX: usize = 64;
/// From the connection to the last byte of a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(2);
/// The whole of an exchange.
const EXCHANGE_WITHIN: Duration = Duration::from_secs(5);
/// The whole of one for which the node has to work, such as preparing changed guests anew.
const WORK_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Before another connection is taken where none can be: descriptors have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket with somebody behind it, until dropped.
pub struct Server {
    path: PathBuf,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

/// How long an exchange may go on. Only an answer makes it longer, never a client.
#[derive(Clone)]
pub(super) struct Patience(Arc<Mutex<Option<Instant>>>);

impl Patience {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Instant::now() + EXCHANGE_WITHIN))))
    }

    /// The answer takes work.
    pub(super) fn for_work(&self) {
        self.set(Some(Instant::now() + WORK_WITHIN));
    }

    /// The answer has no end.
    pub(super) fn for_good(&self) {
        self.set(None);
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn until(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Opens the socket in the state folder. The caller holds the lock, so what is there is left over.
    pub fn open(state: &State, desk: Desk) -> Result<Self> {
        let path = state.socket();
        let listener = bind(&path)?;
        let closing = CancellationToken::new();
        let task = tokio::spawn(accept(listener, routes::router(desk), closing.clone()));
        Ok(Self { path, closing, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.cancel();
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn bind(path: &Path) -> Result<UnixListener> {
    if let Some(told) = socket_path_error(path) {
        bail!(told);
    }
    let cannot = || format!("cannot open the socket {}", path.display());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(cannot);
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(cannot)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).with_context(cannot)?;
    Ok(listener)
}

async fn accept(listener: UnixListener, router: Router, closing: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        tokio::select! {
            () = closing.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, router.clone(), closing.clone(), place))),
                Err(error) => {
                    tracing::warn!(%error, "a control connection was not taken");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// One connection, one request.
async fn serve(
    stream: UnixStream,
    router: Router,
    closing: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let patience = Patience::new();
    let service = {
        let (patience, router) = (patience.clone(), TowerToHyperService::new(router));
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(patience.clone());
            router.call(request)
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    loop {
        let until = patience.until();
        tokio::select! {
            _ = &mut connection => return,
            () = closing.cancelled() => return,
            () = async { if let Some(until) = until { sleep_until(until).await } }, if until.is_some() => {
                if until == patience.until() {
                    return;
                }
            }
        }
    }
}
