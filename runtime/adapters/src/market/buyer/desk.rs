//! What relays have for a customer who looks: answers to a request, and the parts that an answer came in. Whatever a relay sends, no more of it is
//! kept than there is room for.

use super::{BuyerError, Heard, Request, WHOLES_AT_ONCE};
use crate::market::nip90::{self, Delivered, MAX_PARTS, MAX_WHOLE_BYTES, PART_KIND, Parts};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use nostr_sdk::prelude::{Client, Event, EventId, Filter, Keys, Kind, MatchEventOptions, Relay, ReqExitPolicy};
use pylon_core::{JobId, PublicKey};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a relay may take to be there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one look at what relays have may take.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Results, and other messages, about one job that are kept of each relay …
const SAID_MAX: usize = 500;
/// … and the bytes of their texts; the library takes messages of 5 MiB.
const SAID_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How long all parts of an answer may take to come.
const PARTS_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks for parts that are missing.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Parts that are asked for at once: every relay gives that many.
const PARTS_AT_ONCE: usize = 50;
/// Answers to one job that are put together when all of it is looked at.
const WHOLES_MAX: usize = 32;

/// A customer on the market who does not listen: nothing is held but what was looked for.
#[derive(Clone)]
pub struct Desk {
    pub(super) client: Client,
    pub(super) keys: Keys,
}

impl Desk {
    /// Connects.
    pub async fn open(keys: Keys, relays: &[String]) -> Result<Self, BuyerError> {
        let client = Client::new(keys.clone());
        for relay in relays {
            client.add_relay(relay.as_str()).await.map_err(|error| BuyerError::Relay(error.to_string()))?;
        }
        if client.try_connect(CONNECT_WITHIN).await.success.is_empty() {
            return Err(BuyerError::Relay(format!("none of {} answers", relays.join(", "))));
        }
        Ok(Self { client, keys })
    }

    /// Withdraws a request.
    pub async fn cancel(&self, job: JobId, kind: u16) -> Result<(), BuyerError> {
        let event = nip90::cancellation(job, kind).sign_with_keys(&self.keys);
        self.publish(&event.map_err(|error| BuyerError::NotPublished(error.to_string()))?).await
    }

    pub(super) async fn publish(&self, event: &Event) -> Result<(), BuyerError> {
        let output = self.client.send_event(event).await.map_err(|error| BuyerError::NotPublished(error.to_string()))?;
        if output.success.is_empty() {
            let why = output.failed.into_values().next().unwrap_or_default();
            // The same request within one second is one event, and it is there.
            return if why.starts_with("duplicate:") { Ok(()) } else { Err(BuyerError::NotPublished(why)) };
        }
        Ok(())
    }

    /// All that those who were asked have said about this job so far, of each relay as much as there is room for.
    pub async fn said(&self, request: &Request) -> Vec<Heard> {
        let about = EventId::from_byte_array(*request.id().as_bytes());
        let key = |key: PublicKey| nostr_sdk::PublicKey::from_byte_array(*key.as_bytes());
        let providers: Vec<_> = request.providers().map(key).collect();
        let (mut said, mut in_parts) = (Vec::new(), Vec::new());
        // Apart, so that no flood of the one hides the other.
        for kind in [request.kind().saturating_add(nip90::RESULT_OFFSET), nip90::FEEDBACK_KIND] {
            let filter = Filter::new().kind(Kind::from_u16(kind)).event(about).pubkey(self.keys.public_key());
            let filter = if providers.is_empty() { filter } else { filter.authors(providers.clone()) };
            for heard in self.look(&filter, SAID_MAX, SAID_BYTES_MAX).await.iter().filter_map(|event| self.read(event)) {
                match heard {
                    Heard::Result(result) if result.parts.is_some() && request.check(&result).is_ok() => in_parts.push(result),
                    heard => said.push(heard),
                }
            }
        }
        let (few, many) = in_parts.split_at(in_parts.len().min(WHOLES_MAX));
        said.extend(many.iter().map(|result| Heard::Unreadable {
            job: result.job,
            provider: result.provider,
            why: format!("in parts, as too many others are: {WHOLES_MAX} are looked at"),
        }));
        let wholes = stream::iter(few.iter().cloned().map(|result| self.put_together(result)));
        said.extend(wholes.buffer_unordered(WHOLES_AT_ONCE).collect::<Vec<_>>().await);
        // A tag may name this job, and the answer be to another one.
        said.retain(|heard| heard.job() == request.id() && request.is_for(heard.provider()));
        said
    }

