//! Passes the updates of a running attempt on: progress to observers, partial results to the
//! customer.

use crate::outbox::Outgoing;
use crate::recorder::JobRecorder;
use pylon_core::Job;
use pylon_core::event::DomainEvent;
use pylon_core::message::{JobStatus, Message, ReplyTo};
use pylon_core::ports::executor::{AttemptSink, AttemptUpdate};
use std::sync::Arc;

pub(super) struct Updates {
    pub(super) job: Arc<Job>,
    pub(super) recorder: Arc<JobRecorder>,
}

impl AttemptSink for Updates {
    fn send(&self, update: AttemptUpdate) {
        match update {
            AttemptUpdate::Progress(permille) => self.progress(permille),
            AttemptUpdate::Partial(text) => self.partial(text),
        }
    }
}

impl Updates {
    fn progress(&self, permille: u32) {
        #[allow(clippy::cast_precision_loss, reason = "at most 1000")]
        let progress = permille.min(1000) as f32 / 1000.0;
        let timestamp = self.recorder.now();
        let event = DomainEvent::JobProgress { job_id: self.job.id, progress, timestamp };
        self.recorder.bus.emit(event);
    }

    fn partial(&self, text: String) {
        let to = ReplyTo::of(&self.job);
        let message = Message::Feedback { to, status: JobStatus::Partial(text) };
        match self.recorder.market.sign(&message, self.recorder.now()) {
            Ok(message) => self.recorder.outbox.send(Outgoing::BestEffort(self.job.id, message)),
            Err(error) => {
                tracing::debug!(job = %self.job.id.short(), %error, "partial result not sent");
            }
        }
    }
}
