//! `pylon guest compare`: compares the recorded answers of a shadow with those of the serving
//! guest.

use crate::args::guest::SlotArgs;
use crate::output::{json, print};
use anyhow::{Result, bail};
use pylon_core::guest::{Fault, GuestFunction};
use pylon_core::text::sanitize_line;
use pylon_core::units::sats;
use pylon_core::{Msat, UnixTime, decision_summary};
use pylon_journal::{AnswerPair, ReadOnlyJournal};
use pylon_node::home::Home;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Compared answers, newest first.
const PAIRS_MAX: usize = 1_000_000;
/// Listed differences.
const EXAMPLES_MAX: usize = 5;

/// The result of the comparison.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Comparison {
    slot: String,
    shadow: String,
    digest: String,
    questions: u64,
    same: u64,
    /// Calls of each guest without an answer.
    active_traps: u64,
    shadow_traps: u64,
    by_function: BTreeMap<String, Function>,
    quotes: Quotes,
    settled: Sums,
    /// The newest differences.
    examples: Vec<Example>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Function {
    questions: u64,
    same: u64,
}

/// Offers and refusals.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Quotes {
    /// Offers of both, which are in the sums.
    both: u64,
    only_active: u64,
    only_shadow: u64,
    neither: u64,
    sums: Sums,
}

/// The sums of jobs that both guests have priced.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Sums {
    active_msats: u64,
    shadow_msats: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Example {
    job: String,
    function: String,
    active: String,
    shadow: String,
    /// The summaries of both answers, and the different fields.
    #[serde(skip)]
    summaries: [String; 3],
}

/// Compares the current shadow of a slot.
pub(super) fn run(args: &SlotArgs) -> Result<()> {
    let (home, slot) = (Home::from_env()?, args.slot.to_string());
    let guests = home.slot_history()?.status();
    let Some(shadow) = guests.into_iter().find(|one| one.slot == slot && one.role == "shadow")
    else {
        bail!(
            "{slot} has no shadow: install one with `pylon guest install SOURCE --slot {slot} \
             --shadow`"
        );
    };
    let mut comparison = Comparison {
        shadow: format!("{} {}", shadow.name, shadow.version),
        digest: shadow.digest.to_hex(),
        slot: slot.clone(),
        ..Comparison::default()
    };
    ReadOnlyJournal::open(&home.database())?.pairs(
        &slot,
        shadow.digest,
        UnixTime::new(shadow.since),
        PAIRS_MAX,
        |pair| comparison.add(&pair),
    )?;
    if args.json { json(&comparison) } else { print(&page(&comparison)) }
}

impl Comparison {
    fn add(&mut self, pair: &AnswerPair) {
        let (active, shadow) = (comparable(&pair.active), comparable(&pair.shadow));
        let same = active == shadow;
        self.questions += 1;
        self.same += u64::from(same);
        self.active_traps += u64::from(pair.active.is_err());
        self.shadow_traps += u64::from(pair.shadow.is_err());
        let function = self.by_function.entry(pair.function.clone()).or_default();
        function.questions += 1;
        function.same += u64::from(same);
        match pair.function.parse() {
            Ok(GuestFunction::Quote) => self.quotes.add(price(&active), price(&shadow)),
            Ok(GuestFunction::Settle) => {
                if let (Some(active), Some(shadow)) = (active.as_u64(), shadow.as_u64()) {
                    self.settled.add(active, shadow);
                }
            }
            _ => {}
        }
        if !same && self.examples.len() < EXAMPLES_MAX {
            let raw = |answer: &Result<String, Fault>| {
                answer.as_ref().map_or_else(Fault::to_string, String::clone)
            };
            let summary =
                |answer| sanitize_line(&decision_summary::summarize(&pair.function, answer));
            self.examples.push(Example {
                job: pair.job.to_hex(),
                function: pair.function.clone(),
                active: raw(&pair.active),
                shadow: raw(&pair.shadow),
                summaries: [
                    summary(&pair.active),
                    summary(&pair.shadow),
                    differences(&active, &shadow),
                ],
            });
        }
    }
}

impl Quotes {
    fn add(&mut self, active: Option<u64>, shadow: Option<u64>) {
        match (active, shadow) {
            (Some(active), Some(shadow)) => {
                self.both += 1;
                self.sums.add(active, shadow);
            }
            (Some(_), None) => self.only_active += 1,
            (None, Some(_)) => self.only_shadow += 1,
            (None, None) => self.neither += 1,
        }
    }
}

impl Sums {
    fn add(&mut self, active: u64, shadow: u64) {
        self.active_msats = self.active_msats.saturating_add(active);
        self.shadow_msats = self.shadow_msats.saturating_add(shadow);
    }
}

/// The compared part of an answer: without the note, and with a fault as an answer of its own.
fn comparable(answer: &Result<String, Fault>) -> Value {
    let text = match answer {
        Ok(text) => text,
        Err(fault) => return Value::String(format!("({fault})")),
    };
    let mut value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    if let Some(offer) = value.get_mut("Ok").and_then(Value::as_object_mut) {
        offer.remove("note");
    }
    value
}

