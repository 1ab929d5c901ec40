//! Queries relays for the answers to a request, and for the parts of an answer. The amount that is
//! kept of each relay is limited.

use super::message::{BuyerError, ProviderMessage};
use super::publication::{CONNECT_TIMEOUT, Publication, connected, list};
use super::query::{QUERY_TIMEOUT, QueryLimit, QueryResult, query};
use super::request::Request;
use crate::has_valid_id;
use crate::nip90::{self, Delivered, PART_KIND, PARTS_MAX, Parts, WHOLE_BYTES_MAX};
use crate::relay_transport::RelayTransport;
use futures::StreamExt;
use futures::future::join;
use futures::stream::{self, FuturesUnordered};
use nostr_sdk::prelude::{Client, Event, EventId, Filter, Keys, Kind};
use pylon_core::JobId;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Results in parts that are assembled at the same time: a result with missing parts must not delay
/// the others.
pub(super) const ASSEMBLY_CONCURRENCY: usize = 8;
/// Results, and likewise other messages, about one job that are kept of each relay.
const MESSAGES_MAX: usize = 500;
/// Bytes of their texts; the library accepts messages of 5 MiB.
const MESSAGES_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Timeout for all parts of an answer.
pub(super) const PARTS_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause between two queries for missing parts.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Parts per query: every relay returns that many.
const PARTS_PER_QUERY_MAX: usize = 50;
/// Answers to one job that are assembled.
const ASSEMBLED_MAX: usize = 32;

/// The result of a query for answers.
#[derive(Debug)]
pub struct Responses {
    /// The messages of providers.
    pub messages: Vec<ProviderMessage>,
    /// Relays that may have further messages, with the reason why they did not send them.
    pub unanswered: BTreeMap<String, String>,
}

/// A customer that queries relays without a subscription.
#[derive(Clone)]
pub struct RelayReader {
    pub(super) client: Client,
    pub(super) keys: Keys,
}

impl RelayReader {
    /// The maximum duration of [`RelayReader::responses`]: a query, and the parts of the assembled
    /// answers.
    pub const ALL_TIMEOUT: Duration = Duration::from_secs(90);

    /// Connects to the relays, and returns when the first one is connected. The others follow in
    /// the background.
    pub async fn connect(keys: Keys, relays: &[String]) -> Result<Self, BuyerError> {
        let client =
            Client::builder().signer(keys.clone()).websocket_transport(RelayTransport).build();
        for relay in relays {
            client
                .add_relay(relay.as_str())
                .await
                .map_err(|error| BuyerError::Relay(error.to_string()))?;
        }
        client.connect().await;
        let first = async {
            let mut attempts: FuturesUnordered<_> = client
                .relays()
                .await
                .into_values()
                .map(|relay| async move { connected(&relay, CONNECT_TIMEOUT).await })
                .collect();
            while let Some(attempt) = attempts.next().await {
                if attempt.is_ok() {
                    return true;
                }
            }
            false
        };
        if !first.await {
            client.shutdown().await;
            return Err(BuyerError::Relay(format!("cannot reach any of {}", relays.join(", "))));
        }
        Ok(Self { client, keys })
    }

    /// Withdraws a request.
    pub async fn cancel(&self, job: JobId, kind: u16) -> Result<Publication, BuyerError> {
        let event = nip90::cancellation(job, kind).sign_with_keys(&self.keys);
        self.publish(&event.map_err(|error| BuyerError::NotPublished(error.to_string()))?).await
    }

    pub(super) async fn publish(&self, event: &Event) -> Result<Publication, BuyerError> {
        Publication::start(self.client.relays().await.into_values().collect(), event, None).await
    }

    /// All answers to this request so far, limited for each relay. Answers in parts must be
    /// assembled before the timeout.
    pub async fn responses(
        &self,
        request: &Request,
        within: Duration,
    ) -> Result<Responses, BuyerError> {
        let begun = Instant::now();
        // Separate queries, so that many messages of one sort do not hide the others.
        let question = |kind: u16| request.answers().kind(Kind::from_u16(kind));
        let (results, feedback) = (
            question(request.kind().saturating_add(nip90::RESULT_OFFSET)),
            question(nip90::FEEDBACK_KIND),
        );
        let (limit, until) = (
            QueryLimit { events: MESSAGES_MAX, bytes: MESSAGES_BYTES_MAX },
            begun + QUERY_TIMEOUT.min(within),
        );
        let (results, feedback) =
            join(self.query(&results, limit, until), self.query(&feedback, limit, until)).await;
        let unanswered: BTreeMap<_, _> =
            results.unanswered.into_iter().chain(feedback.unanswered).collect();
        if unanswered.len() == self.client.relays().await.len()
            && results.events.is_empty()
            && feedback.events.is_empty()
        {
            return Err(BuyerError::QueryError(list(&unanswered)));
        }
        let (mut messages, mut in_parts) = (Vec::new(), Vec::new());
        for message in
            results.events.iter().chain(&feedback.events).filter_map(|event| self.read(event))
        {
            match message {
                ProviderMessage::Result(result)
                    if result.parts.is_some() && request.check(&result).is_ok() =>
                {
                    in_parts.push(result)
                }
                message => messages.push(message),
            }
        }
        messages.extend(self.assemble_all(in_parts, begun + within).await);
        // An event may name this job in a tag and answer another one.
        messages
            .retain(|message| message.job() == request.id() && request.is_for(message.provider()));
        Ok(Responses { messages, unanswered })
    }

