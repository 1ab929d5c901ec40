//! A llama.cpp server of our own with a small model, for the first run and for tests: fetched by hash, run as a child,
//! reached like any other backend. What it answers is not for sale.

mod fetch;
mod pins;
mod python;
#[cfg(test)]
mod tests;

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
/// 100 MB from a cold disk on a crowded machine.
const START_WITHIN: Duration = Duration::from_secs(120);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Shared out over the slots.
const CONTEXT_TOKENS: u32 = 4096;
const SLOTS: u32 = 2;
/// More make a model this small no faster, and leave the rest of the machine to its owner.
const THREADS_MAX: usize = 2;
const ADDRESS_BYTES_MAX: u64 = 256;

/// What to do instead ends every message: the first run must never end in a riddle.
#[derive(Debug, thiserror::Error)]
pub enum ManagedError {
    /// None, or too old.
    #[error(
        "the demo's server needs Python 3.10 or later and found {0}; install it, or start any llama.cpp server and pass `--backend URL`"
    )]
    NoPython(String),
    /// Nothing to fetch with.
    #[error(
        "`{0}` has no pip to fetch the demo's server with; install pip, or start any llama.cpp server and pass `--backend URL`"
    )]
    NoPip(String),
    /// Not for this machine.
    #[error(
        "there is no ready-made server for {0}; start any llama.cpp server and pass `--backend URL`"
    )]
    NoWheel(String),
    /// What, and what pip said.
    #[error(
        "cannot fetch {0}: {1}; try again, or start any llama.cpp server and pass `--backend URL`"
    )]
    Fetch(String, String),
    /// What happened, and where to read more.
    #[error(
        "the llama.cpp server does not start: {0} (see {1}); start another one and pass `--backend URL`"
    )]
    Start(String, PathBuf),
    /// Where.
    #[error("cannot write {0}: {1}")]
    Disk(PathBuf, io::Error),
}

/// A running server. It ends when this is dropped, and when this program dies.
#[derive(Debug)]
pub struct ManagedServer {
    url: String,
    log: PathBuf,
    child: Child,
    /// Its end of this pipe is how the server notices that we are gone.
    _lifeline: ChildStdin,
}

impl ManagedServer {
    /// Fetches what is missing into `cache_dir` and starts it; `progress` hears of every step that takes time. What the
    /// server says goes to a file in `log_dir`. With everything in the cache, nothing but this machine is asked.
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

    /// Where it listens: on loopback, at a port of its own choice.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// It as a backend.
    pub fn backend(&self, http: &Client) -> Result<OpenAi, InferenceError> {
        Ok(OpenAi::new(http.clone(), ID, &self.url, SLOTS)?.with_health(Some("health")))
    }

    /// The name of its process.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it and waits for that.
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
        command.args([CONTEXT_TOKENS.to_string(), SLOTS.to_string(), threads.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        let (Some(lifeline), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("its pipes are missing"));
        };
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout.take(ADDRESS_BYTES_MAX));
        match timeout_at(Instant::now() + START_WITHIN, stdout.read_line(&mut line)).await {
            Err(_) => Err(failed("it is silent")),
            Ok(Ok(read)) if read > 0 => {
                Ok(Self { url: line.trim().to_owned(), log, child, _lifeline: lifeline })
            }
            Ok(_) => Err(failed("it ended")),
        }
    }

    async fn become_ready(&mut self, http: &Client) -> Result<(), ManagedError> {
        let deadline = Instant::now() + START_WITHIN;
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
            sleep(ASK_AGAIN_AFTER).await;
        }
    }
}

/// A folder that exists and is nobody else's, by its full name: children run elsewhere.
fn folder(path: &Path) -> Result<PathBuf, ManagedError> {
    let disk = |error| ManagedError::Disk(path.to_owned(), error);
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700)
        .create(path)
        .map_err(disk)?;
    std::path::absolute(path).map_err(disk)
}
