//! Fetching pages from a misbehaving server. It is on loopback and an exception of the policy; the
//! rest of the policy applies.

use super::url::{Rules, fetch};
use super::{Fetcher, Options};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use futures::{StreamExt, stream};
use pylon_core::ports::event_source::EventSource;
use pylon_core::ports::inputs::{FetchError, Inputs};
use pylon_core::sources::{Granted, Sources};
use pylon_core::{Input, InputSource, JobId, MessageId};
use pylon_egress::policy::EgressPolicy;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const TEST_TIMEOUT: Duration = Duration::from_secs(60);
const MAX: u64 = 1000;

struct Server {
    place: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sources on any host.
fn anywhere() -> Sources {
    Sources { urls: vec!["*".into()], events: true, jobs: true }
}

fn page(headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let response = headers
        .iter()
        .fold(Response::builder(), |response, (name, value)| response.header(*name, *value));
    response.body(body.into()).unwrap()
}

fn moved(to: &str) -> Response {
    Response::builder()
        .status(StatusCode::FOUND)
        .header("location", to)
        .body(Body::empty())
        .unwrap()
}

fn endless(chunk: &'static [u8]) -> Body {
    Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(Bytes::from_static(chunk))))
}

async fn serve() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let to_itself = format!("http://{place}/self");
    let by_name = format!("http://{}/text", place.replace("127.0.0.1", "localhost"));
    let router = Router::new()
        .route(
            "/text",
            get(|| async { page(&[("content-type", "text/plain; charset=utf-8")], "Grüße") }),
        )
        .route("/json", get(|| async { page(&[("content-type", "application/feed+json")], "{}") }))
        .route("/bare", get(|| async { page(&[], "bare") }))
        .route("/full", get(|| async { page(&[], "x".repeat(1000)) }))
        .route("/over", get(|| async { page(&[], "x".repeat(1001)) }))
        .route("/endless", get(|| async { page(&[], endless(b"xxxxxxxxxxxxxxxx")) }))
        .route(
            "/drip",
            get(|| async {
                let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"x")) });
                page(&[], Body::from_stream(first.chain(stream::pending())))
            }),
        )
        .route("/image", get(|| async { page(&[("content-type", "image/png")], "x") }))
        .route(
            "/latin",
            get(|| async { page(&[("content-type", "text/plain")], &b"Gr\xfc\xdfe"[..]) }),
        )
        // A small page that would be decompressed to millions of bytes.
        .route(
            "/bomb",
            get(|| async { page(&[("content-encoding", "gzip")], &b"\x1f\x8b\x08\x00"[..]) }),
        )
        .route(
            "/gone",
            get(|| async {
                Response::builder()
                    .status(StatusCode::NOT_FOUND)
                    .body(Body::from("secret"))
                    .unwrap()
            }),
        )
        .route("/near", get(|| async { moved("/text") }))
        .route("/self", get(|| async move { moved(&to_itself) }))
        .route("/by/name", get(|| async move { moved(&by_name) }))
        .route(
            "/nowhere",
            get(|| async {
                Response::builder().status(StatusCode::FOUND).body(Body::empty()).unwrap()
            }),
        )
        .route("/to/file", get(|| async { moved("file:///etc/passwd") }))
        .route("/to/metadata", get(|| async { moved("https://169.254.169.254/latest") }))
        .route("/to/loopback", get(|| async { moved("https://127.0.0.1:1/") }))
        .route("/to/name", get(|| async { moved("https://localhost:1/") }))
        .route("/to/plain", get(|| async { moved("http://example.com/") }));
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { place, task }
}

/// Goal: a text is returned completely or not at all, and nothing leads out of the policy. Method:
/// one kind of misbehaviour per row.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_text_of_limited_size() {
    let server = serve().await;
    let (egress, sources) = (EgressPolicy::new(std::slice::from_ref(&server.place)), anywhere());
    let rules = |egress| Rules { egress, sources: &sources };
    let not_public = Err(FetchError::Denied("not a public address"));
    let only_https = Err(FetchError::Denied("only https and wss addresses are allowed"));
    for (path, found) in [
        ("text", Ok("Grüße".to_owned())),
        ("json", Ok("{}".to_owned())),
        ("bare", Ok("bare".to_owned())),
        ("full", Ok("x".repeat(1000))),
        ("near", Ok("Grüße".to_owned())),
        ("over", Err(FetchError::TooLarge(MAX))),
        ("endless", Err(FetchError::TooLarge(MAX))),
        ("image", Err(FetchError::NotText)),
        ("latin", Err(FetchError::NotText)),
        ("bomb", Err(FetchError::NotText)),
        ("gone", Err(FetchError::Unreachable)),
        ("self", Err(FetchError::Unreachable)),
        ("nowhere", Err(FetchError::Unreachable)),
        ("to/file", only_https.clone()),
        ("to/metadata", not_public.clone()),
        ("to/loopback", not_public.clone()),
        ("to/name", not_public.clone()),
        ("to/plain", only_https),
    ] {
        let read =
            fetch(&rules(&egress), &format!("http://{}/{path}", server.place), MAX, TEST_TIMEOUT)
                .await;
        assert_eq!(read, found, "{path}");
    }
    let strict = EgressPolicy::default();
    let unexcepted =
        fetch(&rules(&strict), &format!("https://{}/text", server.place), MAX, TEST_TIMEOUT).await;
    assert_eq!(unexcepted, not_public);
    let closed = EgressPolicy::new(&["127.0.0.1:9".into()]);
    assert_eq!(
        fetch(&rules(&closed), "http://127.0.0.1:9/", MAX, TEST_TIMEOUT).await,
        Err(FetchError::Unreachable)
    );
}

