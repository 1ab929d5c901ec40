//! Which jobs have a task: each has a mailbox, and a job without a task is taken from the journal
//! when something is delivered to it. A job whose task panics ends.

use crate::capacity::Capacity;
use crate::envelope::Envelope;
use crate::job_task::{Ended, JobSetup, JobTask, Mailbox, Parked, Services};
use crate::panics::catch_in_job;
use crate::scheduler::WorkerPermit;
use pylon_core::machine::{Event, Invoicing, JobState, Step};
use pylon_core::ports::guests::{GuestSet, GuestSets};
use pylon_core::rows::{Row, UnfinishedJob};
use pylon_core::sync::lock;
use pylon_core::{JobId, PublicKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::sync::oneshot::Receiver;

/// Envelopes in a mailbox. While it is full, senders wait.
const MAILBOX_MAX: usize = 16;

/// The mailboxes of all job tasks.
pub(crate) struct Registry {
    mailboxes: Mutex<Mailboxes>,
    /// Unfinished jobs that need no task for now.
    parked: Mutex<HashMap<JobId, Parked>>,
    services: Arc<Services>,
    guests: Arc<dyn GuestSets>,
    capacity: Arc<Capacity>,
}

#[derive(Default)]
struct Mailboxes {
    open: HashMap<JobId, OpenMailbox>,
    closed: bool,
}

struct OpenMailbox {
    /// The author of a request that may not be in the journal yet.
    customer: Option<PublicKey>,
    sender: mpsc::Sender<Envelope>,
}

impl Registry {
    pub(crate) fn new(
        services: Arc<Services>,
        guests: Arc<dyn GuestSets>,
        capacity: Arc<Capacity>,
    ) -> Arc<Self> {
        let (mailboxes, parked) = (Mutex::default(), Mutex::default());
        Arc::new(Self { mailboxes, parked, services, guests, capacity })
    }

    pub(crate) fn holds(&self, id: JobId) -> bool {
        lock(&self.mailboxes).open.contains_key(&id)
    }

    /// The author of a request that this registry took in.
    pub(crate) fn customer(&self, id: JobId) -> Option<PublicKey> {
        lock(&self.mailboxes).open.get(&id)?.customer
    }

    /// Opens a mailbox, unless one is open.
    pub(crate) fn open(&self, id: JobId, customer: Option<PublicKey>) -> Option<Mailbox> {
        let mut mailboxes = lock(&self.mailboxes);
        if mailboxes.closed || mailboxes.open.contains_key(&id) {
            return None;
        }
        let (sender, mailbox) = mpsc::channel(MAILBOX_MAX);
        mailboxes.open.insert(id, OpenMailbox { customer, sender });
        Some(mailbox)
    }

    /// Closes the mailbox of a request that did not become a job.
    pub(crate) fn close(&self, id: JobId) {
        lock(&self.mailboxes).open.remove(&id);
    }

    /// Closes all mailboxes. No task starts after this.
    pub(crate) fn close_all(&self) {
        let mut mailboxes = lock(&self.mailboxes);
        mailboxes.closed = true;
        mailboxes.open.clear();
        lock(&self.parked).clear();
    }

    /// Commits the admission of a job and runs its task.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        setup: JobSetup,
        mailbox: Mailbox,
        step: Step,
        rows: Vec<Row>,
        begun: Instant,
    ) {
        let id = setup.state.job.id;
        let task = JobTask::new(Arc::clone(&self.services), setup, mailbox);
        self.finish(id, task.admit(step, rows, begun).await).await;
    }

    /// Resumes a job after a restart.
    pub(crate) fn resume(self: &Arc<Self>, job: UnfinishedJob) {
        let is_over = job.execution.is_over();
        if is_over && job.invoicing != Invoicing::Created {
            return;
        }
        if let Some(mailbox) = self.open(job.id, None) {
            if !is_over {
                let reservation = Some(self.capacity.resume(job.customer));
                lock(&self.parked).insert(job.id, Parked { reservation, ..Parked::default() });
            }
            self.start(job.id, mailbox, Event::Restarted.into());
        }
    }

    /// Delivers an envelope to the job's task, and starts one if there is none.
    pub(crate) async fn deliver(self: &Arc<Self>, id: JobId, mut envelope: Envelope) {
        loop {
            let open = lock(&self.mailboxes).open.get(&id).map(|mailbox| mailbox.sender.clone());
            let Some(sender) = open else { break };
            match sender.send(envelope).await {
                Ok(()) => return,
                // The task has just ended: its row in the journal is the latest.
                Err(mpsc::error::SendError(returned)) => envelope = returned,
            }
            self.remove_closed(id);
        }
        if let Some(mailbox) = self.open(id, None) {
            self.start(id, mailbox, envelope);
        }
    }

    /// The task of a job panicked: the job ends, as far as it has begun.
    pub(crate) async fn panicked(self: &Arc<Self>, id: JobId) {
        // Another delivery may have started a new task by now.
        self.remove_closed(id);
        self.deliver(id, Event::Panicked.into()).await;
    }

    /// The mailbox is opened before the row is read, so that no other task can change the row in
    /// between.
    fn start(self: &Arc<Self>, id: JobId, mailbox: Mailbox, first: Envelope) {
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            let is_ending = first.event == Event::Panicked;
            match catch_in_job(id, registry.run(id, mailbox, first)).await {
                Ok(()) => {}
                Err(_) if is_ending => {
                    let job = id.short();
                    tracing::error!(job, "the end of the job panicked, too: it is left as it is");
                    registry.remove_closed(id);
                }
                Err(_) => registry.panicked(id).await,
            }
        });
    }

    /// Takes a job from the journal and runs its task. If the row cannot be read, the job keeps its
    /// reservation.
    async fn run(self: &Arc<Self>, id: JobId, mailbox: Mailbox, mut first: Envelope) {
        match self.services.recorder.journal.job(id) {
            Ok(Some(state)) => {
                let setup = self.restore(state, first.event != Event::Panicked);
                if setup.is_orphan && first.event == Event::Restarted {
                    first.event = Event::RestartedWithoutGuests;
                }
                let task = JobTask::new(Arc::clone(&self.services), setup, mailbox);
                self.finish(id, task.run(first).await).await;
            }
            Ok(None) => self.close(id),
            Err(error) => {
                tracing::error!(job = %id.short(), %error, "cannot read the job from the journal");
                self.close(id);
            }
        }
    }

    /// After a task has ended. A sender that found the mailbox before it was closed may have sent
    /// something until now: that is delivered to the row in the journal.
    async fn finish(self: &Arc<Self>, id: JobId, ended: Ended) {
        let Ended { mut mailbox, parked } = ended;
        if let Some(mut parked) = parked {
            let queued = parked.queued.take();
            lock(&self.parked).insert(id, parked);
            self.wait_for_worker(id, queued);
        }
        self.close(id);
        mailbox.close();
        while let Some(envelope) = mailbox.recv().await {
            self.deliver(id, envelope).await;
        }
    }

    /// Starts the task of a parked job once a worker is free.
    fn wait_for_worker(self: &Arc<Self>, id: JobId, queued: Option<Receiver<WorkerPermit>>) {
        let Some(queued) = queued else { return };
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(permit) = queued.await {
                let scheduled = Envelope { permit: Some(permit), ..Event::Scheduled.into() };
                registry.deliver(id, scheduled).await;
            }
        });
    }

    /// A job as its row describes it. Without `calls_guests`, any guest set will do.
    fn restore(&self, state: JobState, calls_guests: bool) -> JobSetup {
        let id = state.job.id;
        let mut parked = lock(&self.parked).remove(&id).unwrap_or_default();
        let found = || parked.guests.take().or_else(|| self.guests_of(&state));
        let guests = calls_guests.then(found).flatten();
        let is_orphan = guests.is_none();
        let guests = guests.unwrap_or_else(|| self.guests.current());
        let policy_view = Arc::new(state.job.policy_view(guests.public_params(state.job.kind)));
        let mut guest_refs = Vec::new();
        if !state.is_over() {
            guest_refs = self.services.recorder.journal.guests_of(id).unwrap_or_else(|error| {
                tracing::error!(job = %id.short(), %error, "cannot read the guests of a job, its result will not name them");
                Vec::new()
            });
            let resume = || self.capacity.resume(state.job.customer);
            parked.reservation = Some(parked.reservation.unwrap_or_else(resume));
        }
        JobSetup { state, policy_view, guests, is_orphan, guest_refs, parked }
    }

    /// The guest set that the job was admitted with, unless it is unavailable. A job without
    /// further decisions can use any, and so can the rows of the first versions.
    fn guests_of(&self, state: &JobState) -> Option<Arc<dyn GuestSet>> {
        let revision = state.plan.revision;
        if state.is_over() || revision == 0 {
            Some(self.guests.current())
        } else {
            self.guests.at(revision, state.job.kind)
        }
    }

    /// Removes the mailbox of a task that ended without closing it.
    fn remove_closed(&self, id: JobId) {
        let mut mailboxes = lock(&self.mailboxes);
        if mailboxes.open.get(&id).is_some_and(|mailbox| mailbox.sender.is_closed()) {
            mailboxes.open.remove(&id);
        }
    }
}