    /// What relays have for this filter, the newest first. Each has room of its own, so that none hides what another one has.
    async fn look(&self, filter: &Filter, events_max: usize, bytes_max: u64) -> BTreeSet<Event> {
        let relays = self.client.relays().await;
        let answers = relays.values().map(|relay| ask(relay, filter, events_max, bytes_max));
        join_all(answers).await.into_iter().flatten().collect()
    }

    pub(super) fn read(&self, event: &Event) -> Option<Heard> {
        // The library takes the id of a verified event as proof for whatever carries it. Only the hash proves it.
        if !event.verify_id() {
            return None;
        }
        if !event.tags.public_keys().any(|key| *key == self.keys.public_key()) {
            return None;
        }
        let (job, provider, heard) = if let Some(feedback) = nip90::parse_feedback(event) {
            (feedback.job, feedback.provider, feedback.open(&self.keys).map(Heard::Feedback))
        } else {
            let result = nip90::parse_result(event)?;
            (result.job, result.provider, result.open(&self.keys).map(Heard::Result))
        };
        Some(heard.unwrap_or_else(|why| Heard::Unreadable { job, provider, why }))
    }

    pub(super) async fn put_together(&self, result: Delivered) -> Heard {
        let (job, provider) = (result.job, result.provider);
        let parts = match &result.parts {
            Some(parts) if parts.list.len() > MAX_PARTS || parts.bytes > MAX_WHOLE_BYTES => {
                let why = format!("{} bytes in {} parts are too many", parts.bytes, parts.list.len());
                return Heard::Unreadable { job, provider, why };
            }
            Some(parts) => self.fetch(parts).await,
            None => Vec::new(),
        };
        let whole = nip90::assemble(result, &parts, &self.keys);
        whole.map_or_else(|why| Heard::Unreadable { job, provider, why }, Heard::Result)
    }

    /// All parts, or those that came in time.
    async fn fetch(&self, parts: &Parts) -> Vec<Event> {
        let mut missing: Vec<EventId> = parts.list.iter().map(|(id, _)| EventId::from_byte_array(*id.as_bytes())).collect();
        let (mut found, until) = (Vec::with_capacity(missing.len()), Instant::now() + PARTS_WITHIN);
        while !missing.is_empty() {
            let some = missing.iter().take(PARTS_AT_ONCE).copied();
            let filter = Filter::new().kind(Kind::from_u16(PART_KIND)).ids(some);
            let before = found.len();
            match timeout_at(until, self.look(&filter, PARTS_AT_ONCE, parts.bytes.saturating_add(SAID_BYTES_MAX))).await {
                Ok(events) => found.extend(events),
                Err(_) => break,
            }
            missing.retain(|id| !found.iter().any(|event: &Event| event.id == *id));
            // More than was named is not the answer, however much more there is.
            if found.iter().map(|event| event.content.len() as u64).sum::<u64>() > parts.bytes {
                break;
            }
            // What is not there now may still be on its way.
            if found.len() == before && timeout_at(until, sleep(LOOK_AGAIN)).await.is_err() {
                break;
            }
        }
        found
    }
}

/// What one relay has for this filter. What comes beyond the room for it is not kept, and neither is what nobody asked for.
async fn ask(relay: &Relay, filter: &Filter, events_max: usize, bytes_max: u64) -> Vec<Event> {
    let (mut kept, mut bytes) = (Vec::new(), 0_u64);
    let url = relay.url();
    let question = filter.clone().limit(events_max);
    let mut answer = match relay.stream_events(question, LOOK_WITHIN, ReqExitPolicy::ExitOnEOSE).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%url, %error, "a relay cannot be asked");
            return kept;
        }
    };
    while let Some(event) = answer.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%url, %error, "a relay breaks off its answer");
                break;
            }
        };
        // The library takes the id of a verified event as proof for whatever carries it. Only the hash proves it.
        if !filter.match_event(&event, MatchEventOptions::new()) || !event.verify_id() {
            continue;
        }
        bytes = bytes.saturating_add(text_bytes(&event));
        if kept.len() >= events_max || bytes > bytes_max {
            // Who looks by a command is told, too.
            tracing::error!(%url, "a relay sends more than it was asked for: the rest is not looked at");
            break;
        }
        kept.push(event);
    }
    kept
}

