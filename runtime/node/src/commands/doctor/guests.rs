//! Can the guests be put to work with their settings?

use super::Row;
use crate::config::Config;
use crate::guests;
use crate::home::Home;

const CHECK: &str = "guests";

pub(super) async fn check(home: &Home, config: &Config) -> Row {
    let cache = match home.open().and_then(|state| state.folder("cache")) {
        Ok(cache) => cache,
        Err(error) => return Row::broken(CHECK, format!("{error:#}"), "compiled guests are kept there"),
    };
    let shipped = match guests::load(cache, config).await {
        Ok(shipped) => shipped,
        Err(error) => return Row::broken(CHECK, format!("{error:#}"), "correct `guests` in the settings"),
    };
    let list = shipped.generations.list();
    let slots: Vec<_> = list.iter().map(|(slot, _)| slot.to_string()).collect();
    match config.guests.keys().find(|table| !slots.contains(table)) {
        Some(table) => {
            let found = format!("`guests.\"{table}\"` configures nobody: there is {}", slots.join(", "));
            Row::warning(CHECK, found, "leave it out, or name the slot of a guest that is there")
        }
        None => {
            let guests = list.iter().map(|(slot, guest)| format!("{slot} {} {}", guest.stamp().name, guest.stamp().version));
            Row::ok(CHECK, guests.collect::<Vec<_>>().join(", "))
        }
    }
}
