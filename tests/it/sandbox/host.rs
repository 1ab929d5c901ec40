//! A host that records the calls of a handler.

use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::work::Usage;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Recorder {
    /// The text of every input; `None`: reads never return.
    input: Option<String>,
    pub lines: Mutex<Vec<(LogLevel, String)>>,
    pub partials: Mutex<Vec<String>>,
    /// Number of open streams.
    pub streams: Arc<AtomicUsize>,
    /// CPU time of each piece of a completion.
    work: Duration,
    /// Notified when a handler starts a read that never returns.
    pub waiting: Notify,
}

impl Recorder {
    pub(crate) fn reading(input: &str) -> Self {
        Self { input: Some(input.into()), ..Self::default() }
    }

    pub(super) fn working(work: Duration) -> Self {
        Self { work, ..Self::default() }
    }

    pub(super) fn has_line(&self, level: LogLevel, text: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|(its, line)| *its == level && line.contains(text))
    }

    pub(super) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl HandlerHost for Recorder {
    async fn generate(
        &self,
        _: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        self.streams.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(ScriptedStream {
            left: vec!["world", "hello "],
            work: self.work,
            open: Arc::clone(&self.streams),
        }))
    }

    async fn partial(&self, text: String) -> bool {
        self.partials.lock().unwrap().push(text);
        true
    }

    async fn report(&self, _: Option<u32>, _: String) -> bool {
        true
    }

    async fn read(&self, _: u32) -> Result<String, InputError> {
        if let Some(input) = &self.input {
            return Ok(input.clone());
        }
        self.waiting.notify_one();
        std::future::pending().await
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.lines.lock().unwrap().push((level, message.into()));
    }
}

struct ScriptedStream {
    left: Vec<&'static str>,
    work: Duration,
    open: Arc<AtomicUsize>,
}

#[async_trait]
impl GuestStream for ScriptedStream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        let begun = Instant::now();
        while begun.elapsed() < self.work {
            std::hint::spin_loop();
        }
        Ok(self.left.pop().map(String::from))
    }

    fn summary(&self) -> Option<CompletionSummary> {
        let usage = Usage::default();
        self.left.is_empty().then(|| CompletionSummary {
            length: false,
            model: "m".into(),
            ignored_params: Vec::new(),
            usage,
        })
    }
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}
