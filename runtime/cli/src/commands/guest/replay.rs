//! `pylon guest replay`: what was decided about one job, asked again.

use super::records::Records;
use crate::args::guest::records::ReplayArgs;
use crate::commands::block_on;
use crate::commands::jobs_show::cost;
use crate::output::{SaidNo, json, say, table};
use anyhow::{Result, bail};
use pylon_authoring::replay::{Outcome, Subject, check};
use pylon_core::JobId;
use pylon_core::decision_summary;
use pylon_core::text::sanitize_line;
use pylon_journal::{MacCheck, ReadOnlyJournal, RecordedDecision};
use serde_json::{Value, json as value};
use std::fmt::Write as _;

/// Asks again and shows what came of it.
pub(super) fn run(args: &ReplayArgs) -> Result<()> {
    let mut records = Records::open()?;
    let job = find(&records.books, &args.job)?;
    let (subject, checked) = block_on(async {
        let subject = Subject::of(&records.books, job)?;
        let mut checked = Vec::new();
        for recorded in records.books.recorded_of(job)? {
            let seal = records.safe.as_ref().map(|safe| recorded.check_mac(safe));
            let outcome = check(&mut records.past, &records.books, &recorded, &subject).await?;
            checked.push(Checked { recorded, seal, outcome });
        }
        Ok((subject, checked))
    })?;
    if checked.is_empty() {
        bail!("nothing was decided about {} that is still kept", job.short());
    }
    if args.json {
        json(&facts(job, &checked))?;
    } else {
        say(&page(&subject, &checked))?;
    }
    if checked.iter().all(Checked::is_good) { Ok(()) } else { Err(SaidNo.into()) }
}

/// One decision, asked again.
struct Checked {
    recorded: RecordedDecision,
    seal: Option<MacCheck>,
    outcome: Outcome,
}

impl Checked {
    fn is_good(&self) -> bool {
        !matches!(self.outcome, Outcome::Differs(_)) && self.seal != Some(MacCheck::Invalid)
    }
}

fn find(books: &ReadOnlyJournal, prefix: &str) -> Result<JobId> {
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
    let mut found = books.jobs_by_prefix(&prefix)?;
    found.extend(books.refusals_by_prefix(&prefix)?);
    match *found {
        [id] => Ok(id),
        [] => bail!("no job begins with {prefix}: `pylon jobs list` shows the latest"),
        _ => bail!("more than one job begins with {prefix}: give more digits"),
    }
}

fn facts(job: JobId, checked: &[Checked]) -> Value {
    let decision = |one: &Checked| {
        let (recorded, (outcome, why)) = (&one.recorded, word(&one.outcome));
        let differences = match &one.outcome {
            Outcome::Differs(all) => all
                .iter()
                .map(|it| value!({"what": it.what, "recorded": it.recorded, "found": it.found}))
                .collect(),
            _ => Vec::new(),
        };
        value!({
            "id": recorded.id, "function": recorded.function, "attempt": recorded.attempt, "slot": recorded.slot,
            "name": recorded.name, "version": recorded.version, "digest": recorded.digest, "revision": recorded.revision,
            "outcome": outcome, "why": why, "differences": differences, "seal": one.seal.map(seal_word),
        })
    };
    let count = |wanted: &str| checked.iter().filter(|one| word(&one.outcome).0 == wanted).count();
    let gone = checked.iter().filter(|one| matches!(one.outcome, Outcome::Gone(_))).count();
    value!({
        "job": job, "equal": count("equal"), "other_engine": count("other_engine"), "differs": count("differs"), "gone": gone,
        "decisions": checked.iter().map(decision).collect::<Vec<_>>(),
    })
}

/// An outcome in a word and, where there is more to it, in a line.
fn word(outcome: &Outcome) -> (&'static str, Option<String>) {
    match outcome {
        Outcome::Equal => ("equal", None),
        Outcome::OtherEngine => ("other_engine", None),
        Outcome::Differs(_) => ("differs", None),
        Outcome::Gone(gone) => (gone.word(), Some(gone.words())),
    }
}

const fn seal_word(seal: MacCheck) -> &'static str {
    match seal {
        MacCheck::Valid => "holds",
        MacCheck::Invalid => "broken",
        MacCheck::Missing => "absent",
    }
}

fn page(subject: &Subject, checked: &[Checked]) -> String {
    let row = |one: &Checked| {
        let recorded = &one.recorded;
        let guest = format!("{} {} ({})", recorded.name, recorded.version, recorded.digest.short());
        let outcome = match &one.outcome {
            Outcome::Equal => "equal".into(),
            Outcome::OtherEngine => "equal; another engine, so fuel is not compared".into(),
            Outcome::Differs(all) => format!(
                "DIFFERS in {}",
                all.iter().map(|it| it.what).collect::<Vec<_>>().join(", ")
            ),
            Outcome::Gone(gone) => gone.words(),
        };
        let broken = if one.seal == Some(MacCheck::Invalid) { "; its seal is BROKEN" } else { "" };
        let answer = match one.outcome {
            Outcome::Gone(_) => String::new(),
            _ => decision_summary::summarize(&recorded.function, &recorded.output),
        };
        let (function, attempt, cost) =
            (recorded.function.clone(), recorded.attempt.to_string(), cost(recorded.cost));
        [function, guest, attempt, cost, format!("{outcome}{broken}"), answer]
    };
    let rows: Vec<_> = checked.iter().map(row).collect();
    let mut page = table("DECISION  GUEST  >ATTEMPT  >COST  REPLAY  ANSWER", &rows);
    if let Subject::Taken(state) = subject
        && !state.is_closed()
    {
        let (status, delivery) = (state.execution.as_str(), state.delivery.as_str());
        let _ = writeln!(
            page,
            "\nThe job is not over (status {status}, delivery {delivery}): this is all that was decided so far."
        );
    }
    for one in checked {
        if let Outcome::Differs(all) = &one.outcome {
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
