//! Which jobs have a task: each has a mailbox, and a job without a task is taken from the journal
//! when something is delivered to it.

use crate::capacity::Capacity;
use crate::envelope::Envelope;
use crate::job_task::{JobSetup, JobTask, Mailbox, Services};
use pylon_core::machine::{Event, Invoicing, JobState, Step};
use pylon_core::ports::guests::{GuestSet, GuestSets};
use pylon_core::rows::Row;
use pylon_core::sync::lock;
use pylon_core::{JobId, PublicKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::mpsc;

/// Envelopes in a mailbox. While it is full, senders wait.
const MAILBOX_MAX: usize = 16;

/// The mailboxes of all job tasks.
pub(crate) struct Registry {
    mailboxes: Mutex<Mailboxes>,
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
        Arc::new(Self { mailboxes: Mutex::default(), services, guests, capacity })
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
    }

    /// Commits the admission of a job and runs its task to the end.
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
        let mailbox = task.admit(step, rows, begun).await;
        self.finish(id, mailbox).await;
    }

    /// Resumes a job after a restart.
    pub(crate) fn resume(self: &Arc<Self>, state: JobState) {
        if state.is_over() && state.invoicing != Invoicing::Created {
            return;
        }
        if let Some(mailbox) = self.open(state.job.id, None) {
            let setup = self.restore(state);
            let event =
                if setup.is_orphan { Event::RestartedWithoutGuests } else { Event::Restarted };
            self.start(setup, mailbox, event.into());
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
        // The mailbox is opened before the row is read, so that no other task can change the row in
        // between.
        let Some(mailbox) = self.open(id, None) else { return };
        match self.services.recorder.journal.job(id) {
            Ok(Some(state)) => self.start(self.restore(state), mailbox, envelope),
            Ok(None) => self.close(id),
            Err(error) => {
                tracing::error!(job = %id.short(), %error, "cannot read the job from the journal");
                self.close(id);
            }
        }
    }

    fn start(self: &Arc<Self>, setup: JobSetup, mailbox: Mailbox, first: Envelope) {
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            let id = setup.state.job.id;
            let task = JobTask::new(Arc::clone(&registry.services), setup, mailbox);
            let mailbox = task.run(first).await;
            registry.finish(id, mailbox).await;
        });
    }

    /// After a task has ended. A sender that found the mailbox before it was closed may have sent
    /// something until now: that is delivered to the row in the journal.
    async fn finish(self: &Arc<Self>, id: JobId, mut mailbox: Mailbox) {
        self.close(id);
        mailbox.close();
        while let Some(envelope) = mailbox.recv().await {
            self.deliver(id, envelope).await;
        }
    }

    /// A job as its row describes it.
    fn restore(&self, state: JobState) -> JobSetup {
        let id = state.job.id;
        let guests = self.guests_of(&state);
        let is_orphan = guests.is_none();
        let guests = guests.unwrap_or_else(|| self.guests.current());
        let policy_view = Arc::new(state.job.policy_view(guests.public_params(state.job.kind)));
        let (mut guest_refs, mut reservation) = (Vec::new(), None);
        if !state.is_over() {
            guest_refs = self.services.recorder.journal.guests_of(id).unwrap_or_else(|error| {
                tracing::error!(job = %id.short(), %error, "cannot read the guests of a job, its result will not name them");
                Vec::new()
            });
            reservation = Some(self.capacity.resume(state.job.customer));
        }
        JobSetup { state, policy_view, guests, is_orphan, guest_refs, reservation }
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
