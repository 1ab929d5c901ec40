//! `pylon guest backtest`: runs another policy on recorded decisions, and compares.

use super::component;
use super::records::Records;
use crate::args::records::BacktestArgs;
use crate::commands::block_on;
use crate::output::{json, print};
use crate::progress::Progress;
use anyhow::{Context, Result, anyhow, bail, ensure};
use pylon_authoring::backtest::{
    AnswerChange, Breakdown, BreakdownRow, CHARTS, Counts, Filter, Report, Sum, ratio_label,
    run as backtest, svg,
};
use pylon_core::Param;
use pylon_core::ports::clock::Clock as _;
use pylon_core::text::sanitize_line;
use pylon_node::clock::SystemClock;
use pylon_sandbox::{ComponentInterface, Installed, Role, Sandbox, Setup, Slot};
use serde_json::{Map, Value, json as value};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Rows of a printed table.
const ROWS_MAX: usize = 10;

/// Runs the candidate on all decisions of the period.
pub(super) fn run(args: &BacktestArgs) -> Result<()> {
    ensure!(
        args.svg.is_none() || CHARTS,
        "`--svg`: this program was built without charts: build it with the feature `full`"
    );
    let records = Records::open()?;
    let slot = args.slot.as_deref().map(str::parse::<Slot>).transpose()?;
    let setup = Setup {
        settings: args.settings.as_deref().map(settings).transpose()?.unwrap_or_default(),
        ..Setup::default()
    };
    let (bytes, _) = component::named(&args.guest)?;
    let (role, guest) = block_on(candidate(records.past.sandbox(), slot, &bytes, setup))
        .with_context(|| args.guest.display().to_string())?;
    let kind = match (args.kind, slot.and_then(Slot::kind)) {
        (Some(asked), Some(of_slot)) => {
            ensure!(
                asked == of_slot,
                "`--slot` has kind {of_slot}, `--kind` is {asked}: remove one of them"
            );
            Some(asked)
        }
        (asked, of_slot) => asked.or(of_slot),
    };
    let filter = Filter { since: SystemClock.now().minus(args.since), kind };
    let progress = Progress::new("decisions", records.journal.decision_count()?);
    let report = backtest(records.journal, &guest, role, filter, |done| progress.update(done))?;
    drop(progress);
    if report.is_empty() {
        bail!(
            "no decisions of {} in this period: choose an earlier `--since`; `pylon jobs list` \
             shows the jobs",
            role.name()
        );
    }
    if let Some(file) = &args.svg {
        let guest_ref = guest.guest_ref();
        let title =
            format!("{} {} ({})", guest_ref.name, guest_ref.version, guest_ref.digest.short());
        std::fs::write(file, svg(&report, &title)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if args.json {
        json(&to_json(&report, &guest, role, filter))
    } else {
        print(&page(&report, &guest, role))
    }
}

/// Reads the settings of a guest from a TOML file.
fn settings(file: &Path) -> Result<Vec<Param>> {
    let usage =
        "`--settings` needs a TOML file with one setting per line, such as base-msat = 1000";
    let text = pylon_config::read_text(file)
        .context(usage)?
        .with_context(|| format!("{usage}: {}: no such file", file.display()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        anyhow!("{usage}: {}: {}", file.display(), error.message())
    })?;
    let setting = |(name, value): (String, toml::Value)| {
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                value.to_string()
            }
            _ => bail!("{}: `{name}` must be a string, a number or a boolean", file.display()),
        };
        Ok(Param { name, values: vec![value] })
    };
    table.into_iter().map(setting).collect()
}

/// Loads the candidate for the slot, or for the slot of its world.
async fn candidate(
    sandbox: &Sandbox,
    slot: Option<Slot>,
    bytes: &[u8],
    setup: Setup,
) -> Result<(Role, Arc<Installed>)> {
    let role = ComponentInterface::read(bytes)?.role()?;
    let Some(of_world) = Slot::policy(role) else {
        bail!(
            "not a policy: a backtest compares decisions of policies; `pylon guest replay` runs a \
             handler again"
        );
    };
    let slot = slot.unwrap_or(of_world);
    ensure!(
        slot.role() == role,
        "the guest is for {}, not for slot {slot}: remove `--slot`",
        role.name()
    );
    Ok((role, sandbox.load(slot, bytes, setup).await?))
}

