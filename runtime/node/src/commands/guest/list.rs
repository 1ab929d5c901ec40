//! `pylon guest list`: who is in which slot. How they do, only the node that runs knows.

use crate::cli::guest::ListArgs;
use crate::clock::SystemClock;
use crate::commands::block_on;
use crate::control::{Client, ClientError, Guests};
use crate::guests::Ledger;
use crate::guests::deed::Seated;
use crate::home::Home;
use crate::output::{json, plain, say};
use crate::units::{ago, moment};
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::installations::Installation;
use std::fmt::Write as _;

/// As it is now, or as it came to be.
pub(super) fn run(args: &ListArgs) -> Result<()> {
    let home = Home::from_env()?;
    if args.history {
        let history = Ledger::of(&home)?.history;
        return if args.json { json(&history) } else { say(&past(&history)) };
    }
    let guests = block_on(async {
        match Client::new(&home).guests().await {
            Err(ClientError::NotRunning) => Ok(Guests { guests: Ledger::of(&home)?.seated(), lockdown: None }),
            answer => Ok(answer?),
        }
    })?;
    if args.json { json(&guests) } else { say(&present(&guests.guests, SystemClock.now())) }
}

fn present(guests: &[Seated], now: UnixTime) -> String {
    let mut out = String::from(
        "SLOT               GUEST                           DIGEST    PUBLISHER  GEN    CALLS  TRAPS   P50 US   P99 US       COST  SINCE\n",
    );
    for one in guests {
        let guest = plain(&format!("{} {}", one.name, one.version));
        let publisher = one.publisher.map_or_else(|| "-".into(), |key| key.short());
        let count = |value: Option<u64>| value.map_or_else(|| "-".into(), |value| value.to_string());
        let figures = one.figures.unwrap_or_default();
        let seen = one.figures.is_some();
        let _ = write!(
            out,
            "{:<17}  {guest:<30}  {}  {publisher:<9}  {:>3}  {:>7}  {:>5}  {:>7}  {:>7}  {:>9}  {}",
            one.slot,
            one.digest.short(),
            count(one.generation),
            count(seen.then_some(figures.calls)),
            count(seen.then_some(figures.traps)),
            count(figures.p50_us),
            count(figures.p99_us),
            count(figures.fuel.or(figures.cpu_us)),
            ago(now.since(UnixTime::new(one.since))),
        );
        match (one.standing.as_str(), one.missed) {
            ("shadow", Some(missed)) if missed > 0 => {
                let _ = write!(out, "  (shadow, {missed} questions missed)");
            }
            ("shadow", _) => out.push_str("  (shadow)"),
            ("approval", _) => {
                let _ = write!(out, "  (waits for `pylon guest approve`: {})", plain(&one.beyond.join(", ")));
            }
            _ => {}
        }
        out.push('\n');
    }
    out
}

fn past(history: &[Installation]) -> String {
    let mut out = String::from("GEN  WHEN                 SLOT               WHY       GUEST\n");
    for row in history {
        let guest = row.guest.as_ref().map_or_else(
            || "(empty)".into(),
            |guest| format!("{} {} {} from {}", guest.name, guest.version, guest.digest.short(), guest.source),
        );
        let (at, guest) = (moment(row.at), plain(&guest));
        let _ = writeln!(out, "{:>3}  {at}  {:<17}  {:<8}  {guest}", row.generation, row.slot, row.why);
    }
    out
}
