//! Inputs that are not in the request: pages, events and results of other jobs, through the real node.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use nostr_sdk::prelude::{Client, Event, EventBuilder, JsonUtil, Keys, Kind, Tag};
use pylon_core::machine::{Delivery, Execution, JobState, Settlement};
use pylon_core::{Input, InputSource, JobId, MessageId};
use pylon_node::config::Network;
use pylon_nostr::nip90::{self, RequestTag};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::stage::{PATIENCE, Set, Stage, text};
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

fn everything(allow: Vec<String>) -> Network {
    Network { fetch_urls: true, fetch_events: true, chain_jobs: true, allow, ..Network::default() }
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
    client.try_connect(PATIENCE).await;
    client.send_event(event).await.unwrap();
    client.shutdown().await;
}

fn note(words: &str) -> Event {
    EventBuilder::text_note(words).sign_with_keys(&Keys::generate()).unwrap()
}

/// Goal: a chain is no longer than allowed, in whatever order its jobs come. Method: eight jobs, each on the result of the one before it, the last one
/// first.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_comes_backwards_is_no_longer() {
    let stage =
        Stage::set(Set { wallet: false, network: everything(Vec::new()), ..Set::default() }).await;
    let (customer, provider) = (Keys::generate(), stage.provider());
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
        publish(stage.relays[0].url(), asked).await;
        stage.until(id(asked), |_| true).await;
    }
    for (place, asked) in chain.iter().enumerate() {
        let state = stage.until(id(asked), JobState::is_over).await;
        let words = state.failure.map(|failure| failure.words()).unwrap_or_default();
        match place {
            0..=5 => {
                assert_eq!((state.execution, words.as_str()), (Execution::Completed, ""), "{place}")
            }
            6 => assert!(words.contains("more than 5 jobs one behind the other"), "{words}"),
            _ => assert!(words.contains("its provider reports an error"), "{words}"),
        }
    }
}

/// Goal: jobs that wait for others leave places to those that need nobody. Method: strangers ask for results that never come, more than half of the
/// places; then one asks for something that can be done.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_leave_places() {
    let network = everything(Vec::new());
    let stage =
        Stage::set(Set { wallet: false, max_queued_jobs: 15, network, ..Set::default() }).await;
    for crowd in 0..2_u8 {
        let customer = stage.customer().await;
        for round in 0..4 {
            let waits =
                customer.ask(vec![job(JobId::from_bytes([16 * crowd + round + 1; 32]))]).await;
            stage.until(waits, |_| true).await;
        }
    }
    let mut customer = stage.customer().await;
    let refused = customer.ask(vec![job(JobId::from_bytes([99; 32]))]).await;
    assert!(customer.feedback(refused, "error").await.message.contains("busy"));
    let done = customer.ask(vec![text("needs nobody")]).await;
    assert_eq!(customer.result(done).await.content, "needs nobody");
}

/// Goal: nothing is fetched that the operator did not grant. Method: each kind of input against a node with defaults.
#[tokio::test(flavor = "multi_thread")]
async fn off_until_granted() {
    let stage = Stage::set(Set::default()).await;
    let mut customer = stage.customer().await;
    let id = JobId::from_bytes([7; 32]);
    for (what, tag) in
        [("url", url("https://example.com/")), ("event", event(&note("x"), None)), ("job", job(id))]
    {
        let asked = customer.ask(vec![text("hello"), tag]).await;
        let told = customer.feedback(asked, "error").await.message;
        assert_eq!(told, format!("unsupported: input of type `{what}`: send the text itself"));
    }
    assert_eq!(stage.stub.asked(), 0);
}

/// Goal: a page and an event become the prompt, in the customer's order. Method: a page, an event of our relay, and one that only a relay has which the
/// customer names.
#[tokio::test(flavor = "multi_thread")]
async fn pages_and_events_are_worked_on() {
    let (pages, elsewhere) = (Pages::start().await, InProcessRelay::start().await.unwrap());
    let allow = vec![pages.place.clone(), elsewhere.url().trim_start_matches("ws://").to_owned()];
    let stage =
        Stage::set(Set { wallet: false, network: everything(allow), ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let (near, far) = (note("near"), note("far"));
    publish(stage.relays[0].url(), &near).await;
    publish(elsewhere.url(), &far).await;
    let page = url(&format!("http://{}/page", pages.place));
    let asked = customer
        .ask(vec![text("first"), page, event(&near, None), event(&far, Some(elsewhere.url()))])
        .await;
    assert_eq!(customer.result(asked).await.content, "first\n\nthe page\n\nnear\n\nfar");
}

/// Goal: what cannot be had is one clear error, nothing runs, and nothing is charged. Method: one bad input a row.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_told() {
    let (pages, elsewhere) = (Pages::start().await, InProcessRelay::start().await.unwrap());
    let stage =
        Stage::set(Set { network: everything(vec![pages.place.clone()]), ..Set::default() }).await;
    let mut customer = stage.customer().await;
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
        // The relay is on loopback, and no exception.
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
        "invalid request: 9 inputs to be fetched, 8 are allowed"
    );
    assert_eq!(stage.stub.asked(), 0);
}

