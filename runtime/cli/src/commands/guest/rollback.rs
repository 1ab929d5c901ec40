//! `pylon guest rollback`: restores an earlier guest.

use super::slot_change;
use crate::args::guest::RollbackArgs;
use anyhow::Result;
use pylon_core::slots::SlotChange;

/// Restores a guest. The rollback is a new revision in the history.
pub(super) fn run(args: &RollbackArgs) -> Result<()> {
    slot_change::apply(
        &SlotChange::Rollback { slot: args.slot.to_string(), to: args.to },
        args.json,
    )
}
