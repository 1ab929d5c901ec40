//! The guests that a slot can be rolled back to. Pure.

use crate::shipped;
use pylon_core::installation::{Installation, InstalledGuest};
use pylon_sandbox::{Role, Slot};

/// Cause of a row: an operator rolled the slot back.
pub(crate) const ROLLBACK: &str = "rollback";
/// Cause of a row: the guest failed too often.
pub(crate) const FAULTS: &str = "faults";
/// Cause of a row: the guest's release expired or was deleted.
pub(crate) const EXPIRED: &str = "expired";
const ROLLBACK_CAUSES: [&str; 3] = [ROLLBACK, FAULTS, EXPIRED];

/// At most this many candidates are tried, the newest ones and the first of all: each may have to
/// be compiled.
const CANDIDATES_MAX: usize = 8;

/// The guest that a slot is rolled back to: the one of revision `to` (0: before the first), or the
/// newest of [`rollback_candidates`]. `Some(None)` empties the slot, as it was before its first
/// guest; for a handler only with `to`, because its kind would not be served any more.
pub(crate) fn target(
    history: &[Installation],
    slot: Slot,
    to: Option<u64>,
) -> Option<Option<&InstalledGuest>> {
    let Some(to) = to else { return rollback_candidates(history, slot).into_iter().next() };
    history.last().filter(|newest| to <= newest.revision)?;
    let rows = rows(history, slot);
    let empty = can_be_empty(&rows, slot).then_some(None);
    let guest = rows.into_iter().rfind(|row| row.revision <= to).and_then(|row| row.guest.as_ref());
    guest.map(Some).or(empty)
}

/// The guests that a slot can be rolled back to, newest first, each component once: the
/// predecessors of the present guest, without those that the slot was rolled back from. The slot of
/// a policy for one kind can be emptied last, because the default policy serves that kind then.
pub(crate) fn rollback_candidates(
    history: &[Installation],
    slot: Slot,
) -> Vec<Option<&InstalledGuest>> {
    let rows = rows(history, slot);
    let mut found: Vec<&InstalledGuest> = Vec::new();
    let mut next = rows.len().checked_sub(1).and_then(|newest| origin(&rows, newest));
    let present = next.and_then(|at| rows.get(at)).and_then(|row| row.guest.as_ref());
    while let Some(at) = next {
        let is_new = |guest: &InstalledGuest| {
            Some(guest) != present && found.iter().all(|known| known.digest != guest.digest)
        };
        let before = rposition(&rows, at, |row| row.guest.as_ref().is_some_and(is_new));
        found.extend(before.and_then(|at| rows.get(at)).and_then(|row| row.guest.as_ref()));
        next = before.and_then(|at| origin(&rows, at));
    }
    if let Some(first) = found.get(CANDIDATES_MAX..).and_then(<[_]>::last).copied() {
        found.truncate(CANDIDATES_MAX - 1);
        found.push(first);
    }
    let empty = can_be_empty(&rows, slot) && slot.role() != Role::Handler;
    found.into_iter().map(Some).chain(empty.then_some(None)).collect()
}

fn rows(history: &[Installation], slot: Slot) -> Vec<&Installation> {
    let name = slot.to_string();
    history.iter().filter(|row| row.slot == name).collect()
}

fn can_be_empty(rows: &[&Installation], slot: Slot) -> bool {
    !shipped::is_required(slot) && rows.last().is_some_and(|row| row.guest.is_some())
}

/// The row that first installed the guest which a rollback put back.
fn origin(rows: &[&Installation], mut at: usize) -> Option<usize> {
    let is_rollback = |row: &&&Installation| ROLLBACK_CAUSES.contains(&row.cause.as_str());
    while let Some(back) = rows.get(at).filter(is_rollback) {
        at = rposition(rows, at, |row| row.guest == back.guest)?;
    }
    Some(at)
}

fn rposition(
    rows: &[&Installation],
    before: usize,
    matches: impl Fn(&Installation) -> bool,
) -> Option<usize> {
    rows.iter().take(before).rposition(|row| matches(row))
}

