//! Can the guests be put to work with their settings?

use super::Row;
use crate::commands::compile_component::apart;
use anyhow::Result;
use pylon_core::ports::clock::Clock;
use pylon_egress::policy::EgressPolicy;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_slots::{SlotHistory, Slots, UnfilledSlot};

const CHECK: &str = "guests";

pub(super) async fn check(home: &Home, config: &Config) -> Row {
    match open(home, config).await {
        Ok(guests) => {
            let list = guests.guest_sets.list();
            let guests = list.iter().map(|(slot, guest)| {
                format!("{slot} {} {}", guest.guest_ref().name, guest.guest_ref().version)
            });
            Row::ok(CHECK, guests.collect::<Vec<_>>().join(", "))
        }
        Err(error) => match error.downcast_ref::<UnfilledSlot>() {
            Some(nobody) => {
                let UnfilledSlot { slot, failure } = nobody;
                Row::broken(
                    CHECK,
                    format!("{slot} has nobody ({}): {}", failure.code, failure.message),
                    nobody.hint(),
                )
            }
            None => Row::broken(
                CHECK,
                format!("{error:#}"),
                "make the state folder readable and writable for this user",
            ),
        },
    }
}

/// As a start would, but for what it would write.
async fn open(home: &Home, config: &Config) -> Result<Slots> {
    let state = home.open()?;
    let sandbox = pylon_slots::sandbox(state.folder("cache")?, apart()?, &config.slots.lockdown)?;
    let history = SlotHistory::read(&home.database())?;
    let store = state.components()?;
    let addresses = EgressPolicy::new(&config.network.allow);
    let now = SystemClock.now();
    let opened = Slots::open(sandbox, store, history, &config.slots, addresses, None, now).await;
    let (guests, _) = opened?;
    Ok(guests)
}
