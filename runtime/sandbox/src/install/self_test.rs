//! A policy answers the samples with the operator's settings before it answers anybody: no fault, no nonsense, and not the same complaint about
//! a setting every time. It finds what is broken, not what is hostile: a guest that waits for a real customer is held by its limits.
//!
//! How a policy says that it cannot read a setting: it refuses with `other` (verification: rejects) in words that hold `setting` and the
//! setting's name, as `no price: wrong setting base-msat`. One that answers all samples so would answer all jobs so, and is refused
//! as with a setting that it does not have.
//!
//! A handler's work is done by a host, and there is none yet. It is asked one thing in vain, for a moment: what counts is that it has `failed` with words
//! that begin with `wrong setting` and the setting's name. Whoever reads settings first is found out so.

use super::{InstallError, samples};
use crate::admission::Guest;
use crate::exports::description::{Nothing, briefly};
use crate::exports::handler;
use crate::handler::Work;
use crate::installed::{Code, Installed};
use pylon_core::decision::{Refusal, Verdict};
use pylon_core::guest::GuestAnswer;
use pylon_core::job::JobError;
use std::sync::Arc;

/// How a handler begins, as the SDK's `setting` does. Its one sample, without parameters, may be wrong for a good handler, so other words do not count.
const WRONG: &str = "wrong setting ";
/// Kind of the samples where a slot is for all kinds.
const ANY_KIND: u16 = 5050;

pub(crate) async fn self_test(guest: &Installed, kind: Option<u16>) -> Result<(), InstallError> {
    let kind = kind.unwrap_or(ANY_KIND);
    let said = match &guest.code {
        Code::Routing(..) => rank(guest, kind)?,
        Code::Pricing(..) => quote(guest, kind)?,
        Code::Verification(..) => judge(guest, kind)?,
        Code::Handler(..) => run(guest, kind).await,
    };
    let complaint =
        said.iter().map(|words| words.as_deref().filter(|words| names_a_setting(guest, words)));
    match complaint.collect::<Option<Vec<_>>>().and_then(|complaints| complaints.first().copied()) {
        Some(words) => Err(InstallError::Settings(words.into())),
        None => Ok(()),
    }
}

/// For each sample the words of a refusal.
type Said = Result<Vec<Option<String>>, InstallError>;

fn rank(guest: &Installed, kind: u16) -> Said {
    let situation = samples::situation();
    let ask = |(sample, job, candidates): (_, _, Vec<_>)| {
        Ok(refusal(answered(sample, guest.rank(&job, &candidates, &situation))?.err()))
    };
    samples::routed(kind).into_iter().map(ask).collect()
}

fn quote(guest: &Installed, kind: u16) -> Said {
    let (situation, route) = (samples::situation(), samples::route());
    let ask = |(sample, job, context)| {
        let offer = match answered(sample, guest.quote(&job, &context, &situation))? {
            Ok(offer) => offer,
            Err(refused) => return Ok(refusal(Some(refused))),
        };
        for usage in samples::usages() {
            answered(sample, guest.settle(&job, &context, &offer, &route, &usage, &situation))?;
        }
        Ok(None)
    };
    samples::priced(kind).into_iter().map(ask).collect()
}

fn judge(guest: &Installed, kind: u16) -> Said {
    let situation = samples::situation();
    let ask = |(sample, job, output, evidence)| {
        let verdict = answered(sample, guest.judge(&job, &output, &evidence, &situation))?;
        Ok(match verdict {
            Verdict::Reject(words) => Some(words),
            Verdict::Accept | Verdict::Retry(_) => None,
        })
    };
    samples::judged(kind).into_iter().map(ask).collect()
}

async fn run(guest: &Installed, kind: u16) -> Vec<Option<String>> {
    let Code::Handler(tier, handler) = &guest.code else { return Vec::new() };
    let job = samples::worked(kind);
    let work = Work {
        job: &job,
        limits: briefly(guest.limits),
        host: Arc::new(Nothing),
        guest: Guest::Described,
    };
    let words = match handler::run(tier, handler, work, &guest.settings).await.0 {
        Ok(Err(JobError::Failed(words))) if words.starts_with(WRONG) => Some(words),
        _ => None,
    };
    vec![words]
}

fn answered<T>(sample: &str, answer: GuestAnswer<T>) -> Result<T, InstallError> {
    answer.value.map_err(|fault| InstallError::SelfTest(format!("asked about {sample}: {fault}")))
}

fn refusal(refusal: Option<Refusal>) -> Option<String> {
    match refusal {
        Some(Refusal::Other(words)) => Some(words),
        _ => None,
    }
}

fn names_a_setting(guest: &Installed, words: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let mut named = words.split(|letter| !is_part(letter));
    words.contains("setting")
        && named.any(|word| guest.about.settings.iter().any(|setting| setting.name == word))
}
