//! The port `Executor`: an attempt is data, its result is the handler's answer with evidence of the
//! host, and dropping it stops the backend.

use super::within;
use async_trait::async_trait;
use pylon_core::completion::{
    ChatMessage, ChatRole, Chunk, CompletionEnd, CompletionRequest, GuestCompletionRequest,
    GuestInferenceError, ModelInfo,
};
use pylon_core::decision::{Candidate, Offer, QuoteContext, Ranking, Refusal, Situation, Verdict};
use pylon_core::guest::{Call, Cost, Fault, GuestAnswer, GuestRef};
use pylon_core::job::JobError;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::executor::{
    AttemptResult, AttemptSink, AttemptSpec, AttemptUpdate, Executor,
};
use pylon_core::ports::guests::{GuestSet, GuestSets, HandlerHost};
use pylon_core::ports::inference::{BackendFault, CompletionStream, Inference, InferenceError};
use pylon_core::sources::Sources;
use pylon_core::sync::lock;
use pylon_core::work::{Evidence, ExecutionTarget, Output, Route, Usage};
use pylon_core::{Digest, Input, InputSource, Job, JobId, Msat, UnixTime};
use pylon_provider::{BackendRegistry, Bus, Preference};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Makes an executor that has these guests and backends.
pub type Make = fn(Arc<dyn GuestSets>, Arc<BackendRegistry>) -> Arc<dyn Executor>;

/// The revision of the guest set that exists.
const REVISION: u64 = 3;

/// Runs all checks.
pub async fn check(make: Make) {
    good_attempt_has_output_and_evidence(make).await;
    failures_are_job_errors(make).await;
    work_ends_at_its_time_limit(make).await;
    dropped_attempt_stops_the_backend(make).await;
    partial_results_grow(make).await;
    next_route_answers_only_before_the_first_text(make).await;
    fetched_inputs_are_read(make).await;
    confidential_attempt_has_no_transcript(make).await;
}

/// What the handler does.
#[derive(Clone)]
enum Handler {
    /// Completes its first input, with partial results.
    Complete,
    /// Returns its first input.
    Read,
    /// Returns this.
    Fixed(Result<Result<Output, JobError>, Fault>),
}

struct FixedGuests(Handler);

impl GuestSets for FixedGuests {
    fn current(&self) -> Arc<dyn GuestSet> {
        Arc::new(Self(self.0.clone()))
    }

    fn at(&self, revision: u64, _: u16) -> Option<Arc<dyn GuestSet>> {
        (revision == REVISION).then(|| self.current())
    }
}

#[async_trait]
impl GuestSet for FixedGuests {
    fn revision(&self) -> u64 {
        REVISION
    }

    fn serves(&self, _: u16) -> bool {
        true
    }

    fn public_params(&self, _: u16) -> &[String] {
        &[]
    }

    fn sources(&self, _: u16) -> Sources {
        Sources::default()
    }

    fn rank(
        &self,
        _: &Job,
        _: &[Candidate],
        _: &Situation,
    ) -> GuestAnswer<Result<Ranking, Refusal>> {
        unreachable!("an executor calls no policy")
    }

    fn quote(
        &self,
        _: &Job,
        _: &QuoteContext,
        _: &Situation,
    ) -> GuestAnswer<Result<Offer, Refusal>> {
        unreachable!("an executor calls no policy")
    }

    fn settle(
        &self,
        _: &Job,
        _: &QuoteContext,
        _: &Offer,
        _: &Route,
        _: &Usage,
        _: &Situation,
    ) -> GuestAnswer<Msat> {
        unreachable!("an executor calls no policy")
    }

    fn judge(&self, _: &Job, _: &Output, _: &Evidence, _: &Situation) -> GuestAnswer<Verdict> {
        unreachable!("an executor calls no policy")
    }

    async fn run(
        &self,
        _: &Job,
        deadline_ms: u64,
        host: Arc<dyn HandlerHost>,
    ) -> GuestAnswer<Result<Output, JobError>> {
        let work = async {
            match &self.0 {
                Handler::Complete => Ok(complete(&*host).await.map(output)),
                Handler::Read => Ok(Ok(output(host.read(0).await.unwrap()))),
                Handler::Fixed(answer) => answer.clone(),
            }
        };
        let deadline = Duration::from_millis(deadline_ms);
        let value = tokio::time::timeout(deadline, work).await.unwrap_or(Err(Fault::Wall));
        let guest = GuestRef {
            slot: "handler".into(),
            name: "fixed".into(),
            version: "1.0.0".into(),
            digest: Digest::from_bytes([1; 32]),
        };
        let call =
            Call { guest: Arc::new(guest), engine: "".into(), cost: Cost::CpuUs(1), wall_us: 1 };
        GuestAnswer { value, call }
    }
}

