//! Places in the bounded queue: one for each job that is not over, in work or waiting. Their number can change while they are held.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) struct Places {
    free: Arc<Semaphore>,
    total: Mutex<usize>,
}

impl Places {
    pub(super) fn new(total: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(total)), total: Mutex::new(total) }
    }

    /// A place, given back when it is dropped; `None` if all are held.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Makes it so many places. Those held stay; what is too many then is not given out again.
    pub(super) fn resize(&self, total: usize) {
        let before = std::mem::replace(&mut *self.total.lock().unwrap_or_else(PoisonError::into_inner), total);
        if total >= before {
            self.free.add_permits(total - before);
            return;
        }
        let held = (before - total).saturating_sub(self.free.forget_permits(before - total));
        let free = Arc::clone(&self.free);
        tokio::spawn(async move {
            if let Ok(given_back) = free.acquire_many_owned(u32::try_from(held).unwrap_or(u32::MAX)).await {
                given_back.forget();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the number holds, whatever was held when it changed. Method: shrink and grow around held places; count what can be had.
    #[tokio::test]
    async fn the_number_changes_under_those_who_hold() {
        let places = Places::new(3);
        let mut held: Vec<_> = (0..3).map(|_| places.take().unwrap()).collect();
        assert!(places.take().is_none());
        places.resize(1);
        tokio::task::yield_now().await;
        held.truncate(1);
        tokio::task::yield_now().await;
        assert!(places.take().is_none(), "one is held, and there is one");
        held.clear();
        let one = places.take().unwrap();
        assert!(places.take().is_none());
        places.resize(2);
        assert!(places.take().is_some());
        drop(one);
        places.resize(1);
        let one = places.take();
        assert!(one.is_some() && places.take().is_none());
    }
}
