//! `pylon guest approve`.

use super::order;
use crate::args::guest::SlotArgs;
use crate::output::say;
use anyhow::Result;
use pylon_core::slots::SlotChange;
use pylon_core::text::sanitize_line;
use pylon_node::home::Home;
use pylon_slots::SlotHistory;

/// Shows the difference, and lets it in.
pub(super) fn run(args: &SlotArgs) -> Result<()> {
    let slot = args.slot.to_string();
    let waiting = SlotHistory::read(&Home::from_env()?.database())?
        .status()
        .into_iter()
        .find(|one| one.slot == slot && one.role == "approval");
    let digest = waiting.as_ref().map(|guest| guest.digest);
    if let Some(guest) = waiting.filter(|_| !args.json) {
        let more = format!(
            "{} {} gets what the slot had not: {}",
            guest.name,
            guest.version,
            guest.extra_grants.join(", ")
        );
        say(&format!("{}\n", sanitize_line(&more)))?;
    }
    order::apply(&SlotChange::Approve { slot, digest }, args.json)
}
