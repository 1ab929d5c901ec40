//! `pylon guest list`: the guests in all slots. Only a running node has their statistics.

use crate::args::guest::ListArgs;
use crate::commands::block_on;
use crate::output::{json, print, table};
use anyhow::Result;
use pylon_control_api::{Client, ClientError, Guests};
use pylon_core::installation::Installation;
use pylon_core::ports::clock::Clock;
use pylon_core::slots::SlotStatus;
use pylon_core::units::{ago, format_utc};
use pylon_core::{PublicKey, UnixTime};
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;
use pylon_nostr::identity::npub_of;

/// Lists the current guests, or all past changes.
pub(super) fn run(args: &ListArgs) -> Result<()> {
    let home = Home::from_env()?;
    if args.history {
        let history = home.slot_history()?.installations;
        return if args.json { json(&history) } else { print(&history_table(&history)) };
    }
    let guests = block_on(async {
        match Client::new(home.socket()).guests().await {
            Err(ClientError::NotRunning) => {
                Ok(Guests { guests: home.slot_history()?.status(), lockdown: None })
            }
            answer => Ok(answer?),
        }
    })?;
    if args.json { json(&guests) } else { print(&guest_table(&guests.guests, SystemClock.now())) }
}

fn guest_table(guests: &[SlotStatus], now: UnixTime) -> String {
    let count = |value: Option<u64>| value.map_or_else(|| "-".into(), |value| value.to_string());
    let row = |one: &SlotStatus| {
        let (stats, has_stats) = (one.stats.unwrap_or_default(), one.stats.is_some());
        let note = match (one.role.as_str(), one.skipped) {
            ("shadow", Some(skipped)) if skipped > 0 => {
                format!("  (shadow, {skipped} calls skipped)")
            }
            ("shadow", _) => "  (shadow)".into(),
            ("approval", _) => {
                format!("  (waits for `pylon guest approve`: {})", one.extra_grants.join(", "))
            }
            _ => String::new(),
        };
        [
            one.slot.clone(),
            format!("{} {}", one.name, one.version),
            one.digest.short(),
            one.publisher.map_or_else(|| "-".into(), short_npub),
            count(one.revision),
            count(has_stats.then_some(stats.calls)),
            count(has_stats.then_some(stats.traps)),
            count(stats.p50_us),
            count(stats.p99_us),
            count(stats.fuel.or(stats.cpu_us)),
            format!("{}{note}", ago(now.since(UnixTime::new(one.since)))),
        ]
    };
    let headers = "SLOT  GUEST  ?DIGEST  ?PUBLISHER  >?REV  >CALLS  >TRAPS  >?P50 US  >?P99 US  >?COST  ~SINCE";
    table(headers, &guests.iter().map(row).collect::<Vec<_>>())
}

/// The beginning of a public key.
fn short_npub(key: PublicKey) -> String {
    npub_of(key).chars().take(16).collect()
}

fn history_table(history: &[Installation]) -> String {
    let row = |row: &Installation| {
        let guest = row.guest.as_ref().map_or_else(
            || "(empty)".into(),
            |guest| {
                format!(
                    "{} {} {} from {}",
                    guest.name,
                    guest.version,
                    guest.digest.short(),
                    guest.source
                )
            },
        );
        [row.revision.to_string(), format_utc(row.at), row.slot.clone(), row.cause.clone(), guest]
    };
    table(">REV  WHEN  SLOT  CAUSE  ~GUEST", &history.iter().map(row).collect::<Vec<_>>())
}
