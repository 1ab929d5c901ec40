//! The bounded number of jobs in the node. A reservation is held from before any guest is asked
//! until the job ends. No customer can hold all of them, and neither can many unknown customers:
//! keys cost nothing, so the second half is for customers that have paid and whose requests contain
//! all of their inputs.
//!
//! The texts of a job that waits are in the journal only. Fetched inputs are in memory, so jobs
//! that need them also share a number of bytes.

use pylon_core::PublicKey;
use pylon_core::sync::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// One customer may hold the total divided by this.
const CUSTOMER_SHARE: usize = 4;
/// But at least this many.
const CUSTOMER_MIN: usize = 4;
/// Any customer may use the total divided by this, but at least what this number of customers may
/// hold.
const OPEN_SHARE: usize = 2;
/// Bytes of all jobs whose inputs are fetched.
const BYTES_MAX: u64 = 256 << 20;

pub(crate) struct Capacity {
    usage: Mutex<Reservations>,
}

struct Reservations {
    total: usize,
    per_customer: usize,
    reserved: usize,
    bytes: u64,
    by_customer: HashMap<PublicKey, usize>,
}

/// Room for one job, given back when dropped.
pub(crate) struct Reservation {
    capacity: Arc<Capacity>,
    customer: PublicKey,
    bytes: u64,
}

impl Capacity {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        let usage = Reservations {
            total,
            per_customer: per_customer(total),
            reserved: 0,
            bytes: 0,
            by_customer: HashMap::new(),
        };
        Arc::new(Self { usage: Mutex::new(usage) })
    }

    /// Changes the total. Reservations that exceed it are kept.
    pub(crate) fn resize(&self, total: usize) {
        let mut usage = lock(&self.usage);
        (usage.total, usage.per_customer) = (total, per_customer(total));
    }

    /// Reserves room for a job of this customer that keeps this many bytes in memory while it
    /// waits, if there is any.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        customer: PublicKey,
        preferred: bool,
        bytes: u64,
    ) -> Option<Reservation> {
        let mut usage = lock(&self.usage);
        let available = if preferred { usage.total } else { open(usage.total) };
        let of_customer = usage.by_customer.get(&customer).copied().unwrap_or(0);
        if usage.reserved >= available
            || of_customer >= usage.per_customer
            || usage.bytes.saturating_add(bytes) > BYTES_MAX
        {
            return None;
        }
        Some(self.take(&mut usage, customer, bytes))
    }

    /// For a job that was admitted before a restart, also above the limits.
    pub(crate) fn resume(self: &Arc<Self>, customer: PublicKey) -> Reservation {
        self.take(&mut lock(&self.usage), customer, 0)
    }

    fn take(
        self: &Arc<Self>,
        usage: &mut Reservations,
        customer: PublicKey,
        bytes: u64,
    ) -> Reservation {
        usage.reserved += 1;
        usage.bytes = usage.bytes.saturating_add(bytes);
        *usage.by_customer.entry(customer).or_default() += 1;
        Reservation { capacity: Arc::clone(self), customer, bytes }
    }
}

fn per_customer(total: usize) -> usize {
    (total / CUSTOMER_SHARE).max(CUSTOMER_MIN)
}

fn open(total: usize) -> usize {
    (total / OPEN_SHARE).max(CUSTOMER_MIN * OPEN_SHARE).min(total)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut usage = lock(&self.capacity.usage);
        usage.reserved = usage.reserved.saturating_sub(1);
        usage.bytes = usage.bytes.saturating_sub(self.bytes);
        if let Some(count) = usage.by_customer.get_mut(&self.customer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                usage.by_customer.remove(&self.customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the number of jobs is bounded, in total and per customer, and room is given back.
    /// Method: two customers and a capacity of six.
    #[test]
    fn no_customer_holds_everything() {
        let (loud, other) = (PublicKey::from_bytes([1; 32]), PublicKey::from_bytes([2; 32]));
        let capacity = Capacity::new(6);
        let mut of_loud: Vec<_> = std::iter::from_fn(|| capacity.reserve(loud, false, 0)).collect();
        assert_eq!(of_loud.len(), CUSTOMER_MIN);
        let of_other: Vec<_> = std::iter::from_fn(|| capacity.reserve(other, false, 0)).collect();
        assert_eq!(of_other.len(), 2);
        of_loud.pop();
        assert!(capacity.reserve(other, false, 0).is_some());
        assert!(Capacity::new(1).reserve(loud, false, 0).is_some());
        let resumed = capacity.resume(loud);
        assert!(capacity.reserve(other, true, 0).is_none());
        drop((resumed, of_loud, of_other));
        let usage = lock(&capacity.usage);
        assert!(usage.by_customer.is_empty() && usage.reserved == 0);
        let large = Capacity::new(64);
        let of_one = std::iter::from_fn(|| large.reserve(loud, true, 0)).take(65);
        assert_eq!(of_one.collect::<Vec<_>>().len(), 16);
    }

    /// Goal: the total can change while reservations are held. Method: fewer than are held, then
    /// more.
    #[test]
    fn resizing_keeps_reservations() {
        let customer = PublicKey::from_bytes([1; 32]);
        let capacity = Capacity::new(3);
        let mut held: Vec<_> =
            std::iter::from_fn(|| capacity.reserve(customer, false, 0)).collect();
        assert_eq!(held.len(), 3);
        capacity.resize(2);
        held.truncate(2);
        assert!(capacity.reserve(customer, false, 0).is_none(), "two of two are held");
        held.truncate(1);
        let one = capacity.reserve(customer, false, 0);
        assert!(one.is_some() && capacity.reserve(customer, false, 0).is_none());
        capacity.resize(3);
        assert!(capacity.reserve(customer, false, 0).is_some());
    }

    /// Goal: many new keys leave room for customers that have paid. Method: as many unknown
    /// customers as fit, then some that have paid, in a large capacity.
    #[test]
    fn unknown_customers_leave_half_of_it() {
        let key = |n: u8| PublicKey::from_bytes([n; 32]);
        let capacity = Capacity::new(64);
        let unknown: Vec<_> = (0..100).filter_map(|n| capacity.reserve(key(n), false, 0)).collect();
        assert_eq!(unknown.len(), 32);
        let paying: Vec<_> = (100..200).filter_map(|n| capacity.reserve(key(n), true, 0)).collect();
        assert_eq!(paying.len(), 32);
        drop(unknown);
        assert!(
            capacity.reserve(key(0), false, 0).is_none(),
            "half of it is reserved by any customer"
        );
        drop(paying);
        assert!(capacity.reserve(key(0), false, 0).is_some());
    }

    /// Goal: fetched inputs cannot fill the memory, however many jobs may wait. Method: jobs of a
    /// quarter of the bytes, and one that fetches nothing.
    #[test]
    fn bytes_are_limited() {
        let customer = PublicKey::from_bytes([1; 32]);
        let capacity = Capacity::new(64);
        let reserve = |bytes| capacity.reserve(customer, false, bytes);
        let mut held: Vec<_> = std::iter::from_fn(|| reserve(BYTES_MAX / 4)).collect();
        assert_eq!(held.len(), 4);
        assert!(reserve(1).is_none() && reserve(0).is_some());
        held.pop();
        assert!(reserve(BYTES_MAX / 4).is_some() && reserve(u64::MAX).is_none());
    }
}
