//! The last so many of something, so that the same is known when it comes again. Memory is bounded: the oldest goes first.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// What is remembered.
#[derive(Debug)]
pub struct Recent<T> {
    all: HashSet<T>,
    order: VecDeque<T>,
    most: usize,
}

impl<T: Copy + Eq + Hash> Recent<T> {
    /// Remembers at most so many.
    pub fn new(most: usize) -> Self {
        Self { all: HashSet::new(), order: VecDeque::new(), most }
    }

    /// Remembers it. `false` if it was known.
    pub fn remember(&mut self, item: T) -> bool {
        if !self.all.insert(item) {
            return false;
        }
        self.order.push_back(item);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
        true
    }

    /// Is it remembered?
    pub fn holds(&self, item: &T) -> bool {
        self.all.contains(item)
    }

    /// As if it had never come. Looks through all of them: for what is rare.
    pub fn forget(&mut self, item: &T) {
        if self.all.remove(item) {
            self.order.retain(|other| other != item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The oldest goes when there are too many, and what was forgotten may come again.
    #[test]
    fn remembers_a_bounded_number() {
        let mut recent = Recent::new(3);
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
