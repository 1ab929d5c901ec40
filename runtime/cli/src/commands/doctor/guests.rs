//! Checks that all guests can be loaded with their settings.

use super::row::CheckRow;
use crate::subprocess_compiler::subprocess_compiler;
use anyhow::Result;
use pylon_core::ports::clock::Clock;
use pylon_egress::policy::EgressPolicy;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_slots::{Slots, UnfilledSlot};

const CHECK: &str = "guests";

pub(super) async fn check(home: &Home, config: &Config) -> CheckRow {
    match open(home, config).await {
        Ok(guests) => {
            let list = guests.guest_sets.list();
            let guests = list.iter().map(|(slot, guest)| {
                format!("{slot} {} {}", guest.guest_ref().name, guest.guest_ref().version)
            });
            CheckRow::ok(CHECK, guests.collect::<Vec<_>>().join(", "))
        }
        Err(error) => match error.downcast_ref::<UnfilledSlot>() {
            Some(unfilled) => {
                let UnfilledSlot { slot, failure } = unfilled;
                CheckRow::broken(
                    CHECK,
                    format!("{slot} has no guest ({}): {}", failure.code, failure.message),
                    unfilled.hint(),
                )
            }
            None => CheckRow::broken(
                CHECK,
                format!("{error:#}"),
                "make the state folder readable and writable for this user",
            ),
        },
    }
}

/// Opens the guests as a start does, without writing to the journal.
async fn open(home: &Home, config: &Config) -> Result<Slots> {
    let state = home.open()?;
    let sandbox = pylon_slots::sandbox(
        state.folder("cache")?,
        subprocess_compiler()?,
        &config.slots.lockdown,
    )?;
    let history = home.slot_history()?;
    let store = state.components()?;
    let egress = EgressPolicy::new(&config.network.allow);
    let now = SystemClock.now();
    let opened = Slots::open(sandbox, store, history, &config.slots, egress, None, now).await;
    let (guests, _) = opened?;
    Ok(guests)
}
