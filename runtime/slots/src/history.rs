//! What the history of the slots says: who is where, who was where, and what has to change. Pure.

use super::rollback::OVER;
use super::shipped::{self, PREFIX};
use crate::Config;
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, InstalledGuest};
use pylon_core::slots::GuestConfig;
use pylon_sandbox::{Role, Slot};
use std::collections::BTreeMap;

/// The newest change of each slot up to revision `number`.
pub(super) fn at(history: &[Installation], number: u64) -> BTreeMap<Slot, &Installation> {
    let rows = history.iter().take_while(|row| row.revision <= number);
    rows.filter_map(|row| Some((row.slot.parse().ok()?, row))).collect()
}

/// The guests of revision `number`.
pub(super) fn guests_at(history: &[Installation], number: u64) -> BTreeMap<Slot, &InstalledGuest> {
    at(history, number)
        .into_iter()
        .filter_map(|(slot, row)| Some((slot, row.guest.as_ref()?)))
        .collect()
}

/// Who serves jobs of this kind in revision `number`: one for each role, from the kind's own slot or the one for all.
pub(super) fn serving(
    history: &[Installation],
    number: u64,
    kind: u16,
) -> Vec<(Slot, &InstalledGuest)> {
    let guests = guests_at(history, number);
    let of = |role| {
        let slots = [Slot::of_kind(role, kind), Slot::policy(role)];
        slots.into_iter().flatten().find_map(|slot| Some((slot, *guests.get(&slot)?)))
    };
    Role::ALL.into_iter().filter_map(of).collect()
}

/// The newest revision; 0 before the first.
pub(super) fn newest(history: &[Installation]) -> u64 {
    history.last().map_or(0, |row| row.revision)
}

/// When the first guest was replaced of those that jobs of this kind still need from set `number`; `None` while all of these serve.
pub(super) fn replaced_at(history: &[Installation], number: u64, kind: u16) -> Option<UnixTime> {
    let guests = guests_at(history, number);
    let mut serving = BTreeMap::new();
    for role in Role::NEEDED_AFTER_ADMISSION {
        let (own, all) = (Slot::of_kind(role, kind), Slot::policy(role));
        let guest = own
            .and_then(|slot| guests.get(&slot))
            .or_else(|| all.and_then(|slot| guests.get(&slot)));
        // One of its own kind may come to serve later.
        serving.extend(own.map(|slot| (slot, guest)));
        if own.is_none_or(|slot| !guests.contains_key(&slot)) {
            serving.extend(all.map(|slot| (slot, guest)));
        }
    }
    let later = history.iter().filter(|row| row.revision > number);
    let replaces = |row: &&Installation| {
        let before = row.slot.parse().ok().and_then(|slot: Slot| serving.get(&slot));
        before.is_some_and(|before| row.guest.as_ref() != before.copied())
    };
    later.into_iter().find(replaces).map(|row| row.at)
}

/// What the settings say of a slot, as it is kept beside what came of it.
pub(super) fn stanza(config: &Config, slot: Slot) -> String {
    // A table of strings always is JSON.
    serde_json::to_string(&config.guests.get(&slot.to_string())).unwrap_or_default()
}

/// What has to be done about a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Install what the settings say; what they do not say is as shipped.
    Install(GuestConfig),
    /// Install what the settings say if it can be had again: this one went when its release ended.
    Renew(GuestConfig, Box<InstalledGuest>),
    /// Nothing serves here any more.
    Empty,
}

