//! A managed llama.cpp server with a small model, for the first run and for tests: fetched by hash,
//! run as a child process, and used like any other backend. Its answers are not for sale.

mod error;
mod fetch;
mod pins;
mod python;
#[cfg(test)]
mod tests;

pub use error::ManagedError;

use super::openai::OpenAi;
use pylon_core::ports::inference::{Inference as _, InferenceError};
use python::Python;
use reqwest::Client;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::time::{Instant, sleep, timeout_at};

const LAUNCHER: &str = include_str!("launcher.py");
/// The name of the backend in routes and events.
const ID: &str = "llama_cpp";
/// For 100 MB from a cold disk on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Shared by all slots.
const CONTEXT_TOKENS: u32 = 4096;
const CONCURRENCY: u32 = 2;
/// More threads do not make so small a model faster.
const THREADS_MAX: usize = 2;
const ADDRESS_BYTES_MAX: u64 = 256;

/// A running server. It ends when this is dropped, and when this program dies.
#[derive(Debug)]
pub struct ManagedServer {
    url: String,
    log: PathBuf,
    child: Child,
    /// The server ends when its end of this pipe is closed.
    _lifeline: ChildStdin,
}

impl ManagedServer {
    /// Fetches what is missing into `cache_dir` and starts the server. `progress` is called for
    /// every slow step. The output of the server is written to a file in `log_dir`. With a complete
    /// cache, no network is used.
    pub async fn start(
        http: &Client,
        cache_dir: &Path,
        log_dir: &Path,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, ManagedError> {
        let (cache, logs) = (folder(cache_dir)?, folder(log_dir)?);
        let python = Python::find(&cache).await?;
        let engine = fetch::engine(&python, &cache, progress).await?;
        let model = fetch::model(&python, &cache, progress).await?;
        progress("starting the llama.cpp server");
        let mut server =
            Self::launch(&python, &cache, &engine, &model, logs.join("llama-server.log")).await?;
        server.become_ready(http).await?;
        Ok(server)
    }

    /// Its address: on loopback, at a port that it chooses.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server as a backend.
    pub fn backend(&self, http: &Client) -> Result<OpenAi, InferenceError> {
        Ok(OpenAi::new(http.clone(), ID, &self.url, CONCURRENCY)?.with_health(Some("health")))
    }

    /// Stops the server and waits for its end.
    pub async fn stop(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    async fn launch(
        python: &Python,
        cache: &Path,
        engine: &Path,
        model: &Path,
        log: PathBuf,
    ) -> Result<Self, ManagedError> {
        let failed = |why: &str| ManagedError::Start(why.to_owned(), log.clone());
        let threads = available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let file = File::create(&log).map_err(|error| ManagedError::Disk(log.clone(), error))?;
        let mut command = python.command(cache);
        command.args(["-I", "-c", LAUNCHER]).arg(engine).arg(model).arg(pins::MODEL_ALIAS);
        command.args([CONTEXT_TOKENS.to_string(), CONCURRENCY.to_string(), threads.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        let (Some(lifeline), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("its pipes are missing"));
        };
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout.take(ADDRESS_BYTES_MAX));
        match timeout_at(Instant::now() + START_TIMEOUT, stdout.read_line(&mut line)).await {
            Err(_) => Err(failed("it does not answer")),
            Ok(Ok(read)) if read > 0 => {
                Ok(Self { url: line.trim().to_owned(), log, child, _lifeline: lifeline })
            }
            Ok(_) => Err(failed("it ended")),
        }
    }

    async fn become_ready(&mut self, http: &Client) -> Result<(), ManagedError> {
        let deadline = Instant::now() + START_TIMEOUT;
        let failed = |why: String| ManagedError::Start(why, self.log.clone());
        let backend = self.backend(http).map_err(|error| failed(error.to_string()))?;
        loop {
            let Err(error) = backend.models().await else { return Ok(()) };
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(ManagedError::Start(
                    format!("it ended with {status}"),
                    self.log.clone(),
                ));
            }
            if Instant::now() > deadline {
                return Err(ManagedError::Start(error.to_string(), self.log.clone()));
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

/// The absolute path of a folder that exists and is private: children run in another folder.
fn folder(path: &Path) -> Result<PathBuf, ManagedError> {
    let disk = |error| ManagedError::Disk(path.to_owned(), error);
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700)
        .create(path)
        .map_err(disk)?;
    std::path::absolute(path).map_err(disk)
}
