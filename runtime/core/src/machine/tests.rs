//! Goal: every transition of a job, in order and out of it. Method: a script of events from a fresh job, and what must have become of it;
//! then scripts made at random, and what must hold of any of them.

mod review;

use super::*;
use crate::decision::{History, Offer, QuoteContext, Terms};
use crate::work::{Finish, Route, Usage, WorkPlace};
use crate::{Input, InputSource, Job, JobId, PublicKey, UnixTime};
use Event::{
    Cancelled, Delivered, Invoiced, Lapsed, NotInvoiced, Restarted, Scheduled, StillOpen,
    Undeliverable,
};
use proptest::prelude::*;
use std::sync::Arc;

const NOW: UnixTime = UnixTime::new(1_000);
const HASH: PaymentHash = PaymentHash::from_bytes([7; 32]);
const PRICE: u64 = 5_000;

fn route(model: &str) -> Route {
    Route {
        place: WorkPlace::Model { backend: "b".into(), model: model.into() },
        price_permille: 1000,
    }
}

fn fresh(terms: Terms) -> (JobState, Vec<Action>) {
    let text = Input { source: InputSource::Text("hello".into()), hint: None, marker: None };
    let job = Job {
        id: JobId::from_bytes([1; 32]),
        customer: PublicKey::from_bytes([2; 32]),
        created_at: NOW,
        inputs: vec![text],
        ..Job::of_nobody(5050)
    };
    let context = QuoteContext {
        route: route("first"),
        input_tokens_estimate: 2,
        terms: vec![terms],
        max_receivable: Msat::new(1_000_000),
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    };
    let offer = Offer {
        terms,
        price: Msat::new(PRICE),
        cap: Msat::new(PRICE),
        max_output_tokens: 10,
        max_work_ms: 1_000,
        valid_seconds: 60,
        priority: 0,
        note: String::new(),
    };
    admit(
        job,
        Plan {
            generation: 1,
            routes: vec![route("first"), route("second")],
            context,
            offer,
            public: Vec::new(),
        },
        NOW,
    )
}

fn output() -> Output {
    Output { content: "world".into(), mime: "text/plain".into(), attributes: vec![] }
}

fn ran_on(attempt: u32, model: &str, partial_sent: bool) -> Event {
    let usage = Usage { output_tokens: 1, work_ms: 12, ..Usage::default() };
    let evidence =
        Evidence { finish: Finish::Complete, checks: vec![], usage, route: route(model), attempt };
    Event::Ran { attempt, partial_sent, outcome: Box::new(Ok((output(), evidence))) }
}

fn ran(attempt: u32) -> Event {
    ran_on(attempt, "first", false)
}

fn broke(attempt: u32, error: JobError) -> Event {
    Event::Ran { attempt, partial_sent: false, outcome: Box::new(Err(error)) }
}

fn accept(attempt: u32) -> Event {
    Event::Judged { attempt, verdict: Verdict::Accept }
}

fn reject(attempt: u32) -> Event {
    Event::Judged { attempt, verdict: Verdict::Reject("bad".into()) }
}

fn retry(attempt: u32) -> Event {
    Event::Judged { attempt, verdict: Verdict::Retry("empty".into()) }
}

fn metered(attempt: u32, due: u64) -> Event {
    Event::Metered { attempt, due: Msat::new(due), step: Msat::new(1) }
}

fn invoiced(amount: u64) -> Event {
    Invoiced(Invoice {
        bolt11: "lnbcrt1".into(),
        payment_hash: HASH,
        amount: Msat::new(amount),
        expires_at: NOW.plus(60),
    })
}

fn held(amount: u64) -> Event {
    Event::Held(HASH, Msat::new(amount))
}

fn paid(amount: u64) -> Event {
    Event::Paid(HASH, Msat::new(amount))
}

/// An action in a word or two.
fn word(action: &Action) -> Option<String> {
    Some(match action {
        Action::Enqueue => "enqueue".into(),
        Action::Stop => "stop".into(),
        Action::Run { attempt, route } => format!("run {attempt} from {route}"),
        Action::Judge { attempt } => format!("judge {attempt}"),
        Action::Meter { attempt } => format!("meter {attempt}"),
        Action::Invoice { amount, hold } => {
            format!("{} {}", if *hold { "hold" } else { "invoice" }, amount.get())
        }
        Action::Claim(_) => "claim".into(),
        Action::Release(_) => "release".into(),
        Action::Tell(Status::PaymentRequired { .. }) => "tell payment-required".into(),
        Action::Tell(Status::Processing) => "tell processing".into(),
        Action::Tell(Status::Partial(_)) => "tell partial".into(),
        Action::Tell(Status::Error(why)) => format!("tell error: {why}"),
        Action::Deliver => "deliver".into(),
        Action::Earn { amount, source, .. } => {
            format!("earn {source:?} {}", amount.get()).to_lowercase()
        }
        Action::Announce(_) => return None,
    })
}

