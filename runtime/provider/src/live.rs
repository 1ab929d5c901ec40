//! A live job: the one task that owns its row. What happens comes as a note, is stepped, committed, and only then acted on.

use super::Shared;
use super::attempt::{self, Done, Task};
use super::commit::commit;
use super::errands::{self, Errand};
use super::gather::{self, Texts};
use super::line::{Ticket, Turn};
use super::places::Reserved;
use super::record;
use super::registry::{self, Note};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use pylon_core::decision::Terms;
use pylon_core::decision_summary::Summarize;
use pylon_core::earnings::Earning;
use pylon_core::guest::{GuestAnswer, GuestFunction, GuestRef};
use pylon_core::job::JobError;
use pylon_core::machine::{
    self, CommitAction, Delivery, Effect, Event, Execution, JobState, Settlement, Step,
};
use pylon_core::message::{JobStatus, Message, ReplyTo};
use pylon_core::payment::InvoiceRequest;
use pylon_core::ports::guests::GuestSet as Guests;
use pylon_core::rows::{DecisionContext, OutboxRow, Row};
use pylon_core::schedule::QueueEntry;
use pylon_core::{Job, Msat};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What belongs to a job while it is live.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) state: JobState,
    /// The job without what its handler keeps private: what policies see.
    pub(super) summary: Arc<Job>,
    pub(super) guests: Arc<dyn Guests>,
    /// They are not those that it was taken with, which are gone: none of them is asked.
    is_orphan: bool,
    /// Who was asked about it so far: the result names them.
    pub(super) guest_refs: Vec<GuestRef>,
    pub(super) mailbox: mpsc::Receiver<Note>,
    /// Its place in the bounded queue, until it is over.
    pub(super) place: Option<Reserved>,
    /// What the node itself has taken for it so far.
    pub(super) node: Duration,
    ticket: Option<Ticket>,
    turn: Option<oneshot::Receiver<Ticket>>,
    gathering: Option<BoxFuture<'static, Result<Texts, JobError>>>,
    /// The texts of the inputs, once they are at hand.
    texts: Option<Texts>,
    running: Option<BoxFuture<'static, Done>>,
    errands: FuturesUnordered<Errand>,
}

