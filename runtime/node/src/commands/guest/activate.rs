//! `pylon guest activate`.

use super::order;
use crate::cli::guest::SlotArgs;
use crate::guests::deed::Deed;
use anyhow::Result;

/// One swap: who was asked beside serves.
pub(super) fn run(args: &SlotArgs) -> Result<()> {
    order::carry_out(&Deed::Activate { slot: args.slot.to_string() }, args.json)
}