/// The slots whose history does not say what the settings say, or that hold an older edition of what this program ships. Where the settings have not
/// changed since, what was installed by command stays. What the settings had put there until its release ended is asked for anew.
pub(super) fn due(history: &[Installation], config: &Config) -> Vec<(Slot, Due)> {
    let now = at(history, newest(history));
    let named = config.guests.keys().filter_map(|slot| slot.parse::<Slot>().ok());
    let mut slots: Vec<Slot> =
        shipped::defaults().map(|(slot, _)| slot).chain(named).chain(now.keys().copied()).collect();
    slots.sort_unstable();
    slots.dedup();
    let is_due =
        |slot: Slot, row: &Installation| row.config != stanza(config, slot) || is_outdated(row);
    let renewed = |slot: &Slot| {
        let guest = config.guests.get(&slot.to_string())?;
        lapsed(history, *slot)
            .map(|before| (*slot, Due::Renew(guest.clone(), Box::new(before.clone()))))
    };
    let (changed, same): (Vec<_>, Vec<_>) =
        slots.into_iter().partition(|slot| now.get(slot).is_none_or(|row| is_due(*slot, row)));
    let what = |slot: &Slot| match config.guests.get(&slot.to_string()) {
        // What a command has put there keeps its settings when a new program brings a new edition.
        _ if now
            .get(slot)
            .is_some_and(|row| is_by_command(row) && row.config == stanza(config, *slot)) =>
        {
            let guest = now.get(slot).and_then(|row| row.guest.as_ref())?;
            Some(Due::Install(GuestConfig {
                source: guest.source.clone(),
                settings: guest.settings.clone(),
                ..GuestConfig::default()
            }))
        }
        Some(guest) => Some(Due::Install(guest.clone())),
        None if shipped::fills(*slot) => Some(Due::Install(GuestConfig::default())),
        None => now.get(slot).is_some_and(|row| row.guest.is_some()).then_some(Due::Empty),
    };
    let changed = changed.iter().filter_map(|slot| Some((*slot, what(slot)?)));
    changed.chain(same.iter().filter_map(renewed)).collect()
}

/// Whom these settings had put there until its release ended, if nobody has spoken since.
fn lapsed(history: &[Installation], slot: Slot) -> Option<&InstalledGuest> {
    let name = slot.to_string();
    let rows: Vec<_> = history.iter().filter(|row| row.slot == name).collect();
    let (last, before) = rows.split_last()?;
    // Each row that is over tells that the one before it went.
    let spoken = rows.iter().rposition(|row| row.cause != OVER)?;
    let mut gone = before.get(spoken..)?.iter().rev().filter_map(|row| row.guest.as_ref());
    let ours = |row: &&Installation| !is_by_command(row) && row.config == last.config;
    gone.find(|guest| rows.iter().any(|row| ours(row) && row.guest.as_ref() == Some(guest)))
}

/// Not from the settings file.
fn is_by_command(row: &Installation) -> bool {
    !["start", "reload"].contains(&row.cause.as_str())
}

