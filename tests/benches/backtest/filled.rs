//! The journal of a busy year: jobs that were priced, completed and paid. They differ only in id,
//! customer and day.

use pylon_core::decision::{History, QuoteContext, Situation, Terms};
use pylon_core::guest::{GuestAnswer, GuestFunction};
use pylon_core::machine::{Delivery, Execution, Invoicing, JobState, Plan, Settlement};
use pylon_core::payment::Invoice;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::{DecisionRow, Row};
use pylon_core::work::{Evidence, ExecutionTarget, Finish, Output, Route, Usage};
use pylon_core::{
    Digest, Input, InputSource, Job, JobId, Msat, Param, PaymentHash, PublicKey, UnixTime,
};
use pylon_journal::SqliteJournal;
use pylon_sandbox::Installed;
use rusqlite::{Connection, params};
use serde::Serialize;
use std::path::PathBuf;
use tempfile::TempDir;

const CUSTOMERS: u64 = 500;
/// Jobs of one day.
const JOBS_A_DAY: u64 = 20_000;
const BEGUN: u64 = 1_700_000_000;
const DAY_SECONDS: u64 = 86_400;

/// A journal.
pub(crate) struct Filled {
    folder: TempDir,
    /// Offers and amounts due.
    pub(crate) decisions: u64,
}

impl Filled {
    /// A journal with this number of decisions, all of this guest.
    pub(crate) async fn with(decisions: u64, guest: &Installed) -> Self {
        let filled = Self { folder: tempfile::tempdir().unwrap(), decisions };
        let journal = SqliteJournal::open(&filled.path()).unwrap();
        journal.commit(first(guest).into()).await.unwrap();
        drop(journal);
        filled.copy(decisions / 2);
        filled
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("pylon.db")
    }

    /// Copies the first job to this number of jobs.
    fn copy(&self, jobs: u64) {
        let mut conn = Connection::open(self.path()).unwrap();
        conn.execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -500000;",
        )
        .unwrap();
        let columns = |table: &str| {
            let mut names = conn.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
            let names: Vec<String> =
                names.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            names
        };
        let insert = |table: &str| {
            let names = columns(table);
            let value = |name: &String| match name.as_str() {
                "id" if table == "decisions" => "NULL".into(),
                "id" | "job_id" => "?2".into(),
                "payment_hash" => "?3".into(),
                "customer_pubkey" => "?4".into(),
                "decided_at" => "?5".into(),
                "request" => "replace(replace(request, ?1, ?2), ?6, ?4)".into(),
                _ => name.clone(),
            };
            let values: Vec<String> = names.iter().map(value).collect();
            let key = if table == "jobs" { "id" } else { "job_id" };
            let (names, values) = (names.join(", "), values.join(", "));
            format!(
                "INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {key} = ?1 AND ?2 || ?3 || ?4 || ?5 || ?6 > ''"
            )
        };
        let (into_jobs, into_decisions) = (insert("jobs"), insert("decisions"));
        let (old, of_old) = (id(0).to_hex(), customer(0).to_hex());
        let all = conn.transaction().unwrap();
        {
            let (mut job, mut decisions) =
                (all.prepare(&into_jobs).unwrap(), all.prepare(&into_decisions).unwrap());
            for number in 1..jobs {
                let (id, customer) = (id(number).to_hex(), customer(number).to_hex());
                let at = BEGUN + number / JOBS_A_DAY * DAY_SECONDS;
                let fields =
                    params![old, id, Digest::of(id.as_bytes()).to_hex(), customer, at, of_old];
                job.execute(fields).unwrap();
                decisions.execute(fields).unwrap();
            }
        }
        all.commit().unwrap();
    }
}

fn id(number: u64) -> JobId {
    JobId::from_bytes(*Digest::of(&number.to_le_bytes()).as_bytes())
}

fn customer(number: u64) -> PublicKey {
    PublicKey::from_bytes(
        *Digest::of(format!("customer {}", number % CUSTOMERS).as_bytes()).as_bytes(),
    )
}

/// The first job and its decisions, as a node writes them.
fn first(guest: &Installed) -> Vec<Row> {
    let (state, situation) = question(0);
    let quoted = guest.quote(&state.job, &state.plan.context, &situation);
    let offer = quoted.value.clone().unwrap().unwrap();
    let evidence = state.evidence.clone().unwrap();
    let plan = Plan { offer: offer.clone(), ..Plan::clone(&state.plan) };
    let settled = guest.settle(
        &state.job,
        &plan.context,
        &offer,
        &evidence.route,
        &evidence.usage,
        &situation,
    );
    let due = settled.value.unwrap();
    let invoice = state.invoice.clone().map(|invoice| Invoice { amount: due, ..invoice });
    let state = JobState { plan: plan.clone().into(), due, paid: due, invoice, ..state };
    let admitted = JobState { job: state.job.clone(), ..taken(plan) };
    vec![
        Row::Admit(Box::new(admitted)),
        row(&state, GuestFunction::Quote, &(&state.plan.context, &situation), &quoted),
        row(
            &state,
            GuestFunction::Settle,
            &(&evidence.route, &evidence.usage, &situation),
            &settled,
        ),
        Row::Update(Box::new(state)),
    ]
}

