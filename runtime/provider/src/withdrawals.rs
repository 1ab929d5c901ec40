//! Withdrawals of requests that have not arrived: relays send stored events in any order, usually
//! the newest first.

use pylon_core::{JobId, PublicKey};
use std::collections::{HashMap, VecDeque};

/// Customers whose withdrawals are remembered.
const CUSTOMERS_MAX: usize = 4096;
/// Withdrawals of one customer that are remembered.
const PER_CUSTOMER_MAX: usize = 100;

/// The remembered withdrawals. Those that name this node are not displaced by others.
#[derive(Default)]
pub(crate) struct Withdrawals {
    targeted: ByCustomer,
    others: ByCustomer,
}

impl Withdrawals {
    /// Remembers a withdrawal.
    pub(crate) fn remember(&mut self, customer: PublicKey, job: JobId, targeted: bool) {
        if targeted { &mut self.targeted } else { &mut self.others }.remember(customer, job);
    }

    /// Has the customer withdrawn this request?
    pub(crate) fn holds(&self, customer: PublicKey, job: JobId) -> bool {
        self.targeted.holds(customer, job) || self.others.holds(customer, job)
    }
}

/// A customer displaces only its own oldest withdrawal. If there are too many customers, the one
/// that came first is forgotten.
#[derive(Default)]
struct ByCustomer {
    jobs: HashMap<PublicKey, VecDeque<JobId>>,
    order: VecDeque<PublicKey>,
}

impl ByCustomer {
    fn remember(&mut self, customer: PublicKey, job: JobId) {
        let jobs = self.jobs.entry(customer).or_default();
        if jobs.contains(&job) {
            return;
        }
        if jobs.is_empty() {
            self.order.push_back(customer);
        }
        jobs.push_back(job);
        if jobs.len() > PER_CUSTOMER_MAX {
            jobs.pop_front();
        }
        if self.order.len() > CUSTOMERS_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.jobs.remove(&first);
        }
    }

    fn holds(&self, customer: PublicKey, job: JobId) -> bool {
        self.jobs.get(&customer).is_some_and(|jobs| jobs.contains(&job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: usize) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        bytes
    }

    /// Goal: memory is bounded, no customer displaces the withdrawals of others, and those that
    /// name this node outlast all others. Method: one customer with very many, then very many
    /// customers.
    #[test]
    fn withdrawals_of_others_are_not_displaced() {
        let (customer, job) = (
            |number| PublicKey::from_bytes(bytes(number)),
            |number| JobId::from_bytes(bytes(number)),
        );
        let mut withdrawals = Withdrawals::default();
        withdrawals.remember(customer(0), job(0), false);
        withdrawals.remember(customer(0), job(1), true);
        for number in 0..10_000 {
            withdrawals.remember(customer(1), job(number), false);
        }
        let held = |withdrawals: &Withdrawals| {
            [0, 1].map(|number| withdrawals.holds(customer(0), job(number)))
        };
        assert_eq!(held(&withdrawals), [true, true]);
        let kept = (0..10_000).filter(|number| withdrawals.holds(customer(1), job(*number)));
        assert_eq!(kept.count(), PER_CUSTOMER_MAX);
        for number in 0..CUSTOMERS_MAX {
            withdrawals.remember(customer(2 + number), job(number), false);
        }
        assert_eq!(held(&withdrawals), [false, true]);
        assert!(!withdrawals.holds(customer(2), job(1)), "of another customer");
        let ByCustomer { jobs, order } = &withdrawals.others;
        assert_eq!((jobs.len(), order.len()), (CUSTOMERS_MAX, CUSTOMERS_MAX));
    }
}