    /// Assembles answers in parts, up to a limit.
    async fn assemble_all(&self, in_parts: Vec<Delivered>, until: Instant) -> Vec<ProviderMessage> {
        let (few, many) = in_parts.split_at(in_parts.len().min(ASSEMBLED_MAX));
        let too_many = many.iter().map(|result| ProviderMessage::Unreadable {
            job: result.job,
            provider: result.provider,
            why: format!("too many results in parts: only {ASSEMBLED_MAX} are assembled"),
        });
        let assembled =
            stream::iter(few.iter().cloned().map(|result| self.assemble(result, until)));
        let assembled = assembled.buffer_unordered(ASSEMBLY_CONCURRENCY).collect::<Vec<_>>().await;
        too_many.chain(assembled).collect()
    }

    async fn query(&self, filter: &Filter, limit: QueryLimit, until: Instant) -> QueryResult {
        query(self.client.relays().await.into_values(), filter, limit, until).await
    }

    pub(super) fn read(&self, event: &Event) -> Option<ProviderMessage> {
        if !has_valid_id(event) {
            return None;
        }
        if !event.tags.public_keys().any(|key| *key == self.keys.public_key()) {
            return None;
        }
        let (job, provider, message) = if let Some(feedback) = nip90::parse_feedback(event) {
            (
                feedback.job,
                feedback.provider,
                feedback.decrypt(&self.keys).map(ProviderMessage::Feedback),
            )
        } else {
            let result = nip90::parse_result(event)?;
            (result.job, result.provider, result.decrypt(&self.keys).map(ProviderMessage::Result))
        };
        Some(message.unwrap_or_else(|why| ProviderMessage::Unreadable { job, provider, why }))
    }

