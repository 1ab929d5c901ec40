//! What a guest answered, by the names that `expect` has for it: those of the core's types, with
//! the unit in the name of an amount.

use super::host::ScriptedHost;
use super::{defaults, overlay};
use pylon_core::Msat;
use pylon_core::decision::{Candidate, Offer, Ranking, Refusal, Verdict};
use pylon_core::guest::{Cost, GuestAnswer, GuestFunction};
use pylon_core::job::JobError;
use pylon_core::work::Output;
use serde::Serialize;
use serde_json::Value as Json;
use toml::{Table, Value};

/// The values of an answer, by name.
pub(super) type CaseAnswer = Table;

const REFUSAL: [&str; 3] = ["refused", "message", "lowest_msat"];
const POLICY: [&str; 2] = ["fuel", "fault"];
const RUN: [&str; 8] =
    ["error", "message", "completions", "prompt", "partials", "log", "cpu_us", "fault"];

/// The names that an answer of this function can have.
pub(super) fn names(function: GuestFunction) -> Vec<String> {
    let (of_core, own): (_, &[&[&str]]) = match function {
        GuestFunction::Quote => (fields(&defaults::offer()), &[&REFUSAL, &POLICY]),
        GuestFunction::Settle => (Vec::new(), &[&["due_msat"], &POLICY]),
        GuestFunction::Rank => (Vec::new(), &[&["order", "first", "note"], &REFUSAL, &POLICY]),
        GuestFunction::Judge => (Vec::new(), &[&["verdict", "reason"], &POLICY]),
        GuestFunction::Run => (fields(&defaults::output()), &[&RUN]),
    };
    let own = own.concat().into_iter().map(str::to_owned);
    of_core.into_iter().map(|(name, _)| name).chain(own).collect()
}

/// An offer or a refusal.
pub(super) fn quote(answer: GuestAnswer<Result<Offer, Refusal>>) -> (CaseAnswer, Cost) {
    named(answer, |offer, found| match offer {
        Ok(offer) => found.extend(fields(&offer)),
        Err(refusal) => refused(&refusal, found),
    })
}

/// An amount due.
pub(super) fn settle(answer: GuestAnswer<Msat>) -> (CaseAnswer, Cost) {
    named(answer, |due, found| drop(found.insert("due_msat".into(), number(due.get()))))
}

/// An order or a refusal. `first` is the backend and model of the first route.
pub(super) fn rank(
    answer: GuestAnswer<Result<Ranking, Refusal>>,
    candidates: &[Candidate],
) -> (CaseAnswer, Cost) {
    named(answer, |ranking, found| match ranking {
        Ok(ranking) => {
            let index = ranking.order.first().and_then(|index| usize::try_from(*index).ok());
            let first = index.and_then(|index| candidates.get(index)).map(|candidate| {
                let target = &candidate.route.target;
                format!("{}/{}", target.backend(), target.model())
            });
            found.insert("first".into(), first.unwrap_or_default().into());
            found.extend(fields(&ranking));
        }
        Err(refusal) => refused(&refusal, found),
    })
}

/// A verdict, with its reason.
pub(super) fn judge(answer: GuestAnswer<Verdict>) -> (CaseAnswer, Cost) {
    named(answer, |verdict, found| {
        let (name, reason) = variant(&verdict);
        found.insert("verdict".into(), name.into());
        found.extend(reason.map(|reason| ("reason".to_owned(), reason)));
    })
}

/// An output or an error, and what the handler did with its host.
pub(super) fn run(
    answer: GuestAnswer<Result<Output, JobError>>,
    host: &ScriptedHost,
) -> (CaseAnswer, Cost) {
    let (mut found, cost) = named(answer, |output, found| match output {
        Ok(output) => {
            let attributes: Table = output
                .attributes
                .iter()
                .map(|it| (it.name.clone(), it.value.clone().into()))
                .collect();
            found.extend(fields(&output));
            found.insert("attributes".into(), attributes.into());
        }
        Err(error) => {
            let (name, message) = variant(&error);
            found.insert("error".into(), name.into());
            found.insert("message".into(), message.unwrap_or_else(|| "".into()));
        }
    });
    let observed = host.observed();
    found.insert("completions".into(), number(observed.completions));
    found.insert("prompt".into(), observed.prompt.into());
    found.insert("partials".into(), number(observed.partials));
    found.insert("log".into(), observed.log.join("\n").into());
    (found, cost)
}

/// The cost of an answer, and the fault if there is no other.
fn named<T>(answer: GuestAnswer<T>, name: impl FnOnce(T, &mut CaseAnswer)) -> (CaseAnswer, Cost) {
    let mut found = CaseAnswer::new();
    match answer.value {
        Ok(value) => name(value, &mut found),
        Err(fault) => {
            let fault: String = fault.as_str().into();
            found.insert("fault".into(), fault.into());
        }
    }
    match answer.call.cost {
        Cost::Fuel(fuel) => found.insert("fuel".into(), number(fuel)),
        Cost::CpuUs(cpu_us) => found.insert("cpu_us".into(), number(cpu_us)),
    };
    (found, answer.call.cost)
}

fn refused(refusal: &Refusal, found: &mut CaseAnswer) {
    found.insert("refused".into(), refusal.code().into());
    found.insert("message".into(), refusal.message().into());
    if let Refusal::BidTooLow(lowest) = refusal {
        found.insert("lowest_msat".into(), number(lowest.get()));
    }
}

/// The fields of a struct of the core.
fn fields(of: &impl Serialize) -> Vec<(String, Value)> {
    let Ok(Json::Object(fields)) = serde_json::to_value(of) else { return Vec::new() };
    fields.into_iter().map(|(name, value)| (overlay::author_name(&name), toml(value))).collect()
}

/// The case of an enum of the core, and what it carries.
fn variant(of: &impl Serialize) -> (String, Option<Value>) {
    match serde_json::to_value(of) {
        Ok(Json::String(name)) => (name, None),
        Ok(Json::Object(carried)) => match carried.into_iter().next() {
            Some((name, value)) => (name, Some(toml(value))),
            None => (String::new(), None),
        },
        _ => (String::new(), None),
    }
}

/// TOML has no number above `i64::MAX`, so no case can ask for one.
fn number(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn toml(value: Json) -> Value {
    match value {
        Json::Bool(is) => is.into(),
        Json::Number(found) => found.as_i64().map_or_else(|| number(u64::MAX), Value::from),
        Json::String(text) => text.into(),
        Json::Array(values) => Value::Array(values.into_iter().map(toml).collect()),
        Json::Object(fields) => {
            Value::Table(fields.into_iter().map(|(name, value)| (name, toml(value))).collect())
        }
        Json::Null => "".into(),
    }
}
