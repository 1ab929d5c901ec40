//! The line for a worker: who waits and who is at work, ordered by the pure schedule.

use pylon_core::ports::clock::Clock;
use pylon_core::schedule::{self, QueueEntry, SchedulerLimits};
use pylon_core::{JobId, PublicKey};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Leave to be at work; the next in line begins when it is dropped.
pub(super) struct Ticket {
    line: Arc<Line>,
    id: JobId,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.line.leave(self.id);
    }
}

/// A place in the line.
pub(super) enum Turn {
    /// At once.
    Now(Ticket),
    /// When it comes; dropped, the place is given up.
    Later(oneshot::Receiver<Ticket>),
}

pub(super) struct Line {
    clock: Arc<dyn Clock>,
    places: Mutex<Places>,
    changed: Notify,
}

struct Places {
    limits: SchedulerLimits,
    waiting: Vec<QueueEntry>,
    calls: Vec<(JobId, oneshot::Sender<Ticket>)>,
    running: Vec<QueueEntry>,
    /// Whose jobs began lately.
    served: Vec<PublicKey>,
    /// Nobody is called any more.
    closed: bool,
}

impl Line {
    pub(super) fn new(limits: SchedulerLimits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let places = Places {
            limits,
            waiting: Vec::new(),
            calls: Vec::new(),
            running: Vec::new(),
            served: Vec::new(),
            closed: false,
        };
        Arc::new(Self { clock, places: Mutex::new(places), changed: Notify::new() })
    }

    /// How many may be at work.
    pub(super) fn capacity(&self) -> usize {
        self.lock().limits.concurrent
    }

    /// Changes who may be at work. Nobody is sent away.
    pub(super) fn limit(self: &Arc<Self>, limits: SchedulerLimits) {
        let mut places = self.lock();
        places.limits = limits;
        self.call_next(places);
    }

    /// Joins the line.
    pub(super) fn join(self: &Arc<Self>, place: QueueEntry) -> Turn {
        let (call, turn) = oneshot::channel();
        let mut places = self.lock();
        places.waiting.push(place);
        places.calls.push((place.id, call));
        self.call_next(places);
        let mut turn = turn;
        match turn.try_recv() {
            Ok(ticket) => Turn::Now(ticket),
            Err(_) => Turn::Later(turn),
        }
    }

    /// Gives up a place.
    pub(super) fn give_up(&self, id: JobId) {
        let mut places = self.lock();
        places.waiting.retain(|place| place.id != id);
        places.calls.retain(|(called, _)| *called != id);
    }

    /// Lets nobody begin from now on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// How many wait, and how many are at work.
    pub(super) fn lengths(&self) -> (usize, usize) {
        let places = self.lock();
        (places.waiting.len(), places.running.len())
    }

    /// Resolves when nobody is at work.
    pub(super) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if self.lock().running.is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn leave(self: &Arc<Self>, id: JobId) {
        let mut places = self.lock();
        places.running.retain(|place| place.id != id);
        self.call_next(places);
        self.changed.notify_waiters();
    }

    /// Calls whoever may begin. A caller who is gone by then is passed over.
    fn call_next(self: &Arc<Self>, mut places: MutexGuard<'_, Places>) {
        let mut refused = Vec::new();
        while !places.closed
            && let Some(id) = schedule::next(
                &places.waiting,
                &places.running,
                &places.served,
                &places.limits,
                self.clock.now(),
            )
        {
            let Some(index) = places.waiting.iter().position(|place| place.id == id) else { break };
            let place = places.waiting.remove(index);
            let Some(index) = places.calls.iter().position(|(called, _)| *called == id) else {
                continue;
            };
            let (_, call) = places.calls.swap_remove(index);
            places.running.push(place);
            if let Err(ticket) = call.send(Ticket { line: Arc::clone(self), id }) {
                places.running.retain(|place| place.id != id);
                refused.push(ticket);
            } else {
                let surplus =
                    (places.served.len() + 1).saturating_sub(schedule::RECENTLY_SERVED_MAX);
                places.served.drain(..surplus);
                places.served.push(place.customer);
            }
        }
        // Dropping a ticket takes the lock again.
        drop(places);
        drop(refused);
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
