//! Inputs by reference: pages, events and results of other jobs, through the real node.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use nostr_sdk::prelude::{Client, Event, EventBuilder, JsonUtil, Keys, Kind, Tag};
use pylon_core::machine::{Delivery, Execution, JobState, Settlement};
use pylon_core::{Input, InputSource, JobId, MessageId};
use pylon_nostr::nip90::{self, RequestTag};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, text};
use pylon_tests::stub::Script;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

fn input(source: InputSource, hint: Option<&str>) -> RequestTag {
    RequestTag::Input {
        input: Input { source, hint: None, marker: None },
        relay: hint.map(str::to_owned),
    }
}

fn url(address: &str) -> RequestTag {
    input(InputSource::Url(address.into()), None)
}

fn job(id: JobId) -> RequestTag {
    input(InputSource::Job(id), None)
}

fn event(event: &Event, hint: Option<&str>) -> RequestTag {
    input(InputSource::Event(MessageId::from_bytes(event.id.to_bytes())), hint)
}

fn everything(allow: Vec<String>) -> pylon_egress::Config {
    pylon_egress::Config {
        fetch_urls: true,
        fetch_events: true,
        chain_jobs: true,
        allow,
        ..pylon_egress::Config::default()
    }
}

/// A web server on loopback.
struct Pages {
    place: String,
    task: AbortHandle,
}

impl Pages {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let found =
            |to: &'static str| move || async move { (StatusCode::FOUND, [("location", to)]) };
        let router = Router::new()
            .route("/page", get(|| async { "the page" }))
            .route("/large", get(|| async { "x".repeat(65_537) }))
            .route("/image", get(|| async { ([("content-type", "image/png")], "x") }))
            .route("/inwards", get(found("https://127.0.0.1:1/")));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
            .abort_handle();
        Self { place, task }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn publish(relay: &str, event: &Event) {
    let client = Client::default();
    client.add_relay(relay).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    client.send_event(event).await.unwrap();
    client.shutdown().await;
}

fn note(words: &str) -> Event {
    EventBuilder::text_note(words).sign_with_keys(&Keys::generate()).unwrap()
}

/// Goal: the depth limit of a chain does not depend on the order in which its jobs arrive. Method:
/// eight jobs, each with the result of the previous one as input, the last one first.
#[tokio::test(flavor = "multi_thread")]
async fn depth_limit_also_applies_to_chains_received_in_reverse_order() {
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        network: everything(Vec::new()),
        ..MarketOptions::default()
    })
    .await;
    let (customer, provider) = (Keys::generate(), market.provider());
    let mut chain: Vec<Event> = Vec::new();
    for _ in 0..8 {
        let behind = chain
            .last()
            .map_or_else(|| text("seed"), |last| job(JobId::from_bytes(last.id.to_bytes())));
        let asked = nip90::request(5050, &[behind, RequestTag::Provider(provider)])
            .sign_with_keys(&customer)
            .unwrap();
        chain.push(asked);
    }
    let id = |asked: &Event| JobId::from_bytes(asked.id.to_bytes());
    for asked in chain.iter().rev() {
        publish(market.relays[0].url(), asked).await;
        market.wait_until(id(asked), |_| true).await;
    }
    for (place, asked) in chain.iter().enumerate() {
        let state = market.wait_until(id(asked), JobState::is_over).await;
        let words = state.failure.map(|failure| failure.message()).unwrap_or_default();
        match place {
            0..=5 => {
                assert_eq!((state.execution, words.as_str()), (Execution::Completed, ""), "{place}")
            }
            6 => assert!(words.contains("a chain of more than 5 jobs"), "{words}"),
            _ => assert!(words.contains("its provider reports an error"), "{words}"),
        }
    }
}

/// Goal: jobs that wait for other jobs leave capacity for jobs without inputs. Method: strangers
/// request work on results that never arrive, more than half of the capacity; then one job that can
/// run at once.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_waiting_for_inputs_leave_capacity_for_others() {
    let network = everything(Vec::new());
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        max_queued_jobs: 15,
        network,
        ..MarketOptions::default()
    })
    .await;
    for crowd in 0..2_u8 {
        let customer = market.customer().await;
        for round in 0..4 {
            let waits =
                customer.ask(vec![job(JobId::from_bytes([16 * crowd + round + 1; 32]))]).await;
            market.wait_until(waits, |_| true).await;
        }
    }
    let mut customer = market.customer().await;
    let refused = customer.ask(vec![job(JobId::from_bytes([99; 32]))]).await;
    assert!(customer.feedback(refused, "error").await.message.contains("busy"));
    let done = customer.ask(vec![text("without inputs")]).await;
    assert_eq!(customer.result(done).await.content, "without inputs");
}

