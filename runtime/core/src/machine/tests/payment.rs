//! Payments: on delivery, before work, and with a hold invoice.

use super::*;

#[test]
fn paid_on_delivery() {
    let check = |what, more: Vec<Event>, columns, last: &[&str]| {
        let events = [vec![Scheduled, ran(1), accept(1)], more].concat();
        check(what, Terms::OnDelivery, events, columns, last);
    };
    check("accepted", vec![], "processing none none none", &["settle price 1"]);
    check("nothing due", vec![amount_due(1, 0)], "completed queued none none", &["deliver"]);
    check(
        "priced",
        vec![amount_due(1, 900)],
        "processing none created none",
        &["create invoice 900"],
    );
    check(
        "priced twice",
        vec![amount_due(1, 900), amount_due(1, 800)],
        "processing none created none",
        &[],
    );
    check(
        "above the cap",
        vec![amount_due(1, 9_000)],
        "processing none created none",
        &["create invoice 5000"],
    );
    check(
        "no invoice",
        vec![amount_due(1, 900), InvoiceFailed],
        "failed none cancelled none",
        &["feedback error: payment: no invoice can be created now"],
    );
    check(
        "invoiced for more",
        vec![amount_due(1, 900), invoiced(901)],
        "failed none cancelled none",
        &["feedback error: payment: no invoice can be created now", "cancel invoice"],
    );
    check(
        "invoiced",
        vec![amount_due(1, 900), invoiced(900)],
        "completed queued open pending",
        &["deliver"],
    );
    check(
        "invoiced twice",
        vec![amount_due(1, 900), invoiced(900), invoiced(900)],
        "completed queued open pending",
        &[],
    );
}

#[test]
fn delivered_result_is_paid_or_not() {
    let check = |what, more: Vec<Event>, columns, last: &[&str]| {
        let events = [vec![Scheduled, ran(1), accept(1)], more].concat();
        check(what, Terms::OnDelivery, events, columns, last);
    };
    let open = || vec![amount_due(1, 900), invoiced(900)];
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
    let expired = || vec![Delivered, InvoiceExpired(HASH)];
    check("never paid", [open(), expired()].concat(), "completed delivered expired unpaid", &[]);
    check(
        "paid after expiry",
        [open(), expired(), vec![paid(900)]].concat(),
        "completed delivered expired paid",
        &["earn job 900"],
    );
    check(
        "paid before the relays answer",
        [open(), vec![paid(900), Delivered]].concat(),
        "completed delivered open paid",
        &[],
    );
    check(
        "expired after payment",
        [open(), vec![paid(900), InvoiceExpired(HASH)]].concat(),
        "completed queued open paid",
        &[],
    );
    let other = PaymentHash::from_bytes([8; 32]);
    check(
        "payment of another invoice",
        with(Event::Paid(other, Msat::new(900))),
        "completed queued open pending",
        &[],
    );
    check(
        "expiry of another invoice",
        with(InvoiceExpired(other)),
        "completed queued open pending",
        &[],
    );
    check("withdrawn too late", with(Cancelled), "completed queued open pending", &[]);
    check(
        "withdrawn meanwhile",
        vec![amount_due(1, 900), Cancelled],
        "cancelled none cancelled none",
        &["abort"],
    );
    check(
        "invoiced after withdrawal",
        vec![amount_due(1, 900), Cancelled, invoiced(900)],
        "cancelled none cancelled none",
        &["cancel invoice"],
    );
}