/// Goal: a job works on the result of one that is still at work, and does not keep it from its only worker. Method: the second is taken while the
/// first waits for its backend.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_another() {
    let stage = Stage::set(Set {
        script: Script::Wait,
        wallet: false,
        network: everything(vec![]),
        ..Set::default()
    })
    .await;
    let mut customer = stage.customer().await;
    let first = customer.ask(vec![text("first")]).await;
    stage.until(first, |state| state.execution == Execution::Processing).await;
    let second = customer.ask(vec![text("second after"), job(first)]).await;
    stage.until(second, |state| state.execution == Execution::Received).await;
    stage.stub.release();
    stage.stub.release();
    assert_eq!(customer.result(second).await.content, "second after\n\nfirst");
    stage.until(second, |state| state.delivery == Delivery::Delivered).await;
}

/// Goal: the result of another provider is worked on, and nobody else's, also after a restart. Method: a request to that provider, a lie by a
/// stranger, a stop that waits for nothing, then the result.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_another_provider() {
    let mut stage =
        Stage::set(Set { wallet: false, network: everything(vec![]), ..Set::default() }).await;
    let mut customer = stage.customer().await;
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
    publish(stage.relays[0].url(), &result(&stranger, "a lie")).await;
    let asked = customer.ask(vec![job(JobId::from_bytes(request.id.to_bytes()))]).await;
    stage.until(asked, |_| true).await;
    stage.stop(Duration::ZERO).await;
    stage.start().await;
    publish(stage.relays[0].url(), &result(&provider, "the truth")).await;
    assert_eq!(customer.result(asked).await.content, "the truth");
}

/// Goal: a job that waits for one that has failed is told so at once. Method: requests to one provider, who reports an error before the wait or during
/// it, after a stranger has lied that it failed; the deadline is far away.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_failed() {
    let stage =
        Stage::set(Set { wallet: false, network: everything(vec![]), ..Set::default() }).await;
    let mut customer = stage.customer().await;
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
        publish(stage.relays[0].url(), &request).await;
        publish(stage.relays[0].url(), &error(&stranger, &request)).await;
        if before {
            publish(stage.relays[0].url(), &error(&provider, &request)).await;
        }
        let asked = customer.ask(vec![job(JobId::from_bytes(request.id.to_bytes()))]).await;
        stage.until(asked, |_| true).await;
        if !before {
            publish(stage.relays[0].url(), &error(&provider, &request)).await;
        }
        let told = customer.feedback(asked, "error").await.message;
        assert_eq!(told, "processing error: input 1: its provider reports an error");
    }
}

/// Goal: a result that never comes ends in an error, and what was paid beforehand is owed back. Method: pay, wait for a job that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_never_comes() {
    let network = Network { chain_wait_seconds: 1, ..everything(vec![]) };
    let stage =
        Stage::set(Set { pricing: &[("terms", "before-work")], network, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let asked = customer.ask(vec![job(JobId::from_bytes([7; 32]))]).await;
    let (_, bolt11) = customer.feedback(asked, "payment-required").await.due.unwrap();
    stage.bank.pay(&bolt11.unwrap()).unwrap();
    let told = customer.feedback(asked, "error").await.message;
    assert_eq!(told, "processing error: input 1: not there within 1 s");
    let state = stage.until(asked, |state| state.execution == Execution::Failed).await;
    assert_eq!(state.settlement, Settlement::RefundDue);
    assert_eq!(stage.stub.asked(), 0);
}

/// Goal: a job that waits can be withdrawn. Method: withdraw it, and see that its place is free.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_is_withdrawn() {
    let stage =
        Stage::set(Set { wallet: false, network: everything(vec![]), ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let asked = customer.ask(vec![job(JobId::from_bytes([7; 32]))]).await;
    stage.until(asked, |_| true).await;
    customer.buyer.cancel(asked, 5050).await.unwrap();
    stage.until(asked, |state| state.execution == Execution::Cancelled).await;
    let next = customer.ask(vec![text("next")]).await;
    assert_eq!(customer.result(next).await.content, "next");
}

/// Goal: chains are bounded. Method: six jobs, each on the result of the one before; the seventh has six behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_has_an_end() {
    let stage =
        Stage::set(Set { wallet: false, network: everything(vec![]), ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let mut last = customer.ask(vec![text("0")]).await;
    customer.result(last).await;
    for n in 1..=5 {
        last = customer.ask(vec![text(&n.to_string()), job(last)]).await;
        customer.result(last).await;
    }
    let one_too_many = customer.ask(vec![job(last)]).await;
    let told = customer.feedback(one_too_many, "error").await.message;
    assert_eq!(told, "invalid request: more than 5 jobs one behind the other");
}