fn play(terms: Terms, events: Vec<Event>) -> (JobState, Vec<Vec<Action>>) {
    let (mut state, first) = fresh(terms);
    let mut all = vec![first];
    for event in events {
        all.push(step(&mut state, event, NOW));
    }
    (state, all)
}

/// Plays the events and compares the columns and what the last event led to.
fn check(what: &str, terms: Terms, events: Vec<Event>, columns: &str, last: &[&str]) {
    let (state, all) = play(terms, events);
    let found = [
        state.execution.word(),
        state.delivery.word(),
        state.invoicing.word(),
        state.settlement.word(),
    ]
    .join(" ");
    assert_eq!(found, columns, "{what}: columns");
    let words: Vec<_> = all.last().unwrap().iter().filter_map(word).collect();
    assert_eq!(words, last, "{what}: actions");
}

#[test]
fn a_free_job() {
    let check =
        |what, events, columns, last: &[&str]| check(what, Terms::Free, events, columns, last);
    check("taken", vec![], "received none none none", &["tell processing", "enqueue"]);
    check("begun", vec![Scheduled], "processing none none none", &["run 1 from 0"]);
    check("begun twice", vec![Scheduled, Scheduled], "processing none none none", &[]);
    check("ran", vec![Scheduled, ran(1)], "processing none none none", &["judge 1"]);
    check("ran twice", vec![Scheduled, ran(1), ran(1)], "processing none none none", &[]);
    check(
        "accepted",
        vec![Scheduled, ran(1), accept(1)],
        "completed queued none none",
        &["deliver"],
    );
    check(
        "accepted twice",
        vec![Scheduled, ran(1), accept(1), accept(1)],
        "completed queued none none",
        &[],
    );
    check("judged before it ran", vec![Scheduled, accept(1)], "processing none none none", &[]);
    check(
        "metered all the same",
        vec![Scheduled, ran(1), metered(1, 1)],
        "processing none none none",
        &[],
    );
    check(
        "delivered",
        vec![Scheduled, ran(1), accept(1), Delivered],
        "completed delivered none none",
        &[],
    );
    check(
        "undeliverable",
        vec![Scheduled, ran(1), accept(1), Undeliverable],
        "completed failed none none",
        &[],
    );
    check(
        "delivered late",
        vec![Scheduled, ran(1), accept(1), Undeliverable, Delivered],
        "completed delivered none none",
        &[],
    );
    check(
        "refused late",
        vec![Scheduled, ran(1), accept(1), Delivered, Undeliverable],
        "completed delivered none none",
        &[],
    );
    check("delivered before done", vec![Scheduled, Delivered], "processing none none none", &[]);
}

#[test]
fn work_that_fails() {
    let check =
        |what, events, columns, last: &[&str]| check(what, Terms::Free, events, columns, last);
    let failed = "failed none none none";
    let error = |error| vec![Scheduled, broke(1, error)];
    check(
        "invalid",
        error(JobError::Invalid("x".into())),
        failed,
        &["tell error: invalid request: x"],
    );
    check("no backend", error(JobError::NoBackend), failed, &["tell error: no backend"]);
    check("timeout", error(JobError::Timeout), failed, &["tell error: timeout"]);
    check(
        "failed",
        error(JobError::Failed("x".into())),
        failed,
        &["tell error: processing error: x"],
    );
    check(
        "rejected",
        vec![Scheduled, ran(1), reject(1)],
        failed,
        &["tell error: processing error: the result was rejected: bad"],
    );
    check(
        "retried",
        vec![Scheduled, ran(1), retry(1)],
        "processing none none none",
        &["run 2 from 1"],
    );
    let twice = vec![Scheduled, ran(1), retry(1), ran_on(2, "second", false), retry(2)];
    check(
        "no third route",
        twice,
        failed,
        &["tell error: processing error: the result was rejected: empty"],
    );
    let out = vec![Scheduled, ran_on(1, "first", true), retry(1)];
    check(
        "text is out",
        out,
        failed,
        &["tell error: processing error: the result was rejected: empty"],
    );
    let fell_back = vec![Scheduled, ran_on(1, "second", false), retry(1)];
    check(
        "fell back already",
        fell_back,
        failed,
        &["tell error: processing error: the result was rejected: empty"],
    );
    check(
        "an old attempt",
        vec![Scheduled, ran(1), retry(1), ran(1)],
        "processing none none none",
        &[],
    );
    check("after the end", vec![Scheduled, broke(1, JobError::Timeout), ran(1)], failed, &[]);
}

