//! What is known about the clock of this machine: the times that relays report, and without any the
//! dates of new requests.

use crate::clock_offset::{self, OFFSET_SECONDS_MAX};
use nostr_sdk::prelude::{Event, PublicKey, RelayUrl};
use pylon_core::UnixTime;
use pylon_core::ports::clock::Clock;
use pylon_core::sync::lock;
use reqwest::header::HeaderMap;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

/// Authors whose last date counts.
const AUTHORS_MAX: usize = 16;
/// With fewer, one wrong clock would decide.
const AUTHORS_MIN: usize = 3;

/// The differences to other clocks.
pub(super) struct ClockEvidence {
    clock: Arc<dyn Clock>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// How far the clock is ahead of each relay.
    relays: HashMap<RelayUrl, i64>,
    /// How far it is ahead of the last authors of new requests.
    authors: VecDeque<(PublicKey, i64)>,
    /// Relays that have sent their stored events: the others are new.
    live: HashSet<RelayUrl>,
    /// The offset in the last warning.
    warned: Option<i64>,
}

impl ClockEvidence {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, found: Mutex::default() }
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// A relay has answered with these headers.
    pub(super) fn relay_answered(&self, relay: &RelayUrl, headers: &HeaderMap) {
        if let Some(ahead) = clock_offset::ahead_of(headers, self.now()) {
            let mut found = lock(&self.found);
            found.relays.insert(relay.clone(), ahead);
            found.report();
        }
    }

    /// Events of this relay are new from now on, or may be stored ones.
    pub(super) fn set_live(&self, relay: &RelayUrl, is_live: bool) {
        let mut found = lock(&self.found);
        if is_live {
            found.live.insert(relay.clone());
        } else {
            found.live.remove(relay);
        }
    }

    /// A signed request or deletion has arrived.
    pub(super) fn event_arrived(&self, relay: &RelayUrl, event: &Event) {
        let mut found = lock(&self.found);
        if !found.live.contains(relay) {
            return;
        }
        let seconds = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let ahead = seconds(self.now().get()).saturating_sub(seconds(event.created_at.as_secs()));
        found.authors.retain(|(author, _)| *author != event.pubkey);
        found.authors.push_back((event.pubkey, ahead));
        if found.authors.len() > AUTHORS_MAX {
            found.authors.pop_front();
        }
        found.report();
    }

    /// How far the clock is ahead, if that is known.
    pub(super) fn ahead_seconds(&self) -> Option<i64> {
        lock(&self.found).ahead_seconds()
    }

    /// The clock was set forward by this, or back if it is negative.
    pub(super) fn clock_was_set(&self, by_seconds: i64) {
        let mut found = lock(&self.found);
        let Found { relays, authors, .. } = &mut *found;
        for ahead in relays.values_mut().chain(authors.iter_mut().map(|(_, ahead)| ahead)) {
            *ahead = ahead.saturating_add(by_seconds);
        }
        found.report();
    }
}

impl Found {
    fn ahead_seconds(&self) -> Option<i64> {
        let relays: Vec<i64> = self.relays.values().copied().collect();
        clock_offset::median(relays).or_else(|| {
            let authors = self.authors.iter().map(|(_, ahead)| *ahead);
            (authors.len() >= AUTHORS_MIN).then(|| clock_offset::median(authors.collect()))?
        })
    }

    /// Logs a wrong clock, and when it is right again.
    fn report(&mut self) {
        let is_wrong = |ahead: &i64| ahead.unsigned_abs() > OFFSET_SECONDS_MAX;
        let ahead = self.ahead_seconds().filter(is_wrong);
        match (self.warned, ahead) {
            (Some(before), Some(ahead)) if before.abs_diff(ahead) <= OFFSET_SECONDS_MAX => return,
            (_, Some(ahead)) => tracing::warn!(
                offset = clock_offset::describe(ahead),
                "the clock of this machine differs from the relays: set it (NTP), relays reject \
                 events with a wrong time"
            ),
            (Some(_), None) => tracing::info!("the clock of this machine agrees with the relays"),
            (None, None) => {}
        }
        self.warned = ahead;
    }
}
