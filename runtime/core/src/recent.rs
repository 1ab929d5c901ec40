//! A bounded set of the most recent items, to recognize duplicates.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// The most recent items. When it is full the oldest is dropped.
#[derive(Debug)]
pub struct RecentSet<T> {
    all: HashSet<T>,
    order: VecDeque<T>,
    capacity: usize,
}

impl<T: Copy + Eq + Hash> RecentSet<T> {
    /// Holds at most `capacity` items.
    pub fn new(capacity: usize) -> Self {
        Self { all: HashSet::new(), order: VecDeque::new(), capacity }
    }

    /// Adds an item. `false` if it was present.
    pub fn remember(&mut self, item: T) -> bool {
        if !self.all.insert(item) {
            return false;
        }
        self.order.push_back(item);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
        true
    }

    /// Whether the item is present.
    pub fn holds(&self, item: &T) -> bool {
        self.all.contains(item)
    }

    /// Removes an item. Linear time: for rare cases.
    pub fn forget(&mut self, item: &T) {
        if self.all.remove(item) {
            self.order.retain(|other| other != item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The oldest item is dropped when the set is full, and a removed item can be added again.
    #[test]
    fn keeps_a_bounded_number() {
        let mut recent = RecentSet::new(3);
        for item in 0..4 {
            assert!(recent.remember(item) && !recent.remember(item));
        }
        assert!(!recent.holds(&0) && recent.holds(&1));
        recent.forget(&2);
        recent.forget(&9);
        assert!(recent.remember(2) && recent.remember(5));
        assert_eq!([1, 3, 2, 5].map(|item| recent.holds(&item)), [false, true, true, true]);
        assert_eq!((recent.all.len(), recent.order.len()), (3, 3));
    }
}