/// The different fields of two offers or rankings: `cap 1500 / 2000, priority 0 / 1`.
fn differences(active: &Value, shadow: &Value) -> String {
    let fields =
        |answer: &Value| answer.get("Ok").and_then(Value::as_object).cloned().unwrap_or_default();
    let (active, mut shadow) = (fields(active), fields(shadow));
    let different = active.into_iter().filter_map(|(name, own)| {
        let other = shadow.remove(&name).filter(|other| *other != own)?;
        Some(format!("{name} {own} / {other}"))
    });
    different.collect::<Vec<_>>().join(", ")
}

fn price(answer: &Value) -> Option<u64> {
    answer.get("Ok")?.get("price")?.as_u64()
}

fn page(comparison: &Comparison) -> String {
    if comparison.questions == 0 {
        return format!(
            "{} as a shadow of {}: no calls yet\n",
            sanitize_line(&comparison.shadow),
            comparison.slot
        );
    }
    let mut out = format!(
        "{} as a shadow of {}: {} of {} answers are equal",
        sanitize_line(&comparison.shadow),
        comparison.slot,
        comparison.same,
        comparison.questions
    );
    let _ = writeln!(
        out,
        " (failed calls: {} active, {} shadow)",
        comparison.active_traps, comparison.shadow_traps
    );
    for (name, function) in &comparison.by_function {
        let _ = writeln!(out, "  {name:<6} {} of {} equal", function.same, function.questions);
    }
    let sats = |msats: u64| sats(Msat::new(msats));
    let Quotes { both, only_active, only_shadow, neither, sums } = &comparison.quotes;
    if both + only_active + only_shadow + neither > 0 {
        let (active, shadow) = (sats(sums.active_msats), sats(sums.shadow_msats));
        let _ = writeln!(
            out,
            "  offers: {both} by both, {active} by the active guest, {shadow} by the shadow"
        );
        let _ = writeln!(
            out,
            "          {only_active} only by the active guest, {only_shadow} only by the shadow, \
             {neither} by neither"
        );
    }
    if comparison.settled != Sums::default() {
        let (active, shadow) =
            (sats(comparison.settled.active_msats), sats(comparison.settled.shadow_msats));
        let _ =
            writeln!(out, "  amounts due: {active} by the active guest, {shadow} by the shadow");
    }
    for one in &comparison.examples {
        let (job, [active, shadow, fields]) =
            (one.job.get(..8).unwrap_or_default(), &one.summaries);
        let _ = writeln!(out, "  {job} {:<6}  {active}\n           shadow  {shadow}", one.function);
        if !fields.is_empty() {
            let _ = writeln!(out, "                   {fields}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::{JobId, UnixTime};

    fn pair(
        function: &str,
        active: Result<&str, Fault>,
        shadow: Result<&str, Fault>,
    ) -> AnswerPair {
        AnswerPair {
            job: JobId::from_bytes([7; 32]),
            function: function.into(),
            active: active.map(Into::into),
            shadow: shadow.map(Into::into),
            fuel: 1,
            at: UnixTime::new(1),
        }
    }

    /// Goal: the sums have only jobs that both have priced, and notes are not compared. Method: one
    /// pair of each kind.
    #[test]
    fn notes_and_one_sided_offers_are_not_compared() {
        let mut comparison = Comparison::default();
        let offer = |price: u64, note: &str| {
            let rest =
                "\"max_output_tokens\":9,\"max_work_ms\":1,\"valid_seconds\":1,\"priority\":0";
            format!(
                "{{\"Ok\":{{\"terms\":\"hold\",\"price\":{price},\"cap\":12,{rest},\"note\":\"{note}\"}}}}"
            )
        };
        let (ten, twelve) = (offer(10, "a"), offer(12, "b"));
        let busy = "{\"Err\":{\"busy\":9}}";
        for (active, shadow) in [
            (Ok(ten.as_str()), Ok(offer(10, "other").leak() as &str)),
            (Ok(ten.as_str()), Ok(twelve.as_str())),
            (Ok(ten.as_str()), Ok(busy)),
            (Ok(busy), Ok(twelve.as_str())),
            (Ok(ten.as_str()), Err(Fault::Fuel)),
        ] {
            comparison.add(&pair("quote", active, shadow));
        }
        comparison.add(&pair("settle", Ok("7"), Ok("9")));
        assert_eq!(
            (
                comparison.questions,
                comparison.same,
                comparison.active_traps,
                comparison.shadow_traps
            ),
            (6, 1, 0, 1)
        );
        let sums = Sums { active_msats: 20, shadow_msats: 22 };
        assert_eq!(
            comparison.quotes,
            Quotes { both: 2, only_active: 2, only_shadow: 1, neither: 0, sums }
        );
        assert_eq!(comparison.settled, Sums { active_msats: 7, shadow_msats: 9 });
        assert_eq!(comparison.examples.len(), 5);
        let page = page(&comparison);
        for line in [
            "1 of 6 answers are equal",
            "0 sats (20 msats) by the active guest, 0 sats (22 msats) by the shadow",
            "quote   10 msat held until success\n           shadow  12 msat held until success\n",
            "                   price 10 / 12\n",
            "shadow  refused: busy: try again in 9 s\n",
            "shadow  no answer: out of fuel\n",
        ] {
            assert!(page.contains(line), "{line}: {page}");
        }
    }
}
