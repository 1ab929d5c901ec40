//! Checks the system clock, because relays reject events whose time is too far from theirs.

use super::row::CheckRow;
use pylon_nostr::clock_offset::{self, OFFSET_SECONDS_MAX, REJECTED_OFFSET_SECONDS};
use pylon_nostr::probe::Probe;

const CHECK: &str = "clock";

pub(super) fn check(relays: &[Probe]) -> CheckRow {
    let ahead = relays.iter().filter_map(|relay| relay.ahead_seconds).collect();
    match clock_offset::median(ahead) {
        Some(ahead) => row(ahead, relays.len()),
        None => {
            CheckRow::warning(CHECK, "no relay reports its time", "check the clock of this machine")
        }
    }
}

fn row(ahead: i64, relays: usize) -> CheckRow {
    let off = ahead.unsigned_abs();
    let detail = format!("{} the relays ({relays} queried)", clock_offset::describe(ahead));
    if off <= OFFSET_SECONDS_MAX {
        CheckRow::ok(CHECK, detail)
    } else if off <= REJECTED_OFFSET_SECONDS {
        CheckRow::warning(CHECK, detail, "set the clock (NTP): it dates jobs and results")
    } else {
        CheckRow::broken(CHECK, detail, "set the clock (NTP): relays reject events with this time")
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::CheckState;
    use super::*;

    fn relay(ahead_seconds: Option<i64>) -> Probe {
        Probe {
            url: "wss://x".into(),
            latency: Err("x".into()),
            about: None,
            auth_asked: false,
            ahead_seconds,
        }
    }

    /// Goal: a wrong clock is reported, and a single wrong relay has no effect. Method: one row for
    /// each.
    #[test]
    fn wrong_clock_is_reported() {
        let check = |ahead: &[Option<i64>], state: CheckState| {
            let relays: Vec<_> = ahead.iter().map(|ahead| relay(*ahead)).collect();
            assert_eq!(check(&relays).state, state, "{ahead:?}");
        };
        check(&[], CheckState::Warning);
        check(&[None], CheckState::Warning);
        check(&[Some(0)], CheckState::Ok);
        check(&[Some(-30), None], CheckState::Ok);
        check(&[Some(31)], CheckState::Warning);
        check(&[Some(-601)], CheckState::Broken);
        check(&[Some(1), Some(i64::MIN), Some(2)], CheckState::Ok);
    }
}
