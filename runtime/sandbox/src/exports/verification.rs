//! `verification`: is the output good?

use super::{is_sentence, sane};
use crate::bindings::VerificationPolicyPre;
use crate::bindings::verification::Verdict as Judged;
use crate::convert;
use crate::installed::Installed;
use crate::policy::PolicyState;
use pylon_core::Job;
use pylon_core::decision::{Situation, Verdict};
use pylon_core::guest::GuestAnswer;
use pylon_core::work::{Evidence, Output};

pub(crate) fn judge(
    guest: &Installed,
    policy: &VerificationPolicyPre<PolicyState>,
    job: &Job,
    output: &Output,
    evidence: &Evidence,
    situation: &Situation,
) -> GuestAnswer<Verdict> {
    guest.ask(|store, settings| {
        let (job, situation) = (convert::job(job), convert::situation(situation, settings));
        let (output, evidence) = (convert::output(output), convert::evidence(evidence));
        let policy = policy.instantiate(&mut *store)?;
        let verdict = policy
            .pylon_provider_verification()
            .call_judge(store, &job, &output, &evidence, &situation)?;
        match &verdict {
            Judged::Accept => {}
            Judged::Reject(why) | Judged::Retry(why) => sane(is_sentence(why))?,
        }
        Ok(match verdict {
            Judged::Accept => Verdict::Accept,
            Judged::Reject(why) => Verdict::Reject(why),
            Judged::Retry(why) => Verdict::Retry(why),
        })
    })
}
