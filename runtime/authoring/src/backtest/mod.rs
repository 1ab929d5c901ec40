//! Back-tests: a candidate policy answers recorded questions, and a report says what would have
//! changed. What cannot be known is reported and never counted.
//!
//! `recorded` reads the questions, `pricing`, `routing` and `verification` put them to the
//! candidate, `case` is the result for one, `report` for all, and `chart` draws it.

mod case;
#[cfg(feature = "chart")]
mod chart;
mod pricing;
mod quantiles;
mod recorded;
mod report;
mod routing;
mod verification;

pub use case::{Money, Outcome, RecordedCase, Unknown};
#[cfg(feature = "chart")]
pub use chart::svg;
pub use quantiles::Quantiles;
pub use report::{
    AnswerChange, Breakdown, BreakdownRow, Counts, OTHERS, RATIOS, Report, Sum, ratio_label,
};

use anyhow::{Context, Result, anyhow};
use pylon_core::UnixTime;
use pylon_journal::ReadOnlyJournal;
use pylon_sandbox::{Installed, Role};
use recorded::RecordedQuestion;
use std::sync::mpsc::sync_channel;

/// Pages that are read ahead.
const PAGES_AHEAD_MAX: usize = 2;

/// Whether [`svg`] is available: it needs the feature `chart`.
pub const CHARTS: bool = cfg!(feature = "chart");

/// Draws the report as SVG; `title` is one line.
#[cfg(not(feature = "chart"))]
pub fn svg(_: &Report, _: &str) -> Result<String> {
    anyhow::bail!("built without charts")
}

/// The decisions to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Decisions from this time on.
    pub since: UnixTime,
    /// Only jobs of this kind.
    pub kind: Option<u16>,
}

/// Puts all recorded questions of its role to the candidate. One thread reads ahead; `progress`
/// gets the number of questions so far.
pub fn run(
    journal: ReadOnlyJournal,
    guest: &Installed,
    role: Role,
    filter: Filter,
    mut progress: impl FnMut(u64),
) -> Result<Report> {
    let function = recorded::function(role).context(
        "a handler has no decisions to compare: `pylon guest replay` repeats one of its runs",
    )?;
    let mut report = Report::default();
    let mut done = 0;
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<Vec<RecordedQuestion>>(PAGES_AHEAD_MAX);
        let reader = std::thread::Builder::new()
            .name("reader".into())
            .spawn_scoped(scope, move || {
                recorded::read(&journal, function, filter.since, filter.kind, |batch| {
                    send.send(batch).is_ok()
                })
            })
            .context("cannot start a thread")?;
        for batch in receive {
            for recorded in &batch {
                compare(&mut report, guest, role, recorded);
            }
            done += batch.len() as u64;
            progress(done);
        }
        reader.join().map_err(|_| anyhow!("the reader of the journal has failed"))??;
        Ok(report)
    })
}

fn compare(report: &mut Report, guest: &Installed, role: Role, recorded: &RecordedQuestion) {
    if let Err(why) = &recorded.question {
        report.skip(why.as_str());
        return;
    }
    let case = match role {
        Role::Routing => routing::case(guest, recorded),
        Role::Pricing => pricing::case(guest, recorded),
        Role::Verification => verification::case(guest, recorded),
        Role::Handler => None,
    };
    if let Some(case) = case {
        report.add(&case);
    }
}
