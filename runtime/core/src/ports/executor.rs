//! A place where attempts run: this process or a remote worker. What crosses this port is data, so
//! that the code that decides and the code that runs need not share memory.

use crate::Job;
use crate::guest::GuestAnswer;
use crate::job::JobError;
use crate::transcript::Transcript;
use crate::work::{Evidence, Output, Route};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One attempt at a job.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptSpec {
    /// Counted from 1.
    pub attempt: u32,
    /// The job.
    pub job: Arc<Job>,
    /// The text of each input, if some had to be fetched; otherwise all are in the job.
    pub texts: Option<Arc<[String]>>,
    /// The routes in the order to try them.
    pub routes: Vec<Route>,
    /// The revision of the guest set whose handler runs. 0 means the current one.
    pub revision: u64,
    /// The host stops the work at this limit.
    pub max_output_tokens: u64,
    /// Wall time of the work.
    pub max_work_ms: u64,
    /// Whether partial results are published while the handler runs.
    pub wants_partials: bool,
}

/// The end of an attempt.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptResult {
    /// As in the spec.
    pub attempt: u32,
    /// The handler's answer, for its decision; absent if no handler was called.
    pub answer: Option<GuestAnswer<Result<Output, JobError>>>,
    /// The output with its evidence, or the error.
    pub outcome: Result<(Output, Evidence), JobError>,
    /// The host's replies, for a replay; absent for confidential jobs and over its size limit.
    pub transcript: Option<Transcript>,
    /// Whether a partial result was published.
    pub partial_sent: bool,
    /// Time spent waiting for backends.
    pub backend_time: Duration,
    /// Time of the whole attempt.
    pub elapsed: Duration,
}

/// An update of a running attempt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptUpdate {
    /// Progress in thousandths.
    Progress(u32),
    /// All of the text so far.
    Partial(String),
}

/// Receives the updates of a running attempt. An update may be lost.
pub trait AttemptSink: Send + Sync {
    /// Must not block.
    fn send(&self, update: AttemptUpdate);
}

/// Runs attempts.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Runs one attempt. Dropping the future stops the handler and the backend, and ends the
    /// updates.
    async fn run(&self, spec: AttemptSpec, updates: Arc<dyn AttemptSink>) -> AttemptResult;
}

/// Without texts, here and below: the job may be confidential.
impl fmt::Debug for AttemptSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptSpec")
            .field("job", &self.job.id)
            .field("attempt", &self.attempt)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttemptResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptResult")
            .field("attempt", &self.attempt)
            .field("is_ok", &self.outcome.is_ok())
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttemptUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Progress(permille) => write!(f, "Progress({permille})"),
            Self::Partial(text) => write!(f, "Partial({} bytes)", text.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::{Call, Cost, Fault, GuestRef};
    use crate::work::{ExecutionTarget, Finish, Usage};
    use crate::{Digest, Job};

    fn route() -> Route {
        let target = ExecutionTarget::Model { backend: "b".into(), model: "m".into() };
        Route { target, price_permille: 1000 }
    }

    /// Goal: an attempt can run in another process. Method: its spec and its results, with an
    /// answer and with a fault, through JSON.
    #[test]
    fn attempts_survive_serialization() {
        let spec = AttemptSpec {
            attempt: 2,
            job: Arc::new(Job::placeholder(5050)),
            texts: Some(Arc::from(vec!["text".to_owned()])),
            routes: vec![route()],
            revision: 3,
            max_output_tokens: 4,
            max_work_ms: 5,
            wants_partials: true,
        };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<AttemptSpec>(&json).unwrap(), spec);

        let guest = GuestRef {
            slot: "handler".into(),
            name: "n".into(),
            version: "1".into(),
            digest: Digest::from_bytes([7; 32]),
        };
        let call =
            Call { guest: Arc::new(guest), engine: "e".into(), cost: Cost::CpuUs(1), wall_us: 2 };
        let output = Output { content: "c".into(), ..Output::default() };
        let evidence = Evidence {
            finish: Finish::Complete,
            checks: Vec::new(),
            usage: Usage::default(),
            route: route(),
            attempt: 2,
        };
        let good = AttemptResult {
            attempt: 2,
            answer: Some(GuestAnswer { value: Ok(Ok(output.clone())), call: call.clone() }),
            outcome: Ok((output, evidence)),
            transcript: Some(Transcript::default()),
            partial_sent: true,
            backend_time: Duration::from_millis(1),
            elapsed: Duration::from_millis(2),
        };
        let bad = AttemptResult {
            answer: Some(GuestAnswer { value: Err(Fault::Wall), call }),
            outcome: Err(JobError::Timeout),
            transcript: None,
            ..good.clone()
        };
        for result in [good, bad] {
            let json = serde_json::to_string(&result).unwrap();
            assert_eq!(serde_json::from_str::<AttemptResult>(&json).unwrap(), result);
        }
    }

    /// Goal: no log has a text of a job. Method: `Debug` of what crosses the port, with one text
    /// everywhere.
    #[test]
    fn debug_has_no_text() {
        let (text, secret) = (|| "secret".to_owned(), JobError::Failed("secret".into()));
        let spec = AttemptSpec {
            attempt: 1,
            job: Arc::new(Job { output: Some(text()), origin: text(), ..Job::placeholder(5050) }),
            texts: Some(Arc::from(vec![text()])),
            routes: Vec::new(),
            revision: 1,
            max_output_tokens: 1,
            max_work_ms: 1,
            wants_partials: true,
        };
        let result = AttemptResult {
            attempt: 1,
            answer: None,
            outcome: Err(secret),
            transcript: None,
            partial_sent: false,
            backend_time: Duration::ZERO,
            elapsed: Duration::ZERO,
        };
        let shown = format!("{spec:?} {result:?} {:?}", AttemptUpdate::Partial(text()));
        assert!(!shown.contains("secret") && shown.contains("6 bytes"), "{shown}");
    }
}
