//! The journal rows of a change of a slot, and of a change that failed.

use crate::installer::Rejected;
use pylon_core::UnixTime;
use pylon_core::installation::{Audit, Installation, InstalledGuest, PendingGuest, PendingKind};
use pylon_core::rows::Row;
use pylon_sandbox::Slot;

/// The outcome of a change that was made.
const DONE: &str = "done";

/// The rows of installations: each with its audit row, and without a guest that waited for
/// approval, because the slot that its additional grants were compared with has changed.
pub(crate) fn installed(rows: &[Installation], action: &str) -> Vec<Row> {
    let rows = rows.iter().flat_map(|row| {
        let audit = match (&row.guest, row.slot.parse()) {
            (Some(guest), Ok(slot)) => done(action, slot, guest, row.at),
            _ => removed(row, action),
        };
        let pending = Row::RemovePending(row.slot.clone(), PendingKind::Approval);
        [Row::Install(Box::new(row.clone())), Row::Audit(Box::new(audit)), pending]
    });
    rows.collect()
}

fn removed(row: &Installation, action: &str) -> Audit {
    Audit {
        at: row.at,
        action: "remove".into(),
        slot: row.slot.clone(),
        digest: None,
        guest: String::new(),
        publisher: None,
        outcome: DONE.into(),
        detail: match action {
            "start" | "reload" => format!("{action}: not in the settings any more"),
            _ => format!("{action}: the slot was empty before"),
        },
    }
}

/// The rows of a shadow that is removed.
pub(crate) fn shadow_removed(
    action: &str,
    slot: Slot,
    shadow: &InstalledGuest,
    why: &str,
    at: UnixTime,
) -> [Row; 2] {
    let detail = format!("{action}: {} {}: {why}", shadow.name, shadow.version);
    tracing::warn!(%slot, detail, "shadow removed");
    let audit = Audit { detail, ..done("shadow_removed", slot, shadow, at) };
    [Row::RemovePending(slot.to_string(), PendingKind::Shadow), Row::Audit(Box::new(audit))]
}

/// The audit row of a change that was made.
pub(crate) fn done(action: &str, slot: Slot, guest: &InstalledGuest, at: UnixTime) -> Audit {
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

/// The rows of a change that failed: the audit row, and the guest that needs approval, if that is
/// why.
pub(crate) fn rejected(action: &str, slot: Slot, rejected: &Rejected, at: UnixTime) -> Vec<Row> {
    let Rejected { failure, provenance, approval } = rejected;
    let name = |(guest, _): &(InstalledGuest, _)| format!("{} {}", guest.name, guest.version);
    let audit = Audit {
        at,
        action: action.into(),
        slot: slot.to_string(),
        digest: provenance.digest,
        guest: approval.as_ref().map(name).unwrap_or_default(),
        publisher: provenance.publisher,
        outcome: failure.code.into(),
        detail: failure.message.clone(),
    };
    let pending = approval.clone().map(|(guest, extra_grants)| {
        Row::PutPending(Box::new(PendingGuest {
            slot: slot.to_string(),
            kind: PendingKind::Approval,
            guest,
            extra_grants,
            since: at,
        }))
    });
    std::iter::once(Row::Audit(Box::new(audit))).chain(pending).collect()
}
