//! Permits for the pool of handler instances. A call acquires one before its store exists, so the
//! pool is never exhausted. Each job kind and each customer has a quota, and a call that waits for
//! its quota does not block others.

use pylon_core::PublicKey;
use pylon_core::sync::lock;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// Default quota of a kind or a customer: the pool divided by this.
const DEFAULT_QUOTA_DIVISOR: u32 = 4;

/// Size of the pool and its quotas; `None` is the default quota.
pub(crate) struct PoolSize {
    pub(crate) instances: u32,
    pub(crate) per_kind: Option<u32>,
    pub(crate) per_customer: Option<u32>,
}

/// The caller whose quotas a permit counts towards.
#[derive(Clone, Copy)]
pub(crate) enum Caller {
    /// The node itself, while it installs a guest.
    Node,
    /// A customer's job of a kind.
    Job(PublicKey, u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum QuotaKey {
    Customer(PublicKey),
    Kind(u16),
}

pub(crate) struct HandlerPool {
    instances: u32,
    per_kind: u32,
    per_customer: u32,
    used: Mutex<Used>,
    released: Notify,
}

#[derive(Default)]
struct Used {
    total: u32,
    /// Without entries for 0.
    by_key: HashMap<QuotaKey, u32>,
}

/// Released when dropped.
pub(crate) struct HandlerPermit<'a>(&'a HandlerPool, Caller);

impl HandlerPool {
    pub(crate) fn new(size: &PoolSize) -> Self {
        let quota = |configured: Option<u32>| {
            configured.unwrap_or(size.instances / DEFAULT_QUOTA_DIVISOR).max(1)
        };
        Self {
            instances: size.instances,
            per_kind: quota(size.per_kind),
            per_customer: quota(size.per_customer),
            used: Mutex::default(),
            released: Notify::new(),
        }
    }

    /// Waits until pool and quotas have room. The caller sets the timeout.
    pub(crate) async fn acquire(&self, caller: Caller) -> HandlerPermit<'_> {
        let mut released = pin!(self.released.notified());
        loop {
            // Before the check, so that no release in between is missed.
            released.as_mut().enable();
            if self.try_acquire(caller) {
                return HandlerPermit(self, caller);
            }
            released.as_mut().await;
            released.set(self.released.notified());
        }
    }

    fn try_acquire(&self, caller: Caller) -> bool {
        let mut used = self.used();
        let quotas = self.quotas(caller);
        let is_full =
            |(key, max): &(QuotaKey, u32)| used.by_key.get(key).is_some_and(|count| count >= max);
        if used.total >= self.instances || quotas.iter().flatten().any(is_full) {
            return false;
        }
        used.total += 1;
        for (key, _) in quotas.into_iter().flatten() {
            *used.by_key.entry(key).or_default() += 1;
        }
        true
    }

    fn quotas(&self, caller: Caller) -> Option<[(QuotaKey, u32); 2]> {
        match caller {
            Caller::Node => None,
            Caller::Job(customer, kind) => Some([
                (QuotaKey::Customer(customer), self.per_customer),
                (QuotaKey::Kind(kind), self.per_kind),
            ]),
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        lock(&self.used)
    }
}

impl Drop for HandlerPermit<'_> {
    fn drop(&mut self) {
        let Self(pool, caller) = self;
        let mut used = pool.used();
        used.total = used.total.saturating_sub(1);
        for (key, _) in pool.quotas(*caller).into_iter().flatten() {
            if let Some(count) = used.by_key.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    used.by_key.remove(&key);
                }
            }
        }
        drop(used);
        pool.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    const fn job(customer: u8, kind: u16) -> Caller {
        Caller::Job(PublicKey::from_bytes([customer; 32]), kind)
    }

    /// Goal: quotas hold, a waiting call is woken, and all permits are released. Method: eight
    /// instances, two for each customer and kind.
    #[test]
    fn quotas_are_enforced_and_released() {
        let size = PoolSize { instances: 8, per_kind: None, per_customer: None };
        let pool = HandlerPool::new(&size);
        let mut context = Context::from_waker(Waker::noop());
        let mut acquire = |caller| match pin!(pool.acquire(caller)).poll(&mut context) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        };
        let held = [acquire(job(1, 5000)).unwrap(), acquire(job(1, 5001)).unwrap()];
        assert!(acquire(job(1, 5002)).is_none(), "the quota of a customer is a quarter");
        let other = acquire(job(2, 5000)).unwrap();
        assert!(acquire(job(3, 5000)).is_none(), "the quota of a kind is a quarter");
        let mut waiting = Box::pin(pool.acquire(job(3, 5000)));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(acquire(job(3, 5001)).unwrap());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(held);
        let Poll::Ready(woken) = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("the quota has room again")
        };
        let all: Vec<_> = (0..6).map(|_| acquire(Caller::Node).unwrap()).collect();
        assert!(acquire(Caller::Node).is_none(), "the pool is full");
        drop((all, other, woken));
        let used = pool.used();
        assert!(used.by_key.is_empty() && used.total == 0);
    }
}
