//! Rate limit for refusals. Each costs a commit and a signed message, while an invalid request
//! costs its sender nothing.

use crate::{PublicKey, UnixTime};
use std::collections::HashMap;

/// Length of a window.
const WINDOW_SECONDS: u64 = 60;
/// Refusals for one customer in a window.
pub const PER_CUSTOMER_MAX: u32 = 20;
/// Refusals in a window; also the maximum number of customers in memory.
pub const REFUSALS_MAX: u32 = 600;
/// Refusals for unknown customers in a window. Keys cost nothing; the rest is reserved for
/// customers that have paid.
pub const UNKNOWN_CUSTOMERS_MAX: u32 = REFUSALS_MAX / 2;

/// Counts the refusals of the current window.
#[derive(Debug, Default)]
pub struct RefusalRateLimiter {
    window: u64,
    total: u32,
    per_customer: HashMap<PublicKey, u32>,
}

impl RefusalRateLimiter {
    /// Whether a refusal may be sent to this customer. If so it is counted.
    pub fn allows(&mut self, customer: PublicKey, has_paid: bool, now: UnixTime) -> bool {
        let window = now.get() / WINDOW_SECONDS;
        if window != self.window {
            *self = Self { window, ..Self::default() };
        }
        if self.total >= if has_paid { REFUSALS_MAX } else { UNKNOWN_CUSTOMERS_MAX } {
            return false;
        }
        let count = self.per_customer.entry(customer).or_default();
        if *count >= PER_CUSTOMER_MAX {
            return false;
        }
        *count += 1;
        self.total += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: one customer cannot use up the refusals of others, nor unknown customers those of
    /// paying ones, and the total is bounded. Method: a burst of one customer, single requests of
    /// many unknown and many paying customers, and the next window.
    #[test]
    fn refusals_are_bounded() {
        let key = |n: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            PublicKey::from_bytes(bytes)
        };
        let mut limiter = RefusalRateLimiter::default();
        let now = UnixTime::new(600);
        let burst =
            (0..PER_CUSTOMER_MAX * 2).filter(|_| limiter.allows(key(0), false, now)).count();
        assert_eq!(burst, PER_CUSTOMER_MAX as usize);
        let mut others = |has_paid: bool| {
            (1..=REFUSALS_MAX).filter(|n| limiter.allows(key(*n), has_paid, now)).count()
        };
        assert_eq!(others(false), (UNKNOWN_CUSTOMERS_MAX - PER_CUSTOMER_MAX) as usize);
        assert_eq!(others(true), (REFUSALS_MAX - UNKNOWN_CUSTOMERS_MAX) as usize);
        assert!(limiter.allows(key(0), false, now.plus(WINDOW_SECONDS)));
    }
}
