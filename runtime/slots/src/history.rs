//! The history of the slots: which guest serves, which one served, and what the settings change.
//! Pure.

use crate::config::Config;
use crate::shipped::{self, PREFIX};
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, InstalledGuest, PendingGuest};
use pylon_core::slots::{GuestConfig, SlotStatus};
use pylon_sandbox::{Role, Slot};
use std::collections::BTreeMap;

/// The slots as the journal has them.
#[derive(Clone, Debug, Default)]
pub struct SlotHistory {
    /// Every change of a slot, oldest first.
    pub installations: Vec<Installation>,
    /// Shadows, and guests that wait for approval.
    pub pending: Vec<PendingGuest>,
}

impl SlotHistory {
    /// Time of the first change, which is at latest the first start, as that fills the slots.
    pub fn first_change(&self) -> Option<UnixTime> {
        self.installations.first().map(|row| row.at)
    }

    /// All guests of the slots, without statistics.
    pub fn status(&self) -> Vec<SlotStatus> {
        let serving = at(&self.installations, newest(&self.installations))
            .into_values()
            .filter_map(|row| SlotStatus::serving(row, None));
        let pending = self.pending.iter().map(|pending| SlotStatus::pending(pending, None));
        serving.chain(pending).collect()
    }
}

/// The newest change of each slot up to this revision.
pub(crate) fn at(history: &[Installation], revision: u64) -> BTreeMap<Slot, &Installation> {
    let rows = history.iter().take_while(|row| row.revision <= revision);
    rows.filter_map(|row| Some((row.slot.parse().ok()?, row))).collect()
}

/// The guests of this revision.
pub(crate) fn guests_at(
    history: &[Installation],
    revision: u64,
) -> BTreeMap<Slot, &InstalledGuest> {
    at(history, revision)
        .into_iter()
        .filter_map(|(slot, row)| Some((slot, row.guest.as_ref()?)))
        .collect()
}

/// The serving guests of the newest revision.
pub(crate) fn current(history: &[Installation]) -> BTreeMap<Slot, &InstalledGuest> {
    guests_at(history, newest(history))
}

/// The guests that serve jobs of this kind in this revision: one for each role, from the slot of
/// the kind or the default slot.
pub(crate) fn serving(
    history: &[Installation],
    revision: u64,
    kind: u16,
) -> Vec<(Slot, &InstalledGuest)> {
    let guests = guests_at(history, revision);
    let of = |role| {
        let slots = [Slot::of_kind(role, kind), Slot::policy(role)];
        slots.into_iter().flatten().find_map(|slot| Some((slot, *guests.get(&slot)?)))
    };
    Role::ALL.into_iter().filter_map(of).collect()
}

/// The newest revision; 0 before the first.
pub(crate) fn newest(history: &[Installation]) -> u64 {
    history.last().map_or(0, |row| row.revision)
}

/// When the first guest was replaced that jobs of this kind, admitted under this revision, still
/// need; `None` while all of them serve.
pub(crate) fn replaced_at(history: &[Installation], revision: u64, kind: u16) -> Option<UnixTime> {
    let guests = guests_at(history, revision);
    let mut needed = BTreeMap::new();
    for role in Role::NEEDED_AFTER_ADMISSION {
        let (of_kind, default) = (Slot::of_kind(role, kind), Slot::policy(role));
        let guest = of_kind
            .and_then(|slot| guests.get(&slot))
            .or_else(|| default.and_then(|slot| guests.get(&slot)));
        // A guest in the slot of the kind replaces the default one.
        needed.extend(of_kind.map(|slot| (slot, guest)));
        if of_kind.is_none_or(|slot| !guests.contains_key(&slot)) {
            needed.extend(default.map(|slot| (slot, guest)));
        }
    }
    let later = history.iter().filter(|row| row.revision > revision);
    let replaces = |row: &&Installation| {
        let guest = row.slot.parse().ok().and_then(|slot: Slot| needed.get(&slot));
        guest.is_some_and(|guest| row.guest.as_ref() != guest.copied())
    };
    later.into_iter().find(replaces).map(|row| row.at)
}

/// The settings of a slot, as its rows keep them.
pub(crate) fn config_json(config: &Config, slot: Slot) -> String {
    // Serializing a table of strings cannot fail.
    serde_json::to_string(&config.guests.get(&slot.to_string())).unwrap_or_default()
}

/// How a slot has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reconcile {
    /// Install the guest of these settings.
    Install(GuestConfig),
    /// Empty the slot.
    Empty,
}

/// The slots whose settings changed since their last row, and those with a guest that another
/// version of this program shipped. A guest that was installed by command stays until the settings
/// of its slot change.
pub(crate) fn changes(history: &[Installation], config: &Config) -> Vec<(Slot, Reconcile)> {
    let now = at(history, newest(history));
    let named = config.guests.keys().filter_map(|slot| slot.parse::<Slot>().ok());
    let mut slots: Vec<Slot> =
        shipped::defaults().map(|(slot, _)| slot).chain(named).chain(now.keys().copied()).collect();
    slots.sort_unstable();
    slots.dedup();
    let change = |slot: Slot| {
        let row = now.get(&slot).copied();
        let is_changed = row.is_none_or(|row| row.config != config_json(config, slot));
        if !is_changed && !row.is_some_and(is_outdated) {
            return None;
        }
        // The new version of a shipped guest keeps the settings of the command that installed it.
        if let Some(row) = row.filter(|row| !is_changed && is_by_command(row)) {
            let guest = row.guest.as_ref()?;
            return Some(Reconcile::Install(GuestConfig {
                source: guest.source.clone(),
                settings: guest.settings.clone(),
                ..GuestConfig::default()
            }));
        }
        match config.guests.get(&slot.to_string()) {
            Some(guest) => Some(Reconcile::Install(guest.clone())),
            None if shipped::is_required(slot) => Some(Reconcile::Install(GuestConfig::default())),
            None => row.is_some_and(|row| row.guest.is_some()).then_some(Reconcile::Empty),
        }
    };
    slots.into_iter().filter_map(|slot| Some((slot, change(slot)?))).collect()
}

