//! The system's clock.

use pylon_core::UnixTime;
use pylon_core::ports::clock::Clock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime::new(
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        )
    }
}
