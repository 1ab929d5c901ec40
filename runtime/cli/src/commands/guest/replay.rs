//! `pylon guest replay`: repeats the recorded decisions about one job, and compares.

use super::records::Records;
use crate::args::records::ReplayArgs;
use crate::commands::block_on;
use crate::commands::find_job::find_job_or_refusal;
use crate::commands::jobs_show::cost;
use crate::output::{SilentFailure, json, print, table};
use anyhow::{Result, bail};
use pylon_authoring::replay::{ReplayOutcome, ReplaySubject, check};
use pylon_core::JobId;
use pylon_core::decision_summary;
use pylon_core::text::sanitize_line;
use pylon_journal::{MacCheck, RecordedDecision};
use serde_json::{Value, json as value};
use std::fmt::Write as _;

/// Repeats the decisions and prints the comparison.
pub(super) fn run(args: &ReplayArgs) -> Result<()> {
    let mut records = Records::open()?;
    let job = find_job_or_refusal(&records.journal, &args.job)?;
    let (subject, checked) = block_on(async {
        let subject = ReplaySubject::read(&records.journal, job)?;
        let mut checked = Vec::new();
        for recorded in records.journal.recorded_of(job)? {
            let mac = records.cipher.as_ref().map(|cipher| recorded.check_mac(cipher));
            let outcome = check(&mut records.past, &records.journal, &recorded, &subject).await?;
            checked.push(Checked { recorded, mac, outcome });
        }
        Ok((subject, checked))
    })?;
    if checked.is_empty() {
        bail!("no decision about {} is stored", job.short());
    }
    if args.json {
        json(&to_json(job, &checked))?;
    } else {
        print(&page(&subject, &checked))?;
    }
    if checked.iter().all(Checked::is_good) { Ok(()) } else { Err(SilentFailure.into()) }
}

/// One repeated decision.
struct Checked {
    recorded: RecordedDecision,
    mac: Option<MacCheck>,
    outcome: ReplayOutcome,
}

impl Checked {
    fn is_good(&self) -> bool {
        !matches!(self.outcome, ReplayOutcome::Differs(_)) && self.mac != Some(MacCheck::Invalid)
    }
}

fn to_json(job: JobId, checked: &[Checked]) -> Value {
    let decision = |one: &Checked| {
        let (recorded, (outcome, message)) = (&one.recorded, outcome_name(&one.outcome));
        let differences = match &one.outcome {
            ReplayOutcome::Differs(all) => all
                .iter()
                .map(|it| value!({"what": it.what, "recorded": it.recorded, "found": it.found}))
                .collect(),
            _ => Vec::new(),
        };
        value!({
            "id": recorded.id, "function": recorded.function, "attempt": recorded.attempt,
            "slot": recorded.slot, "name": recorded.name, "version": recorded.version,
            "digest": recorded.digest, "revision": recorded.revision, "outcome": outcome,
            "message": message, "differences": differences, "mac": one.mac.map(mac_name),
        })
    };
    let count =
        |wanted: &str| checked.iter().filter(|one| outcome_name(&one.outcome).0 == wanted).count();
    let not_replayable =
        checked.iter().filter(|one| matches!(one.outcome, ReplayOutcome::NotReplayable(_))).count();
    value!({
        "job": job, "equal": count("equal"), "other_engine": count("other_engine"),
        "differs": count("differs"), "not_replayable": not_replayable,
        "decisions": checked.iter().map(decision).collect::<Vec<_>>(),
    })
}

/// The name of an outcome, and its cause if it was not repeated.
fn outcome_name(outcome: &ReplayOutcome) -> (&'static str, Option<String>) {
    match outcome {
        ReplayOutcome::Equal => ("equal", None),
        ReplayOutcome::OtherEngine => ("other_engine", None),
        ReplayOutcome::Differs(_) => ("differs", None),
        ReplayOutcome::NotReplayable(why) => (why.as_str(), Some(why.message())),
    }
}

const fn mac_name(seal: MacCheck) -> &'static str {
    match seal {
        MacCheck::Valid => "valid",
        MacCheck::Invalid => "invalid",
        MacCheck::Missing => "missing",
    }
}

fn page(subject: &ReplaySubject, checked: &[Checked]) -> String {
    let row = |one: &Checked| {
        let recorded = &one.recorded;
        let guest = format!("{} {} ({})", recorded.name, recorded.version, recorded.digest.short());
        let outcome = match &one.outcome {
            ReplayOutcome::Equal => "equal".into(),
            ReplayOutcome::OtherEngine => "equal (another engine, fuel not compared)".into(),
            ReplayOutcome::Differs(all) => format!(
                "DIFFERS in {}",
                all.iter().map(|it| it.what).collect::<Vec<_>>().join(", ")
            ),
            ReplayOutcome::NotReplayable(why) => why.message(),
        };
        let invalid = if one.mac == Some(MacCheck::Invalid) { "; its MAC is INVALID" } else { "" };
        let answer = match one.outcome {
            ReplayOutcome::NotReplayable(_) => String::new(),
            _ => decision_summary::summarize(&recorded.function, &recorded.output),
        };
        let (function, attempt, cost) =
            (recorded.function.clone(), recorded.attempt.to_string(), cost(recorded.cost));
        [function, guest, attempt, cost, format!("{outcome}{invalid}"), answer]
    };
    let rows: Vec<_> = checked.iter().map(row).collect();
    let mut page = table("DECISION  ?GUEST  >?ATTEMPT  >?COST  !REPLAY  ~ANSWER", &rows);
    if let ReplaySubject::Accepted(state) = subject
        && !state.is_closed()
    {
        let (status, delivery) = (state.execution.as_str(), state.delivery.as_str());
        let _ = writeln!(
            page,
            "\nThe job is not finished (status {status}, delivery {delivery}): more decisions may \
             follow."
        );
    }
    for one in checked {
        if let ReplayOutcome::Differs(all) = &one.outcome {
            for it in all {
                let _ = writeln!(
                    page,
                    "\n{} {}, recorded: {}",
                    one.recorded.function,
                    it.what,
                    sanitize_line(&it.recorded)
                );
                let _ = writeln!(
                    page,
                    "{} {}, now:      {}",
                    one.recorded.function,
                    it.what,
                    sanitize_line(&it.found)
                );
            }
        }
    }
    page
}
