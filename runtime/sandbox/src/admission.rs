//! Admission to the pool of handler instances: a place is taken before a store exists, so that no call ever finds the pool empty. No kind and no
//! customer gets more than a share of it: whoever is busy waits in its own line, and the others do not notice.

use pylon_core::PublicKey;
use pylon_core::ports::guests::Fault;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// What a kind or a customer gets of all where nothing else is said.
const SHARE: u32 = 4;

/// How many places there are, and for whom.
pub(crate) struct Shares {
    pub(crate) all: u32,
    pub(crate) per_kind: Option<u32>,
    pub(crate) per_customer: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Customer(PublicKey),
    Kind(u16),
}

/// The places of one engine.
pub(crate) struct Admission {
    all: Semaphore,
    per_kind: usize,
    per_customer: usize,
    /// Of those who have a place or wait for one: as many as there are jobs at work.
    lines: Mutex<HashMap<Whose, Arc<Semaphore>>>,
}

/// A place, given back when dropped.
pub(crate) struct Place<'a> {
    _all: SemaphorePermit<'a>,
    _shares: Option<[Share<'a>; 2]>,
}

struct Share<'a> {
    admission: &'a Admission,
    whose: Whose,
    line: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(crate) fn new(shares: &Shares) -> Self {
        let share = |set: Option<u32>| set.unwrap_or(shares.all / SHARE).max(1) as usize;
        Self {
            all: Semaphore::new(shares.all as usize),
            per_kind: share(shares.per_kind),
            per_customer: share(shares.per_customer),
            lines: Mutex::default(),
        }
    }

    /// For a job. The customer's line comes first: there whoever has too many waits without holding what others need.
    pub(crate) async fn enter(&self, customer: PublicKey, kind: u16) -> Result<Place<'_>, Fault> {
        let customer = self.share(Whose::Customer(customer), self.per_customer).await?;
        let kind = self.share(Whose::Kind(kind), self.per_kind).await?;
        Ok(Place { _all: self.all.acquire().await.map_err(|_| Fault::Wall)?, _shares: Some([customer, kind]) })
    }

    /// For a guest that is asked what it is.
    pub(crate) async fn enter_unnamed(&self) -> Result<Place<'_>, Fault> {
        Ok(Place { _all: self.all.acquire().await.map_err(|_| Fault::Wall)?, _shares: None })
    }

    async fn share(&self, whose: Whose, most: usize) -> Result<Share<'_>, Fault> {
        let line = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lines.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(most))))
        };
        // Before the wait, so that who gives up waiting leaves nothing behind.
        let mut share = Share { admission: self, whose, line, permit: None };
        share.permit = Some(Arc::clone(&share.line).acquire_owned().await.map_err(|_| Fault::Wall)?);
        Ok(share)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut lines = self.admission.lines.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        // The map's and this one: nobody else is in this line, and nobody joins it while the map is locked.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const fn customer(number: u8) -> PublicKey {
        PublicKey::from_bytes([number; 32])
    }

    /// Goal: shares hold, are given back, and leave nothing behind. Method: eight places, two for each customer and kind; who waits gives up.
    #[test]
    fn shares_are_held_and_forgotten() {
        let admission = Admission::new(&Shares { all: 8, per_kind: None, per_customer: None });
        let mut context = Context::from_waker(Waker::noop());
        let mut enter = |who, kind| {
            let mut entering = Box::pin(admission.enter(customer(who), kind));
            match entering.as_mut().poll(&mut context) {
                Poll::Ready(place) => Some(place.unwrap()),
                Poll::Pending => None,
            }
        };
        let held = [enter(1, 5000).unwrap(), enter(1, 5001).unwrap()];
        assert!(enter(1, 5002).is_none(), "a customer has a quarter");
        let other = enter(2, 5000).unwrap();
        assert!(enter(3, 5000).is_none(), "a kind has a quarter");
        drop(enter(3, 5001).unwrap());
        drop(held);
        drop(enter(1, 5002).unwrap());
        drop(other);
        assert!(admission.lines.lock().unwrap().is_empty());
        assert!(matches!(pin!(admission.enter_unnamed()).poll(&mut context), Poll::Ready(Ok(_))));
        assert_eq!(admission.all.available_permits(), 8);
    }
}
