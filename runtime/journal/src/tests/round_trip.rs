//! Each value is read as it was written, for every column and every word.

use super::*;
use pylon_core::guest::{Fault, GuestFunction};
use pylon_core::job::JobError;
use pylon_core::machine::Failure;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::Row;

/// Each word of each column at least once, and each optional column set and unset.
fn states() -> Vec<JobState> {
    let mut states = vec![job(0), done(1)];
    let failures = [
        Failure::Job(JobError::NoBackend),
        Failure::Job(JobError::Failed("exit 1".into())),
        Failure::Rejected("too short".into()),
        Failure::Payment("no invoice can be made now".into()),
    ];
    let cases = Execution::ALL.len().max(Delivery::ALL.len()).max(Settlement::ALL.len());
    for case in 0..cases {
        let mut state = if case % 2 == 0 { job(10 + case as u64) } else { done(10 + case as u64) };
        state.execution = Execution::ALL[case % Execution::ALL.len()];
        state.delivery = Delivery::ALL[case % Delivery::ALL.len()];
        state.invoicing = Invoicing::ALL[case % Invoicing::ALL.len()];
        state.settlement = Settlement::ALL[case % Settlement::ALL.len()];
        state.paid = Msat::new(case as u64);
        state.failure = failures.get(case).cloned();
        states.push(state);
    }
    states
}

/// Goal: a state is read as it was written. Method: admit it, or admit a new job and update it.
#[tokio::test]
async fn a_state_is_read_as_written() {
    for state in states() {
        for through_update in [false, true] {
            let test = TestJournal::new();
            let first = JobState { job: state.job.clone(), plan: state.plan.clone(), ..job(0) };
            let mut rows =
                vec![Row::Admit(Box::new(if through_update { first } else { state.clone() }))];
            if through_update {
                rows.push(Row::Update(Box::new(state.clone())));
            }
            test.journal.commit(rows.into()).await.unwrap();
            // Of a withdrawn job the retained view is written.
            let kept = if state.drops_text() {
                state.retained_view(state.ended_at.unwrap_or(state.received_at))
            } else {
                state.clone()
            };
            assert_eq!(test.journal.job(state.job.id).unwrap(), Some(kept));
            let by_payment =
                state.payment_hash().map(|hash| test.journal.job_of_payment(hash).unwrap());
            assert!(by_payment.is_none_or(|found| found == Some(state.job.id)));
            let customer = test.journal.customer_of_open(state.job.id).unwrap();
            assert_eq!(customer, (!state.is_over()).then_some(state.job.customer));
            let asked = state.invoicing == Invoicing::Open
                && matches!(
                    state.settlement,
                    Settlement::Pending | Settlement::Held | Settlement::Cancelled
                );
            let is_cancelled = state.settlement == Settlement::Cancelled;
            let invoice = |payment_hash| OpenInvoice {
                job: state.job.id,
                payment_hash,
                cancelled: is_cancelled,
            };
            let invoices = state.payment_hash().filter(|_| asked).map(invoice);
            assert_eq!(test.journal.open_invoices().unwrap(), Vec::from_iter(invoices));
            let open = test.journal.unfinished().unwrap();
            assert_eq!(open.is_empty(), state.is_closed(), "{state:?}");
        }
    }
}

