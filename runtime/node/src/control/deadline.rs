//! The deadline of one exchange on the control socket.

use pylon_core::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// A whole exchange.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole exchange that takes work, such as loading changed guests.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);

/// When an exchange ends. Only the server extends it, never a client.
#[derive(Clone)]
pub(super) struct RequestDeadline(Arc<Mutex<Option<Instant>>>);

impl RequestDeadline {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Instant::now() + EXCHANGE_TIMEOUT))))
    }

    /// The response takes work.
    pub(super) fn extend(&self) {
        self.set(Some(Instant::now() + WORK_TIMEOUT));
    }

    /// The response is a stream without an end.
    pub(super) fn remove(&self) {
        self.set(None);
    }

    /// The current deadline, if there is one.
    pub(super) fn get(&self) -> Option<Instant> {
        *lock(&self.0)
    }

    fn set(&self, deadline: Option<Instant>) {
        *lock(&self.0) = deadline;
    }
}
