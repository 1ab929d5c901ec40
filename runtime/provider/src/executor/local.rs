//! The executor of this process: it has the guests and the backends.

use super::host::AttemptHost;
use super::recording_host::RecordingHost;
use super::stats::AttemptStats;
use crate::backends::BackendRegistry;
use async_trait::async_trait;
use pylon_core::guest::{Fault, GuestAnswer};
use pylon_core::job::JobError;
use pylon_core::ports::executor::{AttemptResult, AttemptSink, AttemptSpec, Executor};
use pylon_core::ports::guests::{GuestSet, GuestSets, HandlerHost};
use pylon_core::sync::lock;
use pylon_core::transcript::Transcript;
use pylon_core::work::{Evidence, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// For the customer of a job whose guest set is unavailable.
const NO_HANDLER: &str = "the handler for this job was replaced; please resubmit";

/// Runs attempts in this process.
pub struct LocalExecutor {
    guests: Arc<dyn GuestSets>,
    backends: Arc<BackendRegistry>,
}

impl LocalExecutor {
    /// With these guests and backends.
    pub fn new(guests: Arc<dyn GuestSets>, backends: Arc<BackendRegistry>) -> Self {
        Self { guests, backends }
    }

    fn guest_set(&self, revision: u64, kind: u16) -> Option<Arc<dyn GuestSet>> {
        if revision == 0 { Some(self.guests.current()) } else { self.guests.at(revision, kind) }
    }
}

#[async_trait]
impl Executor for LocalExecutor {
    async fn run(&self, spec: AttemptSpec, updates: Arc<dyn AttemptSink>) -> AttemptResult {
        let begun = Instant::now();
        let Some(guests) = self.guest_set(spec.revision, spec.job.kind) else {
            return not_run(spec.attempt);
        };
        let stats = Arc::new(Mutex::new(AttemptStats::default()));
        let (attempt, first) = (spec.attempt, spec.routes.first().cloned());
        let host = AttemptHost {
            spec: spec.clone(),
            backends: Arc::clone(&self.backends),
            begun,
            updates,
            stats: Arc::clone(&stats),
        };
        let (answer, mut transcript) = call_handler(&*guests, &spec, Arc::new(host)).await;
        let mut stats = lock(&stats);
        if let Some(transcript) = &mut transcript {
            transcript.backend_errors = std::mem::take(&mut stats.backend_errors);
        }
        let outcome = outcome(&answer, stats.evidence(attempt, first));
        AttemptResult {
            attempt,
            answer: Some(answer),
            outcome,
            transcript,
            partial_sent: stats.partials > 0,
            backend_time: stats.backend_time,
            elapsed: begun.elapsed(),
        }
    }
}

/// Runs the handler and records the host's replies, except for confidential jobs.
async fn call_handler(
    guests: &dyn GuestSet,
    spec: &AttemptSpec,
    host: Arc<dyn HandlerHost>,
) -> (GuestAnswer<Result<Output, JobError>>, Option<Transcript>) {
    let AttemptSpec { job, max_work_ms, .. } = spec;
    if job.confidential {
        return (guests.run(job, *max_work_ms, host).await, None);
    }
    let host = Arc::new(RecordingHost::new(host, Arc::clone(job)));
    let answer = guests.run(job, *max_work_ms, Arc::clone(&host) as _).await;
    let output = answer.value.as_ref().ok().and_then(|output| output.as_ref().ok());
    let transcript = host.finish(output);
    (answer, transcript)
}

fn outcome(
    answer: &GuestAnswer<Result<Output, JobError>>,
    evidence: Option<Evidence>,
) -> Result<(Output, Evidence), JobError> {
    match &answer.value {
        Ok(Ok(output)) => match evidence {
            Some(evidence) => Ok((output.clone(), evidence)),
            None => Err(JobError::NoBackend),
        },
        Ok(Err(error)) => Err(error.clone()),
        Err(Fault::Wall) => Err(JobError::Timeout),
        Err(fault) => Err(JobError::Failed(format!("handler failed: {fault}"))),
    }
}

fn not_run(attempt: u32) -> AttemptResult {
    AttemptResult {
        attempt,
        answer: None,
        outcome: Err(JobError::Failed(NO_HANDLER.into())),
        transcript: None,
        partial_sent: false,
        backend_time: Duration::ZERO,
        elapsed: Duration::ZERO,
    }
}
