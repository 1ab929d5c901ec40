//! The table of `pylon earnings`. Scripts parse it, so its format is fixed.

use crate::output::paragraph;
use pylon_control_api::Refused;
use pylon_core::earnings::{EarningSource, Earnings};
use pylon_core::text::sanitize_line;
use pylon_core::units::{ago, sats};
use pylon_core::{Msat, UnixTime};
use pylon_node::control::REFUSED_MAX;
use std::cmp::Reverse;
use std::fmt::Write as _;

/// Refusal reasons in one line.
const REASONS_MAX: usize = 3;

/// The summary, and at most `limit` earnings, newest first. Further ones are three dots.
pub(crate) fn table(earnings: &Earnings, refused: &Refused, limit: usize, now: UnixTime) -> String {
    let mut out = String::from("Pylon Earnings\n==============\n\nSummary:\n");
    let _ = writeln!(out, "  Total earned: {}", sats(earnings.total));
    let _ = writeln!(out, "  Jobs completed: {}", earnings.jobs_completed);
    out.push_str(&refused_line(refused));
    out.push_str(&refund_line(earnings.refund_due));
    out.push_str("\nBy Source:\n");
    // A journal without earnings shows a zero.
    let none = [(EarningSource::Job, Msat::ZERO)];
    let by_source =
        if earnings.by_source.is_empty() { none.as_slice() } else { earnings.by_source.as_slice() };
    for (source, amount) in by_source {
        let _ = writeln!(out, "  {}: {} sats", source.as_str(), amount.sats());
    }
    let _ =
        writeln!(out, "\nRecent Earnings (last {limit}):\n{:<8} {:<10} TIME AGO", "SATS", "SOURCE");
    for earning in earnings.recent.iter().take(limit) {
        let _ = writeln!(
            out,
            "{:<8} {:<10} {}",
            earning.amount.sats(),
            earning.source.as_str(),
            ago(now.since(earning.at))
        );
    }
    if earnings.recent.len() > limit {
        out.push_str("...\n");
    }
    out
}

/// The line with the refunds due, if there are any.
pub(crate) fn refund_line(amount: Msat) -> String {
    if amount.is_zero() {
        return String::new();
    }
    format!("  Owed back: {}\n", sats(amount))
}

/// The line with the requests refused within a day and the most frequent reasons, if there are any.
pub(crate) fn refused_line(refused: &Refused) -> String {
    if refused.jobs == 0 {
        return String::new();
    }
    let mut reasons: Vec<_> = refused.by_code.iter().collect();
    reasons.sort_by_key(|(_, count)| Reverse(**count));
    let mut shown: Vec<_> = reasons
        .iter()
        .take(REASONS_MAX)
        .map(|(code, count)| format!("{count} {}", sanitize_line(code)))
        .collect();
    shown.extend((reasons.len() > REASONS_MAX).then(|| "others".into()));
    let more = if refused.jobs < REFUSED_MAX as u64 { "" } else { " or more" };
    let text = format!("{}{more} within a day ({})", refused.jobs, shown.join(", "));
    paragraph("  Jobs refused: ", &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::earnings::Earning;
    use pylon_core::{JobId, PaymentHash};

    /// Goal: the table has the documented format. Method: compare it line by line.
    #[test]
    fn table_has_the_documented_format() {
        let now = UnixTime::new(1_000_000);
        let earning = |msat: u64, seconds_ago: u64| Earning {
            job: JobId::from_bytes([1; 32]),
            amount: Msat::new(msat),
            source: EarningSource::Job,
            payment_hash: PaymentHash::from_bytes([2; 32]),
            at: now.minus(seconds_ago),
        };
        let earnings = Earnings {
            total: Msat::new(1_234_000),
            refund_due: Msat::ZERO,
            jobs_completed: 42,
            by_source: vec![
                (EarningSource::Job, Msat::new(1_200_000)),
                (EarningSource::Tip, Msat::new(34_000)),
            ],
            recent: vec![
                earning(50_000, 2 * 3600),
                earning(25_000, 5 * 3600),
                earning(100_000, 86_400),
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

Recent Earnings (last 10):
SATS     SOURCE     TIME AGO
50       job        2 hours
25       job        5 hours
100      job        1 days
";
        let none_refused = Refused::default();
        assert_eq!(table(&earnings, &none_refused, 10, now), expected);
        let cut =
            expected.replace("(last 10)", "(last 2)").replace("100      job        1 days", "...");
        assert_eq!(table(&earnings, &none_refused, 2, now), cut);
        let none = table(&Earnings::default(), &none_refused, 10, now);
        assert!(
            none.contains("\n  Total earned: 0 sats (0 msats)\n")
                && none.contains("By Source:\n  job: 0 sats\n"),
            "{none}"
        );
        let with_refund = Earnings { refund_due: Msat::new(21_500), ..earnings };
        let expected = expected
            .replace("completed: 42\n", "completed: 42\n  Owed back: 21 sats (21500 msats)\n");
        assert_eq!(table(&with_refund, &none_refused, 10, now), expected);
        let codes = [("busy", 1), ("bid_too_low", 7), ("invalid", 3), ("no_backend", 9)];
        let refused = Refused::of(now, codes.map(|(code, count)| (code.to_owned(), count)).into());
        let line =
            "  Jobs refused: 20 within a day (9 no_backend, 7 bid_too_low, 3 invalid, others)\n";
        let expected = expected.replace("  Owed back", &format!("{line}  Owed back"));
        assert_eq!(table(&with_refund, &refused, 10, now), expected);
        let flood = Refused::of(now, [("busy".to_owned(), REFUSED_MAX as u64)].into());
        assert_eq!(
            refused_line(&flood),
            "  Jobs refused: 10000 or more within a day (10000 busy)\n"
        );
    }
}
