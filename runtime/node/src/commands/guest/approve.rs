//! `pylon guest approve`.

use super::order;
use crate::cli::guest::SlotArgs;
use crate::guests::Ledger;
use crate::guests::deed::Deed;
use crate::home::Home;
use crate::output::{plain, say};
use anyhow::Result;

/// Shows the difference, and lets it in.
pub(super) fn run(args: &SlotArgs) -> Result<()> {
    let slot = args.slot.to_string();
    let waiting = Ledger::of(&Home::from_env()?)?
        .seated()
        .into_iter()
        .find(|one| one.slot == slot && one.standing == "approval");
    let digest = waiting.as_ref().map(|guest| guest.digest);
    if let Some(guest) = waiting.filter(|_| !args.json) {
        let more = format!(
            "{} {} gets what the slot had not: {}",
            guest.name,
            guest.version,
            guest.beyond.join(", ")
        );
        say(&format!("{}\n", plain(&more)))?;
    }
    order::carry_out(&Deed::Approve { slot, digest }, args.json)
}
