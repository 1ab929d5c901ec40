//! A shadow: a policy that is asked for the same decisions as the serving one, after these are
//! committed. Its answers are recorded and have no effect.

use pylon_core::decision::{Candidate, QuoteContext, Situation};
use pylon_core::guest::{Cost, Fault, GuestAnswer, GuestFunction};
use pylon_core::installation::ShadowRow;
use pylon_core::machine::Plan;
use pylon_core::rows::{DecisionContext, DecisionRow};
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_core::{Job, JobId};
use pylon_sandbox::{Installed, Slot};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A decision of the serving guest that a shadow has to answer, too.
pub(crate) struct ShadowQuestion {
    slot: Slot,
    guest: Arc<Installed>,
    id: JobId,
    job: Arc<Job>,
    plan: Option<Arc<Plan>>,
    output: Option<Output>,
    function: GuestFunction,
    attempt: u32,
    input: String,
}

impl ShadowQuestion {
    /// `None` for a confidential job, whose text is for the serving guest alone, and for the work
    /// of a handler, which is not done twice.
    pub(crate) fn new(
        slot: Slot,
        guest: &Arc<Installed>,
        decision: &DecisionRow,
        context: DecisionContext<'_>,
    ) -> Option<Self> {
        let is_shadowed = !context.job.confidential && decision.function != GuestFunction::Run;
        is_shadowed.then(|| Self {
            slot,
            guest: Arc::clone(guest),
            id: decision.job,
            job: Arc::clone(context.job),
            plan: context.plan.cloned(),
            output: context.output.filter(|_| decision.function == GuestFunction::Judge).cloned(),
            function: decision.function,
            attempt: decision.attempt,
            input: decision.input.clone(),
        })
    }

    /// Calls the shadow. `None` if the question cannot be repeated, for example because the output
    /// was purged since.
    pub(crate) fn answer(self) -> Option<ShadowRow> {
        let (guest, job) = (&self.guest, &self.job);
        let (output, cost) = match self.function {
            GuestFunction::Rank => {
                let (candidates, situation): (Vec<Candidate>, Situation) = parse(&self.input)?;
                to_recorded(guest.rank(job, &candidates, &situation))
            }
            GuestFunction::Quote => {
                let (context, situation): (QuoteContext, Situation) = parse(&self.input)?;
                to_recorded(guest.quote(job, &context, &situation))
            }
            GuestFunction::Settle => {
                let (route, usage, situation): (Route, Usage, Situation) = parse(&self.input)?;
                let plan = self.plan.as_ref()?;
                let (context, offer) = (plan.context_for(&route), plan.offer_for(&route));
                to_recorded(guest.settle(job, &context, offer, &route, &usage, &situation))
            }
            GuestFunction::Judge => {
                let (evidence, situation): (Evidence, Situation) = parse(&self.input)?;
                to_recorded(guest.judge(job, self.output.as_ref()?, &evidence, &situation))
            }
            GuestFunction::Run => return None,
        };
        let fuel = if let Cost::Fuel(units) = cost { units } else { 0 };
        let (slot, digest) = (self.slot.to_string(), guest.guest_ref().digest);
        Some(ShadowRow {
            slot,
            digest,
            job: self.id,
            function: self.function,
            attempt: self.attempt,
            input: self.input,
            output,
            fuel,
        })
    }
}

fn parse<T: DeserializeOwned>(input: &str) -> Option<T> {
    serde_json::from_str(input).ok()
}

/// An answer in the form in which the journal records the serving guest's.
fn to_recorded<T: Serialize>(answer: GuestAnswer<T>) -> (Result<String, Fault>, Cost) {
    let output = answer.value.map(|value| serde_json::to_string(&value).unwrap_or_default());
    (output, answer.call.cost)
}