/// Goal: the schema allows exactly the names of the core. Method: parse the lists of the schema.
#[test]
fn schema_allows_the_names_of_the_core() {
    let test = TestJournal::new();
    let check = |table: &str, column: &str, names: Vec<&str>| {
        let schema: String = test
            .sqlite()
            .query_row(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1",
                [table],
                |row| row.get(0),
            )
            .unwrap();
        let list = schema
            .split_once(&format!("CHECK ({column} IN ("))
            .unwrap()
            .1
            .split_once(')')
            .unwrap()
            .0;
        let listed: Vec<&str> = list.split(", ").map(|word| word.trim_matches('\'')).collect();
        assert_eq!(listed, names, "{table}.{column}");
    };
    check("jobs", "status", Execution::ALL.iter().map(|case| case.as_str()).collect());
    check("jobs", "delivery", Delivery::ALL.iter().map(|case| case.as_str()).collect());
    check("jobs", "invoicing", Invoicing::ALL.iter().map(|case| case.as_str()).collect());
    check("jobs", "settlement", Settlement::ALL.iter().map(|case| case.as_str()).collect());
    check(
        "earnings",
        "source",
        vec![EarningSource::Job.as_str(), EarningSource::Tip.as_str(), "other"],
    );
}

/// Goal: a decision is stored with its question, answer and cost, with serde's names of faults.
/// Method: read its row with SQL.
#[tokio::test]
async fn a_decision_is_stored() {
    let test = TestJournal::new();
    let faults = [
        Fault::Fuel,
        Fault::Cpu,
        Fault::Wall,
        Fault::Memory,
        Fault::Stack,
        Fault::HostCallBytes,
        Fault::Trap,
        Fault::InvalidOutput,
    ];
    let mut rows = vec![Row::Decision(Box::new(decision(1)))];
    rows.extend(faults.map(|fault| {
        Row::Decision(Box::new(DecisionRow {
            output: Err(fault),
            cost: Cost::CpuUs(7),
            function: GuestFunction::Run,
            ..decision(1)
        }))
    }));
    test.journal.commit(rows.into()).await.unwrap();
    let outside = test.sqlite();
    let found: (String, String, String, i64, Option<i64>) = outside
        .query_row(
            "SELECT job_id, function, output, fuel, cpu_us FROM decisions WHERE fault IS NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .unwrap();
    assert_eq!(found, (id(1).to_hex(), "quote".into(), "{\"ok\":1}".into(), 4321, None));
    let mut statement =
        outside.prepare("SELECT fault FROM decisions WHERE cpu_us = 7 ORDER BY id").unwrap();
    let names: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let expected: Vec<String> = faults
        .map(|fault| serde_json::to_value(fault).unwrap().as_str().unwrap().to_owned())
        .into();
    assert_eq!(names, expected);
}

/// Goal: each invoice has a row with its current status. Method: one invoice that is held and paid,
/// another that expires.
#[tokio::test]
async fn an_invoice_has_a_row() {
    let test = TestJournal::new();
    let mut late = done(2);
    test.journal
        .commit(vec![Row::Admit(Box::new(done(1))), Row::Admit(Box::new(done(2)))].into())
        .await
        .unwrap();
    late.settlement = Settlement::Unpaid;
    late.invoicing = Invoicing::Expired;
    let mut state = done(1);
    let mut seen = Vec::new();
    for settlement in
        [Settlement::Pending, Settlement::Held, Settlement::Paid, Settlement::RefundDue]
    {
        state.settlement = settlement;
        state.paid =
            Msat::new(if settlement == Settlement::Paid { 22_000 } else { state.paid.get() });
        test.journal
            .commit(
                vec![Row::Update(Box::new(state.clone())), Row::Update(Box::new(late.clone()))]
                    .into(),
            )
            .await
            .unwrap();
        let row: (String, Option<i64>, bool) = test
            .sqlite()
            .query_row(
                "SELECT status, paid_amount_msats, paid_at IS NOT NULL FROM invoices WHERE job_id = ?1",
                [id(1).to_hex()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        seen.push(row);
    }
    let expected = [
        ("pending", None, false),
        ("held", None, false),
        ("paid", Some(22_000), true),
        ("paid", Some(22_000), true),
    ];
    assert_eq!(seen, expected.map(|(status, paid, dated)| (status.to_owned(), paid, dated)));
    let expired: String = test
        .sqlite()
        .query_row("SELECT status FROM invoices WHERE job_id = ?1", [id(2).to_hex()], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(expired, "expired");
}
