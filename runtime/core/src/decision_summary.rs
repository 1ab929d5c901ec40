//! What guests answer, in a few words for people: the same while a job is at work, in the books and beside another guest's answer.

use crate::Msat;
use crate::decision::{Offer, Ranking, Refusal, Terms, Verdict};
use crate::ports::guests::{Fault, JobError};
use crate::work::Output;
use serde::de::DeserializeOwned;

/// An answer in a few words, for those who watch, and with every text that a guest wrote put through `change`, for what is kept.
pub trait Words: Sized {
    /// The answer in a few words.
    fn words(&self) -> String;
    /// The same with every text that a guest wrote put through `change`.
    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self;
}

/// What a guest answered to a question of this name, from the journal's JSON.
pub fn recorded(function: &str, answer: &Result<String, Fault>) -> String {
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => return format!("no answer: {fault}"),
    };
    let words = match function {
        "rank" => read::<Result<Ranking, Refusal>>(answer),
        "quote" => read::<Result<Offer, Refusal>>(answer),
        "settle" => read::<Msat>(answer),
        "judge" => read::<Verdict>(answer),
        "run" => read::<Result<Output, JobError>>(answer),
        _ => None,
    };
    // Somebody changed it, or another pylon wrote it.
    words.unwrap_or_else(|| answer.clone())
}

fn read<T: DeserializeOwned + Words>(answer: &str) -> Option<String> {
    serde_json::from_str::<T>(answer).ok().map(|answer| answer.words())
}

/// When an offer is paid, and how much.
pub fn offered(offer: &Offer) -> String {
    match offer.terms {
        Terms::Free => "free".into(),
        Terms::OnDelivery => format!("about {} on delivery", offer.price),
        Terms::BeforeWork => format!("{} before work", offer.price),
        Terms::Hold => format!("{} held until success", offer.price),
    }
}

/// A refusal, which is no answer like others, in the customer's words.
pub fn refused(refusal: &Refusal) -> String {
    format!("refused: {}", refusal.words())
}

impl Words for Result<Ranking, Refusal> {
    fn words(&self) -> String {
        match self {
            Ok(Ranking { order, note }) if note.is_empty() => format!("{} to try", order.len()),
            Ok(Ranking { order, note }) => format!("{} to try: {note}", order.len()),
            Err(refusal) => refused(refusal),
        }
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        let ranking = |ranking: &Ranking| Ranking {
            order: ranking.order.clone(),
            note: change(&ranking.note),
        };
        self.as_ref().map(ranking).map_err(|refusal| refusal.map_text(change))
    }
}

impl Words for Result<Offer, Refusal> {
    fn words(&self) -> String {
        self.as_ref().map_or_else(refused, offered)
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        let offer = |offer: &Offer| Offer { note: change(&offer.note), ..offer.clone() };
        self.as_ref().map(offer).map_err(|refusal| refusal.map_text(change))
    }
}

impl Words for Msat {
    fn words(&self) -> String {
        format!("{self} due")
    }

    fn map_text(&self, _: &dyn Fn(&str) -> String) -> Self {
        *self
    }
}

impl Words for Verdict {
    fn words(&self) -> String {
        match self {
            Self::Accept => "accepted".into(),
            Self::Reject(why) => format!("rejected: {why}"),
            Self::Retry(why) => format!("try again: {why}"),
        }
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        Self::map_text(self, change)
    }
}

impl Words for Result<Output, JobError> {
    fn words(&self) -> String {
        match self {
            Ok(output) => format!("{} bytes of {}", output.content.len(), output.mime),
            Err(JobError::Invalid(why) | JobError::Failed(why)) => why.clone(),
            Err(JobError::NoBackend) => "no backend".into(),
            Err(JobError::Timeout) => "timeout".into(),
        }
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        self.as_ref().map(|output| output.map_text(change)).map_err(|error| error.map_text(change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nobody reads JSON. Method: an answer of each sort as the journal has it, and what is none.
    #[test]
    fn recorded_answers_are_words() {
        let offer = "{\"Ok\":{\"terms\":\"on-delivery\",\"price\":1234,\"cap\":1500,\"max_output_tokens\":9,\"max_work_ms\":1,\
                     \"valid_seconds\":1,\"priority\":0,\"note\":\"\"}}";
        for (function, answer, words) in [
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
            assert_eq!(recorded(function, &Ok(answer.into())), words, "{answer}");
        }
        assert!(recorded("judge", &Err(Fault::Fuel)).starts_with("no answer: "));
    }
}
