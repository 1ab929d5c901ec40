//! Admission to the pool of policy instances: taken before a store exists, so that no call ever finds the pool empty.

use std::sync::{Condvar, Mutex, PoisonError};

/// A counter of free places. Policies are called inline and last microseconds, so whoever finds none waits on the spot.
pub(crate) struct Gate {
    free: Mutex<u32>,
    freed: Condvar,
}

/// A place, given back when dropped.
pub(crate) struct Place<'a>(&'a Gate);

impl Gate {
    pub(crate) fn new(places: u32) -> Self {
        Self { free: Mutex::new(places), freed: Condvar::new() }
    }

    pub(crate) fn enter(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
