//! Answers to where a customer wants them: the relays that a request names, beside our own. A courtesy: our own relays decide whether something is
//! delivered, each answer is offered there once, and a stranger's relay is only reached where the policy for addresses lets us.

use super::one_shot::OneShotRelayClient;
use crate::nip90::FEEDBACK_KIND;
use nostr_sdk::prelude::{Event, EventId, JsonUtil, RelayUrl};
use pylon_egress::policy::{EgressPolicy, Scheme};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Relays of one request.
const RELAYS_MAX: usize = 3;
/// Requests whose relays are remembered; results quote theirs.
const REMEMBERED: usize = 4096;
/// Visits at once. Who comes when there are more is not visited.
const VISITS_MAX: usize = 16;
/// One visit.
const VISIT_TIMEOUT: Duration = Duration::from_secs(15);

/// Knows where customers want to hear from us.
pub(super) struct CustomerRelays {
    addresses: Arc<EgressPolicy>,
    named: Mutex<Named>,
    places: Arc<Semaphore>,
}

/// The last requests and answers, oldest out first.
#[derive(Default)]
struct Named {
    relays: HashMap<EventId, Vec<RelayUrl>>,
    order: VecDeque<EventId>,
    offered: VecDeque<EventId>,
}

impl CustomerRelays {
    pub(super) fn new(addresses: Arc<EgressPolicy>) -> Self {
        Self { addresses, named: Mutex::default(), places: Arc::new(Semaphore::new(VISITS_MAX)) }
    }

    /// Remembers which relays a request names, beside ours: these have all of it anyway.
    pub(super) fn learn(&self, request: &Event, ours: &[RelayUrl]) {
        let relays = self.relays_of(request, ours);
        if relays.is_empty() {
            return;
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.relays.insert(request.id, relays).is_none() {
            named.order.push_back(request.id);
        }
        if named.order.len() > REMEMBERED
            && let Some(oldest) = named.order.pop_front()
        {
            named.relays.remove(&oldest);
        }
    }

    /// Offers an answer there, in the background: events in the order in which they are to be published, the answer itself last. What is only a
    /// sample of one is not worth a visit.
    pub(super) fn tell(&self, events: &[Event], ours: &[RelayUrl]) {
        let Some(answer) = events.last() else { return };
        if answer.kind.as_u16() == FEEDBACK_KIND && value(answer, "status") == Some("partial") {
            return;
        }
        for (relay, place) in self.visits(answer, ours) {
            let (addresses, events) = (Arc::clone(&self.addresses), events.to_vec());
            tokio::spawn(async move {
                let taken =
                    timeout(VISIT_TIMEOUT, offer(&addresses, &relay, &events)).await.ok().flatten();
                tracing::debug!(%relay, taken = taken == Some(true), "offered to the customer's relay");
                drop(place);
            });
        }
    }

    /// The relays that are visited with this answer, as far as there are places.
    fn visits(&self, answer: &Event, ours: &[RelayUrl]) -> Vec<(RelayUrl, OwnedSemaphorePermit)> {
        let place = |relay: RelayUrl| match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Some((relay, place)),
            Err(_) => {
                tracing::debug!(id = %answer.id, %relay, "not offered to the customer's relay: too many visits");
                None
            }
        };
        self.not_offered(answer, ours).into_iter().filter_map(place).collect()
    }

    /// Where this answer is to go and has not been. It is sent again until our relays have it, and customer_relays only once.
    fn not_offered(&self, answer: &Event, ours: &[RelayUrl]) -> Vec<RelayUrl> {
        let Some(job) = answer.tags.event_ids().next() else { return Vec::new() };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.offered.contains(&answer.id) {
            return Vec::new();
        }
        let known = named.relays.get(job).cloned();
        let relays = known.unwrap_or_else(|| {
            let quoted = value(answer, "request").and_then(|json| Event::from_json(json).ok());
            quoted.map(|request| self.relays_of(&request, ours)).unwrap_or_default()
        });
        if !relays.is_empty() {
            named.offered.push_back(answer.id);
            if named.offered.len() > REMEMBERED {
                named.offered.pop_front();
            }
        }
        relays
    }

