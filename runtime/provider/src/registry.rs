//! The mailboxes of the live jobs, and how a job that is not live is woken.

use super::Shared;
use super::live::Live;
use pylon_core::machine::{Event, Invoicing, JobState};
use pylon_core::rows::Row;
use pylon_core::{JobId, PublicKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Notes a job may be behind; who sends more waits.
const MAILBOX: usize = 16;

/// Something that happened to a job, with rows that are to be written with it.
pub(super) struct Note {
    pub(super) event: Event,
    pub(super) rows: Vec<Row>,
    /// For the operator's word on a result: told when it is written, and dropped where no result waits.
    pub(super) heard: Option<oneshot::Sender<()>>,
}

impl Note {
    pub(super) fn with(event: Event, rows: Vec<Row>) -> Self {
        Self { event, rows, heard: None }
    }
}

impl From<Event> for Note {
    fn from(event: Event) -> Self {
        Self::with(event, Vec::new())
    }
}

/// The mailboxes of all live jobs.
#[derive(Default)]
pub(super) struct Registry(Mutex<Mailboxes>);

#[derive(Default)]
struct Mailboxes {
    open: HashMap<JobId, Mailbox>,
    closed: bool,
}

struct Mailbox {
    /// Whose job it is, as long as the journal may not know.
    customer: Option<PublicKey>,
    sender: mpsc::Sender<Note>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Mailboxes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn holds(&self, id: JobId) -> bool {
        self.lock().open.contains_key(&id)
    }

    /// Whose job this is, if it is live and began here.
    pub(super) fn customer(&self, id: JobId) -> Option<PublicKey> {
        self.lock().open.get(&id)?.customer
    }

    /// Opens a mailbox, unless one is open.
    pub(super) fn open(
        &self,
        id: JobId,
        customer: Option<PublicKey>,
    ) -> Option<mpsc::Receiver<Note>> {
        let mut mailboxes = self.lock();
        if mailboxes.closed || mailboxes.open.contains_key(&id) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(MAILBOX);
        mailboxes.open.insert(id, Mailbox { customer, sender });
        Some(receiver)
    }

    /// A task that ended without closing its mailbox cannot be told anything.
    fn forget_closed(&self, id: JobId) {
        let mut mailboxes = self.lock();
        if mailboxes.open.get(&id).is_some_and(|mailbox| mailbox.sender.is_closed()) {
            mailboxes.open.remove(&id);
        }
    }

    pub(super) fn forget(&self, id: JobId) {
        self.lock().open.remove(&id);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// No job begins or goes on after this.
    pub(super) fn close(&self) {
        let mut mailboxes = self.lock();
        mailboxes.closed = true;
        mailboxes.open.clear();
    }
}

/// Tells a job what happened; one that is not live is taken from the journal for it.
pub(super) async fn tell(shared: &Arc<Shared>, id: JobId, mut note: Note) {
    loop {
        let sender = shared.registry.lock().open.get(&id).map(|mailbox| mailbox.sender.clone());
        let Some(sender) = sender else { break };
        match sender.send(note).await {
            Ok(()) => return,
            // It has just ended: its row in the journal is the latest.
            Err(mpsc::error::SendError(back)) => note = back,
        }
        shared.registry.forget_closed(id);
    }
    // First the mailbox, then the row: nobody else can change it in between.
    let Some(mailbox) = shared.registry.open(id, None) else { return };
    match shared.journal.job(id) {
        Ok(Some(state)) => Live::from_journal(shared, state, mailbox).go_on(note),
        Ok(None) => shared.registry.forget(id),
        Err(error) => {
            tracing::error!(job = %id.short(), %error, "cannot be taken from the journal");
            shared.registry.forget(id);
        }
    }
}

/// Goes on with a job after a start.
pub(super) fn resume(shared: &Arc<Shared>, state: JobState) {
    if state.is_over() && state.invoicing != Invoicing::Created {
        return;
    }
    if let Some(mailbox) = shared.registry.open(state.job.id, None) {
        Live::from_journal(shared, state, mailbox).resume();
    }
}
