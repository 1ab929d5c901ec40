//! The only source of time, so that tests can control it.

use crate::UnixTime;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> UnixTime;
}