fn text_bytes(event: &Event) -> u64 {
    let tags = event.tags.iter().flat_map(|tag| tag.as_slice()).map(String::len);
    tags.chain([event.content.len()]).fold(0, |sum, bytes| sum.saturating_add(bytes as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::buyer::Buyer;
    use crate::market::nip90::AnswerTag;
    use crate::market::relay::InProcessRelay;
    use futures::SinkExt;
    use nostr_sdk::prelude::{EventBuilder, JsonUtil, Tag};
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::Message as Frame;

    fn answer(job: JobId, to: &Keys, by: &Keys, text: &str) -> Event {
        let tags = [AnswerTag::Job(job).to_tag(), Tag::public_key(to.public_key())];
        EventBuilder::new(Kind::from_u16(6050), text).tags(tags).sign_with_keys(by).unwrap()
    }

    /// A relay that answers each question with all of this, whatever was asked.
    async fn liar(events: Vec<Event>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            while let Some(Ok(frame)) = socket.next().await {
                let heard: serde_json::Value = serde_json::from_str(frame.to_text().unwrap_or_default()).unwrap_or_default();
                if heard[0] != "REQ" {
                    continue;
                }
                let id = &heard[1];
                let lies = events.iter().map(|event| format!(r#"["EVENT",{id},{}]"#, event.as_json()));
                for frame in lies.chain([format!(r#"["EOSE",{id}]"#)]) {
                    // Who was asking may have heard enough.
                    let _ = socket.send(Frame::text(frame)).await;
                }
            }
        });
        url
    }

    /// Goal: whatever a relay sends, no more of it is kept than was asked for, and it hides nothing that another has. Method: one that knows no limit, with
    /// too many results, with results that are too large, and with results of another job before a true one; beside it one with a true result.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_relay_is_heard_without_an_end() {
        let (customer, mallory, honest) = (Keys::generate(), Keys::generate(), Keys::generate());
        let relay = InProcessRelay::start().await.unwrap();
        let own = Buyer::connect(customer.clone(), &[relay.url().to_owned()]).await.unwrap();
        let request = own.sign(5050, &[], pylon_core::UnixTime::new(1_700_000_000)).unwrap();
        own.submit(&request).await.unwrap();
        let seller = Desk::open(honest.clone(), &[relay.url().to_owned()]).await.unwrap();
        seller.publish(&answer(request.id(), &customer, &honest, "true")).await.unwrap();
        let of = |job, count: usize, text: &str| -> Vec<Event> {
            (0..count).map(|number| answer(job, &customer, &mallory, &format!("{number} {text}"))).collect()
        };
        let large = "A".repeat(200_000);
        let of_others = of(JobId::from_bytes([7; 32]), SAID_MAX + 50, "");
        let truth = of(request.id(), 1, "true");
        for (what, sent, kept) in [
            ("many", of(request.id(), SAID_MAX + 50, ""), SAID_MAX),
            ("large", of(request.id(), 50, &large), SAID_BYTES_MAX as usize / 200_200),
            ("of others", [of_others, truth].concat(), 1),
        ] {
            let urls = [liar(sent).await, relay.url().to_owned()];
            let desk = Desk::open(customer.clone(), &urls).await.unwrap();
            let said = desk.said(&request).await;
            let by =
                |keys: &Keys| said.iter().filter(|heard| heard.provider().as_bytes() == keys.public_key().as_bytes()).count();
            assert_eq!((by(&mallory), by(&honest)), (kept, 1), "{what}");
            desk.client.disconnect().await;
        }
    }
}