async fn complete(host: &dyn HandlerHost) -> Result<String, JobError> {
    let failed = |error: GuestInferenceError| match error {
        GuestInferenceError::NoBackend => JobError::NoBackend,
        other => JobError::Failed(format!("{other:?}")),
    };
    let message = ChatMessage { role: ChatRole::User, content: host.read(0).await.unwrap() };
    let request = GuestCompletionRequest {
        messages: vec![message],
        max_tokens: None,
        temperature: None,
        top_p: None,
        top_k: None,
        frequency_penalty: None,
        stop: Vec::new(),
        seed: None,
        schema: None,
    };
    let mut stream = host.generate(request).await.map_err(failed)?;
    let mut text = String::new();
    while let Some(more) = stream.next().await.map_err(failed)? {
        text += &more;
        host.partial(text.clone()).await;
    }
    Ok(text)
}

fn output(content: String) -> Output {
    Output { content, mime: "text/plain".into(), ..Output::default() }
}

/// What a backend does in a completion, step by step. After the last step it sends nothing.
#[derive(Clone)]
enum Step {
    Text(&'static str),
    Pause(Duration),
    Fail(InferenceError),
    End,
}

/// A backend with the same steps for each completion.
struct ScriptedBackend {
    id: &'static str,
    steps: Vec<Step>,
    /// Completions that are open, and those that were begun.
    open: watch::Sender<(usize, usize)>,
}

struct ScriptedStream {
    steps: VecDeque<Step>,
    open: watch::Sender<(usize, usize)>,
}

#[async_trait]
impl Inference for ScriptedBackend {
    fn id(&self) -> &str {
        self.id
    }

    fn max_concurrency(&self) -> u32 {
        1
    }

    async fn models(&self) -> Result<Vec<ModelInfo>, InferenceError> {
        Ok(vec![ModelInfo { id: "model".into(), context_tokens: None }])
    }

    async fn generate(
        &self,
        _: &CompletionRequest,
    ) -> Result<Box<dyn CompletionStream>, InferenceError> {
        self.open.send_modify(|(open, begun)| (*open, *begun) = (*open + 1, *begun + 1));
        Ok(Box::new(ScriptedStream { steps: self.steps.clone().into(), open: self.open.clone() }))
    }
}

#[async_trait]
impl CompletionStream for ScriptedStream {
    async fn next(&mut self) -> Result<Chunk, InferenceError> {
        loop {
            match self.steps.pop_front() {
                Some(Step::Text(text)) => return Ok(Chunk::Text(text.into())),
                Some(Step::Pause(pause)) => tokio::time::sleep(pause).await,
                Some(Step::Fail(error)) => return Err(error),
                Some(Step::End) => {
                    let usage = Usage { input_tokens: 5, output_tokens: 7, ..Usage::default() };
                    let (model, ignored_params) = ("model".into(), Vec::new());
                    let end = CompletionEnd { length: false, model, ignored_params, usage };
                    return Ok(Chunk::End(end));
                }
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        self.open.send_modify(|(open, _)| *open -= 1);
    }
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        UnixTime::new(1_700_000_000)
    }
}

#[derive(Default)]
struct UpdateLog(Mutex<Vec<AttemptUpdate>>);

impl AttemptSink for UpdateLog {
    fn send(&self, update: AttemptUpdate) {
        lock(&self.0).push(update);
    }
}

/// An executor with a handler and with backends, one for each script.
struct Fixture {
    executor: Arc<dyn Executor>,
    backends: Vec<watch::Receiver<(usize, usize)>>,
}

const IDS: [&str; 2] = ["first", "second"];

impl Fixture {
    async fn new(make: Make, handler: Handler, scripts: &[&[Step]]) -> Self {
        let mut adapters: Vec<Arc<dyn Inference>> = Vec::new();
        let mut backends = Vec::new();
        for (id, steps) in IDS.into_iter().zip(scripts) {
            let open = watch::Sender::new((0, 0));
            backends.push(open.subscribe());
            adapters.push(Arc::new(ScriptedBackend { id, steps: steps.to_vec(), open }));
        }
        let (bus, clock) = (Bus::default(), Arc::new(FixedClock));
        let rows = BackendRegistry::watch(adapters, Preference::default(), bus, clock).await;
        Self { executor: make(Arc::new(FixedGuests(handler)), rows), backends }
    }

