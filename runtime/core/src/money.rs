//! Amounts are integers in thousandths of a satoshi. They become plain numbers only at the edges.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Thousandths of a satoshi.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Msat(u64);

impl Msat {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// Explicit constructor; there is no `From<u64>`.
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

    /// The sum, saturating.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, saturating at zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether the amount is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The amount to charge in multiples of the wallet's `step`: rounded up, or down where rounding
    /// up would exceed `cap`.
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

    /// Rounded up only to the wallet's step, and never above the cap.
    #[test]
    fn charge_is_a_multiple_of_the_step_within_the_cap() {
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