fn is_by_command(row: &Installation) -> bool {
    !["start", "reload"].contains(&row.cause.as_str())
}

/// Another version of this program shipped the guest.
fn is_outdated(row: &Installation) -> bool {
    let Some(guest) = &row.guest else { return false };
    let shipped = guest.source.strip_prefix(PREFIX).and_then(shipped::component);
    shipped.is_some_and(|bytes| pylon_core::Digest::of(bytes) != guest.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::{EXPIRED, FAULTS};
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
        Installation {
            revision,
            slot: slot.into(),
            guest,
            config: config_json(config, slot.parse().unwrap()),
            cause: "start".into(),
            at: UnixTime::new(revision),
        }
    }

    fn first_start(config: &Config) -> Vec<Installation> {
        let rows = shipped::defaults().zip(1..);
        rows.map(|((slot, name), revision)| {
            row(revision, &slot.to_string(), Some(&format!("{PREFIX}{name}")), config)
        })
        .collect()
    }

    #[test]
    fn first_start_installs_the_shipped_guests() {
        let config = Config::default();
        assert_eq!(changes(&[], &config).len(), 4);
        assert!(changes(&first_start(&config), &config).is_empty());
    }

    #[test]
    fn guest_installed_by_command_stays_until_its_settings_change() {
        let config = Config::default();
        let mut history = first_start(&config);
        history.push(row(5, "pricing", Some("mine.wasm"), &config));
        assert!(changes(&history, &config).is_empty());
        let mut changed = config.clone();
        changed.guests.insert("routing".into(), GuestConfig::default());
        assert_eq!(
            changes(&history, &changed),
            [("routing".parse().unwrap(), Reconcile::Install(GuestConfig::default()))]
        );
        changed.guests.insert("pricing".into(), GuestConfig::default());
        assert_eq!(changes(&history, &changed).len(), 2);
    }

    #[test]
    fn guest_that_was_rolled_back_stays_out_until_its_settings_change() {
        let mut config = Config::default();
        let mine = GuestConfig { source: "mine.wasm".into(), ..GuestConfig::default() };
        config.guests.insert("handler:5999".into(), mine);
        for (cause, source) in [(FAULTS, Some("other.wasm")), (EXPIRED, None)] {
            let mut history = first_start(&config);
            history.push(row(5, "handler:5999", Some("mine.wasm"), &config));
            let row = row(6, "handler:5999", source, &config);
            history.push(Installation { cause: cause.into(), ..row });
            assert!(changes(&history, &config).is_empty(), "{cause}");
        }
    }

    #[test]
    fn slot_is_emptied_when_its_settings_are_removed() {
        let mut config = Config::default();
        config.guests.insert("pricing:5050".into(), GuestConfig::default());
        let mut history = first_start(&config);
        history.push(row(5, "pricing:5050", Some("shipped:token_pricing"), &config));
        assert!(changes(&history, &config).is_empty());
        assert_eq!(
            changes(&history, &Config::default()),
            [("pricing:5050".parse().unwrap(), Reconcile::Empty)]
        );
    }

    /// Goal: the guests of a job are replaced when one that it still needs is, and by no other
    /// change. Method: changes of other roles and kinds, then of a guest that it needs.
    #[test]
    fn replacement_of_a_needed_guest_is_found() {
        let config = Config::default();
        let mut history = first_start(&config);
        let put = |history: &mut Vec<Installation>, slot: &str, source: Option<&str>| {
            let number = newest(history) + 1;
            let row = row(number, slot, source, &config);
            history.push(Installation { at: UnixTime::new(100 + number), ..row });
        };
        put(&mut history, "pricing:5932", Some("mine.wasm"));
        put(&mut history, "routing", Some("mine.wasm"));
        assert_eq!(replaced_at(&history, 4, 5050), None, "the routes are in its plan");
        assert_eq!(replaced_at(&history, 4, 5932), Some(UnixTime::new(105)), "one for its kind");
        put(&mut history, "pricing", Some("mine.wasm"));
        assert_eq!(replaced_at(&history, 4, 5050), Some(UnixTime::new(107)));
        assert_eq!(replaced_at(&history, 5, 5932), None, "the one for its kind still serves");
        assert_eq!(replaced_at(&history, 7, 5050), None);
    }

    #[test]
    fn revision_has_the_newest_guest_of_each_slot() {
        let config = Config::default();
        let mut history = first_start(&config);
        history.push(row(5, "pricing", Some("mine.wasm"), &config));
        history.push(row(6, "pricing:5050", Some("mine.wasm"), &config));
        history.push(row(7, "pricing:5050", None, &config));
        let source = |revision, slot: &str| {
            guests_at(&history, revision)
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
