//! The control socket: its permissions, and limits on the number and duration of connections. No
//! client can block the node.

use super::deadline::RequestDeadline;
use super::routes::{self, ControlContext};
use crate::home::StateDir;
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
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Concurrent connections; further ones wait.
const CONNECTIONS_MAX: usize = 64;
/// From the connection to the last byte of a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The pause after a failed accept, for example without free file descriptors.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The control socket, served until dropped.
pub struct Server {
    path: PathBuf,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Opens the socket in the state folder. The caller holds the lock, so an existing socket is
    /// left from a node that no longer runs.
    pub fn open(state: &StateDir, context: ControlContext) -> Result<Self> {
        let path = state.socket();
        let listener = bind(&path)?;
        let closing = CancellationToken::new();
        let task = tokio::spawn(accept(listener, routes::router(context), closing.clone()));
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
    if let Some(message) = socket_path_error(path) {
        bail!(message);
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
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        tokio::select! {
            () = closing.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    drop(tokio::spawn(serve(stream, router.clone(), closing.clone(), permit)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a control connection, retrying");
                    tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
                }
            },
        }
    }
}

/// Serves one connection, which has one request.
async fn serve(
    stream: UnixStream,
    router: Router,
    closing: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let deadline = RequestDeadline::new();
    let service = {
        let (deadline, router) = (deadline.clone(), TowerToHyperService::new(router));
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(deadline.clone());
            router.call(request)
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    loop {
        let until = deadline.get();
        tokio::select! {
            _ = &mut connection => return,
            () = closing.cancelled() => return,
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                if until == deadline.get() {
                    return;
                }
            }
        }
    }
}
