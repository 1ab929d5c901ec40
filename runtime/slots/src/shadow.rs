//! A shadow: a policy that is put the questions of the active one, after its decisions are written, and whose answers nobody acts on.

use pylon_core::decision::{Candidate, QuoteContext, Situation};
use pylon_core::guest::{Cost, GuestAnswer, GuestFunction};
use pylon_core::installation::ShadowRow;
use pylon_core::machine::Plan;
use pylon_core::rows::{DecisionContext, DecisionRow};
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_core::{Job, JobId};
use pylon_sandbox::{Installed, Slot};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A question that the active guest has answered, and who is to be asked the same.
pub(crate) struct Question {
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

impl Question {
    /// `None` for a confidential job, whose text nobody else may see, and for work, which is not done twice.
    pub(super) fn of(
        slot: Slot,
        guest: &Arc<Installed>,
        decision: &DecisionRow,
        about: DecisionContext<'_>,
    ) -> Option<Self> {
        let asked = !about.job.confidential && decision.function != GuestFunction::Run;
        asked.then(|| Self {
            slot,
            guest: Arc::clone(guest),
            id: decision.job,
            job: Arc::clone(about.job),
            plan: about.plan.cloned(),
            output: about.output.filter(|_| decision.function == GuestFunction::Judge).cloned(),
            function: decision.function,
            attempt: decision.attempt,
            input: decision.input.clone(),
        })
    }

    /// What the shadow says; `None` if the question cannot be put again, as when the output was given up since.
    pub(crate) fn ask(self) -> Option<ShadowRow> {
        let (guest, job) = (&self.guest, &self.job);
        let (output, cost) = match self.function {
            GuestFunction::Rank => {
                let (candidates, situation): (Vec<Candidate>, Situation) = read(&self.input)?;
                said(guest.rank(job, &candidates, &situation))
            }
            GuestFunction::Quote => {
                let (context, situation): (QuoteContext, Situation) = read(&self.input)?;
                said(guest.quote(job, &context, &situation))
            }
            GuestFunction::Settle => {
                let (route, usage, situation): (Route, Usage, Situation) = read(&self.input)?;
                let plan = self.plan.as_ref()?;
                said(guest.settle(job, &plan.context, &plan.offer, &route, &usage, &situation))
            }
            GuestFunction::Judge => {
                let (evidence, situation): (Evidence, Situation) = read(&self.input)?;
                said(guest.judge(job, self.output.as_ref()?, &evidence, &situation))
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
            output,
            fuel,
        })
    }
}

fn read<T: DeserializeOwned>(input: &str) -> Option<T> {
    serde_json::from_str(input).ok()
}

fn said<T: Serialize>(answer: GuestAnswer<T>) -> (Result<String, pylon_core::guest::Fault>, Cost) {
    (answer.value.map(|said| serde_json::to_string(&said).unwrap_or_default()), answer.call.cost)
}
