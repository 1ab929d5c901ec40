//! Totals are the sums of the rows, each counted once.

use super::*;
use pylon_core::earnings::Earnings;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::Row;

const DAY: u64 = 86_400;

fn update(state: &JobState, settlement: Settlement) -> Row {
    Row::Update(Box::new(JobState { settlement, ..state.clone() }))
}

/// Goal: the history follows every change of a job. Method: one change at a time, the history after
/// each commit.
#[tokio::test]
async fn the_history_follows_the_jobs() {
    let test = TestJournal::new();
    let journal = &test.journal;
    let record = || {
        let history = journal.customer_history(customer(1), at(5000)).unwrap();
        assert_eq!(history, journal.kind_history(5050, at(5000)).unwrap());
        (
            history.first_seen.map(UnixTime::get),
            history.jobs_completed,
            history.jobs_unpaid,
            history.jobs_paid.unwrap_or_default(),
            history.paid.get(),
        )
    };
    assert_eq!(record(), (None, 0, 0, 0, 0));
    journal.commit(vec![Row::Admit(Box::new(job(1)))].into()).await.unwrap();
    assert_eq!(record(), (Some(1000), 0, 0, 0, 0));
    journal
        .commit(vec![Row::Admit(Box::new(JobState { received_at: at(900), ..job(2) }))].into())
        .await
        .unwrap();
    assert_eq!(record(), (Some(900), 0, 0, 0, 0));
    for _ in 0..2 {
        journal.commit(vec![Row::Update(Box::new(done(1)))].into()).await.unwrap();
        assert_eq!(record(), (Some(900), 1, 0, 0, 0));
    }
    for _ in 0..2 {
        journal.commit(vec![update(&done(1), Settlement::Unpaid)].into()).await.unwrap();
        assert_eq!(record(), (Some(900), 1, 1, 0, 0));
    }
    let late = vec![
        update(&done(1), Settlement::Paid),
        Row::Earn(earning(1, 21_000, EarningSource::Job, 4000)),
    ];
    journal.commit(late.into()).await.unwrap();
    assert_eq!(record(), (Some(900), 1, 0, 1, 21_000));
    let prepaid = vec![Row::Update(Box::new(JobState { settlement: Settlement::Paid, ..job(2) }))];
    journal.commit(prepaid.into()).await.unwrap();
    assert_eq!(record(), (Some(900), 1, 0, 1, 21_000), "paid, and not delivered");
    assert_eq!(journal.customer_history(customer(2), at(5000)).unwrap(), History::default());
    assert_eq!(journal.kind_history(5001, at(5000)).unwrap(), History::default());
}

/// Goal: one payment is earned once for each source. Method: the same rows twice, in one batch and
/// in the next.
#[tokio::test]
async fn a_payment_counts_once() {
    let test = TestJournal::new();
    let rows = || {
        vec![
            Row::Earn(earning(1, 21_000, EarningSource::Job, 4000)),
            Row::Earn(earning(1, 500, EarningSource::Tip, 4001)),
            Row::Earn(earning(1, 21_000, EarningSource::Job, 4002)),
        ]
    };
    test.journal.commit(vec![Row::Admit(Box::new(done(1)))].into()).await.unwrap();
    for _ in 0..2 {
        test.journal.commit(rows().into()).await.unwrap();
        let expected = Earnings {
            refund_due: Msat::ZERO,
            total: Msat::new(21_500),
            jobs_completed: 1,
            by_source: vec![
                (EarningSource::Job, Msat::new(21_000)),
                (EarningSource::Tip, Msat::new(500)),
            ],
            recent: vec![
                earning(1, 500, EarningSource::Tip, 4001),
                earning(1, 21_000, EarningSource::Job, 4000),
            ],
        };
        assert_eq!(test.journal.earnings(9).unwrap(), expected);
        assert_eq!(test.journal.earnings(1).unwrap().recent.len(), 1);
        assert_eq!(
            test.journal.customer_history(customer(1), at(5000)).unwrap().paid,
            Msat::new(21_500)
        );
    }
}

/// Goal: recent means today and the 29 days before. Method: one payment on each of many days,
/// summed on several days.
#[tokio::test]
async fn recent_is_thirty_days() {
    let test = TestJournal::new();
    let mut rows = Vec::new();
    for day in 100..150 {
        rows.push(Row::Admit(Box::new(done(day))));
        rows.push(Row::Earn(earning(day, 1, EarningSource::Job, day * DAY + 7)));
    }
    test.journal.commit(rows.into()).await.unwrap();
    for (day, expected) in
        [(100, 1), (128, 29), (129, 30), (149, 30), (159, 20), (178, 1), (179, 0)]
    {
        for second in [8, DAY - 1] {
            let history =
                test.journal.customer_history(customer(1), at(day * DAY + second)).unwrap();
            assert_eq!(
                (history.recent_paid, history.paid),
                (Msat::new(expected), Msat::new(50)),
                "day {day}"
            );
        }
    }
}

/// Goal: a wallet that reports absurd amounts cannot break the sums. Method: the largest amount,
/// three times.
#[tokio::test]
async fn absurd_amounts_saturate() {
    let test = TestJournal::new();
    for number in 1..4 {
        let rows = vec![
            Row::Admit(Box::new(done(number))),
            Row::Earn(earning(number, u64::MAX, EarningSource::Job, number)),
            Row::Send(message(number, number)),
        ];
        test.journal.commit(rows.into()).await.unwrap();
    }
    let most = Msat::new(i64::MAX as u64);
    assert_eq!(test.journal.customer_history(customer(1), at(5)).unwrap().paid, most);
    assert_eq!(test.journal.earnings(1).unwrap().total, most);
}
