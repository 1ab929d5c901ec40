//! The minimum work of a free job, in sequence and with the same libraries: read the frame, verify
//! once, call four guests, sign what is published, write the frames, and commit three times.

use async_trait::async_trait;
use nostr_sdk::{ClientMessage, Event, JsonUtil, Keys, RelayMessage, SubscriptionId};
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::decision::{Candidate, History, QuoteContext, Situation, Terms};
use pylon_core::guest::{GuestAnswer, GuestFunction, GuestRef, LogLevel};
use pylon_core::input::InputError;
use pylon_core::machine::{self, JobState, Plan};
use pylon_core::message::{Incoming, JobStatus, Message, ReplyTo, SignedMessage};
use pylon_core::ports::guests::{GuestSet, GuestSets, GuestStream, HandlerHost};
use pylon_core::ports::journal::Journal;
use pylon_core::rows::{DecisionRow, OutboxRow, Row};
use pylon_core::work::{Evidence, ExecutionTarget, Finish, Route, Usage};
use pylon_core::{JobId, MessageId, Msat, PublicKey, UnixTime};
use pylon_journal::SqliteJournal;
use pylon_nostr::identity::{generate, keys};
use pylon_nostr::nip90::{self, Reader, RequestTag, SizeLimit};
use pylon_tests::market::{param, text};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const TIMES: usize = 60;

pub(crate) struct Bare {
    customer: Keys,
    us: Keys,
    provider: PublicKey,
    prompt: &'static str,
    answer: &'static str,
    guests: Arc<dyn GuestSet>,
    journal: SqliteJournal,
    _folder: TempDir,
}

/// A host that answers at once.
struct Host {
    prompt: &'static str,
    answer: &'static str,
}

struct OneChunk(Option<String>);

#[async_trait]
impl GuestStream for OneChunk {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        Ok(self.0.take())
    }
    fn summary(&self) -> Option<CompletionSummary> {
        let usage = Usage { input_tokens: 10, output_tokens: 12, ..Usage::default() };
        Some(CompletionSummary {
            length: false,
            model: "stub-model".into(),
            ignored_params: Vec::new(),
            usage,
        })
    }
}

#[async_trait]
impl HandlerHost for Host {
    async fn generate(
        &self,
        _: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        Ok(Box::new(OneChunk(Some(self.answer.into()))))
    }
    async fn partial(&self, _: String) -> bool {
        true
    }
    async fn report(&self, _: Option<u32>, _: String) -> bool {
        true
    }
    async fn read(&self, _: u32) -> Result<String, InputError> {
        Ok(self.prompt.into())
    }
    fn log(&self, _: LogLevel, _: &str) {}
}

impl Bare {
    pub(crate) async fn new(
        provider: PublicKey,
        prompt: &'static str,
        answer: &'static str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shipped = crate::shipped(folder.path()).await;
        let new_keys = || keys(&generate().unwrap()).unwrap();
        Self {
            customer: new_keys(),
            us: new_keys(),
            provider,
            prompt,
            answer,
            guests: shipped.guest_sets.current(),
            journal: SqliteJournal::open(&folder.path().join("bare.db")).unwrap(),
            _folder: folder,
        }
    }

    /// Mean CPU time of the minimum work of one job.
    pub(crate) async fn micros_of_cpu(&self) -> f64 {
        let frames: Vec<_> = (0..TIMES).map(|_| self.frame()).collect();
        let before = cpu_micros();
        for frame in &frames {
            self.job(frame).await;
        }
        (cpu_micros() - before) / TIMES as f64
    }

    /// The frame of a request.
    fn frame(&self) -> String {
        let tags =
            [text(self.prompt), param("max_tokens", "64"), RequestTag::Provider(self.provider)];
        let nonce = RequestTag::Param(pylon_core::Param {
            name: "n".into(),
            values: vec![generate().unwrap()],
        });
        let event = nip90::request(5050, &[&tags[..], &[nonce]].concat())
            .sign_with_keys(&self.customer)
            .unwrap();
        RelayMessage::event(SubscriptionId::new("jobs"), event).as_json()
    }

