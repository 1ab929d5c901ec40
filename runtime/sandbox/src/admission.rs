//! Admission to the pool of handler instances: a place is taken before a store exists, so that no call ever finds the pool empty. No kind and no
//! customer gets more than a share of it, and whoever waits holds nothing: the others do not notice.

use pylon_core::PublicKey;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A kind or a customer gets one part in so many where nothing else is said.
const SHARE: u32 = 4;

/// How many places there are, and for whom.
pub(crate) struct Shares {
    pub(crate) all: u32,
    pub(crate) per_kind: Option<u32>,
    pub(crate) per_customer: Option<u32>,
}

/// For whom a place is taken.
#[derive(Clone, Copy)]
pub(crate) enum Guest {
    /// Nobody: it is asked what it is.
    Described,
    /// A customer's job of a kind.
    AtWork(PublicKey, u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Customer(PublicKey),
    Kind(u16),
}

/// The places of one engine.
pub(crate) struct Admission {
    places: u32,
    per_kind: u32,
    per_customer: u32,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    all: u32,
    /// Of those who have one.
    by: HashMap<Whose, u32>,
}

/// A place, given back when dropped.
pub(crate) struct Place<'a>(&'a Admission, Guest);

impl Admission {
    pub(crate) fn new(shares: &Shares) -> Self {
        let share = |set: Option<u32>| set.unwrap_or(shares.all / SHARE).max(1);
        Self {
            places: shares.all,
            per_kind: share(shares.per_kind),
            per_customer: share(shares.per_customer),
            taken: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// Waits until there is room for this one everywhere; how long is for the caller to bound.
    pub(crate) async fn enter(&self, guest: Guest) -> Place<'_> {
        let mut freed = pin!(self.freed.notified());
        loop {
            // Before the look, so that nothing is freed in between unheard.
            freed.as_mut().enable();
            if self.take(guest) {
                return Place(self, guest);
            }
            freed.as_mut().await;
            freed.set(self.freed.notified());
        }
    }

    fn take(&self, guest: Guest) -> bool {
        let mut taken = self.taken();
        let lines = self.lines(guest);
        let is_full =
            |(whose, most): &(Whose, u32)| taken.by.get(whose).is_some_and(|count| count >= most);
        if taken.all >= self.places || lines.iter().flatten().any(is_full) {
            return false;
        }
        taken.all += 1;
        for (whose, _) in lines.into_iter().flatten() {
            *taken.by.entry(whose).or_default() += 1;
        }
        true
    }

    fn lines(&self, guest: Guest) -> Option<[(Whose, u32); 2]> {
        match guest {
            Guest::Described => None,
            Guest::AtWork(customer, kind) => Some([
                (Whose::Customer(customer), self.per_customer),
                (Whose::Kind(kind), self.per_kind),
            ]),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Self(admission, guest) = self;
        let mut taken = admission.taken();
        taken.all = taken.all.saturating_sub(1);
        for (whose, _) in admission.lines(*guest).into_iter().flatten() {
            if let Some(count) = taken.by.get_mut(&whose) {
                *count -= 1;
                if *count == 0 {
                    taken.by.remove(&whose);
                }
            }
        }
        drop(taken);
        admission.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    const fn job(customer: u8, kind: u16) -> Guest {
        Guest::AtWork(PublicKey::from_bytes([customer; 32]), kind)
    }

    /// Goal: shares hold, whoever waits is woken, and nothing is left behind. Method: eight places, two for each customer and kind.
    #[test]
    fn shares_are_held_and_forgotten() {
        let admission = Admission::new(&Shares { all: 8, per_kind: None, per_customer: None });
        let mut context = Context::from_waker(Waker::noop());
        let mut enter = |guest| match pin!(admission.enter(guest)).poll(&mut context) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        };
        let held = [enter(job(1, 5000)).unwrap(), enter(job(1, 5001)).unwrap()];
        assert!(enter(job(1, 5002)).is_none(), "a customer has a quarter");
        let other = enter(job(2, 5000)).unwrap();
        assert!(enter(job(3, 5000)).is_none(), "a kind has a quarter");
        let waiting = job(3, 5000);
        let mut waits = Box::pin(admission.enter(waiting));
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(enter(job(3, 5001)).unwrap());
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(held);
        let Poll::Ready(woken) = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("its turn")
        };
        let all: Vec<_> = (0..6).map(|_| enter(Guest::Described).unwrap()).collect();
        assert!(enter(Guest::Described).is_none(), "no more than there are");
        drop((all, other, woken));
        let taken = admission.taken();
        assert!(taken.by.is_empty() && taken.all == 0);
    }
}
