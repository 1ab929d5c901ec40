//! Can the guests be put to work with their settings?

use super::Row;
use crate::clock::SystemClock;
use crate::commands::compile_component::apart;
use crate::config::Config;
use crate::guests::{self, Ledger, Shelf, Slots, Unserved};
use crate::home::Home;
use anyhow::Result;
use pylon_core::ports::clock::Clock;

const CHECK: &str = "guests";

pub(super) async fn check(home: &Home, config: &Config) -> Row {
    match open(home, config).await {
        Ok(guests) => {
            let list = guests.generations.list();
            let guests = list.iter().map(|(slot, guest)| {
                format!("{slot} {} {}", guest.stamp().name, guest.stamp().version)
            });
            Row::ok(CHECK, guests.collect::<Vec<_>>().join(", "))
        }
        Err(error) => match error.downcast_ref::<Unserved>() {
            Some(nobody) => {
                let Unserved { slot, stop } = nobody;
                Row::broken(
                    CHECK,
                    format!("{slot} has nobody ({}): {}", stop.code, stop.why),
                    nobody.todo(),
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
    let sandbox = guests::sandbox(state.folder("cache")?, apart()?, &config.lockdown)?;
    let ledger = Ledger::of(home)?;
    let shelf = Shelf::of(&state)?;
    let (guests, _) = Slots::open(sandbox, shelf, ledger, config, None, SystemClock.now()).await?;
    Ok(guests)
}