    /// Runs an attempt of a job with this text as its input.
    async fn run(&self, text: &str) -> AttemptResult {
        self.run_spec(spec(text), Arc::default()).await
    }

    async fn run_spec(&self, spec: AttemptSpec, updates: Arc<UpdateLog>) -> AttemptResult {
        // An attempt is data.
        let json = serde_json::to_string(&spec).unwrap();
        within(self.executor.run(serde_json::from_str(&json).unwrap(), updates)).await
    }

    /// Waits until this many completions are open.
    async fn until_open(&self, backend: usize, count: usize) {
        let mut open = self.backends[backend].clone();
        within(open.wait_for(|(open, _)| *open == count)).await.unwrap();
    }

    fn begun(&self) -> Vec<usize> {
        self.backends.iter().map(|backend| backend.borrow().1).collect()
    }
}

fn route(id: &str) -> Route {
    let target = ExecutionTarget::Model { backend: id.into(), model: "model".into() };
    Route { target, price_permille: 1000 }
}

fn spec(text: &str) -> AttemptSpec {
    let input = Input { source: InputSource::Text(text.into()), hint: None, marker: None };
    AttemptSpec {
        attempt: 2,
        job: Arc::new(Job { inputs: vec![input], ..Job::placeholder(5050) }),
        texts: None,
        routes: IDS.map(route).to_vec(),
        revision: REVISION,
        max_output_tokens: 100,
        max_work_ms: 60_000,
        wants_partials: true,
    }
}

async fn good_attempt_has_output_and_evidence(make: Make) {
    let steps = [Step::Text("good "), Step::Text("answer"), Step::End];
    let fixture = Fixture::new(make, Handler::Complete, &[&steps]).await;
    let result = fixture.run("question").await;
    let (output, evidence) = result.outcome.unwrap();
    assert_eq!(output.content, "good answer");
    assert_eq!((result.attempt, evidence.attempt, &evidence.route), (2, 2, &route(IDS[0])));
    assert_eq!((evidence.usage.input_tokens, evidence.usage.output_tokens), (5, 7));
    let answer = result.answer.unwrap();
    assert_eq!((answer.value, answer.call.guest.name.as_str()), (Ok(Ok(output)), "fixed"));
    assert_eq!(result.transcript.unwrap().completions.len(), 1);
    assert!(result.elapsed >= result.backend_time);
    fixture.until_open(0, 0).await;
}

async fn failures_are_job_errors(make: Make) {
    let invalid = JobError::Invalid("no".into());
    for (handler, expected) in [
        (Handler::Fixed(Ok(Err(invalid.clone()))), invalid),
        (Handler::Fixed(Err(Fault::Wall)), JobError::Timeout),
        (
            Handler::Fixed(Err(Fault::Trap)),
            JobError::Failed(format!("handler failed: {}", Fault::Trap)),
        ),
        (Handler::Complete, JobError::NoBackend),
    ] {
        let result = Fixture::new(make, handler, &[]).await.run("question").await;
        assert_eq!(result.outcome.map(|_| ()), Err(expected));
        assert!(result.answer.is_some() && !result.partial_sent);
    }
    let fixture = Fixture::new(make, Handler::Read, &[]).await;
    let unknown = AttemptSpec { revision: REVISION + 1, ..spec("question") };
    let result = fixture.run_spec(unknown, Arc::default()).await;
    assert!(matches!(result.outcome, Err(JobError::Failed(_))), "{:?}", result.outcome);
    assert!(result.answer.is_none(), "no handler was called");
}

async fn work_ends_at_its_time_limit(make: Make) {
    let fixture = Fixture::new(make, Handler::Complete, &[&[Step::Text("never ")]]).await;
    let short = AttemptSpec { max_work_ms: 50, ..spec("question") };
    let result = fixture.run_spec(short, Arc::default()).await;
    assert_eq!(result.outcome.map(|_| ()), Err(JobError::Timeout));
    fixture.until_open(0, 0).await;
}

async fn dropped_attempt_stops_the_backend(make: Make) {
    let fixture = Fixture::new(make, Handler::Complete, &[&[Step::Text("never ")]]).await;
    let executor = Arc::clone(&fixture.executor);
    let attempt = tokio::spawn(async move {
        let updates: Arc<UpdateLog> = Arc::default();
        executor.run(spec("question"), updates).await
    });
    fixture.until_open(0, 1).await;
    attempt.abort();
    fixture.until_open(0, 0).await;
}

async fn partial_results_grow(make: Make) {
    let pause = Step::Pause(Duration::from_millis(700));
    let steps =
        [Step::Text("a"), pause.clone(), Step::Text("b"), pause, Step::Text("c"), Step::End];
    let fixture = Fixture::new(make, Handler::Complete, &[&steps]).await;
    for wants_partials in [true, false] {
        let updates: Arc<UpdateLog> = Arc::default();
        let spec = AttemptSpec { wants_partials, ..spec("question") };
        let result = fixture.run_spec(spec, Arc::clone(&updates)).await;
        assert!(result.outcome.is_ok() && result.partial_sent == wants_partials);
        let updates = lock(&updates.0);
        let partials: Vec<_> = updates
            .iter()
            .filter_map(|update| match update {
                AttemptUpdate::Partial(text) => Some(text.as_str()),
                AttemptUpdate::Progress(permille) => {
                    assert!(*permille < 1000, "only the end is the end");
                    None
                }
            })
            .collect();
        assert_eq!(partials.is_empty(), !wants_partials);
        assert!(partials.iter().all(|text| "abc".starts_with(text)), "{partials:?}");
        assert!(partials.is_sorted_by(|one, next| one.len() < next.len()), "{partials:?}");
    }
}

async fn next_route_answers_only_before_the_first_text(make: Make) {
    let unavailable = InferenceError::Unavailable("away".into());
    let truncated = InferenceError::Failed(BackendFault::Truncated, "broke off".into());
    let good: &[Step] = &[Step::Text("good"), Step::End];
    let early: &[Step] = &[Step::Fail(unavailable)];
    let late: &[Step] = &[Step::Text("half "), Step::Fail(truncated)];

    let fixture = Fixture::new(make, Handler::Complete, &[early, good]).await;
    let (output, evidence) = fixture.run("question").await.outcome.unwrap();
    assert_eq!((output.content.as_str(), evidence.route), ("good", route(IDS[1])));
    assert_eq!(fixture.begun(), [1, 1]);

    let fixture = Fixture::new(make, Handler::Complete, &[late, good]).await;
    let outcome = fixture.run("question").await.outcome;
    assert!(matches!(outcome, Err(JobError::Failed(_))), "{outcome:?}");
    assert_eq!(fixture.begun(), [1, 0]);

    let fixture = Fixture::new(make, Handler::Complete, &[early, early]).await;
    assert_eq!(fixture.run("question").await.outcome.map(|_| ()), Err(JobError::NoBackend));
}

async fn fetched_inputs_are_read(make: Make) {
    let fixture = Fixture::new(make, Handler::Read, &[]).await;
    let source = InputSource::Job(JobId::from_bytes([9; 32]));
    let input = Input { source, hint: None, marker: None };
    let job = Job { inputs: vec![input], ..Job::placeholder(5050) };
    let texts = Some(Arc::from(vec!["fetched".to_owned()]));
    let fetched = AttemptSpec { job: Arc::new(job), texts, ..spec("") };
    let result = fixture.run_spec(fetched, Arc::default()).await;
    let (output, evidence) = result.outcome.unwrap();
    assert_eq!(output.content, "fetched");
    assert_eq!(evidence.route, route(IDS[0]), "work without a completion counts for the first");
}

async fn confidential_attempt_has_no_transcript(make: Make) {
    let fixture = Fixture::new(make, Handler::Read, &[]).await;
    let open = spec("secret");
    let job = Job { confidential: true, ..Job::clone(&open.job) };
    let confidential = AttemptSpec { job: Arc::new(job), ..open };
    let result = fixture.run_spec(confidential, Arc::default()).await;
    assert!(result.outcome.is_ok() && result.transcript.is_none());
    assert!(fixture.run("open").await.transcript.is_some());
}
