//! Checks that the settings are valid.

use super::row::CheckRow;
use pylon_config::EffectiveSetting;
use pylon_node::config::{Config, Source};

const CHECK: &str = "settings";

pub(super) fn check(source: &Source) -> (CheckRow, Option<Config>, Vec<EffectiveSetting>) {
    match (source.load(), source.explain()) {
        (Ok(config), Ok(settings)) => {
            let set = settings.iter().filter(|setting| setting.line.is_some()).count();
            let row = CheckRow::ok(
                CHECK,
                format!("{set} of {} set in {}", settings.len(), source.path().display()),
            );
            (row, Some(config), settings)
        }
        (Err(error), _) | (_, Err(error)) => {
            let row = CheckRow::broken(
                CHECK,
                format!("{error:#}"),
                "correct that line; the list below has the defaults",
            );
            (row, None, Config::default().explain(""))
        }
    }
}
