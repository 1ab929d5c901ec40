//! The journal against its promises, one file for each. Shared helpers are here.

mod commits;
mod confidential;
mod crash;
mod documented_queries;
mod failed_commits;
mod opening;
mod pending_guests;
mod query_plans;
mod read_only;
mod retention;
mod round_trip;
mod totals;
mod unreadable_rows;

use super::{SqliteJournal, TextCipher};
use pylon_core::decision::{History, Offer, QuoteContext, Refusal, Terms};
use pylon_core::earnings::{Earning, EarningSource};
use pylon_core::guest::{Cost, GuestFunction, GuestRef};
use pylon_core::machine::{Delivery, Execution, Invoicing, JobState, Plan, Settlement};
use pylon_core::message::SignedMessage;
use pylon_core::payment::Invoice;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::{DecisionRow, OpenInvoice, OutboxRow, RefusalRow};
use pylon_core::work::{
    Attribute, Check, CheckOutcome, Evidence, ExecutionTarget, Finish, Output, Route, Usage,
};
use pylon_core::{
    Digest, Input, InputSource, Job, JobId, MessageId, Msat, Param, PaymentHash, PublicKey,
    UnixTime,
};
use std::path::PathBuf;
use tempfile::TempDir;

/// A journal in a temporary folder.
struct TestJournal {
    folder: TempDir,
    journal: SqliteJournal,
}

impl TestJournal {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::open(&folder.path().join("pylon.db")).unwrap();
        Self { folder, journal }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pylon.db")
    }

    /// A connection like that of the `sqlite3` program.
    fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    fn count(&self, table: &str) -> u64 {
        self.sqlite()
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap()
    }
}

fn name(number: u64) -> [u8; 32] {
    *Digest::of(&number.to_le_bytes()).as_bytes()
}

fn id(number: u64) -> JobId {
    JobId::from_bytes(name(number))
}

fn customer(number: u64) -> PublicKey {
    PublicKey::from_bytes(name(number))
}

fn hash(number: u64) -> PaymentHash {
    PaymentHash::from_bytes(name(number))
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::new(seconds)
}

fn route() -> Route {
    Route {
        target: ExecutionTarget::Model { backend: "ollama".into(), model: "llama3.2".into() },
        price_permille: 1000,
    }
}

/// A newly admitted job of customer 1 and kind 5050 at second 1000.
fn job(number: u64) -> JobState {
    let context = QuoteContext {
        route: route(),
        input_tokens_estimate: 12,
        terms: vec![Terms::Free, Terms::OnDelivery],
        max_receivable: Msat::new(u64::MAX),
        step: Msat::new(1000),
        customer: History::default(),
        ours: History::default(),
        market: None,
    };
    let offer = Offer {
        terms: Terms::OnDelivery,
        price: Msat::new(21_000),
        cap: Msat::new(42_000),
        max_output_tokens: 512,
        max_work_ms: 60_000,
        valid_seconds: 3600,
        priority: 0,
        note: "by \"tokens\"".into(),
    };
    let job = Job {
        id: id(number),
        kind: 5050,
        customer: customer(1),
        created_at: at(990),
        inputs: vec![Input {
            source: InputSource::Text("Grüße, 'world' \u{1F980}\0".into()),
            hint: Some("wss://h/".into()),
            marker: Some("m".into()),
        }],
        params: vec![Param { name: "range".into(), values: vec!["1".into(), "2".into()] }],
        output: Some("text/plain".into()),
        bid: Some(Msat::new(u64::MAX)),
        targeted: true,
        confidential: false,
        expires_at: Some(at(9000)),
        origin: "{}".into(),
    };
    JobState {
        job: job.into(),
        plan: Plan {
            revision: 1,
            routes: vec![route()],
            context,
            offer,
            fallback_offers: Vec::new(),
            public: vec!["model".into()],
        }
        .into(),
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
        received_at: at(1000),
        started_at: None,
        ended_at: None,
        text_purged_at: None,
    }
}

/// The same job, completed and queued for delivery, with an open invoice.
fn done(number: u64) -> JobState {
    let usage = Usage { input_tokens: 3, output_tokens: 5, work_ms: 1500, ..Usage::default() };
    let check = Check {
        name: "json-schema".into(),
        outcome: CheckOutcome::Passed(true),
        detail: String::new(),
    };
    let attribute = Attribute { name: "model".into(), value: "llama3.2".into() };
    JobState {
        execution: Execution::Completed,
        delivery: Delivery::Queued,
        invoicing: Invoicing::Open,
        settlement: Settlement::Pending,
        attempt: 2,
        route: 1,
        output: Some(Output {
            content: "42".into(),
            mime: "text/plain".into(),
            attributes: vec![attribute],
        }),
        evidence: Some(Evidence {
            finish: Finish::Complete,
            checks: vec![check],
            usage,
            route: route(),
            attempt: 2,
        }),
        due: Msat::new(21_000),
        invoice: Some(Invoice {
            bolt11: format!("lnbc{number}"),
            payment_hash: hash(number),
            amount: Msat::new(21_000),
            expires_at: at(4600),
        }),
        started_at: Some(at(1001)),
        ended_at: Some(at(1003)),
        ..job(number)
    }
}

fn refusal(number: u64, created_at: u64) -> RefusalRow {
    let refusal = Refusal::Invalid("no usable input".into());
    let (customer, created_at) = (customer(1), at(created_at));
    RefusalRow {
        id: id(number),
        kind: 5050,
        customer,
        created_at,
        refusal,
        job: None,
        at: created_at,
    }
}

fn decision(number: u64) -> DecisionRow {
    let guest = GuestRef {
        slot: "pricing".into(),
        name: "per-token".into(),
        version: "0.1.0".into(),
        digest: Digest::of(b"guest"),
    };
    DecisionRow {
        revision: 1,
        engine: "engine".into(),
        job: id(number),
        guest,
        function: GuestFunction::Quote,
        attempt: 0,
        input: "{\"now\":1000}".into(),
        output: Ok("{\"ok\":1}".into()),
        cost: Cost::Fuel(4321),
        wall_us: 5,
        at: at(1000),
    }
}

fn message(number: u64, job: u64) -> OutboxRow {
    let sealed = SignedMessage {
        id: MessageId::from_bytes(name(number)),
        bytes: format!("[\"EVENT\",{number}]"),
    };
    OutboxRow {
        job: id(job),
        result: number.is_multiple_of(2),
        message: sealed,
        expires_at: at(9000),
    }
}

/// All unfinished jobs with their texts.
fn unfinished(journal: &SqliteJournal) -> Vec<JobState> {
    let jobs = journal.unfinished().unwrap();
    jobs.into_iter().map(|job| journal.job(job.id).unwrap().unwrap()).collect()
}

/// All unsent messages, results last.
fn unsent(journal: &SqliteJournal, limit: usize) -> Vec<OutboxRow> {
    let all = [false, true].map(|results| journal.unsent(results, limit).unwrap()).concat();
    all.into_iter().take(limit).collect()
}

fn earning(job: u64, amount: u64, source: EarningSource, seconds: u64) -> Earning {
    Earning {
        job: id(job),
        amount: Msat::new(amount),
        source,
        payment_hash: hash(job),
        at: at(seconds),
    }
}