/// Another program shipped this.
fn is_outdated(row: &Installation) -> bool {
    let Some(guest) = &row.guest else { return false };
    let ours = guest.source.strip_prefix(PREFIX).and_then(shipped::component);
    ours.is_some_and(|bytes| pylon_core::Digest::of(bytes) != guest.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::Digest;

    fn row(revision: u64, slot: &str, source: Option<&str>, config: &Config) -> Installation {
        let digest = |source: &str| {
            let bytes = source.strip_prefix(PREFIX).and_then(shipped::component);
            bytes.map_or(Digest::from_bytes([7; 32]), Digest::of)
        };
        let guest = source.map(|source| InstalledGuest {
            digest: digest(source),
            name: "a".into(),
            version: "1".into(),
            source: source.into(),
            settings: BTreeMap::new(),
            grants: Vec::new(),
            limits: BTreeMap::new(),
            publisher: None,
        });
        let slot_at: Slot = slot.parse().unwrap();
        let stanza = stanza(config, slot_at);
        Installation {
            revision,
            slot: slot.into(),
            guest,
            config: stanza,
            cause: "start".into(),
            at: UnixTime::new(revision),
        }
    }

    fn first(config: &Config) -> Vec<Installation> {
        let rows = shipped::defaults().zip(1..);
        rows.map(|((slot, name), number)| {
            row(number, &slot.to_string(), Some(&format!("{PREFIX}{name}")), config)
        })
        .collect()
    }

    /// A first start installs what is shipped, the second nothing.
    #[test]
    fn a_start() {
        let config = Config::default();
        assert_eq!(due(&[], &config).len(), 4);
        assert!(due(&first(&config), &config).is_empty());
    }

    /// What was installed by command stays until the settings of its slot change; those of another slot do not matter.
    #[test]
    fn who_spoke_last() {
        let config = Config::default();
        let mut history = first(&config);
        history.push(row(5, "pricing", Some("mine.wasm"), &config));
        assert!(due(&history, &config).is_empty());
        let mut changed = config.clone();
        changed.guests.insert("routing".into(), GuestConfig::default());
        assert_eq!(
            due(&history, &changed),
            [("routing".parse().unwrap(), Due::Install(GuestConfig::default()))]
        );
        changed.guests.insert("pricing".into(), GuestConfig::default());
        assert_eq!(due(&history, &changed).len(), 2);
    }

    /// What the settings put there is asked for anew once its release has ended, until somebody speaks; what a command put there is not.
    #[test]
    fn a_release_ended() {
        let slot: Slot = "handler:5999".parse().unwrap();
        let mut config = Config::default();
        config.guests.insert(
            slot.to_string(),
            GuestConfig { source: "mine.wasm".into(), ..GuestConfig::default() },
        );
        let check = |whys: &[(&str, Option<&str>)], expected: bool| {
            let mut history = first(&config);
            let rows = whys.iter().zip(5..);
            history.extend(rows.map(|((why, source), number)| Installation {
                cause: (*why).into(),
                ..row(number, "handler:5999", *source, &config)
            }));
            let due = due(&history, &config);
            assert_eq!(
                due.iter().any(|(at, due)| *at == slot && matches!(due, Due::Renew(..))),
                expected,
                "{whys:?}"
            );
            assert_eq!(due.len(), usize::from(expected), "{whys:?}");
        };
        let ours = ("reload", Some("mine.wasm"));
        check(&[ours, (OVER, None)], true);
        check(&[ours, (OVER, Some("other.wasm")), (OVER, None)], true);
        check(
            &[ours, ("install", Some("other.wasm")), ("rollback", Some("mine.wasm")), (OVER, None)],
            true,
        );
        check(&[ours, ("install", Some("other.wasm")), (OVER, None)], false);
        check(&[ours, (OVER, None), ours], false);
        check(&[ours, (OVER, None), ("install", Some("other.wasm"))], false);
        check(&[ours, ("install", Some("other.wasm")), (OVER, Some("mine.wasm"))], false);
        check(&[ours, ("traps", None)], false);
    }

    /// A slot that only the settings filled is emptied with them.
    #[test]
    fn a_stanza_goes() {
        let mut config = Config::default();
        config.guests.insert("pricing:5050".into(), GuestConfig::default());
        let mut history = first(&config);
        history.push(row(5, "pricing:5050", Some("shipped:token_pricing"), &config));
        assert!(due(&history, &config).is_empty());
        assert_eq!(
            due(&history, &Config::default()),
            [("pricing:5050".parse().unwrap(), Due::Empty)]
        );
    }

    /// A job's guests are replaced when one of those that it still needs is, and by no other change.
    #[test]
    fn who_is_replaced() {
        let config = Config::default();
        let mut history = first(&config);
        let put = |history: &mut Vec<Installation>, slot: &str, source: Option<&str>| {
            let number = newest(history) + 1;
            history.push(Installation {
                at: UnixTime::new(100 + number),
                ..row(number, slot, source, &config)
            });
        };
        put(&mut history, "pricing:5932", Some("mine.wasm"));
        put(&mut history, "routing", Some("mine.wasm"));
        assert_eq!(replaced_at(&history, 4, 5050), None, "its routes are in its plan");
        assert_eq!(replaced_at(&history, 4, 5932), Some(UnixTime::new(105)), "one of its own kind");
        put(&mut history, "pricing", Some("mine.wasm"));
        assert_eq!(replaced_at(&history, 4, 5050), Some(UnixTime::new(107)));
        assert_eq!(replaced_at(&history, 5, 5932), None, "its own still serves");
        assert_eq!(replaced_at(&history, 7, 5050), None);
    }

    /// Each revision is the newest row of each slot up to it.
    #[test]
    fn sets() {
        let config = Config::default();
        let mut history = first(&config);
        history.push(row(5, "pricing", Some("mine.wasm"), &config));
        history.push(row(6, "pricing:5050", Some("mine.wasm"), &config));
        history.push(row(7, "pricing:5050", None, &config));
        let source = |number, slot: &str| {
            guests_at(&history, number)
                .get(&slot.parse().unwrap())
                .map(|guest| guest.source.clone())
        };
        assert_eq!(source(4, "pricing").as_deref(), Some("shipped:token_pricing"));
        assert_eq!(source(5, "pricing").as_deref(), Some("mine.wasm"));
        assert_eq!((source(5, "pricing:5050"), source(7, "pricing:5050")), (None, None));
        assert!(source(6, "pricing:5050").is_some());
        assert_eq!(newest(&history), 7);
    }
}
