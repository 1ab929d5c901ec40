//! The WASI context of a handler: no environment, no arguments, an empty stdin, stdout and stderr
//! in the job's log, a fixed clock, and randomness derived from the job.

use crate::job_log::{JobLog, Stream};
use bytes::Bytes;
use pylon_core::Job;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, async_trait};

const RANDOM_BYTES_MAX: u64 = 64 << 10;
const WRITE_BYTES_MAX: usize = 64 << 10;

/// The same for the same job, whenever and wherever it runs.
pub(crate) fn new(job: &Job, log: &Arc<JobLog>) -> WasiCtx {
    let seed = *job.id.as_bytes();
    let random = ChaCha20Rng::from_seed(seed);
    let mut insecure = random.clone();
    insecure.set_stream(1);
    let clock = FixedClock(Duration::from_secs(job.created_at.get()));
    WasiCtx::builder()
        .stdout(LogStream { log: Arc::clone(log), stream: Stream::Out })
        .stderr(LogStream { log: Arc::clone(log), stream: Stream::Err })
        .wall_clock(clock)
        .monotonic_clock(clock)
        .secure_random(random)
        .insecure_random(insecure)
        .insecure_random_seed(seed.first_chunk().map_or(0, |half| u128::from_le_bytes(*half)))
        .max_random_size(RANDOM_BYTES_MAX)
        .build()
}

/// Always shows the date of the job.
#[derive(Clone, Copy)]
struct FixedClock(Duration);

impl HostWallClock for FixedClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for FixedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

/// stdout or stderr.
#[derive(Clone)]
struct LogStream {
    log: Arc<JobLog>,
    stream: Stream,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.stream(self.stream, &bytes).map_err(|fault| StreamError::Trap(fault.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(
            self.log
                .stream(self.stream, bytes)
                .map(|()| bytes.len())
                .map_err(std::io::Error::other),
        )
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
