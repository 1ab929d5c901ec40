//! The port `Journal`: atomic commits, unique ids, and reads of what was written.

use futures::future::join_all;
use pylon_core::decision::{History, Offer, QuoteContext, Refusal, Terms};
use pylon_core::earnings::{Earning, EarningSource};
use pylon_core::guest::{Cost, GuestFunction, GuestRef};
use pylon_core::machine::{Delivery, Execution, Invoicing, JobState, Plan, Settlement, admit};
use pylon_core::message::SignedMessage;
use pylon_core::payment::Invoice;
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::rows::{DecisionRow, OutboxRow, RefusalRow, Row, UnfinishedJob};
use pylon_core::work::{ExecutionTarget, Output, Route};
use pylon_core::{Digest, Job, JobId, MessageId, Msat, PaymentHash, PublicKey, UnixTime};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Opens the journal in a folder; it is empty in a new one.
pub type Open = fn(&Path) -> Arc<dyn Journal>;

/// Runs all checks.
pub async fn check(open: Open) {
    ids_are_unique(open).await;
    commits_are_atomic(open).await;
    batches_fail_alone(open).await;
    updates_replace_the_state(open).await;
    unfinished_jobs_are_read_oldest_first(open).await;
    outbox_is_ordered(open).await;
    unsent_feedback_is_superseded(open).await;
    guests_of_a_job_are_listed_once(open).await;
    payments_are_earned_once(open).await;
    digests_hide_texts(open).await;
    rows_survive_a_restart(open).await;
}

fn new(open: Open) -> (Arc<dyn Journal>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(folder.path()), folder)
}

fn bytes(number: u64) -> [u8; 32] {
    *Digest::of(&number.to_le_bytes()).as_bytes()
}

fn id(number: u64) -> JobId {
    JobId::from_bytes(bytes(number))
}

fn hash(number: u64) -> PaymentHash {
    PaymentHash::from_bytes(bytes(number))
}

fn customer() -> PublicKey {
    PublicKey::from_bytes([1; 32])
}

/// A job that was admitted at this second.
fn job(number: u64, second: u64) -> JobState {
    let target = ExecutionTarget::Model { backend: "backend".into(), model: "model".into() };
    let route = Route { target, price_permille: 1000 };
    let context = QuoteContext {
        route: route.clone(),
        input_tokens_estimate: 1,
        terms: vec![Terms::OnDelivery],
        max_receivable: Msat::new(1_000_000),
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    };
    let offer = Offer {
        terms: Terms::OnDelivery,
        price: Msat::new(1000),
        cap: Msat::new(2000),
        max_output_tokens: 512,
        max_work_ms: 60_000,
        valid_seconds: 600,
        priority: 0,
        note: String::new(),
    };
    let plan = Plan {
        revision: 1,
        routes: vec![route],
        context,
        offer,
        fallback_offers: Vec::new(),
        public: Vec::new(),
    };
    let job = Job { id: id(number), customer: customer(), ..Job::placeholder(5050) };
    admit(job, plan, UnixTime::new(second)).0
}

/// The same job, completed, with an open invoice.
fn completed(number: u64) -> JobState {
    JobState {
        execution: Execution::Completed,
        delivery: Delivery::Queued,
        invoicing: Invoicing::Open,
        settlement: Settlement::Pending,
        attempt: 1,
        output: Some(Output { content: "42".into(), ..Output::default() }),
        due: Msat::new(1000),
        invoice: Some(Invoice {
            bolt11: format!("lnbc{number}"),
            payment_hash: hash(number),
            amount: Msat::new(1000),
            expires_at: UnixTime::new(4600),
        }),
        started_at: Some(UnixTime::new(1001)),
        ended_at: Some(UnixTime::new(1002)),
        ..job(number, 1000)
    }
}

fn admitted(state: JobState) -> Row {
    Row::Admit(Box::new(state))
}

fn updated(state: JobState) -> Row {
    Row::Update(Box::new(state))
}

fn refused(number: u64) -> Row {
    let (at, refusal) = (UnixTime::new(1000), Refusal::Invalid("no usable input".into()));
    let (id, customer) = (id(number), customer());
    let row = RefusalRow { id, kind: 5050, customer, created_at: at, refusal, job: None, at };
    Row::Refuse(Box::new(row))
}

fn decision(job: u64, slot: &str) -> DecisionRow {
    let digest = Digest::of(b"guest");
    let guest = GuestRef { slot: slot.into(), name: "g".into(), version: "1".into(), digest };
    DecisionRow {
        job: id(job),
        guest,
        revision: 1,
        engine: "engine".into(),
        function: GuestFunction::Quote,
        attempt: 0,
        input: "{}".into(),
        output: Ok("{}".into()),
        cost: Cost::Fuel(1),
        wall_us: 1,
        at: UnixTime::new(1000),
    }
}

