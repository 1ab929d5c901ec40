//! How many refusals a stranger is owed. Each costs a commit and a signed message, and asking for nonsense costs nothing.

use crate::{PublicKey, UnixTime};
use std::collections::HashMap;

/// What is counted together.
const WINDOW_SECONDS: u64 = 60;
/// Refusals for one customer in a window.
pub const EACH: u32 = 20;
/// Refusals in a window: also the most customers that are remembered.
pub const ALL: u32 = 600;
/// Those that strangers may use up: keys cost nothing, and who has paid shall still hear why not.
pub const STRANGERS: u32 = ALL / 2;

/// The refusals of the current window.
#[derive(Debug, Default)]
pub struct Courtesy {
    window: u64,
    all: u32,
    each: HashMap<PublicKey, u32>,
}

impl Courtesy {
    /// May this customer be refused in so many words? Counted if so.
    pub fn allows(&mut self, customer: PublicKey, has_paid: bool, now: UnixTime) -> bool {
        let window = now.get() / WINDOW_SECONDS;
        if window != self.window {
            *self = Self { window, ..Self::default() };
        }
        if self.all >= if has_paid { ALL } else { STRANGERS } {
            return false;
        }
        let count = self.each.entry(customer).or_default();
        if *count >= EACH {
            return false;
        }
        *count += 1;
        self.all += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: one customer's nonsense does not use up what others are owed, nor strangers' what those are owed who have paid, and all of it has an end.
    /// Method: one who asks too often, many who ask once, some who have paid, and the next minute.
    #[test]
    fn refusals_are_bounded() {
        let key = |n: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            PublicKey::from_bytes(bytes)
        };
        let mut courtesy = Courtesy::default();
        let now = UnixTime::new(600);
        let loud = (0..EACH * 2).filter(|_| courtesy.allows(key(0), false, now)).count();
        assert_eq!(loud, EACH as usize);
        let mut others =
            |has_paid: bool| (1..=ALL).filter(|n| courtesy.allows(key(*n), has_paid, now)).count();
        assert_eq!(others(false), (STRANGERS - EACH) as usize);
        assert_eq!(others(true), (ALL - STRANGERS) as usize);
        assert!(courtesy.allows(key(0), false, now.plus(WINDOW_SECONDS)));
    }
}
