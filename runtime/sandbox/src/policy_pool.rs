//! Permits for the pool of policy instances. A call acquires one before its store exists, so the
//! pool is never exhausted.

use pylon_core::sync::lock;
use std::sync::{Condvar, Mutex, PoisonError};

/// Policies are called inline and take microseconds, so a call without a permit blocks its thread.
pub(crate) struct PolicyPool {
    free: Mutex<u32>,
    released: Condvar,
}

/// Released when dropped.
pub(crate) struct PolicyPermit<'a>(&'a PolicyPool);

impl PolicyPool {
    pub(crate) fn new(instances: u32) -> Self {
        Self { free: Mutex::new(instances), released: Condvar::new() }
    }

    pub(crate) fn acquire(&self) -> PolicyPermit<'_> {
        let free = lock(&self.free);
        let mut free = self
            .released
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        PolicyPermit(self)
    }
}

impl Drop for PolicyPermit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.released.notify_one();
    }
}
