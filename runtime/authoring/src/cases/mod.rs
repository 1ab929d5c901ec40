//! The cases of a guest: calls that its author wrote down, with what the answers must be, made on
//! the engine of a node.
//!
//! `file` reads them, `overlay` sets what a case says in values of the core, `defaults` has the
//! rest, `host` is what a handler finds behind its imports, `answer` names what was answered and
//! `expect` compares.

mod answer;
mod defaults;
mod expect;
mod file;
mod host;
mod overlay;
mod script;

pub use file::{Case, parse};

use answer::CaseAnswer;
use host::ScriptedHost;
use pylon_core::Job;
use pylon_core::decision::Refusal;
use pylon_core::guest::{Cost, GuestFunction};
use pylon_sandbox::{Grants, Inspection, Installed, Role, Sandbox, Setup, Slot};
use std::sync::Arc;

/// The result of one case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The name of the case.
    pub name: String,
    /// The function that was called.
    pub function: GuestFunction,
    /// The expectations that are not met, one line each. Empty: the case passed.
    pub unmet: Vec<String>,
    /// The cost of the call.
    pub cost: Cost,
    /// The largest cost allowed, in the unit of `cost`.
    pub budget: u64,
}

/// Runs all cases of a guest. A case that cannot be run has failed. Each case loads the guest with
/// its own settings, so the sandbox should have a cache for compiled code.
pub async fn run(
    sandbox: &Sandbox,
    bytes: &[u8],
    guest: &Inspection,
    cases: &[Case],
) -> Vec<CaseResult> {
    let mut results = Vec::with_capacity(cases.len());
    let (no_cost, budget) = match guest.role {
        Role::Handler => (Cost::CpuUs(0), guest.limits.cpu_ms.saturating_mul(1000)),
        _ => (Cost::Fuel(0), guest.limits.fuel),
    };
    for case in cases {
        let (unmet, cost) = match run_case(sandbox, bytes, guest, case).await {
            Ok((answer, cost)) => (case.expect.unmet(&answer), cost),
            Err(why) => (vec![why], no_cost),
        };
        let (name, function) = (case.name.clone(), case.function);
        results.push(CaseResult { name, function, unmet, cost, budget });
    }
    results
}

/// The answer and its cost, or why the call cannot be made.
async fn run_case(
    sandbox: &Sandbox,
    bytes: &[u8],
    guest: &Inspection,
    case: &Case,
) -> Result<(CaseAnswer, Cost), String> {
    let function = case.function;
    let role = Role::of(function);
    if role != guest.role {
        let (wanted, is) = (role.world(), guest.role.world());
        return Err(format!("`{function}` is a function of a {wanted}, not of a {is}"));
    }
    let job = case.job(guest.manifest.kinds.first().map(|served| served.kind));
    let slot = Slot::policy(guest.role)
        .or_else(|| Slot::of_kind(guest.role, job.kind))
        .ok_or("it fits in no slot")?;
    let setup = Setup {
        settings: case.settings.clone(),
        grants: Grants::all(),
        skip_self_test: true,
        ..Setup::default()
    };
    let guest = sandbox.load(slot, bytes, setup).await.map_err(|error| error.to_string())?;
    Ok(match function {
        GuestFunction::Quote => answer::quote(guest.quote(&job, &case.context, &case.situation)),
        GuestFunction::Settle => settle(&guest, case, &job)?,
        GuestFunction::Rank => {
            let ranking = guest.rank(&job, &case.candidates, &case.situation);
            answer::rank(ranking, &case.candidates)
        }
        GuestFunction::Judge => {
            answer::judge(guest.judge(&job, &case.output, &case.evidence, &case.situation))
        }
        GuestFunction::Run => {
            let host = Arc::new(ScriptedHost::new(case.texts.clone(), case.answers.clone()));
            let output = guest.run(&job, case.deadline_ms, Arc::clone(&host) as Arc<_>).await;
            answer::run(output, &host)
        }
    })
}

/// Without an offer in the case, the guest settles its own.
fn settle(guest: &Installed, case: &Case, job: &Job) -> Result<(CaseAnswer, Cost), String> {
    let no_offer = |why: String| format!("the guest makes no offer for this job: {why}");
    let offer = match &case.offer {
        Some(offer) => offer.clone(),
        None => {
            let answer = guest.quote(job, &case.context, &case.situation).value;
            let refused = |refusal: Refusal| no_offer(refusal.message());
            answer.map_err(|fault| no_offer(fault.to_string()))?.map_err(refused)?
        }
    };
    let due = guest.settle(job, &case.context, &offer, &case.route, &case.usage, &case.situation);
    Ok(answer::settle(due))
}
