//! Results that wait for the operator, and jobs whose guests were replaced.

use super::*;
use Event::{Accepted, Drained, Rejected};

const NOT_SENT: &str = "feedback error: processing error: the result was rejected: by the operator";

#[test]
fn result_waits_for_the_operator() {
    let free = |what, events: Vec<Event>, columns, last: &[&str]| {
        check(what, Terms::Free, [vec![Scheduled, ran(1)], events].concat(), columns, last);
    };
    let waiting = "processing in_review none none";
    free("no verdict", vec![no_verdict(1)], waiting, &[]);
    free("of another attempt", vec![no_verdict(2)], "processing none none none", &[]);
    free("a late verdict", vec![no_verdict(1), accept(1)], waiting, &[]);
    free("a late result", vec![no_verdict(1), ran(1)], waiting, &[]);
    free("after a restart", vec![no_verdict(1), Restarted], waiting, &[]);
    free("guests replaced", vec![no_verdict(1), Drained], waiting, &[]);
    free("accepted", vec![no_verdict(1), Accepted], "completed queued none none", &["deliver"]);
    free(
        "accepted twice",
        vec![no_verdict(1), Accepted, Accepted],
        "completed queued none none",
        &[],
    );
    free("rejected", vec![no_verdict(1), Rejected], "failed none none none", &[NOT_SENT]);
    free(
        "rejected, then accepted",
        vec![no_verdict(1), Rejected, Accepted],
        "failed none none none",
        &[],
    );
    free("withdrawn", vec![no_verdict(1), Cancelled], "cancelled none none none", &["abort"]);
    free("nothing to accept", vec![Accepted], "processing none none none", &[]);
    free("nothing to reject", vec![accept(1), Rejected], "completed queued none none", &[]);
    check(
        "not finished",
        Terms::Free,
        vec![Scheduled, no_verdict(1)],
        "processing none none none",
        &[],
    );
}

#[test]
fn payment_of_a_result_in_review() {
    let delivery = |events: Vec<Event>| [vec![Scheduled, ran(1), no_verdict(1)], events].concat();
    check(
        "not priced",
        Terms::OnDelivery,
        delivery(vec![amount_due(1, 900)]),
        "processing in_review none none",
        &[],
    );
    check(
        "priced after acceptance",
        Terms::OnDelivery,
        delivery(vec![Accepted]),
        "processing none none none",
        &["settle price 1"],
    );
    let priced = delivery(vec![Accepted, amount_due(1, 900)]);
    check(
        "invoiced after acceptance",
        Terms::OnDelivery,
        priced,
        "processing none created none",
        &["create invoice 900"],
    );
    let prepaid = |events: Vec<Event>| {
        [vec![invoiced(PRICE), paid(PRICE), Scheduled, ran(1), no_verdict(1)], events].concat()
    };
    check(
        "prepaid, accepted",
        Terms::BeforeWork,
        prepaid(vec![Accepted]),
        "completed queued open paid",
        &["deliver"],
    );
    check(
        "prepaid, rejected",
        Terms::BeforeWork,
        prepaid(vec![Rejected]),
        "failed none open refund_due",
        &[NOT_SENT],
    );
    check(
        "prepaid, withdrawn",
        Terms::BeforeWork,
        prepaid(vec![Cancelled]),
        "cancelled none open refund_due",
        &["abort"],
    );
}

#[test]
fn held_payment_of_a_result_in_review() {
    let on_hold = |events: Vec<Event>| {
        [vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), no_verdict(1)], events].concat()
    };
    let waiting = "processing in_review open held";
    check("held", Terms::Hold, on_hold(vec![held(PRICE)]), waiting, &[]);
    check("held, after a restart", Terms::Hold, on_hold(vec![Restarted]), waiting, &[]);
    check(
        "held, accepted",
        Terms::Hold,
        on_hold(vec![Accepted]),
        "processing none open held",
        &["settle hold"],
    );
    check(
        "held, rejected",
        Terms::Hold,
        on_hold(vec![Rejected]),
        "failed none open cancelled",
        &[NOT_SENT, "cancel invoice"],
    );
    let returned = &["feedback error: payment: the held payment was returned", "abort"];
    check(
        "held, returned",
        Terms::Hold,
        on_hold(vec![InvoiceExpired(HASH)]),
        "failed none expired cancelled",
        returned,
    );
    check(
        "settled early",
        Terms::Hold,
        on_hold(vec![paid(PRICE)]),
        "processing in_review open paid",
        &[],
    );
    check(
        "settled, accepted",
        Terms::Hold,
        on_hold(vec![paid(PRICE), Accepted]),
        "completed queued open paid",
        &["deliver"],
    );
    let taken = on_hold(vec![paid(PRICE), Rejected]);
    check("settled, rejected", Terms::Hold, taken, "failed none open refund_due", &[NOT_SENT]);
}

#[test]
fn job_whose_guests_are_replaced() {
    let error =
        "feedback error: processing error: the handler for this job was replaced; please resubmit";
    let ended = &[error, "abort"];
    check("queued", Terms::Free, vec![Drained], "failed none none none", ended);
    check("running", Terms::Free, vec![Scheduled, Drained], "failed none none none", ended);
    check(
        "completed",
        Terms::Free,
        vec![Scheduled, ran(1), accept(1), Drained],
        "completed queued none none",
        &[],
    );
    check("twice", Terms::Free, vec![Drained, Drained], "failed none none none", &[]);
    let unpaid = vec![invoiced(PRICE), Drained];
    check(
        "not paid yet",
        Terms::BeforeWork,
        unpaid,
        "failed none open cancelled",
        &[error, "cancel invoice"],
    );
    let prepaid = vec![invoiced(PRICE), paid(PRICE), Scheduled, Drained];
    check("prepaid", Terms::BeforeWork, prepaid, "failed none open refund_due", ended);
    let on_hold = vec![invoiced(PRICE), held(PRICE), Scheduled, Drained];
    check(
        "held",
        Terms::Hold,
        on_hold,
        "failed none open cancelled",
        &[error, "abort", "cancel invoice"],
    );
    let accepted = vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), accept(1), Drained];
    check("needs no guest", Terms::Hold, accepted, "processing none open held", &[]);
    let priced = vec![Scheduled, ran(1), accept(1), amount_due(1, 900), Drained];
    check("waits for an invoice", Terms::OnDelivery, priced, "processing none created none", &[]);
}