#[test]
fn paid_before_work() {
    let check = |what, events, columns, last: &[&str]| {
        check(what, Terms::BeforeWork, events, columns, last)
    };
    check("admitted", vec![], "awaiting_payment none created none", &["create invoice 5000"]);
    check("not before payment", vec![Scheduled], "awaiting_payment none created none", &[]);
    check(
        "no invoice",
        vec![InvoiceFailed],
        "failed none cancelled none",
        &["feedback error: payment: no invoice can be created now"],
    );
    check(
        "invoiced",
        vec![invoiced(PRICE)],
        "awaiting_payment none open pending",
        &["feedback payment-required"],
    );
    let with = |events: Vec<Event>| [vec![invoiced(PRICE)], events].concat();
    check(
        "paid",
        with(vec![paid(PRICE)]),
        "received none open paid",
        &["feedback processing", "enqueue"],
    );
    check("paid twice", with(vec![paid(PRICE), paid(PRICE)]), "received none open paid", &[]);
    check(
        "paid too little",
        with(vec![paid(1)]),
        "failed none open refund_due",
        &["feedback error: payment: received 1 msat of 5000 msat"],
    );
    check(
        "expired",
        with(vec![InvoiceExpired(HASH)]),
        "cancelled none expired cancelled",
        &["feedback error: payment: the invoice expired"],
    );
    check(
        "paid after that",
        with(vec![InvoiceExpired(HASH), paid(PRICE)]),
        "cancelled none expired refund_due",
        &[],
    );
    check("withdrawn", with(vec![Cancelled]), "cancelled none open cancelled", &["cancel invoice"]);
    check(
        "cancellation confirmed",
        with(vec![Cancelled, InvoiceExpired(HASH)]),
        "cancelled none cancelled cancelled",
        &[],
    );
    check(
        "cancellation not confirmed",
        with(vec![Cancelled, InvoiceOpen(HASH)]),
        "cancelled none open cancelled",
        &["cancel invoice"],
    );
    check(
        "withdrawn, then paid",
        with(vec![Cancelled, paid(PRICE)]),
        "cancelled none open refund_due",
        &[],
    );
    check(
        "waits for payment",
        with(vec![InvoiceOpen(HASH)]),
        "awaiting_payment none open pending",
        &[],
    );
    check(
        "paid, then withdrawn",
        with(vec![paid(PRICE), Cancelled]),
        "cancelled none open refund_due",
        &["abort"],
    );
    let running = |events: Vec<Event>| with([vec![paid(PRICE), Scheduled], events].concat());
    let completed = running(vec![ran(1), accept(1)]);
    check("completed", completed, "completed queued open paid", &["deliver"]);
    let failed = running(vec![broke(1, JobError::Timeout)]);
    check("failed", failed, "failed none open refund_due", &["feedback error: timeout"]);
    check(
        "withdrawn while running",
        running(vec![Cancelled]),
        "cancelled none open refund_due",
        &["abort"],
    );
}

#[test]
fn held_until_success() {
    let check =
        |what, events, columns, last: &[&str]| check(what, Terms::Hold, events, columns, last);
    let with = |events: Vec<Event>| [vec![invoiced(PRICE)], events].concat();
    check("admitted", vec![], "awaiting_payment none created none", &["create hold 5000"]);
    check(
        "held",
        with(vec![held(PRICE)]),
        "received none open held",
        &["feedback processing", "enqueue"],
    );
    check("held twice", with(vec![held(PRICE), held(PRICE)]), "received none open held", &[]);
    let little = &["feedback error: payment: received 1 msat of 5000 msat", "cancel invoice"];
    check("held too little", with(vec![held(1)]), "failed none open cancelled", little);
    check(
        "held after the end",
        with(vec![Cancelled, held(PRICE)]),
        "cancelled none open cancelled",
        &["cancel invoice"],
    );
    let running = |events: Vec<Event>| with([vec![held(PRICE), Scheduled], events].concat());
    check(
        "accepted",
        running(vec![ran(1), accept(1)]),
        "processing none open held",
        &["settle hold"],
    );
    let unsettled = running(vec![ran(1), accept(1), held(PRICE)]);
    check("settling failed", unsettled, "processing none open held", &["settle hold"]);
    let settled = running(vec![ran(1), accept(1), paid(PRICE)]);
    check("settled", settled, "completed queued open paid", &["deliver"]);
    let returned = &["feedback error: payment: the held payment was returned", "abort"];
    check(
        "hold returned",
        running(vec![ran(1), accept(1), InvoiceExpired(HASH)]),
        "failed none expired cancelled",
        returned,
    );
    check(
        "settled early",
        running(vec![paid(PRICE), ran(1), accept(1)]),
        "completed queued open paid",
        &["deliver"],
    );
    check(
        "rejected",
        running(vec![ran(1), reject(1)]),
        "failed none open cancelled",
        &["feedback error: processing error: the result was rejected: bad", "cancel invoice"],
    );
    check(
        "withdrawn",
        running(vec![Cancelled]),
        "cancelled none open cancelled",
        &["abort", "cancel invoice"],
    );
}

/// A prepayment is earned with the delivery, once.
#[test]
fn prepayment_is_earned_on_delivery() {
    let check = |what, more: Vec<Event>, last: &[&str]| {
        let begun = vec![invoiced(PRICE), paid(PRICE), Scheduled, ran(1), accept(1)];
        let events = [begun, more].concat();
        check(what, Terms::BeforeWork, events, "completed delivered open paid", last);
    };
    check("delivered", vec![Delivered], &["earn job 5000"]);
    check("delivered twice", vec![Delivered, Delivered], &[]);
}

