//! What waits for the operator, and what its guests left behind.

use super::*;
use Event::{Drained, Orphaned, Rejected, Released};

fn unjudged(attempt: u32) -> Event {
    Event::Unjudged { attempt }
}

const NOT_SENT: &str = "tell error: processing error: the result was rejected: by the operator";

#[test]
fn a_result_waits_for_the_operator() {
    let free = |what, events: Vec<Event>, columns, last: &[&str]| {
        check(what, Terms::Free, [vec![Scheduled, ran(1)], events].concat(), columns, last);
    };
    let waiting = "processing in_review none none";
    free("unjudged", vec![unjudged(1)], waiting, &[]);
    free("of another attempt", vec![unjudged(2)], "processing none none none", &[]);
    free("a late verdict", vec![unjudged(1), accept(1)], waiting, &[]);
    free("a late result", vec![unjudged(1), ran(1)], waiting, &[]);
    free("after a start", vec![unjudged(1), Restarted], waiting, &[]);
    free("its guests go", vec![unjudged(1), Drained], waiting, &[]);
    free("released", vec![unjudged(1), Released], "completed queued none none", &["deliver"]);
    free(
        "released twice",
        vec![unjudged(1), Released, Released],
        "completed queued none none",
        &[],
    );
    free("rejected", vec![unjudged(1), Rejected], "failed none none none", &[NOT_SENT]);
    free(
        "rejected, then released",
        vec![unjudged(1), Rejected, Released],
        "failed none none none",
        &[],
    );
    free("withdrawn", vec![unjudged(1), Cancelled], "cancelled none none none", &["stop"]);
    free("nothing to release", vec![Released], "processing none none none", &[]);
    free("nothing to reject", vec![accept(1), Rejected], "completed queued none none", &[]);
    check(
        "not even run",
        Terms::Free,
        vec![Scheduled, unjudged(1)],
        "processing none none none",
        &[],
    );
}

#[test]
fn the_money_of_a_result_that_waits() {
    let delivery = |events: Vec<Event>| [vec![Scheduled, ran(1), unjudged(1)], events].concat();
    check(
        "is not metered",
        Terms::OnDelivery,
        delivery(vec![metered(1, 900)]),
        "processing in_review none none",
        &[],
    );
    check(
        "is metered then",
        Terms::OnDelivery,
        delivery(vec![Released]),
        "processing none none none",
        &["meter 1"],
    );
    let metered = delivery(vec![Released, metered(1, 900)]);
    check(
        "and invoiced",
        Terms::OnDelivery,
        metered,
        "processing none created none",
        &["invoice 900"],
    );
    let prepaid = |events: Vec<Event>| {
        [vec![invoiced(PRICE), paid(PRICE), Scheduled, ran(1), unjudged(1)], events].concat()
    };
    let earned = &["earn job 5000", "deliver"];
    check(
        "prepaid, released",
        Terms::BeforeWork,
        prepaid(vec![Released]),
        "completed queued open paid",
        earned,
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
        &["stop"],
    );
    let on_hold = |events: Vec<Event>| {
        [vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), unjudged(1)], events].concat()
    };
    let waiting = "processing in_review open held";
    check("held", Terms::Hold, on_hold(vec![held(PRICE)]), waiting, &[]);
    check("held, after a start", Terms::Hold, on_hold(vec![Restarted]), waiting, &[]);
    check(
        "held, released",
        Terms::Hold,
        on_hold(vec![Released]),
        "processing none open held",
        &["claim"],
    );
    check(
        "held, rejected",
        Terms::Hold,
        on_hold(vec![Rejected]),
        "failed none open cancelled",
        &["release", NOT_SENT],
    );
    let gone = &["stop", "tell error: payment: what was held is gone"];
    check(
        "held, gone",
        Terms::Hold,
        on_hold(vec![Lapsed(HASH)]),
        "failed none expired cancelled",
        gone,
    );
    check(
        "taken by itself",
        Terms::Hold,
        on_hold(vec![paid(PRICE)]),
        "processing in_review open paid",
        &[],
    );
    check(
        "taken, released",
        Terms::Hold,
        on_hold(vec![paid(PRICE), Released]),
        "completed queued open paid",
        earned,
    );
    let taken = on_hold(vec![paid(PRICE), Rejected]);
    check("taken, rejected", Terms::Hold, taken, "failed none open refund_due", &[NOT_SENT]);
}

#[test]
fn a_job_whose_guests_go() {
    let told = "tell error: processing error: the node has replaced what does this job, ask again";
    let ended = &["stop", told];
    check("in the line", Terms::Free, vec![Drained], "failed none none none", ended);
    check("at work", Terms::Free, vec![Scheduled, Drained], "failed none none none", ended);
    check(
        "done",
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
        &["release", told],
    );
    let prepaid = vec![invoiced(PRICE), paid(PRICE), Scheduled, Drained];
    check("prepaid", Terms::BeforeWork, prepaid, "failed none open refund_due", ended);
    let on_hold = vec![invoiced(PRICE), held(PRICE), Scheduled, Drained];
    check("held", Terms::Hold, on_hold, "failed none open cancelled", &["stop", "release", told]);
    let accepted = vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), accept(1), Drained];
    check("needs none any more", Terms::Hold, accepted, "processing none open held", &[]);
    let metered = vec![Scheduled, ran(1), accept(1), metered(1, 900), Drained];
    check("is to be invoiced", Terms::OnDelivery, metered, "processing none created none", &[]);
}

#[test]
fn a_start_without_its_guests() {
    let told = "tell error: processing error: the node has replaced what does this job, ask again";
    let ended = "failed none none none";
    check("in the line", Terms::Free, vec![Orphaned], ended, &[told]);
    check("at work", Terms::Free, vec![Scheduled, Orphaned], ended, &[told]);
    check(
        "nothing is left to do",
        Terms::Free,
        vec![Scheduled, ran(1), accept(1), Orphaned],
        "completed queued none none",
        &[],
    );
    check(
        "not paid yet",
        Terms::BeforeWork,
        vec![invoiced(PRICE), Orphaned],
        "failed none open cancelled",
        &["release", told],
    );
    check(
        "not invoiced yet",
        Terms::BeforeWork,
        vec![Orphaned],
        "failed none cancelled none",
        &[told],
    );
    let prepaid = vec![invoiced(PRICE), paid(PRICE), Scheduled, Orphaned];
    check("prepaid", Terms::BeforeWork, prepaid, "failed none open refund_due", &[told]);
    let on_hold = vec![invoiced(PRICE), held(PRICE), Scheduled, Orphaned];
    check("held", Terms::Hold, on_hold, "failed none open cancelled", &["release", told]);
    let accepted = vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), accept(1), Orphaned];
    check("is to be claimed", Terms::Hold, accepted, "processing none open held", &["claim"]);
    let metered = vec![Scheduled, ran(1), accept(1), metered(1, 900), Orphaned];
    check(
        "is to be invoiced",
        Terms::OnDelivery,
        metered,
        "processing none created none",
        &["invoice 900"],
    );
    let waits = vec![Scheduled, ran(1), unjudged(1), Orphaned];
    check("waits for the operator", Terms::Free, waits, "processing in_review none none", &[]);
}
