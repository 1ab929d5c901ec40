//! The bounded queue: a place is held from before anything is asked of a guest until the job is over. No customer can hold all of them.

use pylon_core::PublicKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One customer may hold one place of so many.
const SHARE: usize = 4;
/// But always so many, as far as there are any.
const LEAST: usize = 4;

pub(super) struct Places {
    held: Mutex<Held>,
}

struct Held {
    total: usize,
    each: usize,
    all: usize,
    by: HashMap<PublicKey, usize>,
}

/// A place, given back when dropped.
pub(super) struct Reserved {
    places: Arc<Places>,
    customer: PublicKey,
}

impl Places {
    pub(super) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { held: Mutex::new(Held { total, each: each(total), all: 0, by: HashMap::new() }) })
    }

    /// So many from now on. Those held stay held; what is too many is not given out again.
    pub(super) fn resize(&self, total: usize) {
        let mut held = self.held();
        (held.total, held.each) = (total, each(total));
    }

    /// A place for this customer, if there is one.
    pub(super) fn reserve(self: &Arc<Self>, customer: PublicKey) -> Option<Reserved> {
        let mut held = self.held();
        if held.all >= held.total || held.by.get(&customer).is_some_and(|count| *count >= held.each) {
            return None;
        }
        Some(self.take(&mut held, customer))
    }

    /// A place for a job that was taken before the node stopped: it has had one all along.
    pub(super) fn resume(self: &Arc<Self>, customer: PublicKey) -> Reserved {
        self.take(&mut self.held(), customer)
    }

    fn take(self: &Arc<Self>, held: &mut Held, customer: PublicKey) -> Reserved {
        held.all += 1;
        *held.by.entry(customer).or_default() += 1;
        Reserved { places: Arc::clone(self), customer }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn each(total: usize) -> usize {
    (total / SHARE).max(LEAST)
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.all = held.all.saturating_sub(1);
        if let Some(count) = held.by.get_mut(&self.customer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.by.remove(&self.customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the queue is bounded, in all and for each customer, and a place comes back. Method: two customers and six places.
    #[test]
    fn nobody_holds_all_places() {
        let (loud, other) = (PublicKey::from_bytes([1; 32]), PublicKey::from_bytes([2; 32]));
        let places = Places::new(6);
        let mut loud_ones: Vec<_> = std::iter::from_fn(|| places.reserve(loud)).collect();
        assert_eq!(loud_ones.len(), LEAST);
        let others: Vec<_> = std::iter::from_fn(|| places.reserve(other)).collect();
        assert_eq!(others.len(), 2);
        loud_ones.pop();
        assert!(places.reserve(other).is_some() && Places::new(1).reserve(loud).is_some());
        let resumed = places.resume(loud);
        assert!(places.reserve(other).is_none());
        drop((resumed, loud_ones, others));
        assert!(places.held().by.is_empty() && places.held().all == 0);
        let large = Places::new(64);
        assert_eq!(std::iter::from_fn(|| large.reserve(loud)).take(65).collect::<Vec<_>>().len(), 16);
    }

    /// Goal: the number can change while places are held. Method: fewer than are held, then more.
    #[test]
    fn the_number_changes_under_those_who_hold() {
        let customer = PublicKey::from_bytes([1; 32]);
        let places = Places::new(3);
        let mut held: Vec<_> = std::iter::from_fn(|| places.reserve(customer)).collect();
        assert_eq!(held.len(), 3);
        places.resize(2);
        held.truncate(2);
        assert!(places.reserve(customer).is_none(), "two are held, and there are two");
        held.truncate(1);
        let one = places.reserve(customer);
        assert!(one.is_some() && places.reserve(customer).is_none());
        places.resize(3);
        assert!(places.reserve(customer).is_some());
    }
}
