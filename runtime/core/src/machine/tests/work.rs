//! The work without payments.

use super::*;

#[test]
fn free_job() {
    let check =
        |what, events, columns, last: &[&str]| check(what, Terms::Free, events, columns, last);
    check("admitted", vec![], "received none none none", &["feedback processing", "enqueue"]);
    check("begun", vec![Scheduled], "processing none none none", &["run 1 from 0"]);
    check("begun twice", vec![Scheduled, Scheduled], "processing none none none", &[]);
    check("finished", vec![Scheduled, ran(1)], "processing none none none", &["judge 1"]);
    check("finished twice", vec![Scheduled, ran(1), ran(1)], "processing none none none", &[]);
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
    check(
        "judged before it finished",
        vec![Scheduled, accept(1)],
        "processing none none none",
        &[],
    );
    check(
        "priced although free",
        vec![Scheduled, ran(1), amount_due(1, 1)],
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
        &["feedback error: processing error: the result cannot be delivered"],
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
fn failed_work() {
    let check =
        |what, events, columns, last: &[&str]| check(what, Terms::Free, events, columns, last);
    let failed = "failed none none none";
    let error = |error| vec![Scheduled, broke(1, error)];
    check(
        "invalid",
        error(JobError::Invalid("x".into())),
        failed,
        &["feedback error: invalid request: x"],
    );
    check("no backend", error(JobError::NoBackend), failed, &["feedback error: no backend"]);
    check("timeout", error(JobError::Timeout), failed, &["feedback error: timeout"]);
    check(
        "failed",
        error(JobError::Failed("x".into())),
        failed,
        &["feedback error: processing error: x"],
    );
    check(
        "rejected",
        vec![Scheduled, ran(1), reject(1)],
        failed,
        &["feedback error: processing error: the result was rejected: bad"],
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
        &["feedback error: processing error: the result was rejected: empty"],
    );
    let out = vec![Scheduled, ran_on(1, "first", true), retry(1)];
    check(
        "partial text was sent",
        out,
        failed,
        &["feedback error: processing error: the result was rejected: empty"],
    );
    let fell_back = vec![Scheduled, ran_on(1, "second", false), retry(1)];
    check(
        "fell back already",
        fell_back,
        failed,
        &["feedback error: processing error: the result was rejected: empty"],
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
fn unavailable_inputs() {
    let missing = || Event::InputsFailed(JobError::Invalid("input 1: not text".into()));
    let error = "feedback error: invalid request: input 1: not text";
    check("free", Terms::Free, vec![missing()], "failed none none none", &[error]);
    check("twice", Terms::Free, vec![missing(), missing()], "failed none none none", &[]);
    check("running", Terms::Free, vec![Scheduled, missing()], "processing none none none", &[]);
    check("withdrawn", Terms::Free, vec![Cancelled, missing()], "cancelled none none none", &[]);
    check("on delivery", Terms::OnDelivery, vec![missing()], "failed none none none", &[error]);
    check(
        "not paid yet",
        Terms::BeforeWork,
        vec![missing()],
        "awaiting_payment none created none",
        &[],
    );
    let prepaid = vec![invoiced(PRICE), paid(PRICE), missing()];
    check("prepaid", Terms::BeforeWork, prepaid, "failed none open refund_due", &[error]);
    let on_hold = vec![invoiced(PRICE), held(PRICE), missing()];
    check("held", Terms::Hold, on_hold, "failed none open cancelled", &[error, "cancel invoice"]);
}

#[test]
fn inputs_are_fetched_before_the_job_is_queued() {
    let (mut state, _) = fresh(Terms::Free);
    let url = InputSource::Url("https://a/".into());
    Arc::make_mut(&mut state.job).inputs.push(Input { source: url, hint: None, marker: None });
    assert_eq!(action_names(&step(&mut state, Restarted, NOW)), ["fetch inputs"]);
}

#[test]
fn expired_request_is_not_started() {
    let error = "feedback error: invalid request: expired";
    for (expires_at, status) in [(NOW, "failed"), (NOW.plus(1), "processing")] {
        let (mut state, _) = fresh(Terms::OnDelivery);
        Arc::make_mut(&mut state.job).expires_at = Some(expires_at);
        let step = step(&mut state, Scheduled, NOW);
        assert_eq!(state.execution.as_str(), status);
        assert_eq!(action_names(&step).iter().any(|word| word == error), status == "failed");
    }
}

/// Goal: what a guest says about a confidential job is for the customer only. Method: the same
/// failure of an open and a confidential job, as seen by the customer and by observers.
#[test]
fn confidential_reason_is_for_the_customer_only() {
    for (confidential, observed) in
        [(false, "processing error: canary"), (true, "processing error: sent to the customer only")]
    {
        let (mut state, _) = fresh(Terms::Free);
        state.job = Arc::new(Job { confidential, ..(*state.job).clone() });
        step(&mut state, Event::Scheduled, NOW);
        let step = step(&mut state, broke(1, JobError::Failed("canary".into())), NOW);
        let error = JobStatus::Error("processing error: canary".into());
        assert_eq!(step.commit, [CommitAction::SendFeedback(error)]);
        let error = observed.to_owned();
        let event = DomainEvent::JobFailed { job_id: state.job.id, error, timestamp: NOW };
        assert!(step.effects.contains(&Effect::EmitEvent(event)), "{step:?}");
        assert!(!format!("{:?}", state.redacted()).contains("canary"));
    }
}
