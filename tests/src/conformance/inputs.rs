//! The port `Inputs`: nothing is fetched without a grant and a request for it, and what is fetched
//! is a text of limited size.

use super::within;
use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::routing::get;
use pylon_core::ports::event_source::EventSource;
use pylon_core::ports::inputs::{FetchError, Inputs};
use pylon_core::sources::{Granted, Sources};
use pylon_core::{Input, InputSource, JobId, MessageId};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The settings of an adapter.
pub struct Setup {
    /// The sources that the operator grants.
    pub granted: Granted,
    /// Exceptions of the egress policy, each `HOST:PORT`.
    pub allow: Vec<String>,
    /// For every source.
    pub timeout: Duration,
    /// Events of the market.
    pub events: Arc<dyn EventSource>,
}

/// Makes an adapter.
pub type Make = fn(Setup) -> Arc<dyn Inputs>;

const ALL: Granted = Granted { urls: true, events: true, jobs: true };
const BYTES_MAX: u64 = 100;

/// Runs all checks.
pub async fn check(make: Make) {
    texts_have_a_size_limit(make).await;
    nothing_is_fetched_without_a_grant(make).await;
    events_are_read_from_the_market(make).await;
    pages_are_texts_of_limited_size(make).await;
    hosts_are_checked_before_and_during_a_fetch(make).await;
    silence_is_a_timeout(make).await;
}

fn input(source: InputSource) -> Input {
    Input { source, hint: None, marker: None }
}

fn url(url: &str) -> Input {
    input(InputSource::Url(url.into()))
}

fn everything() -> Sources {
    Sources { urls: vec!["*".into()], events: true, jobs: true }
}

fn setup(granted: Granted, allow: &[String]) -> Setup {
    let timeout = super::TIMEOUT;
    Setup { granted, allow: allow.to_vec(), timeout, events: Arc::new(FixedEvents) }
}

/// Has one message and one result; every other one is missing.
struct FixedEvents;

const MESSAGE: MessageId = MessageId::from_bytes([1; 32]);
const RESULT: JobId = JobId::from_bytes([2; 32]);

#[async_trait]
impl EventSource for FixedEvents {
    async fn message(
        &self,
        id: MessageId,
        _: Option<&str>,
        _: Duration,
    ) -> Result<String, FetchError> {
        if id == MESSAGE { Ok("a message".into()) } else { Err(FetchError::Unreachable) }
    }

    async fn result_of(&self, job: JobId, _: u64, timeout: Duration) -> Result<String, FetchError> {
        if job == RESULT {
            Ok("a result".into())
        } else {
            Err(FetchError::Timeout(timeout.as_secs()))
        }
    }
}

async fn texts_have_a_size_limit(make: Make) {
    let inputs = make(setup(Granted::default(), &[]));
    let text = input(InputSource::Text("four".into()));
    let nothing = Sources::default();
    assert_eq!(inputs.check(&text, &nothing), Ok(()));
    assert_eq!(within(inputs.fetch(&text, &nothing, 4)).await, Ok("four".into()));
    assert_eq!(within(inputs.fetch(&text, &nothing, 3)).await, Err(FetchError::TooLarge(3)));
}

async fn nothing_is_fetched_without_a_grant(make: Make) {
    let inputs = make(setup(Granted::default(), &[]));
    assert_eq!(inputs.granted(), Granted::default());
    for source in [
        InputSource::Url("https://example.com/".into()),
        InputSource::Event(MESSAGE),
        InputSource::Job(RESULT),
    ] {
        let found = within(inputs.fetch(&input(source.clone()), &everything(), BYTES_MAX)).await;
        assert!(matches!(found, Err(FetchError::Denied(_))), "{source:?}: {found:?}");
    }
}

async fn events_are_read_from_the_market(make: Make) {
    let inputs = make(setup(ALL, &[]));
    for (source, bytes_max, expected) in [
        (InputSource::Event(MESSAGE), BYTES_MAX, Ok("a message".to_owned())),
        (InputSource::Event(MESSAGE), 3, Err(FetchError::TooLarge(3))),
        (InputSource::Event(MessageId::from_bytes([9; 32])), 3, Err(FetchError::Unreachable)),
        (InputSource::Job(RESULT), BYTES_MAX, Ok("a result".to_owned())),
        (InputSource::Job(RESULT), 3, Err(FetchError::TooLarge(3))),
    ] {
        let found = within(inputs.fetch(&input(source.clone()), &everything(), bytes_max)).await;
        assert_eq!(found, expected, "{source:?}");
    }
}

/// A server on loopback, which only an exception of the egress policy reaches.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let elsewhere = [(LOCATION, "https://169.254.169.254/latest")];
    let router = Router::new()
        .route("/text", get(|| async { "Grüße" }))
        .route("/large", get(|| async { "x".repeat(101) }))
        .route("/image", get(|| async { ([(CONTENT_TYPE, "image/png")], "x") }))
        .route("/missing", get(|| async { (StatusCode::NOT_FOUND, "secret") }))
        .route("/elsewhere", get(move || async move { (StatusCode::FOUND, elsewhere) }))
        .route("/silent", get(std::future::pending::<&'static str>));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn pages_are_texts_of_limited_size(make: Make) {
    let server = serve().await;
    let inputs = make(setup(ALL, std::slice::from_ref(&server)));
    for (path, expected) in [
        ("text", Ok("Grüße".to_owned())),
        ("large", Err(FetchError::TooLarge(BYTES_MAX))),
        ("image", Err(FetchError::NotText)),
        ("missing", Err(FetchError::Unreachable)),
    ] {
        let page = url(&format!("http://{server}/{path}"));
        assert_eq!(within(inputs.fetch(&page, &everything(), BYTES_MAX)).await, expected, "{path}");
    }
}

/// The handler has to ask for the host, and the host has to be public; a redirect is checked, too.
async fn hosts_are_checked_before_and_during_a_fetch(make: Make) {
    let server = serve().await;
    let inputs = make(setup(ALL, std::slice::from_ref(&server)));
    let only = Sources { urls: vec!["a.example".into()], ..Sources::default() };
    let page = url("https://A.example/x");
    assert_eq!(inputs.check(&page, &only), Ok(()));
    for (page, sources) in [
        ("https://b.example/".to_owned(), &only),
        (format!("http://{server}/text"), &only),
        (format!("http://{server}/elsewhere"), &everything()),
        ("https://127.0.0.1:1/".to_owned(), &everything()),
        ("file:///etc/passwd".to_owned(), &everything()),
    ] {
        let found = within(inputs.fetch(&url(&page), sources, BYTES_MAX)).await;
        assert!(matches!(found, Err(FetchError::Denied(_))), "{page}: {found:?}");
    }
    let foreign = inputs.check(&url("https://b.example/"), &only);
    assert!(matches!(foreign, Err(FetchError::Denied(_))), "{foreign:?}");
}

async fn silence_is_a_timeout(make: Make) {
    let server = serve().await;
    let timeout = Duration::from_secs(1);
    let inputs = make(Setup { timeout, ..setup(ALL, std::slice::from_ref(&server)) });
    for input in [
        url(&format!("http://{server}/silent")),
        input(InputSource::Job(JobId::from_bytes([9; 32]))),
    ] {
        let found = within(inputs.fetch(&input, &everything(), BYTES_MAX)).await;
        assert_eq!(found, Err(FetchError::Timeout(1)), "{input:?}");
    }
}