fn row<T: Serialize>(
    state: &JobState,
    function: GuestFunction,
    asked: &impl Serialize,
    answer: &GuestAnswer<T>,
) -> Row {
    Row::Decision(Box::new(DecisionRow {
        job: state.job.id,
        guest: pylon_core::guest::GuestRef::clone(&answer.call.guest),
        revision: 1,
        engine: answer.call.engine.clone(),
        function,
        attempt: u32::from(function == GuestFunction::Settle),
        input: serde_json::to_string(asked).unwrap(),
        output: answer
            .value
            .as_ref()
            .map(|said| serde_json::to_string(said).unwrap())
            .map_err(|fault| *fault),
        cost: answer.call.cost,
        wall_us: answer.call.wall_us,
        at: UnixTime::new(BEGUN),
    }))
}

/// A completed and paid job, and the context of its pricing.
pub(crate) fn question(number: u64) -> (JobState, Situation) {
    let usage = Usage { input_tokens: 120, output_tokens: 260, work_ms: 1800, ..Usage::default() };
    let offer = pylon_core::decision::Offer {
        terms: Terms::OnDelivery,
        price: Msat::new(1300),
        cap: Msat::new(20_000),
        max_output_tokens: 512,
        max_work_ms: 60_000,
        valid_seconds: 3600,
        priority: 0,
        note: String::new(),
    };
    let plan = Plan {
        revision: 1,
        routes: vec![route()],
        context: context(),
        offer,
        fallback_offers: Vec::new(),
        public: vec!["max_tokens".into()],
    };
    let state = JobState {
        job: job(number).into(),
        execution: Execution::Completed,
        delivery: Delivery::Delivered,
        invoicing: Invoicing::Open,
        settlement: Settlement::Paid,
        attempt: 1,
        output: Some(Output {
            content: "word ".repeat(200),
            mime: "text/plain".into(),
            attributes: Vec::new(),
        }),
        evidence: Some(Evidence {
            finish: Finish::Complete,
            checks: Vec::new(),
            usage,
            route: route(),
            attempt: 1,
        }),
        invoice: Some(Invoice {
            bolt11: "lnbc1".repeat(50),
            payment_hash: PaymentHash::from_bytes([9; 32]),
            amount: Msat::ZERO,
            expires_at: UnixTime::new(BEGUN + 3600),
        }),
        started_at: Some(UnixTime::new(BEGUN)),
        ended_at: Some(UnixTime::new(BEGUN + 2)),
        ..taken(plan)
    };
    (
        state,
        Situation {
            now: UnixTime::new(BEGUN),
            queued: 0,
            running: 1,
            capacity: 4,
            extra: Vec::new(),
        },
    )
}

fn taken(plan: Plan) -> JobState {
    JobState {
        job: job(0).into(),
        plan: plan.into(),
        execution: Execution::Received,
        delivery: Delivery::None,
        invoicing: Invoicing::None,
        settlement: Settlement::None,
        attempt: 0,
        route: 0,
        output: None,
        evidence: None,
        due: Msat::ZERO,
        invoice: None,
        paid: Msat::ZERO,
        failure: None,
        received_at: UnixTime::new(BEGUN),
        started_at: None,
        ended_at: None,
        text_purged_at: None,
    }
}

fn route() -> Route {
    Route {
        target: ExecutionTarget::Model { backend: "llama_cpp".into(), model: "llama3.2".into() },
        price_permille: 1000,
    }
}

fn context() -> QuoteContext {
    QuoteContext {
        route: route(),
        input_tokens_estimate: 130,
        terms: vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork],
        max_receivable: Msat::new(1_000_000_000),
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    }
}

fn job(number: u64) -> Job {
    let param = |name: &str, value: &str| Param { name: name.into(), values: vec![value.into()] };
    let text = "What does a short story need, and in which order? ".repeat(8);
    Job {
        id: id(number),
        kind: 5050,
        customer: customer(number),
        created_at: UnixTime::new(BEGUN),
        origin: serde_json::json!({"kind": 5050, "tags": [["i", text, "text"], ["param", "max_tokens", "512"]]}).to_string(),
        inputs: vec![Input { source: InputSource::Text(text), hint: None, marker: None }],
        params: vec![param("max_tokens", "512"), param("temperature", "0.7")],
        output: Some("text/plain".into()),
        bid: Some(Msat::new(20_000)),
        targeted: true,
        confidential: false,
        expires_at: None,
    }
}
