//! Money is whole thousandths of a satoshi, never a float, and becomes a plain number only where it leaves the program.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Thousandths of a satoshi.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Msat(u64);

impl Msat {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount in msat. Said in full, so that no bare number becomes money unseen.
    pub const fn new(msat: u64) -> Self {
        Self(msat)
    }

    /// The amount in msat.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whole satoshis, rounded down.
    pub const fn sats(self) -> u64 {
        self.0 / 1000
    }

    /// The sum, held at the largest amount.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left, held at nothing.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Is this nothing?
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The amount to charge with a wallet of this step: up to the next step, but down where that would pass `cap`.
    #[must_use]
    pub fn to_step(self, step: Self, cap: Self) -> Self {
        let due = self.0.min(cap.0);
        let step = step.0.max(1);
        match due.checked_next_multiple_of(step) {
            Some(up) if up <= cap.0 => Self(up),
            _ => Self(due - due % step),
        }
    }
}

impl fmt::Display for Msat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} msat", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Up only to the wallet's step, never above the cap.
    #[test]
    fn a_charge_meets_the_step_below_the_cap() {
        let charge = |due, step, cap| Msat::new(due).to_step(Msat::new(step), Msat::new(cap)).get();
        assert_eq!(charge(1234, 1, 5000), 1234);
        assert_eq!(charge(1234, 1000, 5000), 2000);
        assert_eq!(charge(1234, 1000, 1500), 1000);
        assert_eq!(charge(900, 1000, 950), 0);
        assert_eq!(charge(9000, 1, 5000), 5000);
        assert_eq!(charge(u64::MAX, 1000, u64::MAX), u64::MAX / 1000 * 1000);
        assert_eq!(charge(7, 0, 10), 7);
    }
}
