//! One attempt at a job: what its handler may ask of the node, and what the attempt came to.

use super::Shared;
use super::gather::Texts;
use super::generation;
use super::listener::Listener;
use async_trait::async_trait;
use pylon_core::completion::{GuestCompletionRequest, GuestInferenceError};
use pylon_core::decision::REDACTED;
use pylon_core::event::DomainEvent;
use pylon_core::guest::{Fault, GuestAnswer, LogLevel};
use pylon_core::input::InputError;
use pylon_core::job::JobError;
use pylon_core::message::{JobStatus, Message, ReplyTo};
use pylon_core::ports::guests::{GuestSet as Guests, GuestStream, HandlerHost};
use pylon_core::text::sanitize_line;
use pylon_core::transcript::Transcript;
use pylon_core::work::{Evidence, Finish, Output, Route, Usage};
use pylon_core::{InputSource, Job};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first text goes out after this, so that a short job is spared the noise.
const PARTIAL_AFTER: Duration = Duration::from_millis(100);
/// And more of it not oftener than this.
const PARTIAL_EVERY: Duration = Duration::from_millis(500);
/// Partial results of one job.
const PARTIALS_MAX: u32 = 120;

/// What is to be done.
pub(super) struct Task {
    pub(super) job: Arc<Job>,
    /// What was fetched; without it every input is in the request.
    pub(super) texts: Option<Texts>,
    pub(super) guests: Arc<dyn Guests>,
    pub(super) routes: Vec<Route>,
    pub(super) attempt: u32,
    pub(super) max_output_tokens: u64,
    pub(super) max_work_ms: u64,
    /// May the customer read along?
    pub(super) partials: bool,
}

/// What came of it.
pub(super) struct Done {
    pub(super) attempt: u32,
    pub(super) answer: GuestAnswer<Result<Output, JobError>>,
    pub(super) outcome: Result<(Output, Evidence), JobError>,
    /// What the handler heard, to run it again; nothing of a confidential job, nor what would be too much.
    pub(super) transcript: Option<Transcript>,
    pub(super) partial_sent: bool,
    /// Time spent waiting for backends.
    pub(super) backend: Duration,
    /// All of it.
    pub(super) elapsed: Duration,
}

/// Runs the handler. Dropping the future stops it and whatever it has started.
pub(super) async fn run(shared: Arc<Shared>, task: Task) -> Done {
    let begun = Instant::now();
    let report =
        Arc::new(Mutex::new(Report { confidential: task.job.confidential, ..Report::default() }));
    let (market, first) = (Arc::clone(&shared.market), task.routes.first().cloned());
    let host = Host {
        shared,
        job: Arc::clone(&task.job),
        texts: task.texts,
        begun,
        routes: task.routes,
        max_output_tokens: task.max_output_tokens,
        partials: task.partials,
        report: Arc::clone(&report),
    };
    let host: Arc<dyn HandlerHost> = Arc::new(host);
    let (answer, transcript) = if task.job.confidential {
        (task.guests.run(&task.job, task.max_work_ms, host).await, None)
    } else {
        let listener = Arc::new(Listener::new(host, Arc::clone(&task.job)));
        let answer = task.guests.run(&task.job, task.max_work_ms, Arc::clone(&listener) as _).await;
        let transcript =
            listener.finish(answer.value.as_ref().ok().and_then(|said| said.as_ref().ok()));
        (answer, transcript)
    };
    let report = lock(&report);
    let outcome = match &answer.value {
        Ok(Ok(output)) => match market.check(&task.job, output) {
            Ok(()) => report
                .evidence(task.attempt, first)
                .map(|evidence| (output.clone(), evidence))
                .ok_or(JobError::NoBackend),
            // Nothing is charged for what cannot be handed over.
            Err(error) => Err(JobError::Failed(error.to_string())),
        },
        Ok(Err(error)) => Err(error.clone()),
        Err(Fault::Wall) => Err(JobError::Timeout),
        Err(fault) => Err(JobError::Failed(format!("the handler is {fault}"))),
    };
    Done {
        attempt: task.attempt,
        outcome,
        transcript,
        partial_sent: report.partials > 0,
        backend: report.backend,
        elapsed: begun.elapsed(),
        answer,
    }
}

