//! `pylon guest activate`.

use super::order;
use crate::args::guest::SlotArgs;
use anyhow::Result;
use pylon_core::slots::SlotChange;

/// One swap: who was asked beside serves.
pub(super) fn run(args: &SlotArgs) -> Result<()> {
    order::apply(&SlotChange::Activate { slot: args.slot.to_string() }, args.json)
}
