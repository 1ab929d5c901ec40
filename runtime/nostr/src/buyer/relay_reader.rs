//! What relays have for a customer who looks: answers to a request, and the parts that an answer came in. Whatever a relay sends, no more of it is
//! kept than there is room for.

use super::query::{LOOK_TIMEOUT, QueryResult, SizeLimit, look};
use super::{BuyerError, ProviderMessage, Request, WHOLES_AT_ONCE};
use crate::nip90::{self, Delivered, PART_KIND, PARTS_MAX, Parts, WHOLE_BYTES_MAX};
use futures::StreamExt;
use futures::future::join;
use futures::stream;
use nostr_sdk::prelude::{Client, Event, EventId, Filter, Keys, Kind};
use pylon_core::{JobId, PublicKey};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long a relay may take to be there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Results, and other messages, about one job that are kept of each relay …
const SAID_MAX: usize = 500;
/// … and the bytes of their texts; the library takes messages of 5 MiB.
const SAID_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How long all parts of an answer may take to come.
pub(super) const PARTS_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two looks for parts that are missing.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Parts that are asked for at once: every relay gives that many.
const PARTS_AT_ONCE: usize = 50;
/// Answers to one job that are put together when all of it is looked at.
const WHOLES_MAX: usize = 32;

/// What was looked for.
#[derive(Debug)]
pub struct Responses {
    /// What providers said.
    pub heard: Vec<ProviderMessage>,
    /// Relays that may have more, each with the reason why it was not told.
    pub unanswered: BTreeMap<String, String>,
}

/// A customer on the market who does not listen: nothing is held but what was looked for.
#[derive(Clone)]
pub struct RelayReader {
    pub(super) client: Client,
    pub(super) keys: Keys,
}

impl RelayReader {
    /// How long it takes at most to hear all that was said: a look, and the parts of as many answers as are put together.
    pub const ALL_TIMEOUT: Duration = Duration::from_secs(90);