fn to_json(report: &Report, guest: &Installed, role: Role, filter: Filter) -> Value {
    let guest_ref = guest.guest_ref();
    let Counts { then, now, both } = report.accepted;
    let no: Map<_, _> = report
        .refused
        .iter()
        .map(|(code, (then, now))| ((*code).into(), value!({"then": then, "now": now})))
        .collect();
    let unknown: Map<_, _> = report
        .unknown
        .iter()
        .map(|(why, sum)| {
            (
                why.as_str().into(),
                value!({"cases": sum.cases, "then_msats": sum.then, "asked_msats": sum.now}),
            )
        })
        .collect();
    let ratios: Vec<_> = report
        .ratios
        .iter()
        .enumerate()
        .map(|(index, count)| value!({"range": ratio_label(index), "jobs": count}))
        .collect();
    let example = |it: &AnswerChange| value!({"job": it.job, "kind": it.kind, "then": it.then, "now": it.now});
    value!({
        "candidate": {
            "role": role.name(), "name": guest_ref.name, "version": guest_ref.version,
            "digest": guest_ref.digest,
        },
        "since": filter.since, "kind": filter.kind, "compared": report.compared,
        "not_replayable": report.not_replayable,
        "accepted": {
            "then": then, "now": now, "both": both, "only_then": then - both,
            "only_now": now - both,
        },
        "refused": no,
        "earnings": {
            "cases": report.known.cases, "then_msats": report.known.then,
            "now_msats": report.known.now,
            "lost": {"cases": report.lost.cases, "msats": report.lost.then},
        },
        "unknown": unknown,
        "customers": rows(&report.customers, "customer_pubkey"),
        "models": rows(&report.models, "model"),
        "days": rows(&report.days, "day"), "price_ratios": ratios,
        "changed": report.changed,
        "examples": report.examples.iter().map(example).collect::<Vec<_>>(),
        "fuel": {
            "then": {"p50": report.fuel_then.percentile(50), "p99": report.fuel_then.percentile(99)},
            "now": {"p50": report.fuel_now.percentile(50), "p99": report.fuel_now.percentile(99)},
        },
        "faults": report.faults,
    })
}

fn rows(rows: &Breakdown, name: &str) -> Vec<Value> {
    let row = |(key, row): (&str, &BreakdownRow)| {
        value!({
            name: key, "accepted_then": row.accepted_then, "accepted_now": row.accepted_now,
            "then_msats": row.known.then, "now_msats": row.known.now,
            "unknown_cases": row.unknown.cases, "unknown_then_msats": row.unknown.then,
        })
    };
    rows.by_money().into_iter().map(row).collect()
}

fn page(report: &Report, guest: &Installed, role: Role) -> String {
    let (guest_ref, Counts { then, now, both }) = (guest.guest_ref(), report.accepted);
    let mut page = format!(
        "{} {} ({}) for {}, on {} decisions\n\n",
        sanitize_line(&guest_ref.name),
        sanitize_line(&guest_ref.version),
        guest_ref.digest.short(),
        role.name(),
        report.compared
    );
    for (why, count) in &report.not_replayable {
        let _ = writeln!(page, "{count:>10} more cannot be replayed ({why})");
    }
    let _ = writeln!(page, "{:<16} {:>14} {:>14}", "", "THEN", "NOW");
    let mut row = |what: &str, then: u64, now: u64| {
        let _ = writeln!(page, "{:<16} {then:>14} {now:>14}", sanitize_line(what));
    };
    row("accepted", then, now);
    row("  in both", both, both);
    for (code, (then, now)) in &report.refused {
        row(&format!("  {code}"), *then, *now);
    }
    row("earned, msats", report.known.then.get(), report.known.now.get());
    let unknown = report.unknown.values().fold((0, 0), |(then, now): (u64, u64), sum| {
        (then.saturating_add(sum.then.get()), now.saturating_add(sum.now.get()))
    });
    if !report.unknown.is_empty() {
        row("  not counted", unknown.0, unknown.1);
    }
    row("fuel p50", report.fuel_then.percentile(50), report.fuel_now.percentile(50));
    row("fuel p99", report.fuel_then.percentile(99), report.fuel_now.percentile(99));
    row("traps", 0, report.faults.values().sum());
    money(report, &mut page);
    table(&report.customers, "CUSTOMER", &mut page);
    table(&report.models, "MODEL", &mut page);
    if report.changed > 0 {
        let _ = writeln!(page, "\n{} decisions changed, for example:", report.changed);
    }
    for it in &report.examples {
        let _ = writeln!(
            page,
            "  {} {}: {} -> {}",
            it.job.short(),
            it.kind,
            sanitize_line(&it.then),
            sanitize_line(&it.now)
        );
    }
    page
}

fn money(report: &Report, page: &mut String) {
    let Sum { cases, then, .. } = report.lost;
    if cases > 0 {
        let _ = writeln!(
            page,
            "\n{cases} jobs that earned {} msats would have been refused.",
            then.get()
        );
    }
    if !report.unknown.is_empty() {
        page.push_str("\nNot counted, because it cannot be known:\n");
    }
    for (why, sum) in &report.unknown {
        let _ = writeln!(
            page,
            "{:>10} {} ({} msats earned then, price {} msats now)",
            sum.cases,
            why.message(),
            sum.then.get(),
            sum.now.get()
        );
    }
    for (fault, count) in &report.faults {
        let _ = writeln!(page, "{count:>10} calls failed: {fault}");
    }
}

fn table(rows: &Breakdown, name: &str, page: &mut String) {
    let _ =
        writeln!(page, "\n{name:<16} {:>14} {:>14} {:>14}", "THEN, msats", "NOW, msats", "UNKNOWN");
    for (key, row) in rows.by_money().into_iter().take(ROWS_MAX) {
        let key = sanitize_line(key);
        let short = key.get(..key.floor_char_boundary(16)).unwrap_or_default();
        let (then, now) = (row.known.then.get(), row.known.now.get());
        let _ = writeln!(page, "{short:<16} {then:>14} {now:>14} {:>14}", row.unknown.then.get());
    }
}
