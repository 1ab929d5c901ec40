//! What is written of a change of a slot, and of one that was refused: rows of the history, each with the record of who did what.

use super::steps::{Refused, Stop};
use pylon_core::UnixTime;
use pylon_core::installation::{
    Audit, Installation, InstalledGuest as Record, PendingGuest, PendingKind,
};
use pylon_core::rows::Row;
use pylon_sandbox::Slot;

/// The rows of history, each with the record of who did it. Whoever waited for a slot has been passed over: what it wants beyond was said of the guest
/// that is gone.
pub(super) fn installed(rows: &[Installation], action: &str) -> Vec<Row> {
    let of = |row: &Installation| {
        let audit = match (&row.guest, row.slot.parse()) {
            (Some(guest), Ok(slot)) => audit(action, slot, guest, row.at),
            _ => Audit {
                at: row.at,
                action: "remove".into(),
                slot: row.slot.clone(),
                digest: None,
                guest: String::new(),
                publisher: None,
                outcome: DONE.into(),
                detail: match action {
                    "start" | "reload" => format!("{action}: the settings name it no more"),
                    _ => format!("{action}: the slot was empty before"),
                },
            },
        };
        let waited = Row::RemovePending(row.slot.clone(), PendingKind::Approval);
        [Row::Install(Box::new(row.clone())), Row::Audit(Box::new(audit)), waited]
    };
    rows.iter().flat_map(of).collect()
}

/// The record of one that stands beside a slot no more.
pub(super) fn dismissed(
    action: &str,
    slot: Slot,
    shadow: &Record,
    why: &str,
    at: UnixTime,
) -> [Row; 2] {
    let detail = format!("no shadow any more: {} {} {why}", shadow.name, shadow.version);
    tracing::warn!(%slot, detail, "a shadow is gone");
    let told = Audit { outcome: GONE.into(), detail, ..audit(action, slot, shadow, at) };
    [Row::RemovePending(slot.to_string(), PendingKind::Shadow), Row::Audit(Box::new(told))]
}

/// The outcome of what cannot be had any more.
pub(super) const GONE: &str = "gone";

/// The outcome of what was done.
const DONE: &str = "done";

/// The record of what was done with a guest.
pub(super) fn audit(action: &str, slot: Slot, guest: &Record, at: UnixTime) -> Audit {
    let grants = if guest.grants.is_empty() {
        String::new()
    } else {
        format!(", granted {}", guest.grants.join(" "))
    };
    Audit {
        at,
        action: action.into(),
        slot: slot.to_string(),
        digest: Some(guest.digest),
        guest: format!("{} {}", guest.name, guest.version),
        publisher: guest.publisher,
        outcome: DONE.into(),
        detail: format!("from {}{grants}", guest.source),
    }
}

/// Why not, and what is written of it.
pub(super) fn refusal(
    action: &str,
    slot: Slot,
    refused: Refused,
    at: UnixTime,
) -> (Stop, Vec<Row>) {
    let Refused { stop, seen, approval } = refused;
    let audit = Audit {
        at,
        action: action.into(),
        slot: slot.to_string(),
        digest: seen.digest,
        guest: approval
            .as_ref()
            .map_or_else(String::new, |(guest, _)| format!("{} {}", guest.name, guest.version)),
        publisher: seen.publisher,
        outcome: stop.code.into(),
        detail: stop.why.clone(),
    };
    let waits = approval.map(|(guest, beyond)| {
        Row::PutPending(Box::new(PendingGuest {
            slot: slot.to_string(),
            kind: PendingKind::Approval,
            guest,
            extra_grants: beyond,
            since: at,
        }))
    });
    (stop, std::iter::once(Row::Audit(Box::new(audit))).chain(waits).collect())
}
