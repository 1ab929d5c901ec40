//! Which waiting job is next: priority with ageing, fair between customers, within the limits. A pure function of what waits and what runs.

use crate::{JobId, PublicKey, UnixTime};
use std::cmp::Reverse;

/// The bounds of what runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub concurrent: usize,
    /// Of one customer.
    pub per_customer: usize,
    /// Of one kind.
    pub per_kind: usize,
    /// Seconds of waiting that count as much as one step of priority.
    pub ageing_seconds: u64,
}

/// A job in the line or at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The job.
    pub id: JobId,
    /// Who asked.
    pub customer: PublicKey,
    /// Its kind.
    pub kind: u16,
    /// Higher goes first.
    pub priority: i32,
    /// When it came into the line.
    pub since: UnixTime,
}

/// Whose jobs began lately: this many are remembered, oldest first.
pub const SERVED: usize = 16;

/// The job to begin now, if any may. `served` is whose jobs began lately. `waiting` is in order of arrival, which decides between equals.
pub fn next(
    waiting: &[Place],
    running: &[Place],
    served: &[PublicKey],
    limits: &Limits,
    now: UnixTime,
) -> Option<JobId> {
    if running.len() >= limits.concurrent {
        return None;
    }
    let at_work =
        |customer: PublicKey| running.iter().filter(|place| place.customer == customer).count();
    let of_kind = |kind: u16| running.iter().filter(|place| place.kind == kind).count();
    waiting
        .iter()
        .enumerate()
        .filter(|(_, place)| {
            at_work(place.customer) < limits.per_customer && of_kind(place.kind) < limits.per_kind
        })
        .max_by_key(|(arrival, place)| {
            (
                urgency(place, served, limits, now),
                Reverse(at_work(place.customer)),
                Reverse(*arrival),
            )
        })
        .map(|(_, place)| place.id)
}

/// Every job that began lately costs its customer's next one a step, so that a flood of one customer passes others by one at a time.
fn urgency(place: &Place, served: &[PublicKey], limits: &Limits, now: UnixTime) -> i64 {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let aged = count(now.since(place.since) / limits.ageing_seconds.max(1));
    let lately =
        count(served.iter().filter(|customer| **customer == place.customer).count() as u64);
    i64::from(place.priority).saturating_add(aged).saturating_sub(lately)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { concurrent: 3, per_customer: 2, per_kind: 2, ageing_seconds: 10 };

    fn place(id: u8, customer: u8, kind: u16, priority: i32, since: u64) -> Place {
        Place {
            id: JobId::from_bytes([id; 32]),
            customer: PublicKey::from_bytes([customer; 32]),
            kind,
            priority,
            since: UnixTime::new(since),
        }
    }

    /// Goal: each rule decides alone. Method: two or three jobs that differ in one thing.
    #[test]
    fn each_rule_decides() {
        let check = |what: &str, waiting: &[Place], running: &[Place], expected: Option<u8>| {
            let found = next(
                waiting,
                running,
                &[PublicKey::from_bytes([5; 32])],
                &LIMITS,
                UnixTime::new(100),
            );
            assert_eq!(found, expected.map(|id| JobId::from_bytes([id; 32])), "{what}");
        };
        let a = |id| place(id, 1, 5050, 0, 100);
        let b = |id| place(id, 2, 5001, 0, 100);
        check("nothing waits", &[], &[], None);
        check("arrival decides between equals", &[a(1), a(2)], &[], Some(1));
        check("priority", &[a(1), place(2, 1, 5050, 1, 100)], &[], Some(2));
        check(
            "waiting becomes priority",
            &[place(1, 1, 5050, 1, 100), place(2, 1, 5050, 0, 70)],
            &[],
            Some(2),
        );
        check("the customer with less at work", &[a(2), b(3)], &[place(9, 1, 5002, 0, 0)], Some(3));
        check(
            "the customer who was not served lately",
            &[place(4, 5, 5050, 0, 100), b(3)],
            &[],
            Some(3),
        );
        check(
            "no third of one customer",
            &[place(3, 1, 5003, 9, 0)],
            &[place(8, 1, 5001, 0, 0), place(9, 1, 5002, 0, 0)],
            None,
        );
        check(
            "no third of one kind",
            &[a(3)],
            &[place(8, 3, 5050, 0, 0), place(9, 4, 5050, 0, 0)],
            None,
        );
        check(
            "all workers busy",
            &[a(4)],
            &[place(7, 5, 1, 0, 0), place(8, 6, 2, 0, 0), place(9, 7, 3, 0, 0)],
            None,
        );
    }
}
