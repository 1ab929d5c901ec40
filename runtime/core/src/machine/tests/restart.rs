//! Restarts of the node.

use super::*;
use Event::RestartedWithoutGuests;

#[test]
fn restart_resumes_from_the_journal() {
    let free =
        |what, events, columns, last: &[&str]| check(what, Terms::Free, events, columns, last);
    free("queued", vec![Restarted], "received none none none", &["enqueue"]);
    free("running", vec![Scheduled, Restarted], "received none none none", &["enqueue"]);
    free(
        "run again",
        vec![Scheduled, Restarted, Scheduled],
        "processing none none none",
        &["run 2 from 0"],
    );
    free(
        "finished before the restart",
        vec![Scheduled, Restarted, ran(1)],
        "received none none none",
        &[],
    );
    let often = vec![vec![Scheduled, Restarted]; 8].concat();
    free(
        "too many attempts",
        often,
        "failed none none none",
        &["feedback error: processing error: given up after 8 attempts"],
    );
    free(
        "completed",
        vec![Scheduled, ran(1), accept(1), Restarted],
        "completed queued none none",
        &[],
    );
    free("ended", vec![Cancelled, Restarted], "cancelled none none none", &[]);
    let priced = vec![Scheduled, ran(1), accept(1), amount_due(1, 900), Restarted];
    check(
        "invoice requested",
        Terms::OnDelivery,
        priced,
        "processing none created none",
        &["create invoice 900"],
    );
    check(
        "prepayment requested",
        Terms::BeforeWork,
        vec![Restarted],
        "awaiting_payment none created none",
        &["create invoice 5000"],
    );
    check(
        "hold requested",
        Terms::Hold,
        vec![Restarted],
        "awaiting_payment none created none",
        &["create hold 5000"],
    );
    let accepted = vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), accept(1), Restarted];
    check("accepted, held", Terms::Hold, accepted, "processing none open held", &["settle hold"]);
    check(
        "waits for payment",
        Terms::BeforeWork,
        vec![invoiced(PRICE), Restarted],
        "awaiting_payment none open pending",
        &[],
    );
}

#[test]
fn restart_without_guests() {
    let error =
        "feedback error: processing error: the handler for this job was replaced; please resubmit";
    let ended = "failed none none none";
    check("queued", Terms::Free, vec![RestartedWithoutGuests], ended, &[error]);
    check("running", Terms::Free, vec![Scheduled, RestartedWithoutGuests], ended, &[error]);
    check(
        "completed, without guests",
        Terms::Free,
        vec![Scheduled, ran(1), accept(1), RestartedWithoutGuests],
        "completed queued none none",
        &[],
    );
    check(
        "not paid yet",
        Terms::BeforeWork,
        vec![invoiced(PRICE), RestartedWithoutGuests],
        "failed none open cancelled",
        &[error, "cancel invoice"],
    );
    check(
        "not invoiced yet",
        Terms::BeforeWork,
        vec![RestartedWithoutGuests],
        "failed none cancelled none",
        &[error],
    );
    let prepaid = vec![invoiced(PRICE), paid(PRICE), Scheduled, RestartedWithoutGuests];
    check("prepaid", Terms::BeforeWork, prepaid, "failed none open refund_due", &[error]);
    let on_hold = vec![invoiced(PRICE), held(PRICE), Scheduled, RestartedWithoutGuests];
    check("held", Terms::Hold, on_hold, "failed none open cancelled", &[error, "cancel invoice"]);
    let accepted =
        vec![invoiced(PRICE), held(PRICE), Scheduled, ran(1), accept(1), RestartedWithoutGuests];
    check("is to be settled", Terms::Hold, accepted, "processing none open held", &["settle hold"]);
    let priced = vec![Scheduled, ran(1), accept(1), amount_due(1, 900), RestartedWithoutGuests];
    check(
        "waits for an invoice",
        Terms::OnDelivery,
        priced,
        "processing none created none",
        &["create invoice 900"],
    );
    let waits = vec![Scheduled, ran(1), no_verdict(1), RestartedWithoutGuests];
    check("waits for the operator", Terms::Free, waits, "processing in_review none none", &[]);
}