/// Goal: nothing is fetched that the operator did not allow. Method: each kind of input against a
/// node with default settings.
#[tokio::test(flavor = "multi_thread")]
async fn inputs_are_not_fetched_until_the_operator_allows_it() {
    let market = TestMarket::start(MarketOptions::default()).await;
    let mut customer = market.customer().await;
    let id = JobId::from_bytes([7; 32]);
    for (what, tag) in
        [("url", url("https://example.com/")), ("event", event(&note("x"), None)), ("job", job(id))]
    {
        let asked = customer.ask(vec![text("hello"), tag]).await;
        let error = customer.feedback(asked, "error").await.message;
        assert_eq!(error, format!("unsupported: input of type `{what}`: send the text itself"));
    }
    assert_eq!(market.stub.requests(), 0);
}

/// Goal: a page and an event become the prompt, in the customer's order. Method: a page, an event
/// on our relay, and one on a relay that only the request names.
#[tokio::test(flavor = "multi_thread")]
async fn pages_and_events_become_the_prompt_in_order() {
    let (pages, elsewhere) = (Pages::start().await, InProcessRelay::start().await.unwrap());
    let allow = vec![pages.place.clone(), elsewhere.url().trim_start_matches("ws://").to_owned()];
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        network: everything(allow),
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let (near, far) = (note("near"), note("far"));
    publish(market.relays[0].url(), &near).await;
    publish(elsewhere.url(), &far).await;
    let page = url(&format!("http://{}/page", pages.place));
    let asked = customer
        .ask(vec![text("first"), page, event(&near, None), event(&far, Some(elsewhere.url()))])
        .await;
    assert_eq!(customer.result(asked).await.content, "first\n\nthe page\n\nnear\n\nfar");
}