    /// Assembles one answer before its own timeout and this deadline.
    pub(super) async fn assemble(&self, result: Delivered, until: Instant) -> ProviderMessage {
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

    /// Queries all parts; may return fewer at the deadline.
    async fn fetch(&self, parts: &Parts, until: Instant) -> Vec<Event> {
        let mut missing: Vec<EventId> =
            parts.list.iter().map(|(id, _)| EventId::from_byte_array(*id.as_bytes())).collect();
        let mut found = Vec::with_capacity(missing.len());
        let limit = QueryLimit {
            events: PARTS_PER_QUERY_MAX,
            bytes: parts.bytes.saturating_add(MESSAGES_BYTES_MAX),
        };
        while !missing.is_empty() && Instant::now() < until {
            let some = missing.iter().take(PARTS_PER_QUERY_MAX).copied();
            let filter = Filter::new().kind(Kind::from_u16(PART_KIND)).ids(some);
            let before = found.len();
            found.extend(
                self.query(&filter, limit, until.min(Instant::now() + QUERY_TIMEOUT)).await.events,
            );
            missing.retain(|id| !found.iter().any(|event: &Event| event.id == *id));
            // Larger than the result says: these are not its parts.
            if found.iter().map(|event| event.content.len() as u64).sum::<u64>() > parts.bytes {
                break;
            }
            // Missing parts may still arrive.
            if found.len() == before {
                sleep_until(until.min(Instant::now() + POLL_INTERVAL)).await;
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

    /// Two queries in sequence, each until the timeout of a silent relay, take longer.
    const IN_TIME: Duration = Duration::from_secs(9);

    fn answer(job: JobId, to: &Keys, by: &Keys, text: &str) -> Event {
        let tags = [AnswerTag::Job(job).to_tag(), Tag::public_key(to.public_key())];
        EventBuilder::new(Kind::from_u16(6050), text).tags(tags).sign_with_keys(by).unwrap()
    }

    /// How a relay ends its answer.
    #[derive(Clone, Copy)]
    enum Last {
        Eose,
        Busy,
        Nothing,
    }

    /// A relay that answers each query with all of these events.
    async fn scripted(events: Vec<Event>, last: Last) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            while let Some(Ok(frame)) = socket.next().await {
                let message: serde_json::Value =
                    serde_json::from_str(frame.to_text().unwrap_or_default()).unwrap_or_default();
                if message[0] != "REQ" {
                    continue;
                }
                let id = &message[1];
                let lies =
                    events.iter().map(|event| format!(r#"["EVENT",{id},{}]"#, event.as_json()));
                let last = match last {
                    Last::Eose => Some(format!(r#"["EOSE",{id}]"#)),
                    Last::Busy => Some(format!(r#"["CLOSED",{id},"error: busy"]"#)),
                    Last::Nothing => None,
                };
                for frame in lies.chain(last) {
                    // The client may have closed the connection.
                    let _ = socket.send(Frame::text(frame)).await;
                }
            }
        });
        url
    }

    /// A request of a customer, the relay it was published on, and a provider there.
    async fn asked(customer: &Keys) -> (Request, InProcessRelay, RelayReader) {
        let relay = InProcessRelay::start().await.unwrap();
        let own = Buyer::connect(customer.clone(), &[relay.url().to_owned()]).await.unwrap();
        let request = own.sign(5050, &[], pylon_core::UnixTime::new(1_700_000_000)).unwrap();
        own.submit(&request).await.unwrap();
        let seller =
            RelayReader::connect(Keys::generate(), &[relay.url().to_owned()]).await.unwrap();
        (request, relay, seller)
    }

    /// Goal: a relay that never ends its answer hides nothing of other relays, its events count,
    /// and it is reported. Method: such a relay together with an honest one; an answer of each,
    /// then more parts than one query returns, in less time than two query timeouts.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_relay_without_an_end_hides_nothing() {
        let customer = Keys::generate();
        let (request, relay, seller) = asked(&customer).await;
        seller.publish(&answer(request.id(), &customer, &seller.keys, "true")).await.unwrap();
        let silent = scripted(
            vec![answer(request.id(), &customer, &Keys::generate(), "also")],
            Last::Nothing,
        )
        .await;
        let reader =
            RelayReader::connect(customer.clone(), &[silent.clone(), relay.url().to_owned()])
                .await
                .unwrap();
        let responses = timeout(IN_TIME, reader.responses(&request, RelayReader::ALL_TIMEOUT))
            .await
            .expect("in time")
            .unwrap();
        assert_eq!(responses.messages.len(), 2, "{responses:?}");
        assert_eq!(responses.unanswered.into_keys().collect::<Vec<_>>(), [silent]);

        let mut parts = Parts { list: Vec::new(), whole: Digest::of(b""), bytes: 0 };
        for number in 0..PARTS_PER_QUERY_MAX * 6 {
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

    /// Goal: a failed query is not reported as an empty answer. Method: a relay that refuses,
    /// alone, after it sent an answer, and together with an honest one; and an unreachable one.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_relay_that_refuses_is_reported() {
        let customer = Keys::generate();
        let (request, relay, seller) = asked(&customer).await;
        let one = answer(request.id(), &customer, &seller.keys, "true");
        let (honest, unreachable) = (relay.url().to_owned(), "ws://127.0.0.1:9".to_owned());
        for (sent, also, count, named) in [
            (vec![], None, None, 1),
            (vec![one], None, Some(1), 1),
            (vec![], Some(honest), Some(0), 1),
            (vec![], Some(unreachable), None, 2),
        ] {
            let busy = scripted(sent, Last::Busy).await;
            let urls: Vec<_> = [busy.clone()].into_iter().chain(also).collect();
            let reader = RelayReader::connect(customer.clone(), &urls).await.unwrap();
            match reader.responses(&request, RelayReader::ALL_TIMEOUT).await {
                Ok(responses) => {
                    assert_eq!(
                        (Some(responses.messages.len()), responses.unanswered.len()),
                        (count, named),
                        "{urls:?}"
                    );
                    assert!(responses.unanswered[&busy].contains("error: busy"), "{urls:?}");
                }
                Err(error) => {
                    let message = error.to_string();
                    assert!(
                        count.is_none() && urls.iter().all(|url| message.contains(url)),
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

    /// Goal: what is kept of each relay is limited, and no relay hides answers of another. Method:
    /// a relay that sends too many results, too large results, and results of another job before a
    /// real one; together with a relay that has a real result.
    #[tokio::test(flavor = "multi_thread")]
    async fn answers_of_each_relay_are_limited() {
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
        let of_others = of(JobId::from_bytes([7; 32]), MESSAGES_MAX + 50, "");
        let truth = of(request.id(), 1, "true");
        for (what, sent, kept) in [
            ("many", of(request.id(), MESSAGES_MAX + 50, ""), MESSAGES_MAX),
            ("large", of(request.id(), 50, &large), MESSAGES_BYTES_MAX as usize / 200_200),
            ("of another job", [of_others, truth].concat(), 1),
        ] {
            let urls = [scripted(sent, Last::Eose).await, relay.url().to_owned()];
            let reader = RelayReader::connect(customer.clone(), &urls).await.unwrap();
            let responses =
                reader.responses(&request, RelayReader::ALL_TIMEOUT).await.unwrap().messages;
            let by = |keys: &Keys| {
                responses
                    .iter()
                    .filter(|message| message.provider().as_bytes() == keys.public_key().as_bytes())
                    .count()
            };
            assert_eq!((by(&mallory), by(&honest)), (kept, 1), "{what}");
            reader.client.disconnect().await;
        }
    }
}
