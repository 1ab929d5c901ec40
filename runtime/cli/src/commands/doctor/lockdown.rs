//! Which guests may be installed at all, and who is there now that did not come with the program?

use super::Row;
use pylon_control_api::Client;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_nostr::identity::npub_of;
use pylon_slots::SlotHistory;

const CHECK: &str = "lockdown";

pub(super) async fn check(home: &Home, config: &Config) -> Row {
    let rules = &config.slots.lockdown;
    let mut found = vec![match (rules.trusted_publishers.len(), rules.require_signature) {
        (0, false) => "anybody's guests, signed or not".to_owned(),
        (0, true) => "anybody's guests, but a release is required".to_owned(),
        (count, _) => format!("a release is required, by one of {count} publishers"),
    }];
    found.push(match rules.max_grants.len() {
        0 => "no maximum of grants".into(),
        count => format!("a maximum of grants for {count} slots"),
    });
    found.push(if rules.allow_compile {
        "guests are compiled here, in a process of their own".into()
    } else {
        "nothing is compiled here, and only signed images run".into()
    });
    let status = match SlotHistory::read(&home.database()) {
        Ok(history) => history.status(),
        // What is wrong with the journal, another check says.
        Err(_) => Vec::new(),
    };
    for one in
        status.iter().filter(|one| one.role == "serving" && !one.source.starts_with("shipped:"))
    {
        let by = one
            .publisher
            .map_or_else(|| "not signed".into(), |key| format!("signed by {}", npub_of(key)));
        found.push(format!("{}: {} {by}", one.slot, one.name));
    }
    let running = Client::new(home.socket()).guests().await.ok().and_then(|guests| guests.lockdown);
    if running.is_some_and(|running| running != *rules) {
        found.push("but the node that runs has other rules".into());
        return Row::warning(CHECK, found.join("; "), "`pylon reload`, and see what it says");
    }
    let waiting = status.iter().filter(|one| one.role == "approval").count();
    match waiting {
        0 => Row::ok(CHECK, found.join("; ")),
        count => {
            found.push(format!("{count} wait for you"));
            Row::warning(
                CHECK,
                found.join("; "),
                "see `pylon guest list`, then `pylon guest approve SLOT`",
            )
        }
    }
}
