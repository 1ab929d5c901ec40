//! The guests: policies that decide and handlers that do a kind of job. A job pins one generation of them all and keeps it.

use crate::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use crate::ports::inference::ChatMessage;
use crate::ports::market::GuestStamp;
use crate::sources::Sources;
use crate::work::{Evidence, Output, Route, Usage};
use crate::{Job, Msat};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a call to a guest took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who was called.
    pub guest: Arc<GuestStamp>,
    /// Names the engine: where it is the same, a policy answers the same with the same fuel.
    pub engine: Arc<str>,
    /// What it cost.
    pub cost: Cost,
    /// Wall time, all of it.
    pub micros: u64,
}

/// What a call cost: the same for the same question, or only measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Units of fuel: exact.
    Fuel(u64),
    /// Microseconds of CPU: measured.
    CpuMicros(u64),
}

/// A guest's answer, or the limit it broke, with what the call took.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// What it said.
    pub value: Result<T, Fault>,
    /// What it took.
    pub call: Call,
}

/// Why a guest gave no answer. The limit that was passed is the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Over its fuel.
    #[error("out of fuel")]
    Fuel,
    /// Over its CPU time.
    #[error("over its CPU time")]
    Cpu,
    /// Over its wall time.
    #[error("over its time")]
    Wall,
    /// Over its memory or tables.
    #[error("over its memory")]
    Memory,
    /// Too deep.
    #[error("over its stack")]
    Stack,
    /// Too many bytes or things handed to the host, or too large an answer.
    #[error("over its traffic with the host")]
    Traffic,
    /// It failed by itself.
    #[error("trapped")]
    Trap,
    /// An answer that means nothing.
    #[error("answered nonsense")]
    Nonsense,
}

/// What a handler says when it gives up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobError {
    /// The customer's mistake: told, not charged.
    Invalid(String),
    /// Nobody to do the work.
    NoBackend,
    /// Too slow.
    Timeout,
    /// Anything else, in words for the customer.
    Failed(String),
}

impl JobError {
    /// The same with its words, which may quote the request, put through `change`.
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::NoBackend | Self::Timeout => self.clone(),
            Self::Invalid(why) => Self::Invalid(change(why)),
            Self::Failed(why) => Self::Failed(change(why)),
        }
    }
}

/// What a handler may ask of the host, one instance per attempt.
#[async_trait]
pub trait HandlerHost: Send + Sync {
    /// Starts a generation on the routes of this job.
    async fn generate(
        &self,
        request: GuestGeneration,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError>;

    /// All of the answer so far. `false`: stop.
    async fn partial(&self, text: String) -> bool;

    /// How far the work is. `false`: stop.
    async fn report(&self, permille: Option<u32>, note: String) -> bool;

    /// The text of an input.
    async fn read(&self, index: u32) -> Result<String, InputError>;

    /// For the job's record.
    fn log(&self, level: LogLevel, message: &str);
}

/// What a handler asks to be generated; the host chooses model and bounds.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "as in `Generation`")]
pub struct GuestGeneration {
    pub messages: Vec<ChatMessage>,
    pub max_tokens: Option<u32>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub top_k: Option<u32>,
    pub frequency_penalty: Option<f32>,
    pub stop: Vec<String>,
    pub seed: Option<u64>,
    pub schema: Option<String>,
}

/// A generation as a handler sees it. Dropping it stops the backend's work.
#[async_trait]
pub trait GuestStream: Send {
    /// More text; `None` at the end.
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError>;

    /// After the end.
    fn summary(&self) -> Option<GenerationSummary>;
}

/// How a generation ended, for the handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationSummary {
    /// Cut at its bound.
    pub length: bool,
    /// The model that answered.
    pub model: String,
    /// Params that were not honoured.
    pub ignored_params: Vec<String>,
    /// What it used.
    pub usage: Usage,
}

/// Why a handler gets no text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "named as in the WIT interface `inference`, which documents them")]
pub enum GuestInferenceError {
    NoBackend,
    TooLong(u32),
    Unsupported(String),
    Timeout,
    Cancelled,
    Other(String),
}

/// Why a handler gets no input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "named as in the WIT interface `inputs`, which documents them")]
pub enum InputError {
    Denied,
    Other(String),
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the usual four")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// One consistent set of guests. A job keeps the one it was admitted with.
#[async_trait]
pub trait Generation: Send + Sync {
    /// Its number in the history of the slots.
    fn number(&self) -> u64;

    /// Is there a handler for this kind?
    fn serves(&self, kind: u16) -> bool;

    /// The params of this kind that policies may see.
    fn public_params(&self, kind: u16) -> &[String];

    /// The inputs beyond text that the handler of this kind wants.
    fn sources(&self, kind: u16) -> Sources;

    /// The order in which to try the candidates.
    fn rank(
        &self,
        job: &Job,
        candidates: &[Candidate],
        situation: &Situation,
    ) -> Answer<Result<Ranking, Refusal>>;

    /// What we ask for the job.
    fn quote(
        &self,
        job: &Job,
        context: &QuoteContext,
        situation: &Situation,
    ) -> Answer<Result<Offer, Refusal>>;

    /// What is due for what was used.
    #[allow(clippy::too_many_arguments, reason = "the arguments of the WIT function `settle`")]
    fn settle(
        &self,
        job: &Job,
        context: &QuoteContext,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> Answer<Msat>;

    /// Is the output good?
    fn judge(
        &self,
        job: &Job,
        output: &Output,
        evidence: &Evidence,
        situation: &Situation,
    ) -> Answer<Verdict>;

    /// Does the job. `deadline_ms` is wall time; when the future is dropped, the guest is gone.
    async fn run(
        &self,
        job: &Job,
        deadline_ms: u64,
        host: Arc<dyn HandlerHost>,
    ) -> Answer<Result<Output, JobError>>;
}

/// The guests as they are now.
pub trait Guests: Send + Sync {
    /// The generation a new job keeps.
    fn current(&self) -> Arc<dyn Generation>;

    /// An older generation as it serves this kind, for jobs from before a restart that still name it; `None` if any of those guests is gone that a taken
    /// job still needs: all but routing, because the order of its routes is in its plan.
    fn at(&self, number: u64, kind: u16) -> Option<Arc<dyn Generation>>;
}
