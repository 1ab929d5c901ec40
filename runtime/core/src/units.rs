//! Times and amounts in display format.

use crate::{Msat, UnixTime};

/// An amount in whole satoshis and in msat: `1234 sats (1234567 msats)`.
pub fn sats(amount: Msat) -> String {
    format!("{} sats ({} msats)", amount.sats(), amount.get())
}

/// A duration in its largest unit: `2 hours`.
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} seconds"),
        60..3600 => format!("{} minutes", seconds / 60),
        3600..86_400 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A duration: `2h 30m 15s`.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let parts = [(days, 'd'), (hours, 'h'), (minutes, 'm'), (rest, 's')];
    let shown = parts.iter().skip_while(|(count, unit)| *count == 0 && *unit != 's');
    shown.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

/// A time in UTC: `2026-01-31 12:00:00`.
pub fn format_utc(at: UnixTime) -> String {
    let (days, second) = (at.get() / 86_400, at.get() % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The civil date this many days after 1970-01-01. Years are counted from March, so that a leap day
/// is the last day of a year; the calendar repeats every 400 years.
fn date(days: u64) -> (u64, u64, u64) {
    let since = days + 719_468;
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known times, among them the ends of leap years, and durations.
    #[test]
    fn times_and_durations() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (978_307_199, "2000-12-31 23:59:59"),
            (1_767_225_600, "2026-01-01 00:00:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(format_utc(UnixTime::new(seconds)), expected);
        }
        for (seconds, expected) in
            [(0, "0s"), (75, "1m 15s"), (9015, "2h 30m 15s"), (86_400, "1d 0h 0m 0s")]
        {
            assert_eq!(span(seconds), expected);
        }
    }
}