/// A result that was not handed over is not charged, and its customer owes nothing.
#[test]
fn undeliverable_result_is_not_charged() {
    const ERROR: &str = "feedback error: processing error: the result cannot be delivered";
    let delivery = |what, more: Vec<Event>, columns, last: &[&str]| {
        let begun = vec![Scheduled, ran(1), accept(1), amount_due(1, 900), invoiced(900)];
        check(what, Terms::OnDelivery, [begun, more].concat(), columns, last);
    };
    let cancelled = "completed failed open cancelled";
    delivery("on delivery", vec![Undeliverable], cancelled, &[ERROR, "cancel invoice"]);
    delivery("twice", vec![Undeliverable, Undeliverable], cancelled, &[]);
    let confirmed = vec![Undeliverable, InvoiceExpired(HASH)];
    delivery("confirmed", confirmed, "completed failed cancelled cancelled", &[]);
    let unconfirmed = vec![Undeliverable, InvoiceOpen(HASH)];
    delivery("not confirmed", unconfirmed, cancelled, &["cancel invoice"]);
    let late = vec![Undeliverable, paid(900)];
    delivery("paid nevertheless", late, "completed failed open refund_due", &[]);
    let proved = vec![paid(900), Undeliverable];
    delivery("paid, so it arrived", proved, "completed failed open paid", &[]);
    let expired = vec![InvoiceExpired(HASH)];
    delivery("expired first", expired, "completed queued expired cancelled", &[]);
    let gone = vec![InvoiceExpired(HASH), Undeliverable];
    delivery("expired, then given up", gone, "completed failed expired cancelled", &[ERROR]);
    let arrived = vec![InvoiceExpired(HASH), Delivered];
    delivery("expired, then delivered", arrived, "completed delivered expired cancelled", &[]);
    let delivered = vec![Undeliverable, Delivered];
    delivery("delivered late", delivered, "completed delivered open cancelled", &[]);

    let prepaid = vec![invoiced(PRICE), paid(PRICE), Scheduled, ran(1), accept(1), Undeliverable];
    let refund = "completed failed open refund_due";
    check("before work", Terms::BeforeWork, prepaid.clone(), refund, &[ERROR]);
    let late = [prepaid, vec![Delivered]].concat();
    check("prepaid, late", Terms::BeforeWork, late, "completed delivered open refund_due", &[]);
    let hold = vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), accept(1), paid(PRICE)];
    check("hold", Terms::Hold, [hold, vec![Undeliverable]].concat(), refund, &[ERROR]);
}

/// A job that panicked ends, and what was paid is owed back.
#[test]
fn panicked_job_fails() {
    const ERROR: &str = "feedback error: processing error: internal error of the provider";
    let ended = &[ERROR, "abort"];
    let panicked = |terms, events: Vec<Event>, columns, last: &[&str]| {
        let events = [events, vec![Event::Panicked]].concat();
        check("panicked", terms, events, columns, last);
    };
    panicked(Terms::Free, vec![], "failed none none none", ended);
    panicked(Terms::Free, vec![Scheduled], "failed none none none", ended);
    panicked(Terms::Free, vec![Scheduled, Event::Panicked], "failed none none none", &[]);
    let reviewed = vec![Scheduled, ran(1), no_verdict(1)];
    panicked(Terms::Free, reviewed, "failed none none none", ended);
    let completed = vec![Scheduled, ran(1), accept(1)];
    panicked(Terms::Free, completed, "completed queued none none", &[]);
    panicked(Terms::Free, vec![Cancelled], "cancelled none none none", &[]);
    panicked(Terms::BeforeWork, vec![], "failed none cancelled none", ended);
    let cancels = &[ERROR, "abort", "cancel invoice"];
    let unpaid = vec![invoiced(PRICE)];
    panicked(Terms::BeforeWork, unpaid, "failed none open cancelled", cancels);
    let prepaid = vec![invoiced(PRICE), paid(PRICE), Scheduled];
    panicked(Terms::BeforeWork, prepaid, "failed none open refund_due", ended);
    let on_hold = vec![invoiced(PRICE), held(PRICE), Scheduled];
    panicked(Terms::Hold, on_hold, "failed none open cancelled", cancels);
}

#[test]
fn bid_limits_the_charge() {
    let (mut state, _) = fresh(Terms::OnDelivery);
    Arc::make_mut(&mut state.job).bid = Some(Msat::new(700));
    assert_eq!(state.cap(), Msat::new(700));
    Arc::make_mut(&mut state.job).bid = Some(Msat::new(9_000));
    assert_eq!(state.cap(), Msat::new(PRICE));
}