    /// Connects.
    pub async fn open(keys: Keys, relays: &[String]) -> Result<Self, BuyerError> {
        let client = Client::new(keys.clone());
        for relay in relays {
            client
                .add_relay(relay.as_str())
                .await
                .map_err(|error| BuyerError::Relay(error.to_string()))?;
        }
        if client.try_connect(CONNECT_TIMEOUT).await.success.is_empty() {
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
        let output = self
            .client
            .send_event(event)
            .await
            .map_err(|error| BuyerError::NotPublished(error.to_string()))?;
        if output.success.is_empty() {
            let why = output.failed.into_values().next().unwrap_or_default();
            // The same request within one second is one event, and it is there.
            return if why.starts_with("duplicate:") {
                Ok(())
            } else {
                Err(BuyerError::NotPublished(why))
            };
        }
        Ok(())
    }

    /// All that those who were asked have said about this job so far, of each relay as much as there is room for. What comes in parts has to be
    /// together within this time.
    pub async fn responses(
        &self,
        request: &Request,
        within: Duration,
    ) -> Result<Responses, BuyerError> {
        let (begun, about) = (Instant::now(), EventId::from_byte_array(*request.id().as_bytes()));
        let key = |key: PublicKey| nostr_sdk::PublicKey::from_byte_array(*key.as_bytes());
        let providers: Vec<_> = request.providers().map(key).collect();
        // Apart, so that no flood of the one hides the other.
        let question = |kind: u16| {
            let filter = Filter::new()
                .kind(Kind::from_u16(kind))
                .event(about)
                .pubkey(self.keys.public_key());
            if providers.is_empty() { filter } else { filter.authors(providers.clone()) }
        };
        let (results, feedback) = (
            question(request.kind().saturating_add(nip90::RESULT_OFFSET)),
            question(nip90::FEEDBACK_KIND),
        );
        let (room, until) =
            (SizeLimit { events: SAID_MAX, bytes: SAID_BYTES_MAX }, begun + LOOK_TIMEOUT);
        let (results, feedback) =
            join(self.look(&results, room, until), self.look(&feedback, room, until)).await;
        let unanswered: BTreeMap<_, _> =
            results.unanswered.into_iter().chain(feedback.unanswered).collect();
        if unanswered.len() == self.client.relays().await.len()
            && results.events.is_empty()
            && feedback.events.is_empty()
        {
            let why =
                unanswered.iter().map(|(relay, why)| format!("{relay}: {why}")).collect::<Vec<_>>();
            return Err(BuyerError::QueryError(why.join("; ")));
        }
        let (mut heard, mut in_parts) = (Vec::new(), Vec::new());
        for message in
            results.events.iter().chain(&feedback.events).filter_map(|event| self.read(event))
        {
            match message {
                ProviderMessage::Result(result)
                    if result.parts.is_some() && request.check(&result).is_ok() =>
                {
                    in_parts.push(result)
                }
                message => heard.push(message),
            }
        }
        heard.extend(self.wholes(in_parts, begun + within).await);
        // A tag may name this job, and the answer be to another one.
        heard.retain(|heard| heard.job() == request.id() && request.is_for(heard.provider()));
        Ok(Responses { heard, unanswered })
    }

    /// Puts together what came in parts, the first few of them.
    async fn wholes(&self, in_parts: Vec<Delivered>, until: Instant) -> Vec<ProviderMessage> {
        let (few, many) = in_parts.split_at(in_parts.len().min(WHOLES_MAX));
        let too_many = many.iter().map(|result| ProviderMessage::Unreadable {
            job: result.job,
            provider: result.provider,
            why: format!("in parts, as too many others are: {WHOLES_MAX} are looked at"),
        });
        let wholes =
            stream::iter(few.iter().cloned().map(|result| self.put_together(result, until)));
        let wholes = wholes.buffer_unordered(WHOLES_AT_ONCE).collect::<Vec<_>>().await;
        too_many.chain(wholes).collect()
    }

    async fn look(&self, filter: &Filter, room: SizeLimit, until: Instant) -> QueryResult {
        look(self.client.relays().await.into_values(), filter, room, until).await
    }

    pub(super) fn read(&self, event: &Event) -> Option<ProviderMessage> {
        // The library takes the id of a verified event as proof for whatever carries it. Only the hash proves it.
        if !event.verify_id() {
            return None;
        }
        if !event.tags.public_keys().any(|key| *key == self.keys.public_key()) {
            return None;
        }
        let (job, provider, heard) = if let Some(feedback) = nip90::parse_feedback(event) {
            (
                feedback.job,
                feedback.provider,
                feedback.open(&self.keys).map(ProviderMessage::Feedback),
            )
        } else {
            let result = nip90::parse_result(event)?;
            (result.job, result.provider, result.open(&self.keys).map(ProviderMessage::Result))
        };
        Some(heard.unwrap_or_else(|why| ProviderMessage::Unreadable { job, provider, why }))
    }

    /// Of one answer, until its own time or this one is over.
    pub(super) async fn put_together(&self, result: Delivered, until: Instant) -> ProviderMessage {
        let (job, provider) = (result.job, result.provider);
        let parts = match &result.parts {
            Some(parts) if parts.list.len() > PARTS_MAX || parts.bytes > WHOLE_BYTES_MAX => {
                let why =
                    format!("{} bytes in {} parts are too many", parts.bytes, parts.list.len());
                return ProviderMessage::Unreadable { job, provider, why };
            }
            Some(parts) => self.fetch(parts, until.min(Instant::now() + PARTS_TIMEOUT)).await,
            None => Vec::new(),
        };
        let whole = nip90::assemble(result, &parts, &self.keys);
        whole.map_or_else(
            |why| ProviderMessage::Unreadable { job, provider, why },
            ProviderMessage::Result,
        )
    }

    /// All parts, or those that came in time.
    async fn fetch(&self, parts: &Parts, until: Instant) -> Vec<Event> {
        let mut missing: Vec<EventId> =
            parts.list.iter().map(|(id, _)| EventId::from_byte_array(*id.as_bytes())).collect();
        let mut found = Vec::with_capacity(missing.len());
        let room =
            SizeLimit { events: PARTS_AT_ONCE, bytes: parts.bytes.saturating_add(SAID_BYTES_MAX) };
        while !missing.is_empty() && Instant::now() < until {
            let some = missing.iter().take(PARTS_AT_ONCE).copied();
            let filter = Filter::new().kind(Kind::from_u16(PART_KIND)).ids(some);
            let before = found.len();
            found.extend(
                self.look(&filter, room, until.min(Instant::now() + LOOK_TIMEOUT)).await.events,
            );
            missing.retain(|id| !found.iter().any(|event: &Event| event.id == *id));
            // More than was named is not the answer, however much more there is.
            if found.iter().map(|event| event.content.len() as u64).sum::<u64>() > parts.bytes {
                break;
            }
            // What is not there now may still be on its way.
            if found.len() == before {
                sleep_until(until.min(Instant::now() + LOOK_AGAIN)).await;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buyer::Buyer;
    use crate::nip90::AnswerTag;
    use crate::relay::InProcessRelay;
    use futures::SinkExt;
    use nostr_sdk::prelude::{EventBuilder, JsonUtil, Tag};
    use pylon_core::{Digest, MessageId};
    use tokio::net::TcpListener;
    use tokio::time::timeout;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::Message as Frame;

    /// Two looks one after the other, to the end of a mute relay's time, take longer.
    const IN_TIME: Duration = Duration::from_secs(9);

    fn answer(job: JobId, to: &Keys, by: &Keys, text: &str) -> Event {
        let tags = [AnswerTag::Job(job).to_tag(), Tag::public_key(to.public_key())];
        EventBuilder::new(Kind::from_u16(6050), text).tags(tags).sign_with_keys(by).unwrap()
    }

    /// The last word of a relay.
    #[derive(Clone, Copy)]
    enum Last {
        Eose,
        Busy,
        Nothing,
    }

    /// A relay that answers each question with all of this, whatever was asked.
    async fn liar(events: Vec<Event>, last: Last) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            while let Some(Ok(frame)) = socket.next().await {
                let heard: serde_json::Value =
                    serde_json::from_str(frame.to_text().unwrap_or_default()).unwrap_or_default();
                if heard[0] != "REQ" {
                    continue;
                }
                let id = &heard[1];
                let lies =
                    events.iter().map(|event| format!(r#"["EVENT",{id},{}]"#, event.as_json()));
                let last = match last {
                    Last::Eose => Some(format!(r#"["EOSE",{id}]"#)),
                    Last::Busy => Some(format!(r#"["CLOSED",{id},"error: busy"]"#)),
                    Last::Nothing => None,
                };
                for frame in lies.chain(last) {
                    // Who was asking may have heard enough.
                    let _ = socket.send(Frame::text(frame)).await;
                }
            }
        });
        url
    }

    /// A customer's request, the relay it was published on, and who answers there.
    async fn asked(customer: &Keys) -> (Request, InProcessRelay, RelayReader) {
        let relay = InProcessRelay::start().await.unwrap();
        let own = Buyer::connect(customer.clone(), &[relay.url().to_owned()]).await.unwrap();
        let request = own.sign(5050, &[], pylon_core::UnixTime::new(1_700_000_000)).unwrap();
        own.submit(&request).await.unwrap();
        let seller = RelayReader::open(Keys::generate(), &[relay.url().to_owned()]).await.unwrap();
        (request, relay, seller)
    }

    /// Goal: a relay that never ends its answer hides nothing that another has, what it did send counts, and it is named. Method: one that is mute beside
    /// an honest one; an answer of each, then more parts than fit in one look, all in less time than two looks take.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_mute_relay_hides_nothing() {
        let customer = Keys::generate();
        let (request, relay, seller) = asked(&customer).await;
        seller.publish(&answer(request.id(), &customer, &seller.keys, "true")).await.unwrap();
        let mute =
            liar(vec![answer(request.id(), &customer, &Keys::generate(), "also")], Last::Nothing)
                .await;
        let reader = RelayReader::open(customer.clone(), &[mute.clone(), relay.url().to_owned()])
            .await
            .unwrap();
        let said = timeout(IN_TIME, reader.responses(&request, RelayReader::ALL_TIMEOUT))
            .await
            .expect("in time")
            .unwrap();
        assert_eq!(said.heard.len(), 2, "{said:?}");
        assert_eq!(said.unanswered.into_keys().collect::<Vec<_>>(), [mute]);

        let mut parts = Parts { list: Vec::new(), whole: Digest::of(b""), bytes: 0 };
        for number in 0..PARTS_AT_ONCE * 6 {
            let part = EventBuilder::new(Kind::from_u16(PART_KIND), "x")
                .tag(Tag::identifier(number.to_string()));
            let part = part.sign_with_keys(&seller.keys).unwrap();
            seller.publish(&part).await.unwrap();
            parts.list.push((MessageId::from_bytes(part.id.to_bytes()), Digest::of(b"x")));
            parts.bytes += 1;
        }
        let found = timeout(IN_TIME, reader.fetch(&parts, Instant::now() + PARTS_TIMEOUT))
            .await
            .expect("in time");
        assert_eq!(found.len(), parts.list.len());
        reader.client.disconnect().await;
    }

    /// Goal: nothing heard is not taken for nothing said. Method: a relay that refuses, alone, with an answer before it does, and beside an honest one;
    /// one that is not there.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_relay_that_refuses_is_named() {
        let customer = Keys::generate();
        let (request, relay, seller) = asked(&customer).await;
        let one = answer(request.id(), &customer, &seller.keys, "true");
        let (honest, gone) = (relay.url().to_owned(), "ws://127.0.0.1:9".to_owned());
        for (sent, beside, heard, named) in [
            (vec![], None, None, 1),
            (vec![one], None, Some(1), 1),
            (vec![], Some(honest), Some(0), 1),
            (vec![], Some(gone), None, 2),
        ] {
            let busy = liar(sent, Last::Busy).await;
            let urls: Vec<_> = [busy.clone()].into_iter().chain(beside).collect();
            let reader = RelayReader::open(customer.clone(), &urls).await.unwrap();
            match reader.responses(&request, RelayReader::ALL_TIMEOUT).await {
                Ok(said) => {
                    assert_eq!(
                        (Some(said.heard.len()), said.unanswered.len()),
                        (heard, named),
                        "{urls:?}"
                    );
                    assert!(said.unanswered[&busy].contains("error: busy"), "{urls:?}");
                }
                Err(error) => {
                    let message = error.to_string();
                    assert!(
                        heard.is_none() && urls.iter().all(|url| message.contains(url)),
                        "{message}"
                    );
                    assert!(
                        message.contains("no relay has answered")
                            && message.contains("error: busy"),
                        "{message}"
                    );
                }
            }
            reader.client.disconnect().await;
        }
    }

    /// Goal: whatever a relay sends, no more of it is kept than was asked for, and it hides nothing that another has. Method: one that knows no limit, with
    /// too many results, with results that are too large, and with results of another job before a true one; beside it one with a true result.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_relay_is_heard_without_an_end() {
        let (customer, mallory) = (Keys::generate(), Keys::generate());
        let (request, relay, seller) = asked(&customer).await;
        let honest = seller.keys.clone();
        seller.publish(&answer(request.id(), &customer, &honest, "true")).await.unwrap();
        let of = |job, count: usize, text: &str| -> Vec<Event> {
            (0..count)
                .map(|number| answer(job, &customer, &mallory, &format!("{number} {text}")))
                .collect()
        };
        let large = "A".repeat(200_000);
        let of_others = of(JobId::from_bytes([7; 32]), SAID_MAX + 50, "");
        let truth = of(request.id(), 1, "true");
        for (what, sent, kept) in [
            ("many", of(request.id(), SAID_MAX + 50, ""), SAID_MAX),
            ("large", of(request.id(), 50, &large), SAID_BYTES_MAX as usize / 200_200),
            ("of others", [of_others, truth].concat(), 1),
        ] {
            let urls = [liar(sent, Last::Eose).await, relay.url().to_owned()];
            let reader = RelayReader::open(customer.clone(), &urls).await.unwrap();
            let said = reader.responses(&request, RelayReader::ALL_TIMEOUT).await.unwrap().heard;
            let by = |keys: &Keys| {
                said.iter()
                    .filter(|heard| heard.provider().as_bytes() == keys.public_key().as_bytes())
                    .count()
            };
            assert_eq!((by(&mallory), by(&honest)), (kept, 1), "{what}");
            reader.client.disconnect().await;
        }
    }
}
