//! Back-tests: another policy is asked what was asked before, and a report says what it would have changed. What nobody can know is never counted.
//!
//! `asked` reads the questions, `pricing`, `routing` and `verification` put them, a [`Case`] is what came of one, a [`Report`] of all; `chart` draws it.

mod asked;
mod case;
pub mod chart;
mod pricing;
mod quantiles;
mod report;
mod routing;
mod verification;

pub use case::{Case, Money, Stand, Unknown};
pub use quantiles::Quantiles;
pub use report::{Example, OTHERS, RATIOS, Report, RowSum, Rows, Sum};

use anyhow::{Context, Result, anyhow};
use asked::Asked;
use pylon_core::UnixTime;
use pylon_journal::ReadOnlyJournal;
use pylon_sandbox::{Installed, Role};
use std::sync::mpsc::sync_channel;

/// Pages that are read ahead.
const AHEAD: usize = 2;

/// Which decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Not before this.
    pub since: UnixTime,
    /// Only about jobs of this kind.
    pub kind: Option<u16>,
}

/// Asks the candidate all questions of its role. One thread reads, this one asks; `progress` hears how many were asked.
pub fn run(
    books: ReadOnlyJournal,
    guest: &Installed,
    role: Role,
    span: Span,
    mut progress: impl FnMut(u64),
) -> Result<Report> {
    let function = asked::function(role)
        .context("a handler has no decisions to go back to: `pylon guest replay` runs one again")?;
    let mut report = Report::default();
    let mut done = 0;
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<Vec<Asked>>(AHEAD);
        let reader = std::thread::Builder::new()
            .name("reader".into())
            .spawn_scoped(scope, move || {
                asked::read(&books, function, span.since, span.kind, |batch| {
                    send.send(batch).is_ok()
                })
            })
            .context("no thread to read with")?;
        for batch in receive {
            for asked in &batch {
                one(&mut report, guest, role, asked);
            }
            done += batch.len() as u64;
            progress(done);
        }
        reader.join().map_err(|_| anyhow!("reading the decisions failed"))??;
        Ok(report)
    })
}

fn one(report: &mut Report, guest: &Installed, role: Role, asked: &Asked) {
    if let Err(gone) = &asked.question {
        report.skip(gone.word());
        return;
    }
    let case = match role {
        Role::Routing => routing::case(guest, asked),
        Role::Pricing => pricing::case(guest, asked),
        Role::Verification => verification::case(guest, asked),
        Role::Handler => None,
    };
    if let Some(case) = case {
        report.add(&case);
    }
}
