//! Which guest a slot goes back to, and how soon it may do so by itself. Pure.

use super::shipped;
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, InstalledGuest};
use pylon_sandbox::{Role, Slot};

/// A guest that fails so often in so many calls is taken out by itself: more than the bad luck of a request that no guest can take, and soon enough
/// that few customers notice.
pub(super) const TRAPS: usize = 5;
/// Of so many calls, the latest.
pub(super) const CALLS: usize = 20;
/// Between two times that a slot goes back by itself, at first and at most: each time doubles it, a day without one begins anew.
const REST_FIRST_SECONDS: u64 = 60;
const REST_MOST_SECONDS: u64 = 24 * 3600;

/// The causes of rows that put back what was there: an operator, too many traps, a release that is over.
pub(super) const ROLLBACK: &str = "rollback";
pub(super) const BY_ITSELF: &str = "traps";
pub(super) const OVER: &str = "release";
const CAME_BACK: [&str; 3] = [ROLLBACK, BY_ITSELF, OVER];

/// So many guests of before are tried, the latest and the first of all: each may have to be compiled.
const TRIED_MAX: usize = 8;

/// Whom the slot goes back to: to the guest of set `to` (0: before the first), or to the latest of [`earlier`]. `Some(None)`: to nobody, as it was
/// before its first guest. A handler has to be told so by naming the set, as nobody would serve its kind.
pub(super) fn target(
    history: &[Installation],
    slot: Slot,
    to: Option<u64>,
) -> Option<Option<&InstalledGuest>> {
    let Some(to) = to else { return earlier(history, slot).into_iter().next() };
    history.last().filter(|newest| to <= newest.revision)?;
    let rows = rows(history, slot);
    let nobody = can_be_empty(&rows, slot).then_some(None);
    let then = rows.into_iter().rfind(|row| row.revision <= to).and_then(|row| row.guest.as_ref());
    then.map(Some).or(nobody)
}

/// Whom the slot can go back to, the latest first, for whoever finds that one cannot be had: other guests than the present, each component once. What it has
/// gone back from already is not gone back to. Nobody comes last, where a policy of a kind leaves it to the policy for all.
pub(super) fn earlier(history: &[Installation], slot: Slot) -> Vec<Option<&InstalledGuest>> {
    let rows = rows(history, slot);
    let mut found: Vec<&InstalledGuest> = Vec::new();
    let mut next = rows.len().checked_sub(1).and_then(|last| origin(&rows, last));
    let present = next.and_then(|at| rows.get(at)).and_then(|row| row.guest.as_ref());
    while let Some(at) = next {
        let is_new = |guest: &InstalledGuest| {
            Some(guest) != present && found.iter().all(|known| known.digest != guest.digest)
        };
        let before = latest(&rows, at, |row| row.guest.as_ref().is_some_and(is_new));
        found.extend(before.and_then(|at| rows.get(at)).and_then(|row| row.guest.as_ref()));
        next = before.and_then(|at| origin(&rows, at));
    }
    if let Some(first) = found.get(TRIED_MAX..).and_then(<[_]>::last).copied() {
        found.truncate(TRIED_MAX - 1);
        found.push(first);
    }
    let nobody = can_be_empty(&rows, slot) && slot.role() != Role::Handler;
    found.into_iter().map(Some).chain(nobody.then_some(None)).collect()
}

fn rows(history: &[Installation], slot: Slot) -> Vec<&Installation> {
    let name = slot.to_string();
    history.iter().filter(|row| row.slot == name).collect()
}

fn can_be_empty(rows: &[&Installation], slot: Slot) -> bool {
    !shipped::fills(slot) && rows.last().is_some_and(|row| row.guest.is_some())
}

/// A row that came back stands for the one that it came back to; nobody, where nobody could be had, for itself: its guest may have a new release.
fn origin(rows: &[&Installation], mut at: usize) -> Option<usize> {
    let came_back = |row: &&&Installation| {
        CAME_BACK.contains(&row.cause.as_str()) && (row.guest.is_some() || row.cause != OVER)
    };
    while let Some(back) = rows.get(at).filter(came_back) {
        at = latest(rows, at, |row| row.guest == back.guest)?;
    }
    Some(at)
}

fn latest(
    rows: &[&Installation],
    before: usize,
    wanted: impl Fn(&Installation) -> bool,
) -> Option<usize> {
    rows.iter().take(before).rposition(|row| wanted(row))
}