#[test]
fn paid_on_delivery() {
    let check = |what, more: Vec<Event>, columns, last: &[&str]| {
        let events = [vec![Scheduled, ran(1), accept(1)], more].concat();
        check(what, Terms::OnDelivery, events, columns, last);
    };
    check("accepted", vec![], "processing none none none", &["meter 1"]);
    check("nothing due", vec![metered(1, 0)], "completed queued none none", &["deliver"]);
    check("metered", vec![metered(1, 900)], "processing none created none", &["invoice 900"]);
    check(
        "metered twice",
        vec![metered(1, 900), metered(1, 800)],
        "processing none created none",
        &[],
    );
    check(
        "above the cap",
        vec![metered(1, 9_000)],
        "processing none created none",
        &["invoice 5000"],
    );
    check(
        "no invoice",
        vec![metered(1, 900), NotInvoiced],
        "failed none cancelled none",
        &["tell error: payment: no invoice can be made now"],
    );
    check(
        "invoiced for more",
        vec![metered(1, 900), invoiced(901)],
        "failed none cancelled none",
        &["release", "tell error: payment: no invoice can be made now"],
    );
    check(
        "invoiced",
        vec![metered(1, 900), invoiced(900)],
        "completed queued open pending",
        &["deliver"],
    );
    check(
        "invoiced twice",
        vec![metered(1, 900), invoiced(900), invoiced(900)],
        "completed queued open pending",
        &[],
    );
    let open = || vec![metered(1, 900), invoiced(900)];
    let with = |event| [open(), vec![event]].concat();
    check("paid", with(paid(900)), "completed queued open paid", &["earn job 900"]);
    check(
        "paid twice",
        [open(), vec![paid(900), paid(900)]].concat(),
        "completed queued open paid",
        &[],
    );
    check(
        "paid more",
        with(paid(1_000)),
        "completed queued open paid",
        &["earn job 900", "earn tip 100"],
    );
    check("paid less", with(paid(800)), "completed queued open paid", &["earn job 800"]);
    check("never paid", with(Lapsed(HASH)), "completed queued expired unpaid", &[]);
    check(
        "paid after all",
        [open(), vec![Lapsed(HASH), paid(900)]].concat(),
        "completed queued expired paid",
        &["earn job 900"],
    );
    check(
        "lapsed after paid",
        [open(), vec![paid(900), Lapsed(HASH)]].concat(),
        "completed queued open paid",
        &[],
    );
    let other = PaymentHash::from_bytes([8; 32]);
    check(
        "another's payment",
        with(Event::Paid(other, Msat::new(900))),
        "completed queued open pending",
        &[],
    );
    check("another's lapse", with(Lapsed(other)), "completed queued open pending", &[]);
    check("withdrawn too late", with(Cancelled), "completed queued open pending", &[]);
    check(
        "withdrawn meanwhile",
        vec![metered(1, 900), Cancelled],
        "cancelled none cancelled none",
        &["stop"],
    );
    check(
        "invoiced after that",
        vec![metered(1, 900), Cancelled, invoiced(900)],
        "cancelled none cancelled none",
        &["release"],
    );
}

