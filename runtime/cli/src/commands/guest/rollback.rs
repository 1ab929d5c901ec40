//! `pylon guest rollback`.

use super::order;
use crate::args::guest::RollbackArgs;
use anyhow::Result;
use pylon_core::slots::SlotChange;

/// One swap back: history grows by it and loses nothing.
pub(super) fn run(args: &RollbackArgs) -> Result<()> {
    order::apply(&SlotChange::Rollback { slot: args.slot.to_string(), to: args.to }, args.json)
}
