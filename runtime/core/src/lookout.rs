//! When to look at the backends again. One that goes is noticed by the next request; one that comes, or serves something new, only by looking.

use std::time::Duration;

/// After a look that has found something new.
const SOON: Duration = Duration::from_secs(60);
/// At the latest, however long nothing has changed.
const LATE: Duration = Duration::from_secs(480);
/// While one of them is missing.
const MISSING: Duration = Duration::from_secs(15);

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All are there, with what they served before.
    Same,
    /// All are there, and one of them has come or serves something else.
    New,
    /// One is not there.
    Missing,
}

/// The looks so far.
#[derive(Clone, Copy, Debug)]
pub struct Lookout {
    pause: Duration,
}

impl Default for Lookout {
    fn default() -> Self {
        Self { pause: SOON }
    }
}

impl Lookout {
    /// How long the next look may wait after this one. Looks that find nothing new become rare.
    pub fn looked(&mut self, found: Found) -> Duration {
        self.pause = match found {
            Found::Same => (self.pause * 2).clamp(SOON, LATE),
            Found::New => SOON,
            Found::Missing => MISSING,
        };
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Found::{Missing, New, Same};

    /// Goal: looks become rare while nothing happens, and never while somebody is missed. Method: one story a row, with the pauses in seconds.
    #[test]
    fn when_to_look_again() {
        let check = |story: &[Found], pauses: &[u64]| {
            let mut lookout = Lookout::default();
            let told: Vec<_> = story.iter().map(|found| lookout.looked(*found).as_secs()).collect();
            assert_eq!(told, pauses, "{story:?}");
        };
        check(&[New, Same, Same, Same, Same, Same], &[60, 120, 240, 480, 480, 480]);
        check(&[Same], &[120]);
        check(&[New, Same, New, Same], &[60, 120, 60, 120]);
        check(&[Missing, Missing, Missing, New, Same], &[15, 15, 15, 60, 120]);
        check(&[New, Same, Same, Missing, Same], &[60, 120, 240, 15, 60]);
    }
}