#[test]
fn paid_before_work() {
    let check = |what, events, columns, last: &[&str]| {
        check(what, Terms::BeforeWork, events, columns, last)
    };
    check("taken", vec![], "awaiting_payment none created none", &["invoice 5000"]);
    check("not before payment", vec![Scheduled], "awaiting_payment none created none", &[]);
    check(
        "no invoice",
        vec![NotInvoiced],
        "failed none cancelled none",
        &["tell error: payment: no invoice can be made now"],
    );
    check(
        "invoiced",
        vec![invoiced(PRICE)],
        "awaiting_payment none open pending",
        &["tell payment-required"],
    );
    let with = |events: Vec<Event>| [vec![invoiced(PRICE)], events].concat();
    check(
        "paid",
        with(vec![paid(PRICE)]),
        "received none open paid",
        &["tell processing", "enqueue"],
    );
    check("paid twice", with(vec![paid(PRICE), paid(PRICE)]), "received none open paid", &[]);
    check(
        "paid too little",
        with(vec![paid(1)]),
        "failed none open refund_due",
        &["tell error: payment: 1 msat came for 5000 msat"],
    );
    check(
        "expired",
        with(vec![Lapsed(HASH)]),
        "cancelled none expired cancelled",
        &["tell error: payment: the invoice expired"],
    );
    check(
        "paid after that",
        with(vec![Lapsed(HASH), paid(PRICE)]),
        "cancelled none expired refund_due",
        &[],
    );
    check("withdrawn", with(vec![Cancelled]), "cancelled none open cancelled", &["release"]);
    check("let go", with(vec![Cancelled, Lapsed(HASH)]), "cancelled none cancelled cancelled", &[]);
    check(
        "not let go",
        with(vec![Cancelled, StillOpen(HASH)]),
        "cancelled none open cancelled",
        &["release"],
    );
    check(
        "withdrawn, then paid",
        with(vec![Cancelled, paid(PRICE)]),
        "cancelled none open refund_due",
        &[],
    );
    check(
        "waits for money",
        with(vec![StillOpen(HASH)]),
        "awaiting_payment none open pending",
        &[],
    );
    check(
        "paid, then withdrawn",
        with(vec![paid(PRICE), Cancelled]),
        "cancelled none open refund_due",
        &["stop"],
    );
    let at_work = |events: Vec<Event>| with([vec![paid(PRICE), Scheduled], events].concat());
    check(
        "done",
        at_work(vec![ran(1), accept(1)]),
        "completed queued open paid",
        &["earn job 5000", "deliver"],
    );
    let failed = at_work(vec![broke(1, JobError::Timeout)]);
    check("failed", failed, "failed none open refund_due", &["tell error: timeout"]);
    check(
        "withdrawn at work",
        at_work(vec![Cancelled]),
        "cancelled none open refund_due",
        &["stop"],
    );
}

#[test]
fn held_until_success() {
    let check =
        |what, events, columns, last: &[&str]| check(what, Terms::Hold, events, columns, last);
    let with = |events: Vec<Event>| [vec![invoiced(PRICE)], events].concat();
    check("taken", vec![], "awaiting_payment none created none", &["hold 5000"]);
    check(
        "held",
        with(vec![held(PRICE)]),
        "received none open held",
        &["tell processing", "enqueue"],
    );
    check("held twice", with(vec![held(PRICE), held(PRICE)]), "received none open held", &[]);
    let little = &["release", "tell error: payment: 1 msat came for 5000 msat"];
    check("held too little", with(vec![held(1)]), "failed none open cancelled", little);
    check(
        "held after the end",
        with(vec![Cancelled, held(PRICE)]),
        "cancelled none open cancelled",
        &["release"],
    );
    let at_work = |events: Vec<Event>| with([vec![held(PRICE), Scheduled], events].concat());
    check("accepted", at_work(vec![ran(1), accept(1)]), "processing none open held", &["claim"]);
    let unclaimed = at_work(vec![ran(1), accept(1), held(PRICE)]);
    check("not taken", unclaimed, "processing none open held", &["claim"]);
    let claimed = at_work(vec![ran(1), accept(1), paid(PRICE)]);
    check("claimed", claimed, "completed queued open paid", &["earn job 5000", "deliver"]);
    let gone = &["stop", "tell error: payment: what was held is gone"];
    check(
        "gone",
        at_work(vec![ran(1), accept(1), Lapsed(HASH)]),
        "failed none expired cancelled",
        gone,
    );
    check(
        "taken by itself",
        at_work(vec![paid(PRICE), ran(1), accept(1)]),
        "completed queued open paid",
        &["earn job 5000", "deliver"],
    );
    check(
        "rejected",
        at_work(vec![ran(1), reject(1)]),
        "failed none open cancelled",
        &["release", "tell error: processing error: the result was rejected: bad"],
    );
    check(
        "withdrawn",
        at_work(vec![Cancelled]),
        "cancelled none open cancelled",
        &["stop", "release"],
    );
}

