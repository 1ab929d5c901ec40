//! Panics of this process. The message of a panic may quote a job, so nothing but its place and the
//! id of the job is kept or logged.

use crate::clock::SystemClock;
use pylon_control_api::Panics;
use pylon_core::ports::clock::Clock as _;
use pylon_core::sync::lock;
use std::io::Write as _;
use std::panic::{PanicHookInfo, set_hook};
use std::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

static PANICS: Mutex<Panics> = Mutex::new(Panics { count: 0, last_at: None, last_place: None });

/// Replaces the hook that prints the message.
pub fn install_hook() {
    set_hook(Box::new(report));
}

/// The panics since the start of the process.
pub fn panics() -> Panics {
    lock(&PANICS).clone()
}

fn report(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "unknown".into(), ToString::to_string);
    let job = pylon_provider::current_job().map(|job| job.short());
    // Without a log this is a command, whose errors are on stderr.
    if tracing::dispatcher::has_been_set() {
        tracing::error!(place, job, "panicked: this is a bug, please report it");
    } else {
        let _ = writeln!(
            std::io::stderr(),
            "pylon: panicked at {place}: this is a bug, please report it"
        );
    }
    let mut panics = lock(&PANICS);
    panics.count += 1;
    panics.last_at = Some(SystemClock.now().get());
    panics.last_place = Some(place);
}

/// Starts a worker that runs as long as the node. If it panics, `failed` is cancelled: a node that
/// works only in part must not go unnoticed.
pub(crate) fn spawn(
    worker: &'static str,
    failed: CancellationToken,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if pylon_provider::catch(work).await.is_err() {
            tracing::error!(worker, "the worker panicked, the node stops");
            failed.cancel();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a worker that panics stops the node, one that ends does not. Method: one of each.
    #[tokio::test]
    async fn panicking_worker_is_noticed() {
        let (failed, fine) = (CancellationToken::new(), CancellationToken::new());
        spawn("panics", failed.clone(), async { panic!("expected") }).await.unwrap();
        spawn("ends", fine.clone(), async {}).await.unwrap();
        assert!(failed.is_cancelled() && !fine.is_cancelled());
    }
}
