//! `pylon jobs show`: all that is known of one job but its texts, whether a node runs or not.

use super::jobs_list::{Job, invoicing};
use crate::args::JobsShowArgs;
use crate::output::{json, say, table};
use anyhow::{Result, bail};
use pylon_core::decision::REDACTED;
use pylon_core::guest::{Cost, GuestFunction};
use pylon_core::machine::JobState;
use pylon_core::text::sanitize_line;
use pylon_core::units::{format_utc, sats};
use pylon_core::work::Usage;
use pylon_core::{JobId, Msat, UnixTime, decision_summary};
use pylon_journal::{Decision, ReadOnlyJournal};
use pylon_node::home::Home;
use serde::Serialize;
use std::fmt::Write as _;

/// Shows the one job whose id begins so.
pub(crate) fn run(args: &JobsShowArgs) -> Result<()> {
    let books = ReadOnlyJournal::open(&Home::from_env()?.database())?;
    let id = find(&books, &args.job)?;
    let Some(state) = books.job(id)? else { bail!("job {} has just gone", id.short()) };
    let decisions = books.decisions(id)?;
    if args.json { json(&facts(&state, &decisions)) } else { say(&page(&state, &decisions)) }
}

/// The one job whose id begins so.
pub(super) fn find(books: &ReadOnlyJournal, prefix: &str) -> Result<JobId> {
    let prefix = prefix.to_lowercase();
    if prefix.is_empty()
        || prefix.len() > 64
        || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        bail!(
            "`{}` is no job's id: give its hex digits, or as many as no other begins with",
            sanitize_line(&prefix)
        );
    }
    match *books.jobs_by_prefix(&prefix)? {
        [id] => Ok(id),
        [_, _, ..] => bail!("more than one job begins with {prefix}: give more digits"),
        [] => match books.refusal(&prefix)? {
            Some(words) => {
                bail!("{prefix} is a request that was not taken: {}", sanitize_line(&words))
            }
            None => bail!("no job begins with {prefix}: `pylon jobs list` shows the latest"),
        },
    }
}

#[derive(Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    job: Job,
    attempt: u32,
    bid_msats: Option<u64>,
    cap_msats: u64,
    targeted: bool,
    confidential: bool,
    created_at: u64,
    backend: Option<&'a str>,
    model: Option<&'a str>,
    usage: Option<Usage>,
    invoice: Option<Invoice<'a>>,
    decisions: Vec<DecisionFacts<'a>>,
}

#[derive(Serialize)]
struct Invoice<'a> {
    bolt11: &'a str,
    payment_hash: String,
    amount_msats: u64,
    expires_at: u64,
}

#[derive(Serialize)]
struct DecisionFacts<'a> {
    slot: &'a str,
    name: &'a str,
    version: &'a str,
    digest: String,
    function: &'a str,
    attempt: u32,
    /// The limit it broke.
    fault: Option<String>,
    fuel: Option<u64>,
    cpu_us: Option<u64>,
    us: u64,
    decided_at: u64,
    text_purged_at: Option<u64>,
}

fn facts<'a>(state: &'a JobState, decisions: &'a [Decision]) -> Facts<'a> {
    let place = state.evidence.as_ref().map(|evidence| &evidence.route.target);
    Facts {
        job: Job::of(state),
        attempt: state.attempt,
        bid_msats: state.job.bid.map(Msat::get),
        cap_msats: state.cap().get(),
        targeted: state.job.targeted,
        confidential: state.job.confidential,
        created_at: state.job.created_at.get(),
        backend: place.map(|place| place.backend()),
        model: place.map(|place| place.model()),
        usage: state.evidence.as_ref().map(|evidence| evidence.usage),
        invoice: state.invoice.as_ref().map(|invoice| Invoice {
            bolt11: &invoice.bolt11,
            payment_hash: invoice.payment_hash.to_hex(),
            amount_msats: invoice.amount.get(),
            expires_at: invoice.expires_at.get(),
        }),
        decisions: decisions.iter().map(decision).collect(),
    }
}

fn decision(one: &Decision) -> DecisionFacts<'_> {
    let (fuel, cpu_us) = match one.cost {
        Cost::Fuel(units) => (Some(units), None),
        Cost::CpuUs(micros) => (None, Some(micros)),
    };
    DecisionFacts {
        slot: &one.slot,
        name: &one.name,
        version: &one.version,
        digest: one.digest.to_hex(),
        function: &one.function,
        attempt: one.attempt,
        fault: one.output.as_ref().err().map(ToString::to_string),
        fuel,
        cpu_us,
        us: one.micros,
        decided_at: one.at.get(),
        text_purged_at: one.text_purged_at.map(UnixTime::get),
    }
}

fn page(state: &JobState, decisions: &[Decision]) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<11} {}", sanitize_line(&value));
    };
    row("Job", state.job.id.to_hex());
    row("Kind", state.job.kind.to_string());
    row("Customer", state.job.customer.to_hex());
    row("Status", state.execution.as_str().into());
    row("Delivery", state.delivery.as_str().into());
    row("Invoicing", invoicing(state).into());
    row("Settlement", state.settlement.as_str().into());
    row("Price", sats(state.plan.offer.price));
    row("Bid", state.job.bid.map_or_else(|| "none".into(), sats));
    row("Due", sats(state.due));
    row("Paid", sats(state.paid));
    row("Received", format_utc(state.received_at));
    if let Some(at) = state.started_at {
        row("Started", format!("{} (attempt {})", format_utc(at), state.attempt));
    }
    if let Some(at) = state.ended_at {
        let took = at.since(state.started_at.unwrap_or(at));
        row("Ended", format!("{} (after {took} s)", format_utc(at)));
    }
    if let Some(at) = state.text_purged_at {
        row("Text", format!("text no longer kept since {}", format_utc(at)));
    }
    if let Some(evidence) = &state.evidence {
        let (place, usage) = (&evidence.route.target, evidence.usage);
        row("Work", format!("{} on {}, {} ms", place.model(), place.backend(), usage.work_ms));
        row("Tokens", format!("{} in, {} out", usage.input_tokens, usage.output_tokens));
    }
    if let Some(failure) = &state.failure {
        row("Error", failure.message());
    }
    out.push_str(&decided(state, decisions));
    out
}

fn decided(state: &JobState, decisions: &[Decision]) -> String {
    let Some(first) = decisions.first() else { return String::new() };
    let row = |one: &Decision| {
        let outcome = match &one.output {
            // What was made is the customer's.
            Ok(_)
                if one.function == GuestFunction::Run.as_str() && one.text_purged_at.is_some() =>
            {
                "text no longer kept".into()
            }
            Ok(_) if one.function == GuestFunction::Run.as_str() && state.job.confidential => {
                REDACTED.into()
            }
            said => decision_summary::summarize(&one.function, said),
        };
        let guest = format!("{} {} ({})", one.name, one.version, one.digest.short());
        [
            one.function.clone(),
            guest,
            one.attempt.to_string(),
            cost(one.cost),
            format!("{} us", one.micros),
            outcome,
        ]
    };
    let rows: Vec<_> = decisions.iter().map(row).collect();
    let table = table("DECISION  GUEST  >ATTEMPT  >COST  >TIME  OUTCOME", &rows);
    format!("\n{table}first decided {}\n", format_utc(first.at))
}

/// What an answer took.
pub(super) fn cost(cost: Cost) -> String {
    match cost {
        Cost::Fuel(units) => format!("{units} fuel"),
        Cost::CpuUs(micros) => format!("{micros} us CPU"),
    }
}
