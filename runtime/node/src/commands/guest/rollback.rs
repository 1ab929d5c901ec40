//! `pylon guest rollback`.

use super::order;
use crate::cli::guest::RollbackArgs;
use crate::guests::deed::Deed;
use anyhow::Result;

/// One swap back: history grows by it and loses nothing.
pub(super) fn run(args: &RollbackArgs) -> Result<()> {
    order::carry_out(&Deed::Rollback { slot: args.slot.to_string(), to: args.to }, args.json)
}
