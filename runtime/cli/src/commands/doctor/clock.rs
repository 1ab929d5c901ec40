//! Is our clock right? Events carry times, and relays refuse what is too far from theirs.

use super::Row;
use pylon_nostr::probe::Probe;

const CHECK: &str = "clock";
const OFF_SECONDS: u64 = 30;
/// Many relays refuse events that are further off.
const FAR_OFF_SECONDS: u64 = 600;

pub(super) fn check(relays: &[Probe]) -> Row {
    let mut ahead: Vec<_> = relays.iter().filter_map(|relay| relay.ahead_seconds).collect();
    ahead.sort_unstable();
    // One relay may be wrong: the middle is not.
    match ahead.get(ahead.len() / 2) {
        Some(ahead) => judge(*ahead, relays.len()),
        None => Row::warning(
            CHECK,
            "no relay says what time it has",
            "check yourself that this clock is right",
        ),
    }
}

fn judge(ahead: i64, relays: usize) -> Row {
    let off = ahead.unsigned_abs();
    let side = if ahead >= 0 { "ahead of" } else { "behind" };
    let found = format!("{off} s {side} the relays ({relays} asked)");
    if off <= OFF_SECONDS {
        Row::ok(CHECK, found)
    } else if off <= FAR_OFF_SECONDS {
        Row::warning(CHECK, found, "set the clock (NTP): jobs and results are dated by it")
    } else {
        Row::broken(CHECK, found, "set the clock (NTP): relays refuse what is dated so")
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
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

    /// Goal: a clock that is far off is told, a relay that is wrong is not believed. Method: one row for each.
    #[test]
    fn a_wrong_clock_is_told() {
        let check = |ahead: &[Option<i64>], state: State| {
            let relays: Vec<_> = ahead.iter().map(|ahead| relay(*ahead)).collect();
            assert_eq!(check(&relays).state, state, "{ahead:?}");
        };
        check(&[], State::Warning);
        check(&[None], State::Warning);
        check(&[Some(0)], State::Ok);
        check(&[Some(-30), None], State::Ok);
        check(&[Some(31)], State::Warning);
        check(&[Some(-601)], State::Broken);
        check(&[Some(1), Some(i64::MIN), Some(2)], State::Ok);
    }
}
