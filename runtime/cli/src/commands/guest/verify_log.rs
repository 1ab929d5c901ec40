//! `pylon guest verify-log`: replays all recorded decisions, and checks their MACs.

use super::records::Records;
use crate::args::records::VerifyLogArgs;
use crate::commands::block_on;
use crate::output::{SilentFailure, json, print};
use crate::progress::Progress;
use anyhow::Result;
use pylon_authoring::replay::{LogReport, Problem, verify};
use pylon_core::UnixTime;
use pylon_core::ports::clock::Clock as _;
use pylon_core::text::sanitize_line;
use pylon_node::clock::SystemClock;
use serde_json::{Value, json as value};
use std::fmt::Write as _;

/// Verifies the log and prints the result.
pub(super) fn run(args: &VerifyLogArgs) -> Result<()> {
    let mut records = Records::open()?;
    let since = args.since.map_or(UnixTime::new(0), |age| SystemClock.now().minus(age));
    let verified = block_on(async {
        let progress = Progress::new("decisions", records.journal.decision_count()?);
        Ok(verify(&mut records.past, &records.journal, records.cipher.as_ref(), since, |done| {
            progress.update(done)
        })
        .await?)
    })?;
    if args.json {
        json(&to_json(&verified))?;
    } else {
        print(&page(&verified))?;
    }
    if verified.is_good() { Ok(()) } else { Err(SilentFailure.into()) }
}

fn to_json(verified: &LogReport) -> Value {
    let problem = |it: &Problem| value!({"id": it.id, "job": it.job, "function": it.function, "message": it.what});
    value!({
        "good": verified.is_good(), "decisions": verified.decisions, "equal": verified.equal,
        "other_engine": verified.other_engine, "differs": verified.differs,
        "not_replayable": verified.not_replayable,
        "macs": verified.macs.map(|macs| value!({
            "valid": macs.valid, "invalid": macs.invalid, "unsealed": macs.unsealed,
            "missing": macs.missing, "head_missing": macs.head_missing,
        })),
        "problems": verified.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn page(verified: &LogReport) -> String {
    let mut page = String::new();
    let mut row = |count: u64, what: &str| {
        let _ = writeln!(page, "{count:>10} {what}");
    };
    row(verified.decisions, "decisions");
    row(verified.equal, "replayed: equal");
    if verified.other_engine > 0 {
        row(verified.other_engine, "replayed on another engine: equal (fuel not compared)");
    }
    row(verified.differs, "replayed: DIFFERENT");
    for (reason, count) in &verified.not_replayable {
        row(*count, &format!("not replayed ({reason})"));
    }
    match verified.macs {
        None => page.push_str(
            "No MAC was checked, because this home has no identity: changes that a replay does not \
             find are not detected.\n",
        ),
        Some(macs) => {
            row(macs.valid, "MACs are valid");
            row(macs.invalid, "MACs are invalid");
            row(macs.missing, "decisions are missing");
            if macs.unsealed > 0 {
                row(macs.unsealed, "decisions have no MAC of this identity");
            }
            if macs.head_missing {
                page.push_str("The MAC of the whole log is missing: it was removed.\n");
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
        "The log is intact.\n"
    } else {
        "The log is NOT intact.\n"
    });
    page
}
