//! Assigns workers to jobs, in the order of the pure schedule.

use pylon_core::decision::Situation;
use pylon_core::ports::clock::Clock;
use pylon_core::schedule::{self, QueueEntry, SchedulerLimits};
use pylon_core::sync::lock;
use pylon_core::{JobId, PublicKey};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

/// A view of the queue for workers. It does not keep a provider running.
#[derive(Clone)]
pub struct WorkQueue(pub(crate) Arc<Scheduler>);

impl WorkQueue {
    /// The numbers of running and of waiting jobs.
    pub fn counts(&self) -> (u32, u32) {
        let Situation { running, queued, .. } = self.0.situation();
        (running, queued)
    }

    /// How long the oldest waiting job has waited since its request.
    pub fn oldest_wait_seconds(&self) -> Option<u64> {
        let queue = lock(&self.0.queue);
        let oldest = queue.waiting.iter().map(|entry| entry.since).min()?;
        Some(self.0.clock.now().since(oldest))
    }
}

/// Permission to run a job. When it is dropped the next job starts.
pub(crate) struct WorkerPermit {
    scheduler: Arc<Scheduler>,
    id: JobId,
}

impl Drop for WorkerPermit {
    fn drop(&mut self) {
        self.scheduler.finished(self.id);
    }
}

/// A request for a worker.
pub(crate) enum Acquire {
    /// A worker is free.
    Now(WorkerPermit),
    /// The permit comes when a worker is free. Dropping the receiver leaves the queue.
    Later(oneshot::Receiver<WorkerPermit>),
}

/// The queue for workers, and the running jobs.
pub(crate) struct Scheduler {
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    changed: Notify,
}

struct Queue {
    limits: SchedulerLimits,
    waiting: Vec<QueueEntry>,
    permits: Vec<(JobId, oneshot::Sender<WorkerPermit>)>,
    running: Vec<QueueEntry>,
    /// Customers of recently started jobs.
    served: Vec<PublicKey>,
    /// No further job starts.
    closed: bool,
}

impl Scheduler {
    pub(crate) fn new(limits: SchedulerLimits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let queue = Queue {
            limits,
            waiting: Vec::new(),
            permits: Vec::new(),
            running: Vec::new(),
            served: Vec::new(),
            closed: false,
        };
        Arc::new(Self { clock, queue: Mutex::new(queue), changed: Notify::new() })
    }

    /// The state of the node, for policies.
    pub(crate) fn situation(&self) -> Situation {
        let queue = lock(&self.queue);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Situation {
            now: self.clock.now(),
            queued: count(queue.waiting.len()),
            running: count(queue.running.len()),
            capacity: count(queue.limits.concurrent),
            extra: Vec::new(),
        }
    }

    /// Applies other limits. Running jobs continue.
    pub(crate) fn set_limits(self: &Arc<Self>, limits: SchedulerLimits) {
        let mut queue = lock(&self.queue);
        queue.limits = limits;
        self.start_next(queue);
    }

    /// Joins the queue.
    pub(crate) fn enqueue(self: &Arc<Self>, entry: QueueEntry) -> Acquire {
        let (sender, mut permit) = oneshot::channel();
        let mut queue = lock(&self.queue);
        queue.waiting.push(entry);
        queue.permits.push((entry.id, sender));
        self.start_next(queue);
        match permit.try_recv() {
            Ok(permit) => Acquire::Now(permit),
            Err(_) => Acquire::Later(permit),
        }
    }

    /// Leaves the queue.
    pub(crate) fn cancel(&self, id: JobId) {
        let mut queue = lock(&self.queue);
        queue.waiting.retain(|entry| entry.id != id);
        queue.permits.retain(|(waiting, _)| *waiting != id);
    }

    /// No further job starts.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
    }

    /// Resolves when no job runs.
    pub(crate) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if lock(&self.queue).running.is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn finished(self: &Arc<Self>, id: JobId) {
        let mut queue = lock(&self.queue);
        queue.running.retain(|entry| entry.id != id);
        self.start_next(queue);
        self.changed.notify_waiters();
    }

    /// Starts all jobs that may run. A job whose receiver is gone is skipped.
    fn start_next(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        let mut refused = Vec::new();
        while !queue.closed
            && let Some(id) = schedule::next(
                &queue.waiting,
                &queue.running,
                &queue.served,
                &queue.limits,
                self.clock.now(),
            )
        {
            let Some(index) = queue.waiting.iter().position(|entry| entry.id == id) else { break };
            let entry = queue.waiting.remove(index);
            let Some(index) = queue.permits.iter().position(|(waiting, _)| *waiting == id) else {
                continue;
            };
            let (_, sender) = queue.permits.swap_remove(index);
            queue.running.push(entry);
            if let Err(permit) = sender.send(WorkerPermit { scheduler: Arc::clone(self), id }) {
                queue.running.retain(|entry| entry.id != id);
                refused.push(permit);
            } else {
                let surplus =
                    (queue.served.len() + 1).saturating_sub(schedule::RECENTLY_SERVED_MAX);
                queue.served.drain(..surplus);
                queue.served.push(entry.customer);
            }
        }
        // Dropping a permit locks the queue again.
        drop(queue);
        drop(refused);
    }
}
