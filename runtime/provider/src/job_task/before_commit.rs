//! Before the commit: asks guests and builds rows, as far as the events lead that follow. Nothing
//! of it is visible outside.

use super::JobTask;
use crate::recorder::DecisionOf;
use pylon_core::decision_summary::Summarize;
use pylon_core::earnings::Earning;
use pylon_core::guest::{GuestAnswer, GuestFunction, GuestRef};
use pylon_core::machine::{self, CommitAction, Effect, Event, Settlement, Step};
use pylon_core::message::{Message, ReplyTo};
use pylon_core::rows::Row;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;

impl JobTask {
    /// Does the commit actions of the step and of those that follow. Returns all effects.
    pub(super) fn before_commit(&mut self, step: Step, rows: &mut Vec<Row>) -> Vec<Effect> {
        let Step { commit, mut effects } = step;
        let mut commit = VecDeque::from(commit);
        while let Some(action) = commit.pop_front() {
            if let Some(event) = self.commit_action(action, rows) {
                let now = self.services.recorder.now();
                let next = machine::step(&mut self.state, event, now);
                commit.extend(next.commit);
                effects.extend(next.effects);
            }
        }
        effects
    }

    fn commit_action(&mut self, action: CommitAction, rows: &mut Vec<Row>) -> Option<Event> {
        match action {
            CommitAction::Enqueue => self.enqueue(),
            CommitAction::Judge { attempt } => self.judge(attempt, rows),
            CommitAction::SettlePrice { attempt } => self.settle_price(attempt, rows),
            CommitAction::Deliver => self.deliver(rows),
            CommitAction::SendFeedback(status) => {
                let to = ReplyTo::of(&self.state.job);
                rows.extend(self.services.recorder.feedback(to, status));
                None
            }
            CommitAction::Earn { amount, source, payment_hash } => {
                let at = self.services.recorder.now();
                let job = self.state.job.id;
                rows.push(Row::Earn(Earning { job, amount, source, payment_hash, at }));
                None
            }
        }
    }

    fn judge(&mut self, attempt: u32, rows: &mut Vec<Row>) -> Option<Event> {
        let (output, evidence) = (self.state.output.clone()?, self.state.evidence.clone()?);
        let situation = self.services.scheduler.situation();
        let answer = self.guests.judge(&self.policy_view, &output, &evidence, &situation);
        let (journal, job) = (&self.services.recorder.journal, &self.state.job);
        let digest = |text: &str| journal.digest(job.id, text);
        let recorded = if job.confidential { evidence.redact(digest) } else { evidence };
        let question = (&recorded, &situation);
        rows.push(self.decision(GuestFunction::Judge, attempt, &question, &answer));
        match answer.value {
            Ok(verdict) => Some(Event::Judged { attempt, verdict }),
            Err(fault) => {
                tracing::warn!(
                    job = %self.state.job.id.short(),
                    %fault,
                    "no verdict: decide with `pylon jobs accept` or `pylon jobs reject`"
                );
                Some(Event::VerdictMissing { attempt })
            }
        }
    }

    fn settle_price(&mut self, attempt: u32, rows: &mut Vec<Row>) -> Option<Event> {
        let evidence = self.state.evidence.clone()?;
        let (route, usage) = (&evidence.route, &evidence.usage);
        let plan = Arc::clone(&self.state.plan);
        let (context, offer) = (plan.context_for(route), plan.offer_for(route));
        let step = context.step;
        // Without an answer of pricing the estimate of the offer is due, within its cap.
        let estimate = Event::AmountDue { attempt, due: offer.price, step };
        if self.is_orphan {
            return Some(estimate);
        }
        let situation = self.services.scheduler.situation();
        let answer =
            self.guests.settle(&self.policy_view, &context, offer, route, usage, &situation);
        let question = (route, usage, &situation);
        rows.push(self.decision(GuestFunction::Settle, attempt, &question, &answer));
        Some(answer.value.map_or(estimate, |due| Event::AmountDue { attempt, due, step }))
    }

    fn deliver(&self, rows: &mut Vec<Row>) -> Option<Event> {
        let output = self.state.output.as_ref()?;
        let is_unpaid = self.state.settlement == Settlement::Pending;
        let invoice = self.state.invoice.as_ref().filter(|_| is_unpaid);
        let due = invoice.map(|invoice| (invoice.amount, invoice.bolt11.clone()));
        let message =
            Message::Result { job: &self.state.job, output, due, guests: &self.guest_refs };
        match self.services.recorder.result(self.state.job.id, &message) {
            Some(row) => {
                rows.push(row);
                None
            }
            // The limits of the relays may have changed since the result was checked.
            None => Some(Event::Undeliverable),
        }
    }

    /// The row of a decision. Its guest is named in the result.
    pub(super) fn decision<T: Serialize + Summarize>(
        &mut self,
        function: GuestFunction,
        attempt: u32,
        question: &impl Serialize,
        answer: &GuestAnswer<T>,
    ) -> Row {
        if !self.guest_refs.contains(&answer.call.guest) {
            self.guest_refs.push(GuestRef::clone(&answer.call.guest));
        }
        let revision = self.guests.revision();
        let of = DecisionOf { job: &self.state.job, revision, function, attempt };
        self.services.recorder.decision(&of, question, answer)
    }
}
