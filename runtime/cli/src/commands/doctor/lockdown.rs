//! Shows which guests may be installed, and which installed guests did not come with the program.

use super::row::CheckRow;
use pylon_control_api::Client;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_nostr::identity::npub_of;

const CHECK: &str = "lockdown";

pub(super) async fn check(home: &Home, config: &Config) -> CheckRow {
    let rules = &config.slots.lockdown;
    let mut details = vec![match (rules.trusted_publishers.len(), rules.require_signature) {
        (0, false) => "guests of any author, signed or not".to_owned(),
        (0, true) => "signed guests of any author".to_owned(),
        (count, _) => format!("signed guests of {count} trusted publishers"),
    }];
    details.push(match rules.max_grants.len() {
        0 => "no maximum grants".into(),
        count => format!("maximum grants for {count} slots"),
    });
    details.push(if rules.allow_compile {
        "guests are compiled on this machine".into()
    } else {
        "guests are not compiled on this machine, only signed precompiled guests run".into()
    });
    let guests = match home.slot_history() {
        Ok(history) => history.status(),
        // An error of the journal is reported by another check.
        Err(_) => Vec::new(),
    };
    for one in
        guests.iter().filter(|one| one.role == "serving" && !one.source.starts_with("shipped:"))
    {
        let by = one
            .publisher
            .map_or_else(|| "not signed".into(), |key| format!("signed by {}", npub_of(key)));
        details.push(format!("{}: {} {by}", one.slot, one.name));
    }
    let running = Client::new(home.socket()).guests().await.ok().and_then(|guests| guests.lockdown);
    if running.is_some_and(|running| running != *rules) {
        details.push("the running node has other rules".into());
        return CheckRow::warning(CHECK, details.join("; "), "run `pylon reload`");
    }
    let waiting = guests.iter().filter(|one| one.role == "approval").count();
    match waiting {
        0 => CheckRow::ok(CHECK, details.join("; ")),
        count => {
            details.push(format!("{count} guests wait for approval"));
            CheckRow::warning(
                CHECK,
                details.join("; "),
                "check them with `pylon guest list`, then run `pylon guest approve SLOT`",
            )
        }
    }
}