fn message(number: u64, result: bool) -> OutboxRow {
    let message = SignedMessage { id: MessageId::from_bytes(bytes(number)), bytes: "[]".into() };
    OutboxRow { job: id(number), result, message, expires_at: UnixTime::new(9000) }
}

fn earning(job: u64, msat: u64, source: EarningSource) -> Row {
    let (amount, at) = (Msat::new(msat), UnixTime::new(1000));
    Row::Earn(Earning { job: id(job), amount, source, payment_hash: hash(job), at })
}

/// An id is used for one job or one refusal.
async fn ids_are_unique(open: Open) {
    let row = |is_job: bool| if is_job { admitted(job(1, 1000)) } else { refused(1) };
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let (journal, _folder) = new(open);
        assert!(!journal.knows(id(1)).unwrap());
        journal.commit([row(first)].into()).await.unwrap();
        assert!(journal.knows(id(1)).unwrap());
        let again = journal.commit([row(second)].into()).await;
        assert!(matches!(again, Err(JournalError::Known)), "{first} {second}: {again:?}");
        assert_eq!(journal.job(id(1)).unwrap().is_some(), first);
    }
}

/// A failed commit writes nothing: here one with a known id, and one for a job that does not exist.
async fn commits_are_atomic(open: Open) {
    let (journal, _folder) = new(open);
    journal.commit([admitted(job(1, 1000))].into()).await.unwrap();
    let commit = |last: Row| {
        let decision = Row::Decision(Box::new(decision(2, "pricing")));
        let earned = earning(2, 5, EarningSource::Job);
        let (sent, first) = (Row::Send(message(1, true)), admitted(completed(2)));
        let rows = [first, decision, sent, earned, refused(3), updated(completed(1)), last];
        journal.commit(rows.into())
    };
    let known = commit(admitted(job(1, 1000))).await;
    assert!(matches!(known, Err(JournalError::Known)), "{known:?}");
    let missing = commit(updated(job(9, 1000))).await;
    assert!(matches!(missing, Err(JournalError::Contradicts(_))), "{missing:?}");
    assert_eq!(journal.job(id(1)).unwrap(), Some(job(1, 1000)));
    assert!(journal.job(id(2)).unwrap().is_none() && !journal.knows(id(3)).unwrap());
    assert_eq!(journal.job_of_payment(hash(1)).unwrap(), None);
    assert!(journal.unsent(true, 9).unwrap().is_empty());
    assert!(journal.guests_of(id(2)).unwrap().is_empty());
    assert_eq!(journal.earnings(9).unwrap().total, Msat::ZERO);
}

/// One failing commit does not affect concurrent ones.
async fn batches_fail_alone(open: Open) {
    let (journal, _folder) = new(open);
    journal.commit([admitted(job(1000, 1000))].into()).await.unwrap();
    let commits = (0..100).map(|number| {
        let wanted = if number % 5 == 0 { 1000 } else { number };
        journal.commit([Row::Send(message(number, false)), admitted(job(wanted, 1000))].into())
    });
    for (number, answer) in join_all(commits).await.into_iter().enumerate() {
        assert_eq!(matches!(answer, Err(JournalError::Known)), number % 5 == 0, "{number}");
    }
    assert_eq!(journal.unfinished().unwrap().len(), 81);
    assert_eq!(journal.unsent(false, 1000).unwrap().len(), 80);
}

/// A job is read as it was last written, and found by its current payment.
async fn updates_replace_the_state(open: Open) {
    let (journal, _folder) = new(open);
    journal.commit([admitted(job(1, 1000))].into()).await.unwrap();
    let mut other = completed(1);
    other.invoice.as_mut().unwrap().payment_hash = hash(99);
    for state in [completed(1), other, job(1, 1000), completed(1)] {
        journal.commit([updated(state.clone())].into()).await.unwrap();
        assert_eq!(journal.job(id(1)).unwrap(), Some(state.clone()));
        for number in [1, 99] {
            let expected = (state.payment_hash() == Some(hash(number))).then_some(id(1));
            assert_eq!(journal.job_of_payment(hash(number)).unwrap(), expected);
        }
        let open: Vec<_> =
            journal.open_invoices().unwrap().iter().map(|it| it.payment_hash).collect();
        assert_eq!(open, Vec::from_iter(state.payment_hash()));
        let customer = (!state.is_over()).then(customer);
        assert_eq!(journal.customer_of_open(id(1)).unwrap(), customer);
    }
    assert_eq!(journal.job(id(2)).unwrap(), None);
}

/// Closed jobs are left out.
async fn unfinished_jobs_are_read_oldest_first(open: Open) {
    let (journal, _folder) = new(open);
    let failed = JobState { execution: Execution::Failed, ..job(4, 5) };
    let rows = [job(1, 30), job(2, 10), job(3, 20), failed].map(admitted);
    journal.commit(rows.into()).await.unwrap();
    let unfinished = journal.unfinished().unwrap();
    let order: Vec<_> = unfinished.iter().map(|job| job.id).collect();
    assert_eq!(order, [id(2), id(3), id(1)]);
    let first = UnfinishedJob {
        id: id(2),
        kind: 5050,
        customer: customer(),
        revision: 1,
        execution: Execution::Received,
        invoicing: Invoicing::None,
    };
    assert_eq!(unfinished[0], first);
}

