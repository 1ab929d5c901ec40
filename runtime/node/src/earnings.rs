//! The books as `pylon earnings` shows them: scripts read this table, so its form is fixed.

use pylon_core::UnixTime;
use pylon_core::ports::journal::{Earnings, Source};
use std::fmt::Write as _;

/// The summary and the newest earnings.
pub fn table(earnings: &Earnings, now: UnixTime) -> String {
    let mut out = String::from("Pylon Earnings\n==============\n\nSummary:\n");
    let _ = writeln!(out, "  Total earned: {} sats ({} msats)", earnings.total.sats(), earnings.total.get());
    let _ = writeln!(out, "  Jobs completed: {}\n\nBy Source:", earnings.jobs_completed);
    for (source, amount) in &earnings.by_source {
        let _ = writeln!(out, "  {}: {} sats", word(*source), amount.sats());
    }
    let _ = writeln!(out, "\nRecent Earnings (last {}):\n{:<8} {:<10} TIME AGO", earnings.recent.len(), "SATS", "SOURCE");
    for (amount, source, at) in &earnings.recent {
        let _ = writeln!(out, "{:<8} {:<10} {}", amount.sats(), word(*source), ago(now.since(*at)));
    }
    out
}

fn word(source: Source) -> &'static str {
    match source {
        Source::Job => "job",
        Source::Tip => "tip",
    }
}

/// How long ago, in one unit.
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} seconds"),
        60..3600 => format!("{} minutes", seconds / 60),
        3600..86_400 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::Msat;

    /// The whole table, line by line.
    #[test]
    fn the_table_is_the_documents() {
        let now = UnixTime::new(1_000_000);
        let earnings = Earnings {
            total: Msat::new(1_234_000),
            jobs_completed: 42,
            by_source: vec![(Source::Job, Msat::new(1_200_000)), (Source::Tip, Msat::new(34_000))],
            recent: vec![
                (Msat::new(50_000), Source::Job, now.minus(2 * 3600)),
                (Msat::new(25_000), Source::Job, now.minus(5 * 3600)),
                (Msat::new(100_000), Source::Job, now.minus(86_400)),
            ],
        };
        let expected = "\
Pylon Earnings
==============

Summary:
  Total earned: 1234 sats (1234000 msats)
  Jobs completed: 42

By Source:
  job: 1200 sats
  tip: 34 sats

Recent Earnings (last 3):
SATS     SOURCE     TIME AGO
50       job        2 hours
25       job        5 hours
100      job        1 days
";
        assert_eq!(table(&earnings, now), expected);
    }
}
