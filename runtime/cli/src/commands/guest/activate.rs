//! `pylon guest activate`: the shadow becomes the serving guest.

use super::slot_change;
use crate::args::guest::SlotArgs;
use anyhow::Result;
use pylon_core::slots::SlotChange;

/// Activates the shadow of a slot.
pub(super) fn run(args: &SlotArgs) -> Result<()> {
    slot_change::apply(&SlotChange::Activate { slot: args.slot.to_string() }, args.json)
}
