//! The guests: policies that decide, and handlers that do one kind of job.

use crate::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use crate::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use crate::guest::{GuestAnswer, LogLevel};
use crate::input::InputError;
use crate::job::JobError;
use crate::sources::Sources;
use crate::work::{Evidence, Output, Route, Usage};
use crate::{Job, Msat};
use async_trait::async_trait;
use std::sync::Arc;

/// The host functions of a handler; one instance per attempt.
#[async_trait]
pub trait HandlerHost: Send + Sync {
    /// Starts a completion on the routes of this job.
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError>;

    /// Publishes all of the answer so far. `false`: the handler should stop.
    async fn partial(&self, text: String) -> bool;

    /// Reports progress. `false`: the handler should stop.
    async fn report(&self, permille: Option<u32>, note: String) -> bool;

    /// Reads the text of an input.
    async fn read(&self, index: u32) -> Result<String, InputError>;

    /// Writes to the log of the job.
    fn log(&self, level: LogLevel, message: &str);
}

/// A completion as a handler sees it. Dropping it stops the backend.
#[async_trait]
pub trait GuestStream: Send {
    /// More text; `None` at the end.
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError>;

    /// Available after the end.
    fn summary(&self) -> Option<CompletionSummary>;
}

/// One revision of the guest set. A job keeps the revision it was admitted with.
#[async_trait]
pub trait GuestSet: Send + Sync {
    /// Its number in the history of the slots.
    fn revision(&self) -> u64;

    /// Whether there is a handler for this kind.
    fn serves(&self, kind: u16) -> bool;

    /// The params of this kind that policies may see.
    fn public_params(&self, kind: u16) -> &[String];

    /// The inputs other than text that the handler of this kind accepts.
    fn sources(&self, kind: u16) -> Sources;

    /// Asks routing for the order in which to try the candidates.
    fn rank(
        &self,
        job: &Job,
        candidates: &[Candidate],
        situation: &Situation,
    ) -> GuestAnswer<Result<Ranking, Refusal>>;

    /// Asks pricing for an offer.
    fn quote(
        &self,
        job: &Job,
        context: &QuoteContext,
        situation: &Situation,
    ) -> GuestAnswer<Result<Offer, Refusal>>;

    /// Asks pricing for the amount due for the usage.
    #[allow(clippy::too_many_arguments, reason = "the arguments of the WIT function `settle`")]
    fn settle(
        &self,
        job: &Job,
        context: &QuoteContext,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> GuestAnswer<Msat>;

    /// Asks verification about the output.
    fn judge(
        &self,
        job: &Job,
        output: &Output,
        evidence: &Evidence,
        situation: &Situation,
    ) -> GuestAnswer<Verdict>;

    /// Runs the handler. `deadline_ms` is wall time. Dropping the future stops the guest.
    async fn run(
        &self,
        job: &Job,
        deadline_ms: u64,
        host: Arc<dyn HandlerHost>,
    ) -> GuestAnswer<Result<Output, JobError>>;
}

/// The revisions of the guest set.
pub trait GuestSets: Send + Sync {
    /// The revision for new jobs.
    fn current(&self) -> Arc<dyn GuestSet>;

    /// A revision as it serves or served this kind. Found while a job holds it, and after a restart
    /// if its pricing, verification and handler guests are available. Routing is not needed: the
    /// order of the routes is in the job's plan.
    fn at(&self, revision: u64, kind: u16) -> Option<Arc<dyn GuestSet>>;
}
