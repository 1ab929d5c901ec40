//! What the history of the slots says: who is where, who was where, and what has to change. Pure.

use super::shipped;
use crate::config::{Config, Guest};
use pylon_core::ports::installations::{Installation, Installed};
use pylon_sandbox::Slot;
use std::collections::BTreeMap;

/// Begins the source of what this program ships.
pub(super) const SHIPPED: &str = "shipped:";

/// The newest change of each slot up to generation `number`.
pub(super) fn at(history: &[Installation], number: u64) -> BTreeMap<Slot, &Installation> {
    let rows = history.iter().take_while(|row| row.generation <= number);
    rows.filter_map(|row| Some((row.slot.parse().ok()?, row))).collect()
}

/// The guests of generation `number`.
pub(super) fn guests_at(history: &[Installation], number: u64) -> BTreeMap<Slot, &Installed> {
    at(history, number).into_iter().filter_map(|(slot, row)| Some((slot, row.guest.as_ref()?))).collect()
}

/// The newest generation; 0 before the first.
pub(super) fn newest(history: &[Installation]) -> u64 {
    history.last().map_or(0, |row| row.generation)
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
    Install(Guest),
    /// Nothing serves here any more.
    Empty,
}

/// The slots whose history does not say what the settings say, or that hold an older edition of what this program ships. Where the settings have not
/// changed since, what was installed by command stays.
pub(super) fn due(history: &[Installation], config: &Config) -> Vec<(Slot, Due)> {
    let now = at(history, newest(history));
    let named = config.guests.keys().filter_map(|slot| slot.parse::<Slot>().ok());
    let mut slots: Vec<Slot> = shipped::defaults().map(|(slot, _)| slot).chain(named).chain(now.keys().copied()).collect();
    slots.sort_unstable();
    slots.dedup();
    let always = |slot| shipped::defaults().any(|(filled, _)| filled == slot);
    slots.retain(|slot| now.get(slot).is_none_or(|row| row.stanza != stanza(config, *slot) || is_outdated(row)));
    let what = |slot: &Slot| match config.guests.get(&slot.to_string()) {
        Some(guest) => Some(Due::Install(guest.clone())),
        None if always(*slot) => Some(Due::Install(Guest::default())),
        None => now.get(slot).is_some_and(|row| row.guest.is_some()).then_some(Due::Empty),
    };
    slots.iter().filter_map(|slot| Some((*slot, what(slot)?))).collect()
}

/// Another program shipped this.
fn is_outdated(row: &Installation) -> bool {
    let Some(guest) = &row.guest else { return false };
    let ours = guest.source.strip_prefix(SHIPPED).and_then(shipped::component);
    ours.is_some_and(|bytes| pylon_core::Digest::of(bytes) != guest.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::{Digest, UnixTime};

    fn row(generation: u64, slot: &str, source: Option<&str>, config: &Config) -> Installation {
        let digest = |source: &str| {
            let bytes = source.strip_prefix(SHIPPED).and_then(shipped::component);
            bytes.map_or(Digest::from_bytes([7; 32]), Digest::of)
        };
        let guest = source.map(|source| Installed {
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
        Installation { generation, slot: slot.into(), guest, stanza, why: "start".into(), at: UnixTime::new(generation) }
    }

    fn first(config: &Config) -> Vec<Installation> {
        let rows = shipped::defaults().zip(1..);
        rows.map(|((slot, name), number)| row(number, &slot.to_string(), Some(&format!("{SHIPPED}{name}")), config)).collect()
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
        changed.guests.insert("routing".into(), Guest::default());
        assert_eq!(due(&history, &changed), [("routing".parse().unwrap(), Due::Install(Guest::default()))]);
        changed.guests.insert("pricing".into(), Guest::default());
        assert_eq!(due(&history, &changed).len(), 2);
    }

    /// A slot that only the settings filled is emptied with them.
    #[test]
    fn a_stanza_goes() {
        let mut config = Config::default();
        config.guests.insert("pricing:5050".into(), Guest::default());
        let mut history = first(&config);
        history.push(row(5, "pricing:5050", Some("shipped:token_pricing"), &config));
        assert!(due(&history, &config).is_empty());
        assert_eq!(due(&history, &Config::default()), [("pricing:5050".parse().unwrap(), Due::Empty)]);
    }

    /// Each generation is the newest row of each slot up to it.
    #[test]
    fn sets() {
        let config = Config::default();
        let mut history = first(&config);
        history.push(row(5, "pricing", Some("mine.wasm"), &config));
        history.push(row(6, "pricing:5050", Some("mine.wasm"), &config));
        history.push(row(7, "pricing:5050", None, &config));
        let source =
            |number, slot: &str| guests_at(&history, number).get(&slot.parse().unwrap()).map(|guest| guest.source.clone());
        assert_eq!(source(4, "pricing").as_deref(), Some("shipped:token_pricing"));
        assert_eq!(source(5, "pricing").as_deref(), Some("mine.wasm"));
        assert_eq!((source(5, "pricing:5050"), source(7, "pricing:5050")), (None, None));
        assert!(source(6, "pricing:5050").is_some());
        assert_eq!(newest(&history), 7);
    }
}
