//! `pylon guest approve`: approves the additional grants of a guest.

use super::slot_change;
use crate::args::guest::SlotArgs;
use crate::output::print;
use anyhow::Result;
use pylon_core::slots::SlotChange;
use pylon_core::text::sanitize_line;
use pylon_node::home::Home;

/// Shows the additional grants and installs the guest.
pub(super) fn run(args: &SlotArgs) -> Result<()> {
    let slot = args.slot.to_string();
    let waiting = Home::from_env()?
        .slot_history()?
        .status()
        .into_iter()
        .find(|one| one.slot == slot && one.role == "approval");
    let digest = waiting.as_ref().map(|guest| guest.digest);
    if let Some(guest) = waiting.filter(|_| !args.json) {
        let more = format!(
            "{} {} gets additional grants: {}",
            guest.name,
            guest.version,
            guest.extra_grants.join(", ")
        );
        print(&format!("{}\n", sanitize_line(&more)))?;
    }
    slot_change::apply(&SlotChange::Approve { slot, digest }, args.json)
}
