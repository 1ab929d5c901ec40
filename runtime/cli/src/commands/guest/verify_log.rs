//! `pylon guest verify-log`: is all that was decided as it was written?

use super::records::Records;
use crate::args::guest::records::VerifyLogArgs;
use crate::commands::block_on;
use crate::output::{SaidNo, json, say};
use crate::progress::Progress;
use anyhow::Result;
use pylon_authoring::replay::{Problem, Verified, verify};
use pylon_core::UnixTime;
use pylon_core::ports::clock::Clock as _;
use pylon_core::text::sanitize_line;
use pylon_node::clock::SystemClock;
use serde_json::{Value, json as value};
use std::fmt::Write as _;

/// Asks everything again.
pub(super) fn run(args: &VerifyLogArgs) -> Result<()> {
    let mut records = Records::open()?;
    let since = args.since.map_or(UnixTime::new(0), |age| SystemClock.now().minus(age));
    let verified = block_on(async {
        let progress = Progress::new("decisions", records.books.decision_count()?);
        Ok(verify(&mut records.past, &records.books, records.safe.as_ref(), since, |done| {
            progress.at(done)
        })
        .await?)
    })?;
    if args.json {
        json(&facts(&verified))?;
    } else {
        say(&page(&verified))?;
    }
    if verified.is_good() { Ok(()) } else { Err(SaidNo.into()) }
}

fn facts(verified: &Verified) -> Value {
    let problem = |it: &Problem| value!({"id": it.id, "job": it.job, "function": it.function, "what": it.what});
    value!({
        "good": verified.is_good(), "decisions": verified.decisions, "equal": verified.equal,
        "other_engine": verified.other_engine, "differs": verified.differs, "gone": verified.gone,
        "seals": verified.seals.map(|seals| value!({
            "hold": seals.hold, "broken": seals.broken, "before": seals.before, "missing": seals.missing,
            "headless": seals.headless,
        })),
        "problems": verified.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn page(verified: &Verified) -> String {
    let mut page = String::new();
    let mut row = |count: u64, what: &str| {
        let _ = writeln!(page, "{count:>10} {what}");
    };
    row(verified.decisions, "decisions");
    row(verified.equal, "asked again: the same answer");
    if verified.other_engine > 0 {
        row(
            verified.other_engine,
            "asked again on another engine: the same answer, fuel is not compared",
        );
    }
    row(verified.differs, "asked again: NOT as recorded");
    for (word, count) in &verified.gone {
        row(*count, &format!("not asked again ({word})"));
    }
    match verified.seals {
        None => page.push_str("No identity is here, so no seal was looked at: what replay cannot see was not looked for.\n"),
        Some(seals) => {
            row(seals.hold, "seals hold");
            row(seals.broken, "seals are broken");
            row(seals.missing, "decisions are missing");
            if seals.before > 0 {
                row(seals.before, "decisions are from before there were seals under this identity");
            }
            if seals.headless {
                page.push_str("The seal over all decisions is gone: somebody removed it.\n");
            }
        }
    }
    for it in &verified.problems {
        let job = it.job.map_or_else(|| "-".into(), pylon_core::JobId::short);
        let _ = writeln!(
            page,
            "decision {} ({} {job}): {}",
            it.id,
            sanitize_line(&it.function),
            it.what
        );
    }
    page.push_str(if verified.is_good() {
        "The log is as it was written.\n"
    } else {
        "The log is NOT as it was written.\n"
    });
    page
}