    async fn job(&self, frame: &str) {
        let RelayMessage::Event { event, .. } = RelayMessage::from_json(frame).unwrap() else {
            panic!("an event")
        };
        event.verify().unwrap();
        let now = UnixTime::new(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
        let reader = Reader::new(self.provider);
        let Ok(Incoming::Job(job)) =
            reader.read(&event, reader.screen(&event, now).unwrap(), now, &self.us)
        else {
            panic!("a job")
        };
        let job = *job;

        let situation = Situation { now, queued: 0, running: 0, capacity: 1, extra: Vec::new() };
        let summary = job.policy_view(self.guests.public_params(5050));
        let route = Route {
            target: ExecutionTarget::Model {
                backend: "llama_cpp".into(),
                model: "stub-model".into(),
            },
            price_permille: 1000,
        };
        let candidates = [candidate(&route)];
        let ranked = self.guests.rank(&summary, &candidates, &situation);
        let context = context(&route);
        let quoted = self.guests.quote(&summary, &context, &situation);
        let offer = quoted.value.clone().unwrap().unwrap();
        let plan = Plan {
            revision: 1,
            routes: vec![route.clone()],
            context: context.clone(),
            offer,
            fallback_offers: Vec::new(),
            public: Vec::new(),
        };
        let (mut state, _) = machine::admit(job, plan, now);
        let to = ReplyTo::of(&state.job);
        let processing = self.sign(&Message::Feedback { to, status: JobStatus::Processing }, now);
        let first = vec![
            Row::Admit(Box::new(state.clone())),
            decision(&state, GuestFunction::Rank, &(&candidates, &situation), &ranked, now),
            decision(&state, GuestFunction::Quote, &(&context, &situation), &quoted, now),
            outbox(state.job.id, false, &processing, now),
        ];
        self.journal.commit(first.into()).await.unwrap();

        let host = Arc::new(Host { prompt: self.prompt, answer: self.answer });
        let ran = self.guests.run(&state.job, 60_000, host).await;
        let output = ran.value.clone().unwrap().unwrap();
        let usage = Usage { input_tokens: 10, output_tokens: 12, ..Usage::default() };
        let evidence =
            Evidence { finish: Finish::Complete, checks: Vec::new(), usage, route, attempt: 1 };
        let judged = self.guests.judge(&summary, &output, &evidence, &situation);
        state.output = Some(output.clone());
        state.evidence = Some(evidence.clone());
        let guests: Vec<_> = [&ranked.call, &quoted.call, &ran.call, &judged.call]
            .map(|call| GuestRef::clone(&call.guest))
            .into();
        let result = self.sign(
            &Message::Result { job: &state.job, output: &output, due: None, guests: &guests },
            now,
        );
        let second = vec![
            decision(&state, GuestFunction::Run, &"", &ran, now),
            decision(&state, GuestFunction::Judge, &(&evidence, &situation), &judged, now),
            outbox(state.job.id, true, &result, now),
            Row::Update(Box::new(state.clone())),
        ];
        self.journal.commit(second.into()).await.unwrap();
        for sealed in [&processing, &result] {
            let event = Event::from_json(&sealed.bytes).unwrap();
            std::hint::black_box(ClientMessage::event(event).as_json());
        }
        let third =
            vec![Row::Sent(processing.id), Row::Sent(result.id), Row::Update(Box::new(state))];
        self.journal.commit(third.into()).await.unwrap();
    }

    fn sign(&self, message: &Message<'_>, now: UnixTime) -> SignedMessage {
        let event = nip90::write(message, now, &self.us, SizeLimit::default()).unwrap().remove(0);
        SignedMessage { id: MessageId::from_bytes(event.id.to_bytes()), bytes: event.as_json() }
    }
}

fn candidate(route: &Route) -> Candidate {
    Candidate {
        route: route.clone(),
        context_tokens: Some(4096),
        in_flight: 0,
        limit: 1,
        queued: 0,
        first_output_ms: Some(1),
        tokens_per_second: Some(1000),
        failure_permille: 0,
        preferred: true,
    }
}

fn context(route: &Route) -> QuoteContext {
    QuoteContext {
        route: route.clone(),
        input_tokens_estimate: 11,
        terms: vec![Terms::Free],
        max_receivable: Msat::ZERO,
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    }
}

fn decision<T: serde::Serialize>(
    state: &JobState,
    function: GuestFunction,
    question: &impl serde::Serialize,
    answer: &GuestAnswer<T>,
    at: UnixTime,
) -> Row {
    Row::Decision(Box::new(DecisionRow {
        job: state.job.id,
        guest: GuestRef::clone(&answer.call.guest),
        revision: state.plan.revision,
        engine: Arc::clone(&answer.call.engine),
        function,
        attempt: 0,
        input: serde_json::to_string(question).unwrap(),
        output: answer
            .value
            .as_ref()
            .map(|value| serde_json::to_string(value).unwrap())
            .map_err(|fault| *fault),
        cost: answer.call.cost,
        wall_us: answer.call.wall_us,
        at,
    }))
}

fn outbox(job: JobId, result: bool, sealed: &SignedMessage, now: UnixTime) -> Row {
    Row::Send(OutboxRow { job, result, message: sealed.clone(), expires_at: now.plus(3600) })
}

/// User and system time of this process.
fn cpu_micros() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    #[allow(unsafe_code, reason = "the standard library does not tell")]
    // SAFETY: the call fills the struct it is given, and is checked to have done so before it is
    // read.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}