/// What the host saw of the attempt.
#[derive(Default)]
pub(super) struct Report {
    /// The route that answered last.
    pub(super) route: Option<Route>,
    pub(super) usage: Usage,
    /// An answer was cut at its bound.
    pub(super) length: bool,
    /// Time spent waiting for backends.
    pub(super) backend: Duration,
    /// One is open.
    pub(super) generating: bool,
    /// Begun so far.
    pub(super) generations: u32,
    /// What backends say about it may quote it, and is kept out of the log.
    pub(super) confidential: bool,
    partials: u32,
    last_partial: Option<Instant>,
}

impl Report {
    /// Of work that asked no backend, the route that it was priced by stands for all; of work that asked in vain there is none.
    fn evidence(&self, attempt: u32, first: Option<Route>) -> Option<Evidence> {
        Some(Evidence {
            finish: if self.length { Finish::Length } else { Finish::Complete },
            checks: Vec::new(),
            usage: Usage {
                work_ms: u64::try_from(self.backend.as_millis()).unwrap_or(u64::MAX),
                ..self.usage
            },
            route: self.route.clone().or(first.filter(|_| self.generations == 0))?,
            attempt,
        })
    }

    /// Is it time to send what there is? Counted as sent.
    fn partial_is_due(&mut self, begun: Instant) -> bool {
        let due = match self.last_partial {
            None => begun.elapsed() >= PARTIAL_AFTER,
            Some(last) => last.elapsed() >= PARTIAL_EVERY,
        };
        let send = due && self.partials < PARTIALS_MAX;
        if send {
            self.partials += 1;
            self.last_partial = Some(Instant::now());
        }
        send
    }
}

pub(super) fn lock(report: &Mutex<Report>) -> MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far a text is that may have so many tokens. Only its end is the end.
fn written_permille(bytes: usize, max_tokens: u64) -> u32 {
    let tokens = Usage::estimate(bytes as u64);
    u32::try_from(tokens.saturating_mul(1000) / max_tokens.max(1)).unwrap_or(u32::MAX).min(999)
}

struct Host {
    shared: Arc<Shared>,
    job: Arc<Job>,
    texts: Option<Texts>,
    begun: Instant,
    routes: Vec<Route>,
    max_output_tokens: u64,
    partials: bool,
    report: Arc<Mutex<Report>>,
}

impl Host {
    fn progress(&self, permille: u32) {
        #[allow(clippy::cast_precision_loss, reason = "at most 1000")]
        let progress = permille.min(1000) as f32 / 1000.0;
        let timestamp = self.shared.clock.now();
        self.shared.bus.announce(DomainEvent::JobProgress {
            job_id: self.job.id,
            progress,
            timestamp,
        });
    }
}

#[async_trait]
impl HandlerHost for Host {
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        generation::begin(
            &self.shared.backends,
            &self.routes,
            request,
            self.max_output_tokens,
            &self.report,
        )
        .await
    }

    async fn partial(&self, text: String) -> bool {
        if self.partials && lock(&self.report).partial_is_due(self.begun) {
            self.progress(written_permille(text.len(), self.max_output_tokens));
            let message =
                Message::Feedback { to: ReplyTo::of(&self.job), status: JobStatus::Partial(text) };
            match self.shared.market.sign(&message, self.shared.clock.now()) {
                Ok(sealed) => self.shared.outbox.send_once(sealed),
                Err(error) => {
                    tracing::debug!(job = %self.job.id.short(), %error, "partial result not sent")
                }
            }
        }
        true
    }

    async fn report(&self, permille: Option<u32>, note: String) -> bool {
        let note = if self.job.confidential { REDACTED } else { &note };
        tracing::debug!(job = %self.job.id.short(), permille, note, "progress");
        if let Some(permille) = permille {
            self.progress(permille);
        }
        true
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let gathered = self.texts.as_ref().and_then(|texts| texts.get(index as usize));
        match (self.job.inputs.get(index as usize).map(|input| &input.source), gathered) {
            (Some(InputSource::Text(text)), _) | (Some(_), Some(text)) => Ok(text.clone()),
            (Some(_), None) => Err(InputError::Denied),
            (None, _) => Err(InputError::Other(format!("there is no input {index}"))),
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        if self.job.confidential {
            return;
        }
        // One line stays one line, whatever it says.
        let (job, message) = (self.job.id.short(), sanitize_line(message));
        match level {
            LogLevel::Debug => tracing::debug!(job, "{message}"),
            LogLevel::Info => tracing::info!(job, "{message}"),
            LogLevel::Warn => tracing::warn!(job, "{message}"),
            LogLevel::Error => tracing::error!(job, "{message}"),
        }
    }
}