/// Goal: an unavailable input is one clear error; nothing runs and nothing is charged. Method: one
/// bad input a row.
#[tokio::test(flavor = "multi_thread")]
async fn unavailable_inputs_end_in_one_clear_error() {
    let (pages, elsewhere) = (Pages::start().await, InProcessRelay::start().await.unwrap());
    let market = TestMarket::start(MarketOptions {
        network: everything(vec![pages.place.clone()]),
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let far = note("far");
    publish(elsewhere.url(), &far).await;
    let on_pages = |path: &str| url(&format!("http://{}/{path}", pages.place));
    for (tag, words) in [
        (
            url("http://example.com/"),
            "invalid request: input 2: only https and wss addresses are allowed",
        ),
        (url("https://2130706433/"), "invalid request: input 2: not a public address"),
        (url("https://localhost:1/"), "invalid request: input 2: not a public address"),
        (
            url("https://me@example.com/"),
            "invalid request: input 2: an address with a user or password is not allowed",
        ),
        (url("no address"), "invalid request: input 2: not an address"),
        (on_pages("inwards"), "invalid request: input 2: not a public address"),
        (on_pages("image"), "invalid request: input 2: not text"),
        (on_pages("nothing"), "invalid request: input 2: cannot be reached"),
        (on_pages("large"), "invalid request: input 2: larger than 65533 bytes"),
        // The relay is on loopback and not in the allow list.
        (event(&far, Some(elsewhere.url())), "invalid request: input 2: cannot be reached"),
        (event(&note("never published"), None), "invalid request: input 2: cannot be reached"),
    ] {
        let asked = customer.ask(vec![text("two"), tag]).await;
        assert_eq!(customer.feedback(asked, "error").await.message, words);
    }
    let many: Vec<_> = (0..9).map(|_| on_pages("page")).collect();
    let asked = customer.ask(many).await;
    assert_eq!(
        customer.feedback(asked, "error").await.message,
        "invalid request: 9 inputs to fetch, 8 are allowed"
    );
    assert_eq!(market.stub.requests(), 0);
}

/// Goal: a job can use the result of a job that is still running, without taking its only worker.
/// Method: the second job is accepted while the first waits for its backend.
#[tokio::test(flavor = "multi_thread")]
async fn job_waits_for_the_result_of_a_running_job() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        wallet: false,
        network: everything(vec![]),
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let first = customer.ask(vec![text("first")]).await;
    market.wait_until(first, |state| state.execution == Execution::Processing).await;
    let second = customer.ask(vec![text("second after"), job(first)]).await;
    market.wait_until(second, |state| state.execution == Execution::Received).await;
    market.stub.release();
    market.stub.release();
    assert_eq!(customer.result(second).await.content, "second after\n\nfirst");
    market.wait_until(second, |state| state.delivery == Delivery::Delivered).await;
}

/// Goal: the result of the named provider is used, and no one else's, also after a restart. Method:
/// a request to that provider, a false result by a stranger, a stop without drain, then the result.
#[tokio::test(flavor = "multi_thread")]
async fn result_of_another_provider_is_used_also_after_a_restart() {
    let mut market = TestMarket::start(MarketOptions {
        wallet: false,
        network: everything(vec![]),
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let (provider, stranger) = (Keys::generate(), Keys::generate());
    let tags = [Tag::parse(["i", "x", "text"]).unwrap(), Tag::public_key(provider.public_key())];
    let request = EventBuilder::new(Kind::from_u16(5100), "")
        .tags(tags)
        .sign_with_keys(&Keys::generate())
        .unwrap();
    let result = |keys: &Keys, words: &str| {
        let quoted = Tag::parse(["request".to_owned(), request.as_json()]).unwrap();
        EventBuilder::new(Kind::from_u16(6100), words)
            .tags([Tag::event(request.id), quoted])
            .sign_with_keys(keys)
            .unwrap()
    };
    publish(market.relays[0].url(), &result(&stranger, "a lie")).await;
    let asked = customer.ask(vec![job(JobId::from_bytes(request.id.to_bytes()))]).await;
    market.wait_until(asked, |_| true).await;
    market.stop_node(Duration::ZERO).await;
    market.start_node().await;
    publish(market.relays[0].url(), &result(&provider, "the truth")).await;
    assert_eq!(customer.result(asked).await.content, "the truth");
}

/// Goal: a job that waits for a failed job ends at once. Method: requests to a provider that
/// reports an error before or during the wait, after a stranger has falsely reported one; the
/// deadline is far away.
#[tokio::test(flavor = "multi_thread")]
async fn failure_of_the_awaited_job_is_reported_at_once() {
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        network: everything(vec![]),
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let (provider, stranger) = (Keys::generate(), Keys::generate());
    let error = |keys: &Keys, request: &Event| {
        let tags =
            [Tag::parse(["status", "error", "out of order"]).unwrap(), Tag::event(request.id)];
        EventBuilder::new(Kind::JobFeedback, "").tags(tags).sign_with_keys(keys).unwrap()
    };
    for before in [true, false] {
        let tags =
            [Tag::parse(["i", "x", "text"]).unwrap(), Tag::public_key(provider.public_key())];
        let request = EventBuilder::new(Kind::from_u16(5100), "")
            .tags(tags)
            .sign_with_keys(&Keys::generate())
            .unwrap();
        publish(market.relays[0].url(), &request).await;
        publish(market.relays[0].url(), &error(&stranger, &request)).await;
        if before {
            publish(market.relays[0].url(), &error(&provider, &request)).await;
        }
        let asked = customer.ask(vec![job(JobId::from_bytes(request.id.to_bytes()))]).await;
        market.wait_until(asked, |_| true).await;
        if !before {
            publish(market.relays[0].url(), &error(&provider, &request)).await;
        }
        let error = customer.feedback(asked, "error").await.message;
        assert_eq!(error, "processing error: input 1: its provider reports an error");
    }
}

/// Goal: a result that never arrives ends in an error, and a prepayment is owed back. Method: pay,
/// then wait for a job that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn missing_result_ends_in_an_error_and_a_refund_due() {
    let network = pylon_egress::Config { chain_wait_seconds: 1, ..everything(vec![]) };
    let market = TestMarket::start(MarketOptions {
        pricing: &[("terms", "before-work")],
        network,
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let asked = customer.ask(vec![job(JobId::from_bytes([7; 32]))]).await;
    let (_, bolt11) = customer.feedback(asked, "payment-required").await.due.unwrap();
    market.bank.pay(&bolt11.unwrap()).unwrap();
    let error = customer.feedback(asked, "error").await.message;
    assert_eq!(error, "processing error: input 1: not available within 1 s");
    let state = market.wait_until(asked, |state| state.execution == Execution::Failed).await;
    assert_eq!(state.settlement, Settlement::RefundDue);
    assert_eq!(market.stub.requests(), 0);
}

/// Goal: a waiting job can be cancelled. Method: cancel it, and see that its capacity is free.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_job_can_be_cancelled() {
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        network: everything(vec![]),
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let asked = customer.ask(vec![job(JobId::from_bytes([7; 32]))]).await;
    market.wait_until(asked, |_| true).await;
    customer.buyer.cancel(asked, 5050).await.unwrap();
    market.wait_until(asked, |state| state.execution == Execution::Cancelled).await;
    let next = customer.ask(vec![text("next")]).await;
    assert_eq!(customer.result(next).await.content, "next");
}

/// Goal: the length of a chain is limited. Method: six jobs, each with the result of the previous
/// one as input; the seventh is refused.
#[tokio::test(flavor = "multi_thread")]
async fn chain_depth_is_limited() {
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        network: everything(vec![]),
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let mut last = customer.ask(vec![text("0")]).await;
    customer.result(last).await;
    for n in 1..=5 {
        last = customer.ask(vec![text(&n.to_string()), job(last)]).await;
        customer.result(last).await;
    }
    let one_too_many = customer.ask(vec![job(last)]).await;
    let error = customer.feedback(one_too_many, "error").await.message;
    assert_eq!(error, "invalid request: a chain of more than 5 jobs");
}
