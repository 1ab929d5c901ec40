//! Can the guests be put to work with their settings?

use super::Row;
use crate::commands::compile_component::apart;
use crate::config::Config;
use crate::guests;
use crate::home::Home;

const CHECK: &str = "guests";

pub(super) async fn check(home: &Home, config: &Config) -> Row {
    let cache = match home.open().and_then(|state| state.folder("cache")) {
        Ok(cache) => cache,
        Err(error) => return Row::broken(CHECK, format!("{error:#}"), "compiled guests are kept there"),
    };
    let compiling = match apart() {
        Ok(compiling) => compiling,
        Err(error) => return Row::broken(CHECK, format!("{error:#}"), "start pylon from a place where it can be read"),
    };
    match guests::load(cache, compiling, config).await {
        Ok(shipped) => {
            let list = shipped.generations.list();
            let guests = list.iter().map(|(slot, guest)| format!("{slot} {} {}", guest.stamp().name, guest.stamp().version));
            Row::ok(CHECK, guests.collect::<Vec<_>>().join(", "))
        }
        Err(error) => {
            Row::broken(CHECK, format!("{error:#}"), "correct `guests` in the settings, or make the state folder writable")
        }
    }
}