/// Why a slot has no predecessor, and what the operator can do: one line.
pub(crate) fn no_target_message(history: &[Installation], slot: Slot) -> String {
    let name = slot.to_string();
    let mut rows = history.iter().filter(|row| row.slot == name);
    let Some(first) = rows.next() else {
        return format!("{slot} has never had a guest: `pylon guest list` shows all slots");
    };
    if rows.any(|row| row.guest != first.guest) {
        return format!(
            "{slot} has no predecessor: `pylon guest list --history` shows the revisions for `--to`"
        );
    }
    match (shipped::for_slot(slot), &first.guest) {
        (Some(name), Some(guest)) if guest.source == format!("{}{name}", shipped::PREFIX) => {
            format!("{slot} has had no other guest than {name}, which is shipped")
        }
        (Some(name), _) => format!(
            "{slot} has had no other guest: `pylon guest install {name} --slot {slot}` installs \
             the shipped one"
        ),
        (None, _) => format!(
            "{slot} was empty before: `pylon guest rollback {slot} --to {}` empties it",
            first.revision.saturating_sub(1)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::{Digest, UnixTime};
    use std::ops::RangeInclusive;

    /// The history of a slot: in each row a guest, or none, and the cause.
    fn history(slot: &str, rows: &[(Option<u8>, &str)]) -> Vec<Installation> {
        let guest = |byte: u8| InstalledGuest {
            digest: Digest::from_bytes([byte; 32]),
            name: "a".into(),
            version: "1".into(),
            source: String::new(),
            settings: Default::default(),
            grants: Vec::new(),
            limits: Default::default(),
            publisher: None,
        };
        let row = |((byte, cause), revision): (&(Option<u8>, &str), u64)| Installation {
            revision,
            slot: slot.into(),
            guest: byte.map(guest),
            config: String::new(),
            cause: (*cause).into(),
            at: UnixTime::new(0),
        };
        rows.iter().zip(1..).map(row).collect()
    }

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    /// Goal: a rollback goes to the predecessor, and never to a guest that was rolled back. Method:
    /// histories and their target; 0 for none.
    #[test]
    fn rollback_goes_to_the_predecessor() {
        let check = |rows: &[(Option<u8>, &str)], to, expected: u8| {
            let rows = history("pricing", rows);
            let found = target(&rows, "pricing".parse().unwrap(), to);
            let expected = Some(digest(expected)).filter(|_| expected > 0);
            assert_eq!(found.map(|guest| guest.unwrap().digest), expected, "{rows:?}");
        };
        let (first, second) = ((Some(1), "start"), (Some(2), "install"));
        check(&[], None, 0);
        check(&[first], None, 0);
        check(&[first, second], None, 1);
        check(&[first, (Some(1), "reload"), second], None, 1);
        check(&[first, second, (Some(1), ROLLBACK)], None, 0);
        check(&[first, second, (Some(3), "install"), (Some(2), FAULTS)], None, 1);
        check(&[first, second, (Some(1), FAULTS), (Some(3), "install")], None, 1);
        check(&[first, (None, "reload"), (Some(2), "reload")], None, 1);
        check(&[first, second, (Some(1), ROLLBACK)], Some(2), 2);
        check(&[first, (None, "reload")], Some(2), 0);
        check(&[first], Some(0), 0);
        check(&[first], Some(2), 0);
    }

    /// Goal: there are candidates for the case that the predecessor is unavailable, and their
    /// number is limited. Method: histories and their candidates; a component with other settings
    /// counts once, and a guest that the slot was rolled back from does not.
    #[test]
    fn candidates_are_all_predecessors() {
        let check = |slot: &str, rows: &[(Option<u8>, &str)], expected: &[Option<u8>]| {
            let rows = history(slot, rows);
            let found: Vec<_> = rollback_candidates(&rows, slot.parse().unwrap())
                .into_iter()
                .map(|guest| guest.map(|guest| guest.digest))
                .collect();
            let expected: Vec<_> = expected.iter().map(|byte| byte.map(digest)).collect();
            assert_eq!(found, expected, "{rows:?}");
        };
        let installed = |bytes: RangeInclusive<u8>| {
            bytes.map(|byte| (Some(byte), "install")).collect::<Vec<_>>()
        };
        let first = (Some(1), "start");
        check("pricing", &installed(1..=4), &[Some(3), Some(2), Some(1)]);
        check("pricing:5050", &installed(1..=2), &[Some(1), None]);
        check("handler:5999", &installed(1..=2), &[Some(1)]);
        check("pricing", &[installed(1..=2), installed(1..=3)].concat(), &[Some(2), Some(1)]);
        check("handler:5999", &[first, (None, EXPIRED)], &[]);
        check("handler:5999", &[first, (Some(2), "install"), (None, EXPIRED)], &[]);
        check("pricing:5050", &[(Some(1), "install"), (None, FAULTS)], &[]);
        check("pricing:5050", &[(None, "reload"), (Some(1), "reload"), (None, EXPIRED)], &[]);
        let rolled_back = [(Some(1), ROLLBACK), (Some(3), "install")];
        check("pricing", &[installed(1..=2), rolled_back.to_vec()].concat(), &[Some(1)]);
        let (first, newest) = (std::iter::once(Some(1)), (14..=20).rev().map(Some));
        check("pricing", &installed(1..=21), &newest.chain(first).collect::<Vec<_>>());
    }

    /// Goal: a slot that was empty can be emptied again. Method: optional slots, with and without a
    /// revision.
    #[test]
    fn optional_slot_can_be_emptied() {
        let check = |slot: &str, causes: &[&str], to, expected: Option<bool>| {
            let rows: Vec<_> =
                causes.iter().map(|cause| ((*cause != "empty").then_some(1), *cause)).collect();
            let mut rows = history(slot, &rows);
            rows.iter_mut().for_each(|row| row.revision += 1);
            let start = history("pricing", &[(Some(9), "start")]);
            let rows = [start, rows].concat();
            let found = target(&rows, slot.parse().unwrap(), to);
            let has_guest = found.map(|guest| guest.is_some());
            assert_eq!(has_guest, expected, "{slot} {causes:?} {to:?}");
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

    /// Goal: the message says why there is no predecessor, and what can be done. Method: slots
    /// whose first guest came before the node's first start, and others.
    #[test]
    fn missing_predecessor_is_explained() {
        let check = |slot: &str, rows: &[(Option<u8>, &str)], expected: &str| {
            let rows = history(slot, rows);
            let slot = slot.parse().unwrap();
            assert_eq!(target(&rows, slot, None), None, "{slot} {rows:?}");
            let message = no_target_message(&rows, slot);
            assert!(message.contains(expected), "{message}");
        };
        let first = (Some(1), "install");
        check("pricing", &[], "has never had a guest");
        check("pricing", &[first], "`pylon guest install token_pricing --slot pricing`");
        check("pricing", &[first, (Some(1), "reload")], "no other guest");
        let expected = "`pylon guest rollback handler:5999 --to 0` empties it";
        check("handler:5999", &[first], expected);
        let rolled_back = [(Some(1), "start"), (Some(2), "install"), (Some(1), ROLLBACK)];
        check("pricing", &rolled_back, "--history");
    }
}
