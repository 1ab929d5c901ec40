//! A provider whose ports do as they are told, with a real journal: for failures that no real part
//! has.

use async_trait::async_trait;
use futures::stream::BoxStream;
use pylon_adapters::payments::play_money::{PlayBank, PlayWallet};
use pylon_core::completion::{CompletionRequest, ModelInfo};
use pylon_core::decision::{
    Candidate, MarketView, Offer, QuoteContext, Ranking, Refusal, Situation, Terms, Verdict,
};
use pylon_core::guest::{Call, Cost, GuestAnswer, GuestRef};
use pylon_core::job::JobError;
use pylon_core::machine::JobState;
use pylon_core::message::{Incoming, JobStatus, Message, RelayRefusal, SendOutcome, SignedMessage};
use pylon_core::payment::{Invoice, InvoiceRequest, InvoiceState, Receipt, WalletCapabilities};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::executor::{AttemptResult, AttemptSink, AttemptSpec, Executor};
use pylon_core::ports::guests::{GuestSet, GuestSets, HandlerHost};
use pylon_core::ports::inference::{CompletionStream, Inference, InferenceError};
use pylon_core::ports::inputs::{FetchError, Inputs};
use pylon_core::ports::journal::Journal as _;
use pylon_core::ports::market::{Market, MarketError};
use pylon_core::ports::payments::{Wallet, WalletError};
use pylon_core::sources::{Granted, Sources};
use pylon_core::sync::lock;
use pylon_core::work::{Evidence, Finish, Output, Route, Usage};
use pylon_core::{
    Digest, Input, InputSource, Job, JobId, MessageId, Msat, PaymentHash, PublicKey, UnixTime,
};
use pylon_journal::SqliteJournal;
use pylon_node::clock::SystemClock;
use pylon_provider::{BackendRegistry, Bus, Config, Ports, Preference, Provider};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The price of every job.
pub const PRICE: Msat = Msat::new(1000);

/// Where a port does something else than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The wallet is asked what it can do, during the admission.
    Capabilities,
    /// An input is fetched.
    Fetch,
    /// The attempt runs.
    Attempt,
    /// Verification judges.
    Judge,
    /// The wallet creates an invoice.
    Invoice,
    /// A result is signed.
    SignResult,
    /// Anything is signed.
    Sign,
    /// A message is sent.
    Send,
    /// The market is asked for the next request.
    Next,
}

/// What it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Panics with a text that no log may have.
    Panic,
    /// Panics once.
    PanicOnce,
    /// Fails for good.
    Fail,
    /// Fails for now.
    Wait,
}

/// All ports in one.
pub struct Scripted {
    script: Mutex<Option<(At, Does)>>,
    terms: Mutex<Terms>,
    /// Seconds by which the clock of the provider is ahead.
    ahead: AtomicU64,
    requests: mpsc::Sender<Job>,
    inbox: tokio::sync::Mutex<mpsc::Receiver<Job>>,
    sent: Mutex<Vec<(JobId, String)>>,
    wallet: PlayWallet,
    changed: Notify,
}

/// The text of every panic.
pub const CANARY: &str = "canary-7f3a";

impl Scripted {
    /// What happens at this place, unless it is the usual.
    fn reaches(&self, at: At) -> bool {
        let script = *lock(&self.script);
        match script.filter(|(place, _)| *place == at) {
            None => false,
            Some((_, Does::Fail | Does::Wait)) => true,
            Some((_, does)) => {
                if does == Does::PanicOnce {
                    *lock(&self.script) = None;
                }
                panic!("{CANARY}")
            }
        }
    }
}

/// The provider and its ports.
pub struct ScriptedProvider {
    /// Its ports.
    pub ports: Arc<Scripted>,
    /// The play money of its customers.
    pub bank: PlayBank,
    /// Its journal.
    pub journal: Arc<SqliteJournal>,
    folder: TempDir,
    provider: Option<Provider>,
    config: Config,
    count: u8,
}

impl ScriptedProvider {
    /// A provider that runs.
    pub async fn start(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Arc::new(SqliteJournal::open(&folder.path().join("pylon.db")).unwrap());
        let balance = Msat::new(100_000_000);
        let bank = PlayBank::open(&[], balance, Arc::new(SystemClock)).unwrap();
        let (requests, inbox) = mpsc::channel(16);
        let ports = Arc::new(Scripted {
            script: Mutex::default(),
            terms: Mutex::new(Terms::Free),
            ahead: AtomicU64::new(0),
            requests,
            inbox: tokio::sync::Mutex::new(inbox),
            sent: Mutex::default(),
            wallet: bank.wallet(),
            changed: Notify::new(),
        });
        let mut started = Self { ports, bank, journal, folder, provider: None, config, count: 0 };
        started.restart().await;
        started
    }