/// Goal: a slow page cannot block the node. Method: a page that sends one byte and never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_page_times_out() {
    let server = serve().await;
    let egress = EgressPolicy::new(std::slice::from_ref(&server.place));
    let read = fetch(
        &Rules { egress: &egress, sources: &anywhere() },
        &format!("http://{}/drip", server.place),
        MAX,
        Duration::from_secs(1),
    )
    .await;
    assert_eq!(read, Err(FetchError::Timeout(1)));
}

/// Goal: nothing is sent unencrypted over https. Method: the first byte of the connection.
#[tokio::test(flavor = "multi_thread")]
async fn https_is_encrypted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let first_byte =
        tokio::spawn(async move { listener.accept().await.unwrap().0.read_u8().await.unwrap() });
    let egress = EgressPolicy::new(std::slice::from_ref(&place));
    let read = fetch(
        &Rules { egress: &egress, sources: &anywhere() },
        &format!("https://{place}/"),
        MAX,
        TEST_TIMEOUT,
    )
    .await;
    assert_eq!((read, first_byte.await.unwrap()), (Err(FetchError::Unreachable), 0x16));
}

/// An event source without events.
struct NoEvents;

#[async_trait]
impl EventSource for NoEvents {
    async fn message(
        &self,
        _: MessageId,
        _: Option<&str>,
        _: Duration,
    ) -> Result<String, FetchError> {
        Err(FetchError::Unreachable)
    }

    async fn result_of(&self, _: JobId, _: u64, timeout: Duration) -> Result<String, FetchError> {
        Err(FetchError::Timeout(timeout.as_secs()))
    }
}

/// Goal: pages and messages are fetched with limited concurrency; results of jobs wait without a
/// permit. Method: fetch while every permit is taken.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_fetches_are_limited() {
    let granted = Granted { urls: true, events: true, jobs: true };
    let (fetch_timeout, chain_timeout) = (Duration::from_millis(10), Duration::from_millis(10));
    let options = Options { granted, egress: Arc::default(), fetch_timeout, chain_timeout };
    let fetcher = Fetcher::new(options, Arc::new(NoEvents));
    let _permits = fetcher.permits.acquire_many(16).await.unwrap();
    for (source, expected) in [
        (InputSource::Url("https://example.com/".into()), FetchError::Busy),
        (InputSource::Event(MessageId::from_bytes([1; 32])), FetchError::Busy),
        (InputSource::Job(JobId::from_bytes([1; 32])), FetchError::Timeout(0)),
    ] {
        let input = Input { source, hint: None, marker: None };
        assert_eq!(fetcher.fetch(&input, &anywhere(), MAX).await, Err(expected));
    }
}

/// Goal: the client connects to the address that was checked. Method: a name that is an exception,
/// with the pinned client.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_resolved_once() {
    let server = serve().await;
    let port = server.place.rsplit(':').next().unwrap();
    let egress = EgressPolicy::new(&[format!("localhost:{port}")]);
    let read = fetch(
        &Rules { egress: &egress, sources: &anywhere() },
        &format!("http://LOCALHOST:{port}/bare"),
        MAX,
        TEST_TIMEOUT,
    )
    .await;
    assert_eq!(read, Ok("bare".to_owned()));
}

/// Goal: a redirect leads only to hosts that the handler requested. Method: a redirect to another
/// name of the same server, which the policy allows, with that name among the handler's hosts and
/// without.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_stays_with_the_handlers_hosts() {
    let server = serve().await;
    let by_name = server.place.replace("127.0.0.1", "localhost");
    let egress = EgressPolicy::new(&[server.place.clone(), by_name]);
    let denied = Err(FetchError::Denied("this host is not fetched from"));
    for (hosts, path, found) in [
        (vec!["127.0.0.1"], "text", Ok("Grüße".to_owned())),
        (vec!["127.0.0.1"], "near", Ok("Grüße".to_owned())),
        (vec!["127.0.0.1"], "by/name", denied.clone()),
        (vec!["127.0.0.1", "localhost"], "by/name", Ok("Grüße".to_owned())),
        (vec!["localhost"], "text", denied),
    ] {
        let sources =
            Sources { urls: hosts.iter().map(ToString::to_string).collect(), ..Sources::default() };
        let rules = Rules { egress: &egress, sources: &sources };
        assert_eq!(
            fetch(&rules, &format!("http://{}/{path}", server.place), MAX, TEST_TIMEOUT).await,
            found,
            "{hosts:?} {path}"
        );
    }
}
