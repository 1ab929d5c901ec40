//! Before a guest is installed, it has to answer samples with the operator's settings: without a
//! fault, without invalid output, and without reporting an invalid setting. This finds broken
//! guests. Hostile guests are contained by their limits.
//!
//! A handler's work needs a host, and there is none at this point. It gets a single job with a host
//! that has nothing, and only `invalid-setting` counts: a handler that reads its settings first is
//! tested.

use super::samples;
use crate::error::InstallError;
use crate::exports::description::{NoHost, installation_limits};
use crate::exports::handler;
use crate::handler_engine::HandlerCall;
use crate::handler_pool::Caller;
use crate::installed::{Code, Installed};
use pylon_core::decision::{Refusal, Verdict};
use pylon_core::guest::GuestAnswer;
use pylon_core::job::JobError;
use std::sync::Arc;

/// Kind of the samples for a slot that serves all kinds.
const ANY_KIND: u16 = 5050;

pub(crate) async fn self_test(guest: &Installed, kind: Option<u16>) -> Result<(), InstallError> {
    let kind = kind.unwrap_or(ANY_KIND);
    match &guest.code {
        Code::Routing(..) => rank(guest, kind),
        Code::Pricing(..) => quote(guest, kind),
        Code::Verification(..) => judge(guest, kind),
        Code::Handler(..) => run(guest, kind).await,
    }
}

fn rank(guest: &Installed, kind: u16) -> Result<(), InstallError> {
    let situation = samples::situation();
    for (sample, job, candidates) in samples::routed(kind) {
        accepted(answered(sample, guest.rank(&job, &candidates, &situation))?)?;
    }
    Ok(())
}

fn quote(guest: &Installed, kind: u16) -> Result<(), InstallError> {
    let (situation, route) = (samples::situation(), samples::route());
    for (sample, job, context) in samples::priced(kind) {
        let Some(offer) = accepted(answered(sample, guest.quote(&job, &context, &situation))?)?
        else {
            continue;
        };
        for usage in samples::usages() {
            answered(sample, guest.settle(&job, &context, &offer, &route, &usage, &situation))?;
        }
    }
    Ok(())
}

fn judge(guest: &Installed, kind: u16) -> Result<(), InstallError> {
    let situation = samples::situation();
    for (sample, job, output, evidence) in samples::judged(kind) {
        let answer = guest.judge(&job, &output, &evidence, &situation);
        if let Verdict::InvalidSetting(name) = answered(sample, answer)? {
            return Err(InstallError::InvalidSetting(name));
        }
    }
    Ok(())
}

async fn run(guest: &Installed, kind: u16) -> Result<(), InstallError> {
    let Code::Handler(engine, handler) = &guest.code else { return Ok(()) };
    let job = samples::worked(kind);
    let call = HandlerCall {
        job: &job,
        limits: installation_limits(guest.limits),
        host: Arc::new(NoHost),
        caller: Caller::Node,
    };
    match handler::run(engine, handler, call, &guest.settings).await.0 {
        Ok(Err(JobError::InvalidSetting(name))) => Err(InstallError::InvalidSetting(name)),
        _ => Ok(()),
    }
}

fn answered<T>(sample: &str, answer: GuestAnswer<T>) -> Result<T, InstallError> {
    answer.value.map_err(|fault| InstallError::SelfTest(format!("{sample}: {fault}")))
}

/// `None` for a refusal, unless it is about a setting.
fn accepted<T>(answer: Result<T, Refusal>) -> Result<Option<T>, InstallError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Refusal::InvalidSetting(name)) => Err(InstallError::InvalidSetting(name)),
        Err(_) => Ok(None),
    }
}
