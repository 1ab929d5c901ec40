//! After the commit: starts the work, calls the wallet and emits events.

use super::JobTask;
use crate::bus::{JobStep, whole_us};
use pylon_core::Msat;
use pylon_core::machine::{Effect, Execution};
use pylon_core::payment::InvoiceRequest;
use std::time::Instant;

impl JobTask {
    /// Runs the effects of a commit.
    pub(super) fn after_commit(&mut self, effects: Vec<Effect>, begun: Instant) {
        effects.into_iter().for_each(|effect| self.run_effect(effect));
        // A job without an attempt frees its worker, whatever is left to pay or send.
        if self.running.is_none() && self.state.execution != Execution::Received {
            self.permit = None;
        }
        self.parked.node_time += begun.elapsed();
        if self.state.is_over() && self.parked.reservation.take().is_some() {
            let node_us = whole_us(self.parked.node_time);
            let finished = || JobStep::Finished { node_us };
            self.services.recorder.bus.emit_step(self.state.job.id, finished);
        }
    }

    fn run_effect(&mut self, effect: Effect) {
        let payments = &self.services.payments;
        match effect {
            Effect::Run { attempt, route } => self.start_attempt(attempt, route),
            Effect::FetchInputs => self.fetch_inputs(),
            Effect::Abort => {
                self.running = None;
                self.fetching = None;
                self.parked.queued = None;
                self.services.scheduler.cancel(self.state.job.id);
            }
            Effect::CreateInvoice { amount, hold } => {
                let request = self.invoice_request(amount, hold);
                self.wallet_calls.push(payments.create_invoice(request));
            }
            Effect::SettleHold(hash) => self.wallet_calls.push(payments.settle_hold(hash)),
            Effect::CancelInvoice(hash) => self.wallet_calls.push(payments.cancel_invoice(hash)),
            Effect::EmitEvent(event) => self.services.recorder.bus.emit(event),
        }
    }

    fn invoice_request(&self, amount: Msat, hold: bool) -> InvoiceRequest {
        let job = &self.state.job;
        InvoiceRequest {
            id: job.id.to_hex(),
            amount,
            description: format!("Job {} (kind {})", job.id.short(), job.kind),
            expiry_seconds: self.state.offer().valid_seconds,
            hold,
        }
    }
}