/// Why there is nobody to go back to where no set is named, and what to do then: in a line.
pub(super) fn nobody(history: &[Installation], slot: Slot) -> String {
    let name = slot.to_string();
    let mut rows = history.iter().filter(|row| row.slot == name);
    let Some(first) = rows.next() else {
        return format!("nobody was ever in {slot}: `pylon guest list` shows who is where");
    };
    if rows.any(|row| row.guest != first.guest) {
        return "there is nothing to go back to: `pylon guest list --history` shows what `--to` can name".into();
    }
    match (shipped::for_slot(slot), &first.guest) {
        (Some(ours), Some(guest)) if guest.source == format!("{}{ours}", shipped::PREFIX) => {
            format!("{slot} has had no other guest than {ours}, which comes with pylon")
        }
        (Some(ours), _) => {
            let todo = format!(
                "`pylon guest install {ours} --slot {slot}` puts there what comes with pylon"
            );
            format!("{slot} has had no other guest: {todo}")
        }
        (None, _) => {
            let to = first.revision.saturating_sub(1);
            format!(
                "nobody was in {slot} before: `pylon guest rollback {slot} --to {to}` empties it"
            )
        }
    }
}

/// Before this the slot does not go back by itself.
pub(super) fn rests_until(history: &[Installation], slot: Slot) -> Option<UnixTime> {
    let name = slot.to_string();
    let mut times = history
        .iter()
        .rev()
        .filter(|row| row.slot == name && row.cause == BY_ITSELF)
        .map(|row| row.at);
    let last = times.next()?;
    let (mut rest, mut next) = (REST_FIRST_SECONDS, last);
    for earlier in times {
        if next.since(earlier) >= REST_MOST_SECONDS {
            break;
        }
        rest = rest.saturating_mul(2).min(REST_MOST_SECONDS);
        next = earlier;
    }
    Some(last.plus(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::Digest;

    fn row(revision: u64, guest: Option<u8>, why: &str, at: u64) -> Installation {
        let guest = guest.map(|byte| InstalledGuest {
            digest: Digest::from_bytes([byte; 32]),
            name: "a".into(),
            version: "1".into(),
            source: String::new(),
            settings: Default::default(),
            grants: Vec::new(),
            limits: Default::default(),
            publisher: None,
        });
        Installation {
            revision,
            slot: "pricing".into(),
            guest,
            config: String::new(),
            cause: why.into(),
            at: UnixTime::new(at),
        }
    }

    fn slot() -> Slot {
        "pricing".parse().unwrap()
    }

    /// Goal: back is where it worked before, never to what was left. Method: a history, and where it leads; 0 for nowhere.
    #[test]
    fn where_back_leads() {
        let check = |rows: &[(Option<u8>, &str)], to, expected: u8| {
            let rows: Vec<_> = rows
                .iter()
                .zip(1..)
                .map(|((guest, why), number)| row(number, *guest, why, 0))
                .collect();
            let back = target(&rows, slot(), to).map(|guest| guest.unwrap().digest);
            assert_eq!(
                back,
                Some(Digest::from_bytes([expected; 32])).filter(|_| expected > 0),
                "{rows:?}"
            );
        };
        check(&[], None, 0);
        check(&[(Some(1), "start")], None, 0);
        check(&[(Some(1), "start"), (Some(2), "install")], None, 1);
        check(&[(Some(1), "start"), (Some(1), "reload"), (Some(2), "install")], None, 1);
        check(&[(Some(1), "start"), (Some(2), "install"), (Some(1), ROLLBACK)], None, 0);
        check(
            &[(Some(1), "start"), (Some(2), "install"), (Some(3), "install"), (Some(2), BY_ITSELF)],
            None,
            1,
        );
        check(
            &[(Some(1), "start"), (Some(2), "install"), (Some(1), BY_ITSELF), (Some(3), "install")],
            None,
            1,
        );
        check(&[(Some(1), "start"), (None, "reload"), (Some(2), "reload")], None, 1);
        check(&[(Some(1), "start"), (Some(2), "install"), (Some(1), ROLLBACK)], Some(2), 2);
        check(&[(Some(1), "start"), (None, "reload")], Some(2), 0);
        check(&[(Some(1), "start")], Some(0), 0);
        check(&[(Some(1), "start")], Some(2), 0);
    }

    /// Goal: where the last one cannot be had there is one before it, and the tries have an end. Method: histories, and whom they name in turn; a component
    /// with other settings is the same one, and what was gone back from is passed over.
    #[test]
    fn where_else_back_leads() {
        let check = |slot: &str, rows: &[(Option<u8>, &str)], expected: &[Option<u8>]| {
            let row = |((guest, why), number): (&(Option<u8>, &str), u64)| Installation {
                slot: slot.into(),
                ..row(number, *guest, why, 0)
            };
            let rows: Vec<_> = rows.iter().zip(1..).map(row).collect();
            let found = earlier(&rows, slot.parse().unwrap())
                .into_iter()
                .map(|guest| guest.map(|guest| guest.digest));
            let expected: Vec<_> = expected
                .iter()
                .map(|byte| byte.map(|byte| Digest::from_bytes([byte; 32])))
                .collect();
            assert_eq!(found.collect::<Vec<_>>(), expected, "{rows:?}");
        };
        let installed = |many: std::ops::RangeInclusive<u8>| {
            many.map(|byte| (Some(byte), "install")).collect::<Vec<_>>()
        };
        check("pricing", &installed(1..=4), &[Some(3), Some(2), Some(1)]);
        check("pricing:5050", &installed(1..=2), &[Some(1), None]);
        check("handler:5999", &installed(1..=2), &[Some(1)]);
        check("pricing", &[installed(1..=2), installed(1..=3)].concat(), &[Some(2), Some(1)]);
        check("handler:5999", &[(Some(1), "start"), (None, OVER)], &[Some(1)]);
        check(
            "handler:5999",
            &[(Some(1), "start"), (Some(2), "install"), (None, OVER)],
            &[Some(2), Some(1)],
        );
        check("handler:5999", &[(Some(1), "start"), (None, OVER), (Some(1), ROLLBACK)], &[]);
        check("pricing:5050", &[(None, "reload"), (Some(1), "reload"), (None, OVER)], &[Some(1)]);
        check("pricing:5050", &[(Some(1), "install"), (None, BY_ITSELF)], &[]);
        check(
            "pricing",
            &[installed(1..=2), vec![(Some(1), ROLLBACK), (Some(3), "install")]].concat(),
            &[Some(1)],
        );
        let (first, latest) = (std::iter::once(Some(1)), (14..=20).rev().map(Some));
        check("pricing", &installed(1..=21), &latest.chain(first).collect::<Vec<_>>());
    }

    /// Goal: what was empty can be so again. Method: slots that nothing has to fill, with and without a set that is named.
    #[test]
    fn where_nobody_was() {
        let check = |slot: &str, whys: &[&str], to, expected: Option<bool>| {
            let row = |(why, number): (&&str, u64)| Installation {
                slot: slot.into(),
                ..row(number + 1, (*why != "empty").then_some(1), why, 0)
            };
            let rows: Vec<_> = std::iter::once(super::tests::row(1, Some(9), "start", 0))
                .chain(whys.iter().zip(1..).map(row))
                .collect();
            let back = target(&rows, slot.parse().unwrap(), to);
            assert_eq!(back.map(|guest| guest.is_some()), expected, "{slot} {whys:?} {to:?}");
        };
        check("pricing:5050", &["install"], None, Some(false));
        check("pricing:5050", &["install"], Some(1), Some(false));
        check("pricing:5050", &["install"], Some(2), Some(true));
        check("pricing:5050", &["install", "empty"], None, Some(true));
        check("pricing:5050", &["install", "empty"], Some(1), None);
        check("handler:5999", &["install"], None, None);
        check("handler:5999", &["install"], Some(1), Some(false));
        check("handler:5999", &["install"], Some(0), Some(false));
        check("handler:5050", &["install"], Some(1), None);
    }

    /// Goal: who cannot go back hears why, and what can be done. Method: slots that were filled before the node's first start, and others.
    #[test]
    fn why_nobody_comes_back() {
        let check = |slot: &str, rows: &[(Option<u8>, &str)], expected: &str| {
            let row = |((guest, why), number): (&(Option<u8>, &str), u64)| Installation {
                slot: slot.into(),
                ..row(number, *guest, why, 0)
            };
            let rows: Vec<_> = rows.iter().zip(1..).map(row).collect();
            assert_eq!(target(&rows, slot.parse().unwrap(), None), None, "{slot} {rows:?}");
            let said = nobody(&rows, slot.parse().unwrap());
            assert!(said.contains(expected), "{said}");
        };
        check("pricing", &[], "nobody was ever in");
        check(
            "pricing",
            &[(Some(1), "install")],
            "`pylon guest install token_pricing --slot pricing`",
        );
        check("pricing", &[(Some(1), "install"), (Some(1), "reload")], "no other guest");
        check(
            "handler:5999",
            &[(Some(1), "install")],
            "`pylon guest rollback handler:5999 --to 0` empties it",
        );
        check(
            "pricing",
            &[(Some(1), "start"), (Some(2), "install"), (Some(1), ROLLBACK)],
            "--history",
        );
    }

    /// Goal: a slot that fails again and again is left alone for longer and longer. Method: histories, and how long from the last.
    #[test]
    fn each_time_rests_twice_as_long() {
        let check = |times: &[u64], expected: Option<u64>| {
            let rows: Vec<_> = times
                .iter()
                .zip(1..)
                .map(|(at, number)| row(number, Some(1), BY_ITSELF, *at))
                .collect();
            assert_eq!(rests_until(&rows, slot()).map(UnixTime::get), expected);
        };
        check(&[], None);
        check(&[1000], Some(1060));
        check(&[1000, 2000], Some(2120));
        check(&[1000, 2000, 3000], Some(3240));
        check(&[1000, 2000, 200_000], Some(200_060));
        check(&(0..40).collect::<Vec<_>>(), Some(39 + REST_MOST_SECONDS));
        assert_eq!(rests_until(&[row(1, Some(1), ROLLBACK, 5)], slot()), None);
    }
}