#[test]
fn inputs_that_cannot_be_had() {
    let missing = || Event::NotGathered(JobError::Invalid("input 1: not text".into()));
    let told = "tell error: invalid request: input 1: not text";
    check("free", Terms::Free, vec![missing()], "failed none none none", &[told]);
    check("twice", Terms::Free, vec![missing(), missing()], "failed none none none", &[]);
    check("at work", Terms::Free, vec![Scheduled, missing()], "processing none none none", &[]);
    check("withdrawn", Terms::Free, vec![Cancelled, missing()], "cancelled none none none", &[]);
    check("on delivery", Terms::OnDelivery, vec![missing()], "failed none none none", &[told]);
    check(
        "not paid yet",
        Terms::BeforeWork,
        vec![missing()],
        "awaiting_payment none created none",
        &[],
    );
    let prepaid = vec![invoiced(PRICE), paid(PRICE), missing()];
    check("prepaid", Terms::BeforeWork, prepaid, "failed none open refund_due", &[told]);
    let on_hold = vec![invoiced(PRICE), held(PRICE), missing()];
    check("held", Terms::Hold, on_hold, "failed none open cancelled", &["release", told]);
}

#[test]
fn a_start_goes_on_where_the_journal_stands() {
    let free =
        |what, events, columns, last: &[&str]| check(what, Terms::Free, events, columns, last);
    free("in the line", vec![Restarted], "received none none none", &["enqueue"]);
    free("at work", vec![Scheduled, Restarted], "received none none none", &["enqueue"]);
    free(
        "at work again",
        vec![Scheduled, Restarted, Scheduled],
        "processing none none none",
        &["run 2 from 0"],
    );
    free("from before", vec![Scheduled, Restarted, ran(1)], "received none none none", &[]);
    let often = vec![vec![Scheduled, Restarted]; 8].concat();
    free(
        "at work too often",
        often,
        "failed none none none",
        &["tell error: processing error: given up after 8 attempts"],
    );
    free("done", vec![Scheduled, ran(1), accept(1), Restarted], "completed queued none none", &[]);
    free("over", vec![Cancelled, Restarted], "cancelled none none none", &[]);
    let metered = vec![Scheduled, ran(1), accept(1), metered(1, 900), Restarted];
    check(
        "asked for an invoice",
        Terms::OnDelivery,
        metered,
        "processing none created none",
        &["invoice 900"],
    );
    check(
        "asked for a deposit",
        Terms::BeforeWork,
        vec![Restarted],
        "awaiting_payment none created none",
        &["invoice 5000"],
    );
    check(
        "asked for a hold",
        Terms::Hold,
        vec![Restarted],
        "awaiting_payment none created none",
        &["hold 5000"],
    );
    let accepted = vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), accept(1), Restarted];
    check("accepted, held", Terms::Hold, accepted, "processing none open held", &["claim"]);
    check(
        "waits for money",
        Terms::BeforeWork,
        vec![invoiced(PRICE), Restarted],
        "awaiting_payment none open pending",
        &[],
    );
}

#[test]
fn what_has_expired_in_the_line_is_not_begun() {
    for (expires_at, word) in [(NOW, "failed"), (NOW.plus(1), "processing")] {
        let (mut state, _) = fresh(Terms::OnDelivery);
        std::sync::Arc::make_mut(&mut state.job).expires_at = Some(expires_at);
        let actions = step(&mut state, Scheduled, NOW);
        assert_eq!(state.execution.word(), word);
        let told = actions
            .iter()
            .filter_map(self::word)
            .any(|action| action == "tell error: invalid request: expired");
        assert_eq!(told, word == "failed");
    }
}

#[test]
fn a_bid_bounds_the_charge() {
    let (mut state, _) = fresh(Terms::OnDelivery);
    std::sync::Arc::make_mut(&mut state.job).bid = Some(Msat::new(700));
    assert_eq!(state.cap(), Msat::new(700));
    std::sync::Arc::make_mut(&mut state.job).bid = Some(Msat::new(9_000));
    assert_eq!(state.cap(), Msat::new(PRICE));
}

