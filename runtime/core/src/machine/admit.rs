//! The first state of a job.

use super::actions::{Effect, Step};
use super::columns::{Delivery, Execution, Invoicing, Settlement};
use super::plan::Plan;
use super::state::JobState;
use super::work::start_work;
use crate::decision::Terms;
use crate::event::DomainEvent;
use crate::{Job, Msat, UnixTime};
use std::sync::Arc;

/// Admits a job on the agreed plan.
pub fn admit(job: Job, mut plan: Plan, now: UnixTime) -> (JobState, Step) {
    if job.confidential {
        // The policy may have quoted the request.
        let offers = std::iter::once(&mut plan.offer).chain(&mut plan.fallback_offers);
        offers.for_each(|offer| offer.note.clear());
    }
    let terms = plan.offer.terms;
    let mut out = Step::default();
    out.emit(DomainEvent::JobReceived {
        job_id: job.id,
        kind: job.kind,
        customer_pubkey: job.customer,
        timestamp: now,
    });
    let mut state = JobState {
        job: Arc::new(job),
        plan: Arc::new(plan),
        execution: Execution::Received,
        delivery: Delivery::None,
        invoicing: Invoicing::None,
        settlement: Settlement::None,
        attempt: 0,
        route: 0,
        output: None,
        evidence: None,
        due: Msat::ZERO,
        invoice: None,
        paid: Msat::ZERO,
        failure: None,
        received_at: now,
        started_at: None,
        ended_at: None,
        text_purged_at: None,
    };
    match terms {
        Terms::Free | Terms::OnDelivery => start_work(&mut state, &mut out),
        Terms::BeforeWork | Terms::Hold => {
            state.execution = Execution::AwaitingPayment;
            state.due = state.plan.offer.price;
            state.invoicing = Invoicing::Created;
            let hold = terms == Terms::Hold;
            out.effects.push(Effect::CreateInvoice { amount: state.due, hold });
        }
    }
    (state, out)
}
