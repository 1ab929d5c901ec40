//! The one place that time comes from, so that a test can hold it still.

use crate::UnixTime;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixTime;
}