/// Goal: what a guest says of a confidential job is for the customer alone. Method: the same failure, open and confidential; who hears which words?
#[test]
fn a_confidential_reason_is_for_the_customer() {
    for (confidential, watched) in
        [(false, "processing error: canary"), (true, "processing error: told to the customer only")]
    {
        let (mut state, _) = fresh(Terms::Free);
        state.job = Arc::new(Job { confidential, ..(*state.job).clone() });
        step(&mut state, Event::Scheduled, NOW);
        let actions = step(&mut state, broke(1, JobError::Failed("canary".into())), NOW);
        assert!(actions.contains(&Action::Tell(Status::Error("processing error: canary".into()))));
        let error = watched.to_owned();
        let told = DomainEvent::JobFailed { job_id: state.job.id, error, timestamp: NOW };
        assert!(actions.contains(&Action::Announce(told)), "{actions:?}");
        assert!(!format!("{:?}", state.without_text()).contains("canary"));
    }
}

#[test]
fn the_words_of_the_columns_are_read_back() {
    assert!(Execution::ALL.iter().all(|case| Execution::from_word(case.word()) == Some(*case)));
    assert!(Delivery::ALL.iter().all(|case| Delivery::from_word(case.word()) == Some(*case)));
    assert!(Invoicing::ALL.iter().all(|case| Invoicing::from_word(case.word()) == Some(*case)));
    assert!(Settlement::ALL.iter().all(|case| Settlement::from_word(case.word()) == Some(*case)));
    assert_eq!(Execution::from_word("pending"), None);
}

fn any_event() -> impl Strategy<Value = Event> {
    let attempt = 1..4u32;
    prop_oneof![
        4 => Just(Scheduled),
        4 => (attempt.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(n, second, partial)| ran_on(n, if second { "second" } else { "first" }, partial)),
        1 => attempt.clone().prop_map(|n| broke(n, JobError::Timeout)),
        4 => attempt.clone().prop_map(accept),
        1 => attempt.clone().prop_map(reject),
        2 => attempt.clone().prop_map(|attempt| Event::Unjudged { attempt }),
        1 => Just(Event::Released),
        1 => Just(Event::Rejected),
        1 => Just(Event::Drained),
        1 => attempt.clone().prop_map(retry),
        4 => (attempt, 0..9_000u64).prop_map(|(n, due)| metered(n, due)),
        4 => Just(invoiced(PRICE)),
        1 => Just(NotInvoiced),
        1 => Just(Event::NotGathered(JobError::Timeout)),
        2 => (1..6_000u64).prop_map(held),
        3 => (1..6_000u64).prop_map(paid),
        1 => Just(Lapsed(HASH)),
        1 => Just(StillOpen(HASH)),
        1 => Just(Cancelled),
        1 => Just(Delivered),
        1 => Just(Undeliverable),
        2 => Just(Restarted),
        1 => Just(Event::Orphaned),
    ]
}

proptest! {
    /// Whatever comes in whatever order: money is credited once and only after the wallet said so, one result goes out, and the end is the end.
    #[test]
    fn no_order_of_events_breaks_the_promises(
        terms in prop_oneof![Just(Terms::Free), Just(Terms::OnDelivery), Just(Terms::BeforeWork), Just(Terms::Hold)],
        events in proptest::collection::vec(any_event(), 0..40),
    ) {
        let (mut state, _) = fresh(terms);
        let (mut delivered, mut earned, mut said_paid) = (0, Msat::ZERO, Msat::ZERO);
        for event in events {
            let (was_over, execution) = (state.is_over(), state.execution);
            if let Event::Paid(_, amount) = &event { said_paid = said_paid.max(*amount); }
            let actions = step(&mut state, event, NOW);
            prop_assert!(!was_over || state.execution == execution, "over is over");
            for action in &actions {
                match action {
                    Action::Deliver => delivered += 1,
                    Action::Earn { amount, .. } => earned = earned.saturating_add(*amount),
                    Action::Run { .. } => prop_assert_eq!(state.execution, Execution::Processing),
                    Action::Invoice { amount, .. } => prop_assert!(*amount <= state.cap()),
                    _ => {}
                }
            }
            prop_assert!(!state.is_in_review() || (state.execution == Execution::Processing && state.output.is_some()));
            if state.execution == Execution::Completed && matches!(terms, Terms::BeforeWork | Terms::Hold) {
                prop_assert_eq!(state.settlement, Settlement::Paid, "nothing goes out unpaid");
            }
        }
        prop_assert!(delivered <= 1, "one result");
        prop_assert!(earned <= said_paid, "only what the wallet said");
        prop_assert!(earned.is_zero() || state.settlement == Settlement::Paid);
        prop_assert_eq!(delivered == 1, state.execution == Execution::Completed);
    }
}