    /// Pure: the first few relays that a request names, that may be reached, and that are not ours.
    fn relays_of(&self, request: &Event, ours: &[RelayUrl]) -> Vec<RelayUrl> {
        let tags = request
            .tags
            .iter()
            .map(|tag| tag.as_slice())
            .filter(|tag| tag.first().is_some_and(|name| name == "relays"));
        let mut relays = Vec::new();
        for url in tags.flat_map(|tag| tag.iter().skip(1)) {
            if relays.len() < RELAYS_MAX
                && self.addresses.check(url, Scheme::WebSocket).is_ok()
                && let Ok(relay) = RelayUrl::parse(url)
                && !ours.contains(&relay)
                && !relays.contains(&relay)
            {
                relays.push(relay);
            }
        }
        relays
    }
}

/// All of it or nothing: what comes last speaks of what came before.
async fn offer(addresses: &EgressPolicy, relay: &RelayUrl, events: &[Event]) -> Option<bool> {
    let mut visit = OneShotRelayClient::begin(addresses, relay.as_str()).await?;
    for event in events {
        if !visit.give(event).await? {
            return Some(false);
        }
    }
    Some(true)
}

fn value<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event
        .tags
        .iter()
        .map(|tag| tag.as_slice())
        .find(|tag| tag.first().is_some_and(|first| first == name))?
        .get(1)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nostr_sdk::{EventBuilder, Keys, Kind, Tag};

    fn asking(relays: &[&str]) -> Event {
        let tag = Tag::parse(["relays"].into_iter().chain(relays.iter().copied())).unwrap();
        EventBuilder::new(Kind::from_u16(5050), "")
            .tag(tag)
            .sign_with_keys(&Keys::generate())
            .unwrap()
    }

    /// Goal: a thousand relays are three, none of them ours, twice the same, or within. Method: all of that in one request.
    #[test]
    fn few_relays_and_only_those_that_may_be_reached() {
        let ours = RelayUrl::parse("wss://ours.example").unwrap();
        let customer_relays = CustomerRelays::new(Arc::default());
        let many: Vec<String> = (0..1000).map(|n| format!("wss://r{n}.example")).collect();
        let bad = [
            "ws://plain.example",
            "wss://127.0.0.1",
            "wss://10.0.0.1:8080",
            "wss://[::ffff:127.0.0.1]",
            "x",
            "wss://ours.example/",
        ];
        let all: Vec<&str> = bad
            .into_iter()
            .chain(["wss://r0.example/", "wss://r0.example"])
            .chain(many.iter().map(String::as_str))
            .collect();
        let named = customer_relays.relays_of(&asking(&all), &[ours]);
        assert_eq!(
            named,
            ["wss://r0.example", "wss://r1.example", "wss://r2.example"]
                .map(|url| RelayUrl::parse(url).unwrap())
        );
    }

    /// Goal: an answer goes customer_relays once, also when the request is only known from the answer, and memory is bounded. Method: ask twice; then more
    /// requests than are remembered.
    #[test]
    fn an_answer_is_offered_once() {
        let customer_relays = CustomerRelays::new(Arc::default());
        let (keys, request) = (Keys::generate(), asking(&["wss://r.example"]));
        let answer = |message: &str, quoted: bool| {
            let quoted =
                quoted.then(|| Tag::parse(["request".to_owned(), request.as_json()]).unwrap());
            let tags = quoted.into_iter().chain([Tag::event(request.id)]);
            EventBuilder::new(Kind::from_u16(6050), message)
                .tags(tags)
                .sign_with_keys(&keys)
                .unwrap()
        };
        assert!(customer_relays.not_offered(&answer("unknown", false), &[]).is_empty());
        let quoting = answer("quoted", true);
        assert_eq!(
            (
                customer_relays.not_offered(&quoting, &[]).len(),
                customer_relays.not_offered(&quoting, &[]).len()
            ),
            (1, 0)
        );
        customer_relays.learn(&request, &[]);
        let known = answer("known", false);
        assert_eq!(
            (
                customer_relays.not_offered(&known, &[]).len(),
                customer_relays.not_offered(&known, &[]).len()
            ),
            (1, 0)
        );
        let places = Arc::clone(&customer_relays.places).try_acquire_many_owned(16).unwrap();
        assert!(
            customer_relays.visits(&answer("at a busy time", false), &[]).is_empty(),
            "no more visits than there are places"
        );
        drop(places);
        assert_eq!(customer_relays.visits(&answer("later", false), &[]).len(), 1);
        let mut named = customer_relays.named.lock().unwrap();
        named.order.extend(std::iter::repeat_n(request.id, REMEMBERED - 1));
        drop(named);
        customer_relays.learn(&asking(&["wss://r.example"]), &[]);
        assert!(customer_relays.not_offered(&answer("forgotten", false), &[]).is_empty());
    }
}
