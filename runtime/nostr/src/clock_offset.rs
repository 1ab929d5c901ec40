//! How far the clock of this machine is from those of the relays.

use pylon_core::UnixTime;
use reqwest::header::{DATE, HeaderMap};
use std::time::SystemTime;

/// Accepted without a warning.
pub const OFFSET_SECONDS_MAX: u64 = 30;
/// Many relays reject events beyond this.
pub const REJECTED_OFFSET_SECONDS: u64 = 600;

/// How far the clock is ahead of the relays, from the difference to each of them: the median,
/// because one relay may be wrong.
pub fn median(mut ahead_seconds: Vec<i64>) -> Option<i64> {
    ahead_seconds.sort_unstable();
    ahead_seconds.get(ahead_seconds.len() / 2).copied()
}

/// Describes an offset, for example `31 s ahead of`.
pub fn describe(ahead_seconds: i64) -> String {
    let direction = if ahead_seconds >= 0 { "ahead of" } else { "behind" };
    format!("{} s {direction}", ahead_seconds.unsigned_abs())
}

/// This time minus that of a `Date` header, in whole seconds.
pub(crate) fn ahead_of(headers: &HeaderMap, now: UnixTime) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let theirs = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(now.get()).ok()?.checked_sub(i64::try_from(theirs).ok()?)
}
