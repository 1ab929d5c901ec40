//! Decisions of guests in a few words, for display and for the journal.

use crate::Msat;
use crate::decision::{Offer, Ranking, Refusal, Terms, Verdict};
use crate::guest::{Fault, GuestFunction};
use crate::job::JobError;
use crate::work::Output;
use serde::de::DeserializeOwned;

/// The answer of a guest, which can be summarized and redacted.
pub trait Summarize: Sized {
    /// A few words for display.
    fn summary(&self) -> String;

    /// Replaces every text that the guest wrote.
    fn redact(&self, with: &dyn Fn(&str) -> String) -> Self;
}

/// Summarizes an answer from the journal's JSON. The function is one of [`GuestFunction`].
pub fn summarize(function: &str, answer: &Result<String, Fault>) -> String {
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => return format!("no answer: {fault}"),
    };
    let summary = match function.parse() {
        Ok(GuestFunction::Rank) => read::<Result<Ranking, Refusal>>(answer),
        Ok(GuestFunction::Quote) => read::<Result<Offer, Refusal>>(answer),
        Ok(GuestFunction::Settle) => read::<Msat>(answer),
        Ok(GuestFunction::Judge) => read::<Verdict>(answer),
        Ok(GuestFunction::Run) => read::<Result<Output, JobError>>(answer),
        Err(_) => None,
    };
    // Otherwise the row was modified, or another version wrote it.
    summary.unwrap_or_else(|| answer.clone())
}

fn read<T: DeserializeOwned + Summarize>(answer: &str) -> Option<String> {
    serde_json::from_str::<T>(answer).ok().map(|answer| answer.summary())
}

/// When an offer is to be paid, and how much.
pub fn offer_summary(offer: &Offer) -> String {
    match offer.terms {
        Terms::Free => "free".into(),
        Terms::OnDelivery => format!("about {} on delivery", offer.price),
        Terms::BeforeWork => format!("{} before work", offer.price),
        Terms::Hold => format!("{} held until success", offer.price),
    }
}

/// A refusal with its message to the customer.
pub fn refusal_summary(refusal: &Refusal) -> String {
    format!("refused: {}", refusal.message())
}

impl Summarize for Result<Ranking, Refusal> {
    fn summary(&self) -> String {
        match self {
            Ok(Ranking { order, note }) if note.is_empty() => format!("{} to try", order.len()),
            Ok(Ranking { order, note }) => format!("{} to try: {note}", order.len()),
            Err(why) => refusal_summary(why),
        }
    }

    fn redact(&self, with: &dyn Fn(&str) -> String) -> Self {
        let ranking =
            |ranking: &Ranking| Ranking { order: ranking.order.clone(), note: with(&ranking.note) };
        self.as_ref().map(ranking).map_err(|refusal| refusal.redact(with))
    }
}

impl Summarize for Result<Offer, Refusal> {
    fn summary(&self) -> String {
        self.as_ref().map_or_else(refusal_summary, offer_summary)
    }

    fn redact(&self, with: &dyn Fn(&str) -> String) -> Self {
        let offer = |offer: &Offer| Offer { note: with(&offer.note), ..offer.clone() };
        self.as_ref().map(offer).map_err(|refusal| refusal.redact(with))
    }
}

impl Summarize for Msat {
    fn summary(&self) -> String {
        format!("{self} due")
    }

    fn redact(&self, _: &dyn Fn(&str) -> String) -> Self {
        *self
    }
}

impl Summarize for Verdict {
    fn summary(&self) -> String {
        match self {
            Self::Accept => "accepted".into(),
            Self::Reject(why) => format!("rejected: {why}"),
            Self::Retry(why) => format!("try again: {why}"),
            Self::InvalidSetting(name) => format!("invalid setting: {name}"),
        }
    }

    fn redact(&self, with: &dyn Fn(&str) -> String) -> Self {
        Self::redact(self, with)
    }
}

impl Summarize for Result<Output, JobError> {
    fn summary(&self) -> String {
        match self {
            Ok(output) => format!("{} bytes of {}", output.content.len(), output.mime),
            Err(JobError::Invalid(why) | JobError::Failed(why)) => why.clone(),
            Err(JobError::NoBackend) => "no backend".into(),
            Err(JobError::Timeout) => "timeout".into(),
            Err(JobError::InvalidSetting(name)) => format!("invalid setting: {name}"),
        }
    }

    fn redact(&self, with: &dyn Fn(&str) -> String) -> Self {
        self.as_ref().map(|output| output.redact(with)).map_err(|error| error.redact(with))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of each function in the journal's JSON, and one that is not an answer.
    #[test]
    fn recorded_answers_are_summarized() {
        let offer = r#"{"Ok":{"terms":"on-delivery","price":1234,"cap":1500,"max_output_tokens":9,
            "max_work_ms":1,"valid_seconds":1,"priority":0,"note":""}}"#;
        for (function, answer, summary) in [
            ("rank", "{\"Ok\":{\"order\":[1,0],\"note\":\"a/b first\"}}", "2 to try: a/b first"),
            ("rank", "{\"Err\":\"no_backend\"}", "refused: no backend"),
            ("quote", offer, "about 1234 msat on delivery"),
            (
                "quote",
                "{\"Err\":{\"bid_too_low\":1200}}",
                "refused: bid too low: the price is 1200 msat",
            ),
            ("settle", "999", "999 msat due"),
            ("judge", "{\"retry\":\"too short\"}", "try again: too short"),
            ("run", "{\"Err\":\"timeout\"}", "timeout"),
            ("settle", "{}", "{}"),
        ] {
            assert_eq!(summarize(function, &Ok(answer.into())), summary, "{answer}");
        }
        assert!(summarize("judge", &Err(Fault::Fuel)).starts_with("no answer: "));
    }
}