impl Live {
    pub(super) fn new(
        shared: &Arc<Shared>,
        state: JobState,
        guests: Arc<dyn Guests>,
        summary: Arc<Job>,
        mailbox: mpsc::Receiver<Note>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            state,
            summary,
            guests,
            is_orphan: false,
            guest_refs: Vec::new(),
            mailbox,
            place: None,
            node: Duration::ZERO,
            ticket: None,
            turn: None,
            gathering: None,
            texts: None,
            running: None,
            errands: FuturesUnordered::new(),
        }
    }

    /// As its row has it. What may still have a result knows who was asked about it before.
    pub(super) fn from_journal(
        shared: &Arc<Shared>,
        state: JobState,
        mailbox: mpsc::Receiver<Note>,
    ) -> Self {
        let kept = kept(shared, &state);
        let is_orphan = kept.is_none();
        let guests = kept.unwrap_or_else(|| shared.guests.current());
        let summary = Arc::new(state.job.policy_view(guests.public_params(state.job.kind)));
        let mut live = Self { is_orphan, ..Self::new(shared, state, guests, summary, mailbox) };
        if !live.state.is_over() {
            let id = live.state.job.id;
            live.guest_refs = shared.journal.guests_of(id).unwrap_or_else(|error| {
                tracing::error!(job = %id.short(), %error, "its result will not name who was asked before");
                Vec::new()
            });
            live.place = Some(shared.places.resume(live.state.job.customer));
        }
        live
    }

    /// After a start.
    pub(super) fn resume(self) {
        let event = if self.is_orphan { Event::RestartedWithoutGuests } else { Event::Restarted };
        self.go_on(event.into());
    }

    pub(super) fn go_on(mut self, note: Note) {
        tokio::spawn(async move {
            if self.advance(note).await {
                self.live().await;
            } else {
                self.leave().await;
            }
        });
    }

    /// Until nothing more is awaited that needs this task.
    pub(super) async fn live(mut self) {
        loop {
            if self.is_idle() && self.mailbox.is_empty() {
                return self.leave().await;
            }
            let note = tokio::select! {
                note = self.mailbox.recv() => match note {
                    Some(note) => note,
                    // The node stops: what is under way is in the journal.
                    None => return,
                },
                gathered = ready(&mut self.gathering) => match gathered {
                    Ok(texts) => {
                        self.texts = Some(texts);
                        match self.line_up() {
                            Some(event) => event.into(),
                            None => continue,
                        }
                    }
                    Err(error) => Event::InputsFailed(error).into(),
                },
                done = ready(&mut self.running) => self.ran(done),
                ticket = ready(&mut self.turn) => match ticket {
                    Ok(ticket) => {
                        self.ticket = Some(ticket);
                        Event::Scheduled.into()
                    }
                    Err(_) => continue,
                },
                Some(event) = self.errands.next(), if !self.errands.is_empty() => match event {
                    Some(event) => event.into(),
                    None => continue,
                },
            };
            if !self.advance(note).await {
                return self.leave().await;
            }
        }
    }

    /// Ends this task. What it held is free, and what somebody was telling it meanwhile is told to the row in the journal.
    async fn leave(self) {
        let Self {
            shared,
            state,
            mut mailbox,
            place,
            ticket,
            turn,
            gathering,
            running,
            errands,
            ..
        } = self;
        let id = state.job.id;
        shared.line.give_up(id);
        drop((place, ticket, turn, gathering, running, errands));
        shared.registry.forget(id);
        mailbox.close();
        // Whoever had found the mailbox before it was forgotten may have put something in until now.
        while let Some(note) = mailbox.recv().await {
            registry::tell(&shared, id, note).await;
        }
    }

    fn is_idle(&self) -> bool {
        self.state.is_over()
            && self.state.delivery != Delivery::Queued
            && self.running.is_none()
            && self.errands.is_empty()
    }

    /// An attempt has ended: its decision and its event.
    fn ran(&mut self, done: Done) -> Note {
        let busy = done.elapsed.saturating_sub(done.backend);
        self.node += busy;
        let rows =
            vec![self.record(GuestFunction::Run, done.attempt, &done.transcript, &done.answer)];
        let event = Event::AttemptFinished {
            attempt: done.attempt,
            partial_sent: done.partial_sent,
            outcome: Box::new(done.outcome),
        };
        Note::with(event, rows)
    }

    /// Steps, asks the guests that the step wants asked, commits all of it, and acts. `false`: it cannot be written, now or ever, and this state
    /// is not that of the row.
    async fn advance(&mut self, note: Note) -> bool {
        let begun = Instant::now();
        let columns = self.columns();
        let Note { event, mut rows, heard } = note;
        // Of two words on a result the first one holds.
        if heard.is_some() && !self.state.is_in_review() {
            return true;
        }
        let step = machine::step(&mut self.state, event, self.shared.clock.now());
        let effects = self.resolve(step, &mut rows);
        if rows.is_empty() && effects.is_empty() && columns == self.columns() {
            return true;
        }
        let letters = record::letters(&rows);
        rows.push(Row::Update(Box::new(self.state.clone())));
        let rows: Arc<[Row]> = rows.into();
        let written = commit(&self.shared, self.state.job.id, Arc::clone(&rows)).await.is_ok();
        if written {
            self.decided(&rows);
            self.act(effects, letters, begun);
            if let Some(heard) = heard {
                // Who asked may have gone.
                let _ = heard.send(());
            }
        }
        written
    }

    /// What its guests have decided is written.
    pub(super) fn decided(&self, rows: &[Row]) {
        let about = DecisionContext {
            job: &self.summary,
            plan: Some(&self.state.plan),
            output: self.state.output.as_ref(),
        };
        self.shared.decided(rows, about);
    }

    /// Does what belongs into the commit, as far as it leads. The effects wait for the commit.
    pub(super) fn resolve(&mut self, step: Step, rows: &mut Vec<Row>) -> Vec<Effect> {
        let Step { commit, mut effects } = step;
        let mut commit = VecDeque::from(commit);
        while let Some(action) = commit.pop_front() {
            if let Some(event) = self.decide(action, rows) {
                let next = machine::step(&mut self.state, event, self.shared.clock.now());
                commit.extend(next.commit);
                effects.extend(next.effects);
            }
        }
        effects
    }

    fn decide(&mut self, action: CommitAction, rows: &mut Vec<Row>) -> Option<Event> {
        match action {
            CommitAction::Enqueue => return self.line_up(),
            CommitAction::Judge { attempt } => return self.judge(attempt, rows),
            CommitAction::SettlePrice { attempt } => return self.settle_price(attempt, rows),
            CommitAction::SendFeedback(status) => self.tell_customer(status, rows),
            CommitAction::Deliver => return self.deliver(rows),
            CommitAction::Earn { amount, source, payment_hash } => rows.push(Row::Earn(Earning {
                job: self.state.job.id,
                amount,
                source,
                payment_hash,
                at: self.shared.clock.now(),
            })),
        }
        None
    }

    /// The commit has happened: the world may see it.
    pub(super) fn act(&mut self, effects: Vec<Effect>, letters: Vec<OutboxRow>, begun: Instant) {
        for letter in letters {
            self.shared.outbox.send(letter);
        }
        for effect in effects {
            match effect {
                Effect::Run { attempt, route } => self.start(attempt, route),
                Effect::FetchInputs => {
                    self.gathering =
                        Some(Box::pin(gather::gather(&self.shared, &*self.guests, &self.state.job)))
                }
                Effect::Abort => {
                    self.running = None;
                    self.gathering = None;
                    self.turn = None;
                    self.shared.line.give_up(self.state.job.id);
                }
                Effect::CreateInvoice { amount, hold } => self
                    .errands
                    .push(errands::invoice(&self.shared, self.invoice_request(amount, hold))),
                Effect::SettleHold(hash) => self.errands.push(errands::claim(&self.shared, hash)),
                Effect::CancelInvoice(hash) => {
                    self.errands.push(errands::release(&self.shared, hash))
                }
                Effect::EmitEvent(event) => self.shared.bus.announce(event),
            }
        }
        // A worker is free as soon as there is nothing to run, whatever the money does.
        if self.running.is_none() && self.state.execution != Execution::Received {
            self.ticket = None;
        }
        self.node += begun.elapsed();
        if self.state.is_over() && self.place.take().is_some() {
            let node_micros = micros(self.node);
            self.shared.bus.step(self.state.job.id, || crate::Step::Over { node_micros });
        }
    }

    /// Joins the line; a free worker begins at once, in the same commit.
    fn line_up(&mut self) -> Option<Event> {
        match self.shared.line.join(self.line_place()) {
            Turn::Now(ticket) => {
                self.ticket = Some(ticket);
                Some(Event::Scheduled)
            }
            Turn::Later(turn) => {
                self.turn = Some(turn);
                None
            }
        }
    }

    fn start(&mut self, attempt: u32, route: usize) {
        let task = Task {
            job: Arc::clone(&self.state.job),
            texts: self.texts.clone(),
            guests: Arc::clone(&self.guests),
            routes: self.state.plan.routes.get(route..).unwrap_or_default().to_vec(),
            attempt,
            max_output_tokens: self.state.plan.offer.max_output_tokens,
            max_work_ms: self.state.plan.offer.max_work_ms,
            // Who has read most of the answer and withdraws would have it for nothing.
            partials: matches!(self.state.plan.offer.terms, Terms::Free | Terms::OnDelivery),
        };
        self.running = Some(Box::pin(attempt::run(Arc::clone(&self.shared), task)));
    }

    fn judge(&mut self, attempt: u32, rows: &mut Vec<Row>) -> Option<Event> {
        let (output, evidence) = (self.state.output.clone()?, self.state.evidence.clone()?);
        let situation = record::situation(&self.shared);
        let answer = self.guests.judge(&self.summary, &output, &evidence, &situation);
        let digest = |text: &str| self.shared.journal.digest(self.state.job.id, text);
        let shown = if self.state.job.confidential { evidence.redact(digest) } else { evidence };
        rows.push(self.record(GuestFunction::Judge, attempt, &(&shown, &situation), &answer));
        match answer.value {
            Ok(verdict) => Some(Event::Judged { attempt, verdict }),
            Err(fault) => {
                let job = self.state.job.id.short();
                tracing::warn!(job, %fault, "no verdict: the result waits for `pylon jobs accept` or `pylon jobs reject`");
                Some(Event::VerdictMissing { attempt })
            }
        }
    }

    fn settle_price(&mut self, attempt: u32, rows: &mut Vec<Row>) -> Option<Event> {
        let evidence = self.state.evidence.clone()?;
        let plan = Arc::clone(&self.state.plan);
        // The offer was an agreement: without an answer its estimate holds, but never above what was agreed.
        let estimated =
            Event::AmountDue { attempt, due: plan.offer.price, step: plan.context.step };
        if self.is_orphan {
            return Some(estimated);
        }
        let situation = record::situation(&self.shared);
        let answer = self.guests.settle(
            &self.summary,
            &plan.context,
            &plan.offer,
            &evidence.route,
            &evidence.usage,
            &situation,
        );
        rows.push(self.record(
            GuestFunction::Settle,
            attempt,
            &(&evidence.route, &evidence.usage, &situation),
            &answer,
        ));
        Some(answer.value.map_or(estimated, |due| Event::AmountDue {
            attempt,
            due,
            step: plan.context.step,
        }))
    }

    /// The flight recorder: what was asked and answered, seen by observers too.
    pub(super) fn record<T: Serialize + Summarize>(
        &mut self,
        function: GuestFunction,
        attempt: u32,
        question: &impl Serialize,
        answer: &GuestAnswer<T>,
    ) -> Row {
        if !self.guest_refs.contains(&answer.call.guest) {
            self.guest_refs.push(GuestRef::clone(&answer.call.guest));
        }
        record::decision(
            &self.shared,
            &self.state.job,
            self.guests.revision(),
            function,
            attempt,
            question,
            answer,
        )
    }

    fn tell_customer(&self, status: JobStatus, rows: &mut Vec<Row>) {
        rows.extend(record::feedback(&self.shared, ReplyTo::of(&self.state.job), status));
    }

    fn deliver(&self, rows: &mut Vec<Row>) -> Option<Event> {
        let output = self.state.output.as_ref()?;
        let unpaid = self.state.settlement == Settlement::Pending;
        let due = self
            .state
            .invoice
            .as_ref()
            .filter(|_| unpaid)
            .map(|invoice| (invoice.amount, invoice.bolt11.clone()));
        let message =
            Message::Result { job: &self.state.job, output, due, guests: &self.guest_refs };
        match record::result(&self.shared, self.state.job.id, &message) {
            Some(row) => rows.push(row),
            // Relays may take less than when it was checked.
            None => return Some(Event::Undeliverable),
        }
        None
    }

    fn line_place(&self) -> QueueEntry {
        QueueEntry {
            id: self.state.job.id,
            customer: self.state.job.customer,
            kind: self.state.job.kind,
            priority: self.state.plan.offer.priority,
            since: self.state.received_at,
        }
    }

    fn invoice_request(&self, amount: Msat, hold: bool) -> InvoiceRequest {
        let job = &self.state.job;
        InvoiceRequest {
            id: job.id.to_hex(),
            amount,
            description: format!("Job {} (kind {})", job.id.short(), job.kind),
            expiry_seconds: self.state.plan.offer.valid_seconds,
            hold,
        }
    }

    fn columns(&self) -> impl PartialEq + use<> {
        let state = &self.state;
        (
            state.execution,
            state.delivery,
            state.invoicing,
            state.settlement,
            state.attempt,
            state.paid,
        )
    }
}

/// The revision that the job was admitted with, unless it is gone. What has no more to decide can do with any, and so can rows of the first versions.
fn kept(shared: &Shared, state: &JobState) -> Option<Arc<dyn Guests>> {
    let number = state.plan.revision;
    if state.is_over() || number == 0 {
        Some(shared.guests.current())
    } else {
        shared.guests.at(number, state.job.kind)
    }
}

/// Resolves with what is there, and never if nothing is.
async fn ready<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot {
        Some(future) => {
            let output = future.await;
            *slot = None;
            output
        }
        None => std::future::pending().await,
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
