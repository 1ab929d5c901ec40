//! Requests that were withdrawn before they came: relays bring stored events in any order, and mostly the newest first.

use pylon_core::{JobId, PublicKey};
use std::collections::{HashSet, VecDeque};

/// Withdrawals that are remembered; the oldest goes first.
const REMEMBERED: usize = 4096;

/// Who withdrew what.
#[derive(Default)]
pub(super) struct Withdrawn {
    all: HashSet<(PublicKey, JobId)>,
    order: VecDeque<(PublicKey, JobId)>,
}

impl Withdrawn {
    pub(super) fn remember(&mut self, customer: PublicKey, id: JobId) {
        if !self.all.insert((customer, id)) {
            return;
        }
        self.order.push_back((customer, id));
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    /// Only the author of a request can withdraw it (NIP-09).
    pub(super) fn holds(&self, customer: PublicKey, id: JobId) -> bool {
        self.all.contains(&(customer, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a bounded memory in which nobody speaks for another. Method: one withdrawal more than there is room for.
    #[test]
    fn remembers_a_bounded_number() {
        let job = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            JobId::from_bytes(bytes)
        };
        let (alice, bob) = (PublicKey::from_bytes([1; 32]), PublicKey::from_bytes([2; 32]));
        let mut withdrawn = Withdrawn::default();
        for n in 0..=REMEMBERED {
            withdrawn.remember(alice, job(n));
            withdrawn.remember(alice, job(n));
        }
        assert!(!withdrawn.holds(alice, job(0)) && withdrawn.holds(alice, job(1)) && !withdrawn.holds(bob, job(1)));
        assert_eq!((withdrawn.all.len(), withdrawn.order.len()), (REMEMBERED, REMEMBERED));
    }
}
