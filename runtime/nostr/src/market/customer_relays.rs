//! Sends answers also to the relays that a request names. This is best effort: only our own relays
//! decide whether an answer is delivered, each answer is sent to a customer's relay once, and such
//! a relay is contacted only if the egress policy allows it.

use super::one_shot::OneShotRelayClient;
use crate::nip90::FEEDBACK_KIND;
use nostr_sdk::prelude::{Event, EventId, JsonUtil, RelayUrl};
use pylon_core::sync::lock;
use pylon_egress::policy::{EgressPolicy, Scheme};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Relays of one request that are used.
const RELAYS_MAX: usize = 3;
/// Requests whose relays are remembered; results quote theirs.
const REMEMBERED_MAX: usize = 4096;
/// Concurrent connections. Further answers are not sent to customers' relays.
const CONNECTIONS_MAX: usize = 16;
/// Timeout of one connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// The relays that customers named in their requests.
pub(super) struct CustomerRelays {
    policy: Arc<EgressPolicy>,
    remembered: Mutex<Remembered>,
    permits: Arc<Semaphore>,
}

/// The latest requests and answers.
#[derive(Default)]
struct Remembered {
    relays: HashMap<EventId, Vec<RelayUrl>>,
    order: VecDeque<EventId>,
    offered: VecDeque<EventId>,
}

impl CustomerRelays {
    pub(super) fn new(policy: Arc<EgressPolicy>) -> Self {
        Self {
            policy,
            remembered: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }

    /// Remembers the relays that a request names, without our own.
    pub(super) fn remember(&self, request: &Event, ours: &[RelayUrl]) {
        let relays = self.relays_of(request, ours);
        if relays.is_empty() {
            return;
        }
        let mut remembered = lock(&self.remembered);
        if remembered.relays.insert(request.id, relays).is_none() {
            remembered.order.push_back(request.id);
        }
        if remembered.order.len() > REMEMBERED_MAX
            && let Some(oldest) = remembered.order.pop_front()
        {
            remembered.relays.remove(&oldest);
        }
    }

    /// Sends an answer to the relays of its customer, in the background. The events are in the
    /// order in which they are to be published, the answer is the last. Partial results are not
    /// sent.
    pub(super) fn offer(&self, events: &[Event], ours: &[RelayUrl]) {
        let Some(answer) = events.last() else { return };
        if answer.kind.as_u16() == FEEDBACK_KIND && value(answer, "status") == Some("partial") {
            return;
        }
        for (relay, permit) in self.reserve(answer, ours) {
            let (policy, events) = (Arc::clone(&self.policy), events.to_vec());
            tokio::spawn(async move {
                let accepted = timeout(CONNECTION_TIMEOUT, publish_all(&policy, &relay, &events))
                    .await
                    .ok()
                    .flatten();
                tracing::debug!(
                    %relay,
                    accepted = accepted == Some(true),
                    "answer sent to the customer's relay"
                );
                drop(permit);
            });
        }
    }

    /// The relays to connect to with this answer, each with a permit.
    fn reserve(&self, answer: &Event, ours: &[RelayUrl]) -> Vec<(RelayUrl, OwnedSemaphorePermit)> {
        let permit = |relay: RelayUrl| match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => Some((relay, permit)),
            Err(_) => {
                tracing::debug!(
                    id = %answer.id,
                    %relay,
                    "answer not sent to the customer's relay: too many connections"
                );
                None
            }
        };
        self.not_offered(answer, ours).into_iter().filter_map(permit).collect()
    }

    /// The relays that this answer was not sent to yet. It is sent to our own relays repeatedly,
    /// but to these only once.
    fn not_offered(&self, answer: &Event, ours: &[RelayUrl]) -> Vec<RelayUrl> {
        let Some(job) = answer.tags.event_ids().next() else { return Vec::new() };
        let mut remembered = lock(&self.remembered);
        if remembered.offered.contains(&answer.id) {
            return Vec::new();
        }
        let known = remembered.relays.get(job).cloned();
        let relays = known.unwrap_or_else(|| {
            let quoted = value(answer, "request").and_then(|json| Event::from_json(json).ok());
            quoted.map(|request| self.relays_of(&request, ours)).unwrap_or_default()
        });
        if !relays.is_empty() {
            remembered.offered.push_back(answer.id);
            if remembered.offered.len() > REMEMBERED_MAX {
                remembered.offered.pop_front();
            }
        }
        relays
    }

    /// Pure: the first few relays that a request names, that the policy allows, and that are not
    /// ours.
    fn relays_of(&self, request: &Event, ours: &[RelayUrl]) -> Vec<RelayUrl> {
        let tags = request
            .tags
            .iter()
            .map(|tag| tag.as_slice())
            .filter(|tag| tag.first().is_some_and(|name| name == "relays"));
        let mut relays = Vec::new();
        for url in tags.flat_map(|tag| tag.iter().skip(1)) {
            if relays.len() < RELAYS_MAX
                && self.policy.check(url, Scheme::WebSocket).is_ok()
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

/// Stops at the first refusal: the last event refers to the ones before.
async fn publish_all(policy: &EgressPolicy, relay: &RelayUrl, events: &[Event]) -> Option<bool> {
    let mut client = OneShotRelayClient::connect(policy, relay.as_str()).await?;
    for event in events {
        if !client.publish(event).await? {
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

    /// Goal: of many named relays three are used: none of ours, none twice, none in a private
    /// network. Method: all of that in one request.
    #[test]
    fn few_relays_that_the_policy_allows_are_used() {
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

    /// Goal: an answer is sent to a customer's relay once, also if the request is known only from
    /// the answer, and memory is limited. Method: ask twice; then more requests than are
    /// remembered.
    #[test]
    fn an_answer_is_sent_once() {
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
        customer_relays.remember(&request, &[]);
        let known = answer("known", false);
        assert_eq!(
            (
                customer_relays.not_offered(&known, &[]).len(),
                customer_relays.not_offered(&known, &[]).len()
            ),
            (1, 0)
        );
        let permits = Arc::clone(&customer_relays.permits).try_acquire_many_owned(16).unwrap();
        assert!(
            customer_relays.reserve(&answer("while busy", false), &[]).is_empty(),
            "no more visits than there are permits"
        );
        drop(permits);
        assert_eq!(customer_relays.reserve(&answer("later", false), &[]).len(), 1);
        let mut remembered = customer_relays.remembered.lock().unwrap();
        remembered.order.extend(std::iter::repeat_n(request.id, REMEMBERED_MAX - 1));
        drop(remembered);
        customer_relays.remember(&asking(&["wss://r.example"]), &[]);
        assert!(customer_relays.not_offered(&answer("forgotten", false), &[]).is_empty());
    }
}