    /// Stops it at once, and starts it on the same journal.
    pub async fn restart(&mut self) {
        if let Some(provider) = self.provider.take() {
            provider.stop(Duration::ZERO).await;
        }
        let (bus, clock) = (Bus::default(), self.ports.clone());
        let backends = vec![Arc::clone(&self.ports) as Arc<dyn Inference>];
        let backends =
            BackendRegistry::watch(backends, Preference::default(), bus.clone(), clock.clone())
                .await;
        let ports = Ports {
            market: self.ports.clone(),
            journal: self.journal.clone(),
            guests: Arc::new(Guests(self.ports.clone())),
            observer: Arc::new(()),
            executor: self.ports.clone(),
            wallet: Some(self.ports.clone()),
            inputs: self.ports.clone(),
            backends,
            clock,
        };
        self.provider = Some(Provider::start(ports, &self.config, bus).unwrap());
    }

    /// The file of the journal.
    pub fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("pylon.db")
    }

    /// Has a port do this; `None`: as usual.
    pub fn script(&self, script: Option<(At, Does)>) {
        *lock(&self.ports.script) = script;
    }

    /// The terms of later offers.
    pub fn offer(&self, terms: Terms) {
        *lock(&self.ports.terms) = terms;
    }

    /// Lets time pass for the provider.
    pub fn advance(&self, seconds: u64) {
        self.ports.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Sends a request with this input.
    pub async fn ask(&mut self, source: InputSource) -> JobId {
        self.count += 1;
        let id = JobId::from_bytes([self.count; 32]);
        let job = Job {
            id,
            customer: PublicKey::from_bytes([9; 32]),
            created_at: SystemClock.now(),
            inputs: vec![Input { source, hint: None, marker: None }],
            ..Job::placeholder(5050)
        };
        self.ports.requests.send(job).await.unwrap();
        id
    }

    /// Pays the invoice of a job.
    pub async fn pay(&self, id: JobId) {
        let state = self.wait_until(id, |state| state.invoice.is_some()).await;
        self.bank.pay(&state.invoice.unwrap().bolt11).unwrap();
    }

    /// The state of a job's invoice in the wallet.
    pub async fn invoice(&self, state: &JobState) -> InvoiceState {
        self.ports.wallet.look_up(state.payment_hash().unwrap()).await.unwrap()
    }

    /// Waits until the row of the job meets the condition.
    pub async fn wait_until(&self, id: JobId, condition: impl Fn(&JobState) -> bool) -> JobState {
        let found = async {
            loop {
                if let Some(state) = self.journal.job(id).unwrap().filter(&condition) {
                    return state;
                }
                // The journal does not say when a row changes.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(TEST_TIMEOUT, found).await;
        found.unwrap_or_else(|_| {
            panic!("the job never met the condition: {:?}", self.journal.job(id))
        })
    }

    /// Waits for a message about this job that begins with this text.
    pub async fn message(&self, id: JobId, text: &str) -> String {
        let found = async {
            loop {
                let changed = self.ports.changed.notified();
                let sent = lock(&self.ports.sent).clone();
                if let Some((_, message)) =
                    sent.into_iter().find(|(job, message)| *job == id && message.starts_with(text))
                {
                    return message;
                }
                changed.await;
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, found).await.expect("the message was never sent")
    }
}

impl Clock for Scripted {
    fn now(&self) -> UnixTime {
        SystemClock.now().plus(self.ahead.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Market for Scripted {
    async fn next(&self) -> Option<Incoming> {
        let mut inbox = self.inbox.lock().await;
        self.reaches(At::Next);
        inbox.recv().await.map(|job| Incoming::Job(Box::new(job)))
    }

    fn check(&self, _: &Job, _: &Output) -> Result<(), MarketError> {
        Ok(())
    }

    fn sign(&self, message: &Message<'_>, _: UnixTime) -> Result<SignedMessage, MarketError> {
        self.reaches(At::Sign);
        let (job, text) = match message {
            Message::Feedback { to, status } => match status {
                JobStatus::Error(why) => (to.job, format!("error: {why}")),
                JobStatus::PaymentRequired { .. } => (to.job, "payment-required".into()),
                JobStatus::Processing => (to.job, "processing".into()),
                JobStatus::Partial(_) => (to.job, "partial".into()),
            },
            Message::Result { job, due, .. } => {
                if self.reaches(At::SignResult) {
                    return Err(MarketError::Unpublishable("too large".into()));
                }
                (job.id, format!("result: {}", due.is_some()))
            }
        };
        let bytes = format!("{job} {text}");
        Ok(SignedMessage {
            id: MessageId::from_bytes(*Digest::of(bytes.as_bytes()).as_bytes()),
            bytes,
        })
    }

    async fn send(&self, message: &SignedMessage) -> SendOutcome {
        let (job, text) = message.bytes.split_once(' ').unwrap();
        if text.starts_with("result") && self.reaches(At::Send) {
            let waits = *lock(&self.script) == Some((At::Send, Does::Wait));
            return if waits { SendOutcome::Retry } else { SendOutcome::Refused };
        }
        lock(&self.sent).push((JobId::from_hex(job).unwrap(), text.into()));
        self.changed.notify_waiters();
        SendOutcome::Delivered
    }

    async fn next_refusal(&self) -> Option<RelayRefusal> {
        std::future::pending().await
    }

    fn prices(&self, _: u16, _: UnixTime) -> Option<MarketView> {
        None
    }
}

#[async_trait]
impl Wallet for Scripted {
    fn capabilities(&self) -> WalletCapabilities {
        self.reaches(At::Capabilities);
        self.wallet.capabilities()
    }

    async fn invoice(&self, request: InvoiceRequest) -> Result<Invoice, WalletError> {
        self.reaches(At::Invoice);
        self.wallet.invoice(request).await
    }

    async fn look_up(&self, hash: PaymentHash) -> Result<InvoiceState, WalletError> {
        self.wallet.look_up(hash).await
    }

    async fn claim(&self, hash: PaymentHash) -> Result<(), WalletError> {
        self.wallet.claim(hash).await
    }

    async fn release(&self, hash: PaymentHash) -> Result<(), WalletError> {
        self.wallet.release(hash).await
    }

    fn receipts(&self) -> BoxStream<'static, Receipt> {
        self.wallet.receipts()
    }
}

#[async_trait]
impl Executor for Scripted {
    async fn run(&self, spec: AttemptSpec, _: Arc<dyn AttemptSink>) -> AttemptResult {
        self.reaches(At::Attempt);
        let AttemptSpec { attempt, .. } = spec;
        let evidence = Evidence {
            finish: Finish::Complete,
            checks: Vec::new(),
            usage: Usage::default(),
            route: spec.routes[0].clone(),
            attempt,
        };
        AttemptResult {
            attempt,
            answer: None,
            outcome: Ok((Output { content: "done".into(), ..Output::default() }, evidence)),
            transcript: None,
            partial_sent: false,
            backend_time: Duration::ZERO,
            elapsed: Duration::ZERO,
        }
    }
}

#[async_trait]
impl Inputs for Scripted {
    fn granted(&self) -> Granted {
        Granted { urls: true, events: false, jobs: false }
    }

    fn check(&self, _: &Input, _: &Sources) -> Result<(), FetchError> {
        Ok(())
    }

    async fn fetch(&self, _: &Input, _: &Sources, _: u64) -> Result<String, FetchError> {
        self.reaches(At::Fetch);
        Ok("fetched".into())
    }
}

#[async_trait]
impl Inference for Scripted {
    fn id(&self) -> &str {
        "scripted"
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
        Err(InferenceError::Unsupported("the executor does not ask".into()))
    }
}

/// Guests that accept everything.
struct Guests(Arc<Scripted>);

impl GuestSets for Guests {
    fn current(&self) -> Arc<dyn GuestSet> {
        Arc::new(Self(Arc::clone(&self.0)))
    }

    fn at(&self, _: u64, _: u16) -> Option<Arc<dyn GuestSet>> {
        Some(self.current())
    }
}

fn answer<T>(value: T) -> GuestAnswer<T> {
    let guest = GuestRef {
        slot: "scripted".into(),
        name: "scripted".into(),
        version: "1.0.0".into(),
        digest: Digest::from_bytes([1; 32]),
    };
    let call = Call { guest: Arc::new(guest), engine: "".into(), cost: Cost::Fuel(1), wall_us: 1 };
    GuestAnswer { value: Ok(value), call }
}

#[async_trait]
impl GuestSet for Guests {
    fn revision(&self) -> u64 {
        1
    }

    fn serves(&self, _: u16) -> bool {
        true
    }

    fn public_params(&self, _: u16) -> &[String] {
        &[]
    }

    fn sources(&self, _: u16) -> Sources {
        Sources { urls: vec!["*".into()], events: false, jobs: false }
    }

    fn rank(
        &self,
        _: &Job,
        _: &[Candidate],
        _: &Situation,
    ) -> GuestAnswer<Result<Ranking, Refusal>> {
        answer(Ok(Ranking { order: vec![0], note: String::new() }))
    }

    fn quote(
        &self,
        _: &Job,
        _: &QuoteContext,
        _: &Situation,
    ) -> GuestAnswer<Result<Offer, Refusal>> {
        answer(Ok(Offer {
            terms: *lock(&self.0.terms),
            price: PRICE,
            cap: PRICE,
            max_output_tokens: 10,
            max_work_ms: 1_000,
            valid_seconds: 60,
            priority: 0,
            note: String::new(),
        }))
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
        answer(PRICE)
    }

    fn judge(&self, _: &Job, _: &Output, _: &Evidence, _: &Situation) -> GuestAnswer<Verdict> {
        self.0.reaches(At::Judge);
        answer(Verdict::Accept)
    }

    async fn run(
        &self,
        _: &Job,
        _: u64,
        _: Arc<dyn HandlerHost>,
    ) -> GuestAnswer<Result<Output, JobError>> {
        answer(Err(JobError::Failed("the executor does not ask".into())))
    }
}

/// A text input.
pub fn text(text: &str) -> InputSource {
    InputSource::Text(text.into())
}