/// Unsent messages are read in order, each once; results and other messages separately.
async fn outbox_is_ordered(open: Open) {
    let (journal, _folder) = new(open);
    let rows = [(3, false), (1, false), (8, true), (2, false), (1, false)];
    let rows = rows.map(|(number, result)| Row::Send(message(number, result)));
    journal.commit(rows.into()).await.unwrap();
    let feedback = |numbers: &[u64]| Vec::from_iter(numbers.iter().map(|it| message(*it, false)));
    assert_eq!(journal.unsent(false, 9).unwrap(), feedback(&[3, 1, 2]));
    assert_eq!(journal.unsent(false, 2).unwrap(), feedback(&[3, 1]));
    assert_eq!(journal.unsent(true, 9).unwrap(), [message(8, true)]);
    journal.commit([Row::Sent(message(3, false).message.id)].into()).await.unwrap();
    assert_eq!(journal.unsent(false, 9).unwrap(), feedback(&[1, 2]));
}

/// A message replaces the feedback about its job that was not sent yet, and no result.
async fn unsent_feedback_is_superseded(open: Open) {
    let (journal, _folder) = new(open);
    let about_one = |number, result| OutboxRow { job: id(1), ..message(number, result) };
    let unsent = |result| journal.unsent(result, 9).unwrap();
    for (row, results, others) in [
        (message(9, false), vec![], vec![9]),
        (about_one(1, false), vec![], vec![9, 1]),
        (about_one(2, false), vec![], vec![9, 2]),
        (about_one(2, false), vec![], vec![9, 2]),
        (about_one(3, true), vec![3], vec![9]),
        (about_one(4, false), vec![3], vec![9, 4]),
    ] {
        journal.commit([Row::Send(row.clone())].into()).await.unwrap();
        let ids = |rows: Vec<OutboxRow>| Vec::from_iter(rows.iter().map(|row| row.message.id));
        let expected = |numbers: Vec<u64>| {
            Vec::from_iter(numbers.into_iter().map(|number| MessageId::from_bytes(bytes(number))))
        };
        assert_eq!(ids(unsent(true)), expected(results), "{row:?}");
        assert_eq!(ids(unsent(false)), expected(others), "{row:?}");
    }
}

/// In the order of their first decision.
async fn guests_of_a_job_are_listed_once(open: Open) {
    let (journal, _folder) = new(open);
    let slots = ["routing", "pricing", "handler", "verification", "handler", "pricing"];
    let rows = slots.map(|slot| (1, slot)).into_iter().chain([(2, "other")]);
    let rows = rows.map(|(job, slot)| Row::Decision(Box::new(decision(job, slot))));
    journal.commit(rows.collect()).await.unwrap();
    let expected: Vec<_> = slots[..4].iter().map(|slot| decision(1, slot).guest).collect();
    assert_eq!(journal.guests_of(id(1)).unwrap(), expected);
    assert!(journal.guests_of(id(3)).unwrap().is_empty());
}

/// A second row for the same payment and source is ignored.
async fn payments_are_earned_once(open: Open) {
    let (journal, _folder) = new(open);
    journal.commit([1, 2].map(|number| admitted(completed(number))).into()).await.unwrap();
    for row in [
        earning(1, 1000, EarningSource::Job),
        earning(1, 1000, EarningSource::Job),
        earning(1, 50, EarningSource::Tip),
        earning(2, 1000, EarningSource::Job),
    ] {
        journal.commit([row].into()).await.unwrap();
    }
    let earnings = journal.earnings(2).unwrap();
    assert_eq!((earnings.total, earnings.recent.len()), (Msat::new(2050), 2));
    let by_source = [(EarningSource::Job, Msat::new(2000)), (EarningSource::Tip, Msat::new(50))];
    assert_eq!(earnings.by_source, by_source);
}

/// Equal texts of a job have equal digests.
async fn digests_hide_texts(open: Open) {
    let (journal, _folder) = new(open);
    let digest = journal.digest(id(1), "secret");
    assert_eq!(digest, journal.digest(id(1), "secret"));
    assert!(!digest.contains("secret"));
    assert_ne!(digest, journal.digest(id(1), "other"));
}

/// Committed rows are found when the journal is opened again.
async fn rows_survive_a_restart(open: Open) {
    let (journal, folder) = new(open);
    let rows = [admitted(completed(1)), refused(2), Row::Send(message(1, true))];
    journal.commit(rows.into()).await.unwrap();
    drop(journal);
    let journal = open(folder.path());
    assert_eq!(journal.job(id(1)).unwrap(), Some(completed(1)));
    assert!(journal.knows(id(2)).unwrap());
    assert_eq!(journal.unsent(true, 9).unwrap(), [message(1, true)]);
}
