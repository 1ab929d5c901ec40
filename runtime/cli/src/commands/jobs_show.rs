//! `pylon jobs show`: the details of one job, with or without a running node.

use super::find_job::find_job;
use super::jobs_list::{Job, invoicing};
use super::jobs_text;
use crate::args::JobsShowArgs;
use crate::output::{json, paragraph, print, state as coloured, table};
use anyhow::{Result, bail};
use pylon_core::decision::REDACTED;
use pylon_core::guest::{Cost, GuestFunction};
use pylon_core::machine::JobState;
use pylon_core::message::RelayRefusal;
use pylon_core::text::sanitize_line;
use pylon_core::units::{format_utc, sats};
use pylon_core::work::Usage;
use pylon_core::{Msat, UnixTime, decision_summary};
use pylon_journal::{Decision, ReadOnlyJournal};
use pylon_node::home::Home;
use serde::Serialize;

/// Prints the job.
pub(crate) fn run(args: &JobsShowArgs) -> Result<()> {
    let journal = ReadOnlyJournal::open(&Home::from_env()?.database())?;
    let id = find_job(&journal, &args.job)?;
    let Some(state) = journal.job(id)? else {
        bail!("job {} is no longer in the journal", id.short())
    };
    let (decisions, refusals) = (journal.decisions(id)?, journal.relay_refusals(id)?);
    let backend_errors = journal.backend_errors(id)?;
    if args.json {
        let texts = args.text.then(|| jobs_text::value(&state));
        json(&JobView { texts, ..JobView::new(&state, &decisions, &refusals, &backend_errors) })
    } else {
        let texts = if args.text { jobs_text::page(&state) } else { String::new() };
        print(&(page(&state, &decisions, &refusals, &backend_errors) + &texts))
    }
}

#[derive(Serialize)]
struct JobView<'a> {
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
    decisions: Vec<DecisionView<'a>>,
    /// Only if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<serde_json::Value>,
    relay_refusals: Vec<RelayRefusalView<'a>>,
    /// Errors of backends in their own words.
    backend_errors: &'a [String],
}

#[derive(Serialize)]
struct RelayRefusalView<'a> {
    relay: &'a str,
    reason: &'a str,
    refused_at: u64,
}

#[derive(Serialize)]
struct Invoice<'a> {
    bolt11: &'a str,
    payment_hash: String,
    amount_msats: u64,
    expires_at: u64,
}

#[derive(Serialize)]
struct DecisionView<'a> {
    slot: &'a str,
    name: &'a str,
    version: &'a str,
    digest: String,
    function: &'a str,
    attempt: u32,
    /// Of a quote: the route that it is for.
    backend: Option<&'a str>,
    model: Option<&'a str>,
    /// The limit that was exceeded.
    fault: Option<String>,
    fuel: Option<u64>,
    cpu_us: Option<u64>,
    wall_us: u64,
    decided_at: u64,
    text_purged_at: Option<u64>,
}

impl<'a> JobView<'a> {
    fn new(
        state: &'a JobState,
        decisions: &'a [Decision],
        refusals: &'a [(RelayRefusal, UnixTime)],
        backend_errors: &'a [String],
    ) -> Self {
        let place = state.evidence.as_ref().map(|evidence| &evidence.route.target);
        Self {
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
            decisions: decisions.iter().map(decision_view).collect(),
            relay_refusals: refusals.iter().map(relay_refusal_view).collect(),
            backend_errors,
            texts: None,
        }
    }
}

fn relay_refusal_view((refusal, at): &(RelayRefusal, UnixTime)) -> RelayRefusalView<'_> {
    RelayRefusalView { relay: &refusal.relay, reason: &refusal.reason, refused_at: at.get() }
}

fn decision_view(one: &Decision) -> DecisionView<'_> {
    let (fuel, cpu_us) = match one.cost {
        Cost::Fuel(units) => (Some(units), None),
        Cost::CpuUs(cpu_us) => (None, Some(cpu_us)),
    };
    let target = one.route.as_ref().map(|route| &route.target);
    DecisionView {
        slot: &one.slot,
        name: &one.name,
        version: &one.version,
        digest: one.digest.to_hex(),
        function: &one.function,
        attempt: one.attempt,
        backend: target.map(|target| target.backend()),
        model: target.map(|target| target.model()),
        fault: one.output.as_ref().err().map(ToString::to_string),
        fuel,
        cpu_us,
        wall_us: one.wall_us,
        decided_at: one.at.get(),
        text_purged_at: one.text_purged_at.map(UnixTime::get),
    }
}

fn page(
    state: &JobState,
    decisions: &[Decision],
    refusals: &[(RelayRefusal, UnixTime)],
    backend_errors: &[String],
) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        let value = match name {
            "Status" | "Delivery" | "Invoicing" | "Settlement" => coloured(&value),
            _ => sanitize_line(&value),
        };
        out.push_str(&paragraph(&format!("{name:<11} "), &value));
    };
    row("Job", state.job.id.to_hex());
    row("Kind", state.job.kind.to_string());
    row("Customer", state.job.customer.to_hex());
    row("Status", state.execution.as_str().into());
    row("Delivery", state.delivery.as_str().into());
    row("Invoicing", invoicing(state).into());
    row("Settlement", state.settlement.as_str().into());
    row("Price", sats(state.offer().price));
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
        row("Text", format!("purged {}", format_utc(at)));
    }
    if let Some(evidence) = &state.evidence {
        let (place, usage) = (&evidence.route.target, evidence.usage);
        row("Work", format!("{} on {}, {} ms", place.model(), place.backend(), usage.work_ms));
        let estimated = if usage.estimated { " (estimated)" } else { "" };
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        row("Tokens", format!("{input} in, {output} out{estimated}"));
    }
    if let Some(failure) = &state.failure {
        row("Error", failure.message());
    }
    for error in backend_errors {
        row("Backend", error.clone());
    }
    for (refusal, _) in refusals {
        row("Refused by", format!("{}: {}", refusal.relay, refusal.reason));
    }
    out.push_str(&decision_table(state, decisions));
    out
}

fn decision_table(state: &JobState, decisions: &[Decision]) -> String {
    let Some(first) = decisions.first() else { return String::new() };
    let row = |one: &Decision| {
        let outcome = match &one.output {
            // The output belongs to the customer.
            Ok(_)
                if one.function == GuestFunction::Run.as_str() && one.text_purged_at.is_some() =>
            {
                "text purged".into()
            }
            Ok(_) if one.function == GuestFunction::Run.as_str() && state.job.confidential => {
                REDACTED.into()
            }
            output => decision_summary::summarize(&one.function, output),
        };
        let outcome = match one.route.as_ref().map(|route| &route.target) {
            Some(target) => format!("{} on {}: {outcome}", target.model(), target.backend()),
            None => outcome,
        };
        let guest = format!("{} {} ({})", one.name, one.version, one.digest.short());
        [
            one.function.clone(),
            guest,
            one.attempt.to_string(),
            cost(one.cost),
            format!("{} us", one.wall_us),
            outcome,
        ]
    };
    let rows: Vec<_> = decisions.iter().map(row).collect();
    let table = table("DECISION  GUEST  >?ATTEMPT  >?COST  >?TIME  ~OUTCOME", &rows);
    format!("\n{table}first decided {}\n", format_utc(first.at))
}

/// The cost of a call.
pub(super) fn cost(cost: Cost) -> String {
    match cost {
        Cost::Fuel(units) => format!("{units} fuel"),
        Cost::CpuUs(cpu_us) => format!("{cpu_us} us CPU"),
    }
}
