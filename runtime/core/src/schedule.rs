//! Which job runs next: by priority with ageing, fair between customers, within the limits. A pure
//! function of the queue and the running jobs.

use crate::{JobId, PublicKey, UnixTime};
use std::cmp::Reverse;

/// Limits of the running jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerLimits {
    /// In total.
    pub concurrent: usize,
    /// Jobs of one customer that run at the same time.
    pub per_customer: usize,
    /// Jobs of one kind that run at the same time.
    pub per_kind: usize,
    /// Seconds of waiting that raise the priority by one.
    pub ageing_seconds: u64,
}

/// A queued or running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueEntry {
    /// The job.
    pub id: JobId,
    /// Its customer.
    pub customer: PublicKey,
    /// Its kind.
    pub kind: u16,
    /// Higher runs first.
    pub priority: i32,
    /// When it was queued.
    pub since: UnixTime,
}

/// Number of recently served customers to pass to [`next`], oldest first.
pub const RECENTLY_SERVED_MAX: usize = 16;

/// The job to start now, if the limits allow one. `served` are the customers of recently started
/// jobs. `waiting` is in order of arrival, which decides between equals.
pub fn next(
    waiting: &[QueueEntry],
    running: &[QueueEntry],
    served: &[PublicKey],
    limits: &SchedulerLimits,
    now: UnixTime,
) -> Option<JobId> {
    if running.len() >= limits.concurrent {
        return None;
    }
    let running_of =
        |customer: PublicKey| running.iter().filter(|entry| entry.customer == customer).count();
    let of_kind = |kind: u16| running.iter().filter(|entry| entry.kind == kind).count();
    waiting
        .iter()
        .enumerate()
        .filter(|(_, entry)| {
            running_of(entry.customer) < limits.per_customer
                && of_kind(entry.kind) < limits.per_kind
        })
        .max_by_key(|(arrival, entry)| {
            (
                urgency(entry, served, limits, now),
                Reverse(running_of(entry.customer)),
                Reverse(*arrival),
            )
        })
        .map(|(_, entry)| entry.id)
}

/// Each recently started job lowers the priority of its customer's next one, so that a burst of one
/// customer does not delay the others.
fn urgency(
    entry: &QueueEntry,
    served: &[PublicKey],
    limits: &SchedulerLimits,
    now: UnixTime,
) -> i64 {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let aged = count(now.since(entry.since) / limits.ageing_seconds.max(1));
    let recently =
        count(served.iter().filter(|customer| **customer == entry.customer).count() as u64);
    i64::from(entry.priority).saturating_add(aged).saturating_sub(recently)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SchedulerLimits =
        SchedulerLimits { concurrent: 3, per_customer: 2, per_kind: 2, ageing_seconds: 10 };

    fn entry(id: u8, customer: u8, kind: u16, priority: i32, since: u64) -> QueueEntry {
        QueueEntry {
            id: JobId::from_bytes([id; 32]),
            customer: PublicKey::from_bytes([customer; 32]),
            kind,
            priority,
            since: UnixTime::new(since),
        }
    }

    /// Goal: each rule decides on its own. Method: two or three jobs that differ in one property.
    #[test]
    fn each_rule_decides() {
        let check =
            |what: &str, waiting: &[QueueEntry], running: &[QueueEntry], expected: Option<u8>| {
                let found = next(
                    waiting,
                    running,
                    &[PublicKey::from_bytes([5; 32])],
                    &LIMITS,
                    UnixTime::new(100),
                );
                assert_eq!(found, expected.map(|id| JobId::from_bytes([id; 32])), "{what}");
            };
        let a = |id| entry(id, 1, 5050, 0, 100);
        let b = |id| entry(id, 2, 5001, 0, 100);
        check("nothing waits", &[], &[], None);
        check("arrival decides between equals", &[a(1), a(2)], &[], Some(1));
        check("priority", &[a(1), entry(2, 1, 5050, 1, 100)], &[], Some(2));
        check(
            "waiting becomes priority",
            &[entry(1, 1, 5050, 1, 100), entry(2, 1, 5050, 0, 70)],
            &[],
            Some(2),
        );
        check(
            "the customer with fewer running jobs",
            &[a(2), b(3)],
            &[entry(9, 1, 5002, 0, 0)],
            Some(3),
        );
        check("the customer not served recently", &[entry(4, 5, 5050, 0, 100), b(3)], &[], Some(3));
        check(
            "limit per customer",
            &[entry(3, 1, 5003, 9, 0)],
            &[entry(8, 1, 5001, 0, 0), entry(9, 1, 5002, 0, 0)],
            None,
        );
        check("limit per kind", &[a(3)], &[entry(8, 3, 5050, 0, 0), entry(9, 4, 5050, 0, 0)], None);
        check(
            "all workers busy",
            &[a(4)],
            &[entry(7, 5, 1, 0, 0), entry(8, 6, 2, 0, 0), entry(9, 7, 3, 0, 0)],
            None,
        );
    }
}
