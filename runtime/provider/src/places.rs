//! The bounded queue: a place is held from before anything is asked of a guest until the job is over. No customer can hold all of them, and no crowd
//! of strangers: keys cost nothing, so the second half is for those who have paid, and whose requests have in them all that they need.

use pylon_core::PublicKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One customer may hold one place of so many.
const SHARE: usize = 4;
/// But always so many, as far as there are any.
const LEAST: usize = 4;
/// One place of so many is anybody's, and always as many as this number of customers may hold.
const OPEN: usize = 2;

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
        Arc::new(Self {
            held: Mutex::new(Held { total, each: each(total), all: 0, by: HashMap::new() }),
        })
    }

    /// So many from now on. Those held stay held; what is too many is not given out again.
    pub(super) fn resize(&self, total: usize) {
        let mut held = self.held();
        (held.total, held.each) = (total, each(total));
    }

    /// A place for this customer, if there is one.
    pub(super) fn reserve(
        self: &Arc<Self>,
        customer: PublicKey,
        preferred: bool,
    ) -> Option<Reserved> {
        let mut held = self.held();
        let room = if preferred { held.total } else { open(held.total) };
        if held.all >= room || held.by.get(&customer).is_some_and(|count| *count >= held.each) {
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

fn open(total: usize) -> usize {
    (total / OPEN).max(LEAST * OPEN).min(total)
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
        let mut loud_ones: Vec<_> = std::iter::from_fn(|| places.reserve(loud, false)).collect();
        assert_eq!(loud_ones.len(), LEAST);
        let others: Vec<_> = std::iter::from_fn(|| places.reserve(other, false)).collect();
        assert_eq!(others.len(), 2);
        loud_ones.pop();
        assert!(
            places.reserve(other, false).is_some() && Places::new(1).reserve(loud, false).is_some()
        );
        let resumed = places.resume(loud);
        assert!(places.reserve(other, true).is_none());
        drop((resumed, loud_ones, others));
        assert!(places.held().by.is_empty() && places.held().all == 0);
        let large = Places::new(64);
        assert_eq!(
            std::iter::from_fn(|| large.reserve(loud, true)).take(65).collect::<Vec<_>>().len(),
            16
        );
    }

    /// Goal: the number can change while places are held. Method: fewer than are held, then more.
    #[test]
    fn the_number_changes_under_those_who_hold() {
        let customer = PublicKey::from_bytes([1; 32]);
        let places = Places::new(3);
        let mut held: Vec<_> = std::iter::from_fn(|| places.reserve(customer, false)).collect();
        assert_eq!(held.len(), 3);
        places.resize(2);
        held.truncate(2);
        assert!(places.reserve(customer, false).is_none(), "two are held, and there are two");
        held.truncate(1);
        let one = places.reserve(customer, false);
        assert!(one.is_some() && places.reserve(customer, false).is_none());
        places.resize(3);
        assert!(places.reserve(customer, false).is_some());
    }

    /// Goal: a crowd of new keys leaves places for those who have paid. Method: as many strangers as come, then some who have paid, in a large queue.
    #[test]
    fn strangers_leave_half_of_it() {
        let key = |n: u8| PublicKey::from_bytes([n; 32]);
        let places = Places::new(64);
        let strangers: Vec<_> = (0..100).filter_map(|n| places.reserve(key(n), false)).collect();
        assert_eq!(strangers.len(), 32);
        let paying: Vec<_> = (100..200).filter_map(|n| places.reserve(key(n), true)).collect();
        assert_eq!(paying.len(), 32);
        drop(strangers);
        assert!(places.reserve(key(0), false).is_none(), "half of it is taken, whoever has it");
        drop(paying);
        assert!(places.reserve(key(0), false).is_some());
    }
}
