//! Sums for policies and reports, updated in the same transaction as the rows that they sum.

use crate::columns::{integer, number};
use crate::jobs::Stored;
use pylon_core::decision::History;
use pylon_core::earnings::{Earning, EarningSource};
use pylon_core::machine::{Execution, JobState, Settlement};
use pylon_core::{Msat, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, params};

const DAY_SECONDS: u64 = 86_400;
/// "Recent" means today and the 29 UTC days before.
const RECENT_DAYS: u64 = 30;

/// What a sum is about.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    Customer,
    Kind,
    Source,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Kind => "kind",
            Self::Source => "source",
        }
    }
}

/// A job was admitted.
pub(super) fn job_admitted(conn: &Connection, state: &JobState) -> rusqlite::Result<()> {
    for (scope, key) in keys(state) {
        conn.prepare_cached(
            "INSERT INTO totals (scope, key, first_seen) VALUES (?1, ?2, ?3) \
             ON CONFLICT (scope, key) DO UPDATE SET first_seen = excluded.first_seen \
             WHERE first_seen IS NULL OR first_seen > excluded.first_seen",
        )?
        .execute(params![scope.as_str(), key, integer(state.received_at.get())])?;
    }
    Ok(())
}

/// A job's row was written: counts what has changed.
pub(super) fn job_changed(
    conn: &Connection,
    before: Option<&Stored>,
    state: &JobState,
) -> rusqlite::Result<()> {
    let completed = change(
        before.is_some_and(|old| old.execution == Execution::Completed),
        state.execution == Execution::Completed,
    );
    // A job that counted as unpaid may be paid later.
    let unpaid = change(
        before.is_some_and(|old| old.settlement == Settlement::Unpaid),
        state.settlement == Settlement::Unpaid,
    );
    let is_paid =
        |execution, settlement| execution == Execution::Completed && settlement == Settlement::Paid;
    let paid = change(
        before.is_some_and(|old| is_paid(old.execution, old.settlement)),
        is_paid(state.execution, state.settlement),
    );
    if completed == 0 && unpaid == 0 && paid == 0 {
        return Ok(());
    }
    for (scope, key) in keys(state) {
        conn.prepare_cached(
            "UPDATE totals SET jobs_completed = jobs_completed + ?3, \
                               jobs_unpaid = jobs_unpaid + ?4, jobs_paid = jobs_paid + ?5 \
             WHERE scope = ?1 AND key = ?2",
        )?
        .execute(params![scope.as_str(), key, completed, unpaid, paid])?;
    }
    Ok(())
}

/// A payment was recorded for the first time.
pub(super) fn earned(
    conn: &Connection,
    customer: &str,
    kind: u16,
    earning: &Earning,
) -> rusqlite::Result<()> {
    let amount = integer(earning.amount.get());
    let day = integer(earning.at.get() / DAY_SECONDS);
    let kind = kind.to_string();
    for (scope, key) in [
        (Scope::Customer, customer),
        (Scope::Kind, &kind),
        (Scope::Source, earning.source.as_str()),
    ] {
        conn.prepare_cached(
            "INSERT INTO totals (scope, key, paid_msats) VALUES (?1, ?2, ?3) \
             ON CONFLICT (scope, key) DO UPDATE SET paid_msats = paid_msats + excluded.paid_msats",
        )?
        .execute(params![scope.as_str(), key, amount])?;
        if matches!(scope, Scope::Source) {
            continue;
        }
        conn.prepare_cached(
            "INSERT INTO daily_totals (scope, key, day, paid_msats) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (scope, key, day) \
             DO UPDATE SET paid_msats = paid_msats + excluded.paid_msats",
        )?
        .execute(params![scope.as_str(), key, day, amount])?;
    }
    Ok(())
}

/// Costs one seek and at most [`RECENT_DAYS`] adjacent rows.
pub(super) fn history(
    conn: &Connection,
    scope: Scope,
    key: &str,
    now: UnixTime,
) -> rusqlite::Result<History> {
    let sums = conn
        .prepare_cached(
            "SELECT first_seen, jobs_completed, jobs_unpaid, CAST(paid_msats AS INTEGER), \
                    jobs_paid \
             FROM totals WHERE scope = ?1 AND key = ?2",
        )?
        .query_row(params![scope.as_str(), key], |row| {
            Ok(History {
                first_seen: row.get::<_, Option<i64>>(0)?.map(|at| UnixTime::new(number(at))),
                jobs_completed: count(row.get(1)?),
                jobs_unpaid: count(row.get(2)?),
                jobs_paid: Some(count(row.get(4)?)),
                paid: Msat::new(number(row.get(3)?)),
                recent_paid: Msat::ZERO,
            })
        })
        .optional()?;
    let Some(mut history) = sums else { return Ok(History::default()) };
    if !history.paid.is_zero() {
        let today = now.get() / DAY_SECONDS;
        let first = today.saturating_sub(RECENT_DAYS - 1);
        let mut days = conn.prepare_cached(
            "SELECT CAST(paid_msats AS INTEGER) FROM daily_totals \
             WHERE scope = ?1 AND key = ?2 AND day BETWEEN ?3 AND ?4",
        )?;
        let mut rows = days.query(params![scope.as_str(), key, integer(first), integer(today)])?;
        while let Some(row) = rows.next()? {
            history.recent_paid =
                history.recent_paid.saturating_add(Msat::new(number(row.get(0)?)));
        }
    }
    Ok(history)
}

/// The number of completed jobs, and all money by source.
pub(super) fn overall(conn: &Connection) -> rusqlite::Result<(u64, Vec<(EarningSource, Msat)>)> {
    let mut completed = 0_u64;
    // There is one row per kind, and at most a thousand kinds.
    let mut kinds =
        conn.prepare_cached("SELECT jobs_completed FROM totals WHERE scope = 'kind'")?;
    let mut rows = kinds.query([])?;
    while let Some(row) = rows.next()? {
        completed = completed.saturating_add(number(row.get(0)?));
    }
    let mut by_source = Vec::new();
    for source in [EarningSource::Job, EarningSource::Tip] {
        let paid = conn
            .prepare_cached(
                "SELECT CAST(paid_msats AS INTEGER) FROM totals \
                 WHERE scope = 'source' AND key = ?1",
            )?
            .query_row([source.as_str()], |row| row.get(0))
            .optional()?;
        by_source.extend(paid.map(|paid| (source, Msat::new(number(paid)))));
    }
    by_source.sort_by_key(|(_, paid)| std::cmp::Reverse(*paid));
    Ok((completed, by_source))
}

fn keys(state: &JobState) -> [(Scope, String); 2] {
    [(Scope::Customer, state.job.customer.to_hex()), (Scope::Kind, state.job.kind.to_string())]
}

const fn change(before: bool, after: bool) -> i64 {
    after as i64 - before as i64
}

fn count(integer: i64) -> u32 {
    u32::try_from(number(integer)).unwrap_or(u32::MAX)
}
