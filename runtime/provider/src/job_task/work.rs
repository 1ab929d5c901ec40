//! The work: fetches inputs, waits for a worker, and runs attempts.

use super::JobTask;
use super::updates::Updates;
use crate::envelope::Envelope;
use crate::inputs::Texts;
use crate::panics::{Panicked, catch};
use crate::scheduler::Acquire;
use pylon_core::guest::GuestFunction;
use pylon_core::job::JobError;
use pylon_core::machine::Event;
use pylon_core::ports::executor::{AttemptResult, AttemptSpec};
use pylon_core::schedule::QueueEntry;
use std::sync::Arc;
use std::time::Instant;

impl JobTask {
    /// Fetches the inputs that are not in the request.
    pub(super) fn fetch_inputs(&mut self) {
        let inputs = &self.services.inputs;
        let job = Arc::clone(&self.state.job);
        let sources = inputs.sources(&*self.guests, job.kind);
        self.fetching = Some(Box::pin(catch(Arc::clone(inputs).fetch_inputs(job, sources))));
    }

    /// The inputs were fetched: the job joins the queue.
    pub(super) fn fetched(
        &mut self,
        texts: Result<Result<Texts, JobError>, Panicked>,
    ) -> Option<Event> {
        match texts {
            Ok(Ok(texts)) => {
                self.texts = Some(texts);
                self.enqueue()
            }
            Ok(Err(error)) => Some(Event::InputsFailed(error)),
            Err(Panicked) => Some(Event::Panicked),
        }
    }

    /// Joins the queue for a worker. If one is free, the job is scheduled at once.
    pub(super) fn enqueue(&mut self) -> Option<Event> {
        let entry = QueueEntry {
            id: self.state.job.id,
            customer: self.state.job.customer,
            kind: self.state.job.kind,
            priority: self.state.plan.offer.priority,
            since: self.state.received_at,
        };
        match self.services.scheduler.enqueue(entry) {
            Acquire::Now(permit) => {
                self.permit = Some(permit);
                Some(Event::Scheduled)
            }
            Acquire::Later(permit) => {
                self.parked.queued = Some(permit);
                None
            }
        }
    }

    /// Starts an attempt on the routes from this one on.
    pub(super) fn start_attempt(&mut self, attempt: u32, route: usize) {
        let plan = &self.state.plan;
        let spec = AttemptSpec {
            attempt,
            job: Arc::clone(&self.state.job),
            texts: self.texts.clone(),
            routes: plan.routes.get(route..).unwrap_or_default().to_vec(),
            revision: plan.revision,
            max_output_tokens: plan.offer.max_output_tokens,
            max_work_ms: plan.offer.max_work_ms,
            // Otherwise a customer could read most of the answer, withdraw, and get the payment
            // back.
            wants_partials: !plan.offer.terms.is_prepaid(),
        };
        let recorder = Arc::clone(&self.services.recorder);
        let updates = Arc::new(Updates { job: Arc::clone(&self.state.job), recorder });
        let executor = Arc::clone(&self.services.executor);
        self.running = Some(Box::pin(catch(async move { executor.run(spec, updates).await })));
    }

    /// An attempt ended: its event, with the decision of the handler.
    pub(super) fn attempt_finished(&mut self, result: Result<AttemptResult, Panicked>) -> Envelope {
        let Ok(result) = result else { return Event::Panicked.into() };
        let AttemptResult { attempt, answer, mut outcome, transcript, partial_sent, .. } = result;
        self.parked.node_time += result.elapsed.saturating_sub(result.backend_time);
        let decision =
            answer.map(|answer| self.decision(GuestFunction::Run, attempt, &transcript, &answer));
        let begun = Instant::now();
        // A result that cannot be delivered is not charged.
        if let Ok((output, _)) = &outcome
            && let Err(error) = self.services.recorder.market.check(&self.state.job, output)
        {
            outcome = Err(JobError::Failed(error.to_string()));
        }
        self.parked.node_time += begun.elapsed();
        let outcome = Box::new(outcome);
        let event = Event::AttemptFinished { attempt, partial_sent, outcome };
        Envelope::with(event, decision.into_iter().collect())
    }
}
