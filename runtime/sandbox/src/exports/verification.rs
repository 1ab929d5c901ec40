//! `verification`: whether an output is good.

use super::validate::{ensure, is_message};
use crate::bindings::VerificationPolicyPre;
use crate::bindings::verification::Verdict as WitVerdict;
use crate::convert;
use crate::policy_engine::{PolicyCall, PolicyState};
use pylon_core::Job;
use pylon_core::decision::{Situation, Verdict};
use pylon_core::guest::{Cost, Fault};
use pylon_core::work::{Evidence, Output};

pub(crate) fn judge(
    call: &PolicyCall<'_>,
    policy: &VerificationPolicyPre<PolicyState>,
    job: &Job,
    output: &Output,
    evidence: &Evidence,
    situation: &Situation,
) -> (Result<Verdict, Fault>, Cost) {
    call.run(|store| {
        let (job, situation) = (convert::job(job), convert::situation(situation, call.settings));
        let (output, evidence) = (convert::output(output), convert::evidence(evidence));
        let policy = policy.instantiate(&mut *store)?;
        let verdict = policy
            .pylon_provider_verification()
            .call_judge(store, &job, &output, &evidence, &situation)?;
        match &verdict {
            WitVerdict::Accept => {}
            WitVerdict::Reject(text)
            | WitVerdict::Retry(text)
            | WitVerdict::InvalidSetting(text) => ensure(is_message(text))?,
        }
        Ok(match verdict {
            WitVerdict::Accept => Verdict::Accept,
            WitVerdict::Reject(reason) => Verdict::Reject(reason),
            WitVerdict::Retry(reason) => Verdict::Retry(reason),
            WitVerdict::InvalidSetting(name) => Verdict::InvalidSetting(name),
        })
    })
}
