//! The adapter against a server on loopback that replays answers of llama.cpp and vLLM: complete,
//! split anywhere, broken, late and endless. Every wait has a timeout; no test waits for a fixed
//! time.

mod odd_answers;
mod servers;

use super::*;
use crate::inference::llama_cpp;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode as Status;
use axum::response::{IntoResponse as _, Response as Reply};
use axum::routing::{get, post};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use pylon_core::completion::{ChatMessage, ChatRole, Chunk, CompletionEnd};
use pylon_core::ports::inference::BackendFault;
use pylon_egress::http::client;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

const TEST_TIMEOUT: Duration = Duration::from_secs(20);
const ROLE: &str = r#"data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"model":"m-135"}"#;
const STOP: &str =
    r#"data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"model":"m-135"}"#;
const USAGE: &str = r#"data: {"choices":[],"model":"m-135","usage":{"completion_tokens":2,"prompt_tokens":37,"prompt_tokens_details":{"cached_tokens":24}},"timings":{"cache_n":24,"prompt_n":13,"predicted_n":2}}"#;
const DONE: &str = "data: [DONE]";

fn token(text: &str) -> String {
    let delta = serde_json::json!({ "content": text });
    let event = serde_json::json!({ "choices": [{ "finish_reason": null, "index": 0, "delta": delta }], "model": "m-135" });
    format!("data: {event}")
}

fn events<T: AsRef<str>>(events: &[T]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("{}\n\n", event.as_ref()).into_bytes()).collect()
}

fn request() -> CompletionRequest {
    CompletionRequest {
        model: "m-135".to_owned(),
        messages: vec![ChatMessage {
            role: ChatRole::User,
            content: "What is the capital of France?".to_owned(),
        }],
        max_tokens: 16,
        temperature: Some(0.7),
        top_p: None,
        top_k: None,
        frequency_penalty: None,
        stop: Vec::new(),
        seed: None,
        schema: None,
        first_output_timeout: TEST_TIMEOUT,
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A server that always gives this answer.
async fn chat(reply: impl Fn() -> Reply + Clone + Send + Sync + 'static) -> OpenAi {
    let router = Router::new().route("/v1/chat/completions", post(move || async move { reply() }));
    OpenAi::new(client().unwrap(), "stub", &serve(router).await, 1).unwrap()
}

fn streamed(pieces: BoxStream<'static, io::Result<Bytes>>) -> Reply {
    ([("content-type", "text/event-stream")], Body::from_stream(pieces)).into_response()
}

/// A server that sends these pieces, each in its own write.
async fn replay(pieces: Vec<Vec<u8>>) -> OpenAi {
    chat(move || streamed(stream::iter(pieces.clone()).map(|piece| Ok(Bytes::from(piece))).boxed()))
        .await
}

/// A server that sends this and then nothing, without closing.
async fn replay_then_hang(bytes: Vec<u8>) -> OpenAi {
    chat(move || {
        let first = stream::iter([Ok(Bytes::from(bytes.clone()))]);
        streamed(first.chain(stream::pending()).boxed())
    })
    .await
}

async fn read(
    backend: &OpenAi,
    request: &CompletionRequest,
) -> Result<(String, CompletionEnd), InferenceError> {
    let reading = async {
        let (mut stream, mut text) = (backend.generate(request).await?, String::new());
        loop {
            match stream.next().await? {
                Chunk::Text(more) => text += &more,
                Chunk::End(end) => return Ok((text, end)),
            }
        }
    };
    timeout(TEST_TIMEOUT, reading).await.unwrap()
}

async fn error_of(backend: &OpenAi) -> InferenceError {
    read(backend, &request()).await.unwrap_err()
}

/// An answer that is split at any byte gives the same text and count.
#[tokio::test]
async fn an_answer_may_be_split_anywhere() {
    let whole = events(&[ROLE, &token("Zürich "), &token("日本"), STOP, USAGE, DONE]);
    let start = events(&[ROLE]).len();
    for cut in (1..start).step_by(16).chain(start..whole.len()) {
        let (a, b) = whole.split_at(cut);
        let (text, end) =
            read(&replay(vec![a.to_vec(), b.to_vec()]).await, &request()).await.unwrap();
        assert_eq!(text, "Zürich 日本", "cut at {cut}");
        assert_eq!(
            (end.usage.input_tokens, end.usage.output_tokens, end.usage.cached_tokens),
            (37, 2, 24)
        );
        assert_eq!((end.model.as_str(), end.length, end.usage.estimated), ("m-135", false, false));
    }
}

/// The count is the backend's, else llama.cpp's timings, else a marked estimate.
#[tokio::test]
async fn the_count_is_the_backends_or_marked() {
    let length = STOP.replace("stop", "length");
    let timings = r#"data: {"choices":[],"timings":{"cache_n":24,"prompt_n":13,"predicted_n":2}}"#;
    let (_, end) =
        read(&replay(vec![events(&[&token("a"), &length, timings, DONE])]).await, &request())
            .await
            .unwrap();
    assert_eq!(
        (end.usage.input_tokens, end.usage.output_tokens, end.usage.cached_tokens),
        (37, 2, 24)
    );
    assert!(end.length && !end.usage.estimated);

    let (text, end) =
        read(&replay(vec![events(&[&token("fünf!"), STOP])]).await, &request()).await.unwrap();
    assert_eq!((text.as_str(), end.usage.input_tokens, end.usage.output_tokens), ("fünf!", 8, 2));
    assert!(end.usage.estimated);

    for lie in [
        USAGE.replace("37", "1000000"),
        USAGE.replace("\"completion_tokens\":2", "\"completion_tokens\":5000000"),
    ] {
        let (_, end) =
            read(&replay(vec![events(&[&token("fünf!"), STOP, &lie, DONE])]).await, &request())
                .await
                .unwrap();
        assert!(end.usage.estimated || end.usage.input_tokens == 37, "{lie}");
        assert!(
            end.usage.input_tokens < 100 && end.usage.output_tokens < 100,
            "an impossible count: {:?}",
            end.usage
        );
    }
}

/// An answer without a finish reason and without `[DONE]`, or without text, is incomplete.
#[tokio::test]
async fn an_incomplete_answer_is_an_error() {
    let half = token("half");
    let part = [events(&[ROLE, &half]), b"data: {\"choi".to_vec()].concat();
    for cut in [events(&[ROLE, &half]), part, events(&[ROLE, DONE]), Vec::new()] {
        let error = error_of(&replay(vec![cut.clone()]).await).await;
        assert!(
            matches!(&error, InferenceError::Failed(BackendFault::Truncated, why) if why.contains("broke off")),
            "{cut:?}: {error:?}"
        );
    }
}

/// Every defect of a stream is one error for the operator, never a text or a short answer.
#[tokio::test]
async fn a_broken_stream_is_an_error() {
    let huge = vec![b'x'; 300 * 1024];
    let invalid = [b"data: ".as_slice(), &[0xff, 0xfe], b"\n\n"].concat();
    let aborted = STOP.replace("stop", "abort");
    let cases = [
        (events(&[ROLE, &token("Par")]), BackendFault::Truncated, "broke off"),
        (
            events(&[
                ROLE,
                &token("Par"),
                r#"data: {"error":{"code":500,"message":"slot gone","type":"server_error"}}"#,
            ]),
            BackendFault::Internal,
            "slot gone",
        ),
        (events(&["data: {oops"]), BackendFault::Unreadable, "cannot be read"),
        (events(&[&token("a"), &aborted, DONE]), BackendFault::Truncated, "abort"),
        ([b"data: ".to_vec(), huge.clone()].concat(), BackendFault::Unreadable, "too long"),
        (
            events(&["data: 1"; 40_000]).into_iter().filter(|byte| *byte != b'\n').collect(),
            BackendFault::Unreadable,
            "too long",
        ),
        (
            events(&[&token(&"y".repeat(16 * 128 + 1))]),
            BackendFault::TooLong,
            "longer than requested",
        ),
        (invalid, BackendFault::Unreadable, "UTF-8"),
        (
            br#"{"choices":[{"message":{"content":"not streamed"}}]}"#.to_vec(),
            BackendFault::Unreadable,
            "is not a stream of events: {",
        ),
        (b"<html>\n<h1>Sign in</h1>".to_vec(), BackendFault::Unreadable, "Sign in"),
        (br#"{"error":"slot gone"}"#.to_vec(), BackendFault::Unreadable, "slot gone"),
        (
            events(&[&token("Fi"), r#"error: {"code":500,"message":"slot gone"}"#]),
            BackendFault::Internal,
            "slot gone",
        ),
        (
            events(&[&token("Fi"), "event: error\ndata: slot gone"]),
            BackendFault::Internal,
            "slot gone",
        ),
        (
            events(&[r#"data: {"object":"error","message":"slot gone","code":500}"#, STOP]),
            BackendFault::Internal,
            "slot gone",
        ),
        (
            events(&[r#"data: {"error":{"message":"context is full"}}"#]),
            BackendFault::ContextExceeded,
            "context is full",
        ),
    ];
    for (bytes, expected, says) in cases {
        let error = error_of(&replay(vec![bytes]).await).await;
        assert!(
            matches!(&error, InferenceError::Failed(how, text) if *how == expected && text.contains(says)),
            "{error:?}"
        );
    }
    let cut = chat(|| {
        let pieces =
            [Ok(Bytes::from(events(&[ROLE, &token("Par")]))), Err(io::Error::other("cut"))];
        streamed(stream::iter(pieces).boxed())
    });
    assert!(matches!(error_of(&cut.await).await, InferenceError::Unavailable(_)));
}

/// A refusal is classified: another backend, another model, or a shorter prompt. Its text is
/// limited.
#[tokio::test]
async fn a_refusal_is_classified() {
    async fn refused(status: u16, body: String) -> InferenceError {
        error_of(
            &chat(move || (Status::from_u16(status).unwrap(), body.clone()).into_response()).await,
        )
        .await
    }
    let too_long = r#"{"error":{"code":400,"message":"request (5031 tokens) exceeds","type":"exceed_context_size_error","n_prompt_tokens":5031,"n_ctx":2048}}"#;
    assert_eq!(refused(400, too_long.to_owned()).await, InferenceError::TooLong(2048));
    let not_found = r#"{"error":{"message":"no such model","type":"not_found_error"}}"#;
    assert_eq!(
        refused(404, not_found.to_owned()).await,
        InferenceError::Unsupported("model m-135".to_owned())
    );
    let loading = r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#;
    assert_eq!(
        refused(503, loading.to_owned()).await,
        InferenceError::Busy { why: "Loading model".to_owned(), retry_after: None }
    );
    for status in [401, 403] {
        let error = refused(status, r#"{"error":"Invalid API Key"}"#.to_owned()).await;
        assert_eq!(error, InferenceError::Unauthorized("Invalid API Key".to_owned()));
    }
    for (header, seconds) in [("7", Some(7)), ("soon", None), ("-1", None)] {
        let limited = chat(move || {
            (Status::TOO_MANY_REQUESTS, [("retry-after", header)], "slow down").into_response()
        });
        let error = error_of(&limited.await).await;
        let why = "it answers 429 Too Many Requests: slow down".to_owned();
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(error, InferenceError::Busy { why, retry_after }, "{header}");
    }
    let wrong_path = refused(404, "<html>not here".to_owned()).await;
    assert!(matches!(wrong_path, InferenceError::Unavailable(why) if why.contains("not here")));
    let long = serde_json::json!({ "error": { "message": "x".repeat(10_000) } }).to_string();
    assert_eq!(
        refused(500, long.clone()).await,
        InferenceError::Failed(BackendFault::Internal, "x".repeat(200))
    );
    assert_eq!(
        refused(422, long).await,
        InferenceError::Failed(BackendFault::Refused, "x".repeat(200))
    );
    assert!(
        matches!(refused(502, "<html>".to_owned()).await, InferenceError::Unavailable(text) if text.contains("502"))
    );
    assert!(matches!(refused(307, String::new()).await, InferenceError::Unavailable(_)));
}

/// Silence times out: before the headers, before the first text, and between two texts; reasoning
/// is not silence.
#[tokio::test]
async fn silence_times_out() {
    let soon = CompletionRequest { first_output_timeout: Duration::from_millis(150), ..request() };
    let mute = Router::new().route("/v1/chat/completions", post(std::future::pending::<Reply>));
    let mute = OpenAi::new(client().unwrap(), "stub", &serve(mute).await, 1).unwrap();
    assert_eq!(read(&mute, &soon).await.unwrap_err(), InferenceError::Timeout);
    assert_eq!(
        read(&replay_then_hang(events(&[ROLE])).await, &soon).await.unwrap_err(),
        InferenceError::Timeout
    );

    let stalls = replay_then_hang(events(&[ROLE, &token("Par")]))
        .await
        .with_token_timeout(Duration::from_millis(150));
    assert_eq!(error_of(&stalls).await, InferenceError::Timeout);

    let thinks = r#"data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}"#;
    let thinking =
        replay_then_hang(events(&[thinks])).await.with_token_timeout(Duration::from_millis(150));
    assert_eq!(error_of(&thinking).await, InferenceError::Timeout);
}

/// The request contains what was asked for and nothing else, streamed and limited.
#[tokio::test]
async fn a_request_contains_what_was_asked_for() {
    type Seen = Arc<std::sync::Mutex<Vec<serde_json::Value>>>;
    async fn keep(State(seen): State<Seen>, body: Bytes) -> Reply {
        seen.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        streamed(stream::iter([Ok(Bytes::from(events(&[STOP, DONE])))]).boxed())
    }
    let seen = Seen::default();
    let router =
        Router::new().route("/prefix/v1/chat/completions", post(keep)).with_state(seen.clone());
    let url = serve(router).await;
    for form in ["/prefix", "/prefix/", "/prefix/v1", "/prefix/v1/"] {
        let backend = OpenAi::new(client().unwrap(), "stub", &format!("{url}{form}"), 1).unwrap();
        assert_eq!(backend.url(), format!("{url}/prefix"));
        read(&backend, &request()).await.unwrap();
    }
    let backend = OpenAi::new(client().unwrap(), "stub", &format!("{url}/prefix"), 1).unwrap();
    let schema = Some(r#"{"type":"object"}"#.to_owned());
    let full = CompletionRequest {
        seed: Some(u64::MAX),
        stop: vec!["\n".to_owned()],
        max_tokens: 0,
        schema,
        ..request()
    };
    read(&backend, &full).await.unwrap();
    let bad = CompletionRequest { schema: Some("{".to_owned()), ..request() };
    assert!(matches!(read(&backend, &bad).await, Err(InferenceError::Unsupported(_))));

    let seen = seen.lock().unwrap();
    let plain = r#"{"model":"m-135","messages":[{"role":"user","content":"What is the capital of France?"}],"max_tokens":16,"stream":true,"stream_options":{"include_usage":true},"temperature":0.7}"#;
    assert_eq!(
        serde_json::to_string(&seen[0]).unwrap(),
        serde_json::from_str::<serde_json::Value>(plain).unwrap().to_string()
    );
    assert_eq!(
        (&seen[4]["max_tokens"], &seen[4]["stop"][0], &seen[4]["seed"]),
        (&1.into(), &"\n".into(), &0.into())
    );
    assert_eq!(seen[4]["response_format"]["json_schema"]["schema"]["type"], "object");
}

fn listing(status: u16, body: &'static str) -> Router {
    let reply = (Status::from_u16(status).unwrap(), [("server", "llama.cpp")], body);
    Router::new().route("/v1/models", get(move || async move { reply }))
}

/// A list counts only if it contains a model; a failing health check outweighs it.
#[tokio::test]
async fn a_ready_backend_has_a_model() {
    const LIST: &str =
        r#"{"data":[{"id":"a","meta":{"n_ctx":2048}},{"id":"b","max_model_len":4096},{"id":"c"}]}"#;
    const ODD: &str = r#"{"data":[{"object":"model"},7,{"id":""},{"id":null},
        {"id":"a","meta":{"n_ctx":"4096"}},{"id":"b","meta":[],"max_model_len":-1,"owned_by":{}},
        {"id":"c","meta":{"n_ctx":0},"max_model_len":1.5}]}"#;
    async fn models(router: Router) -> Result<Vec<ModelInfo>, InferenceError> {
        let backend = OpenAi::new(client().unwrap(), "stub", &serve(router).await, 1)
            .unwrap()
            .with_health(Some("health"));
        timeout(TEST_TIMEOUT, backend.models()).await.unwrap()
    }
    let found = models(listing(200, LIST)).await.unwrap();
    let rooms: Vec<_> =
        found.iter().map(|model| (model.id.as_str(), model.context_tokens)).collect();
    assert_eq!(rooms, [("a", Some(2048)), ("b", Some(4096)), ("c", None)]);
    let found = models(listing(200, ODD)).await.unwrap();
    let rooms: Vec<_> =
        found.iter().map(|model| (model.id.as_str(), model.context_tokens)).collect();
    assert_eq!(rooms, [("a", None), ("b", None), ("c", None)]);
    for (router, says) in [
        (
            listing(
                503,
                r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#,
            ),
            "Loading model",
        ),
        (listing(200, r#"{"data":[]}"#), "no model"),
        (listing(200, r#"{"data":[{"object":"model"}]}"#), "no model"),
        (listing(200, "ok"), "cannot be read"),
        (listing(200, LIST).route("/health", get(|| async { Status::SERVICE_UNAVAILABLE })), "503"),
    ] {
        let error = models(router).await.unwrap_err();
        assert!(
            matches!(&error, InferenceError::Unavailable(text) if text.contains(says)),
            "{error}"
        );
    }
    let unreachable = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let unreachable =
        OpenAi::new(client().unwrap(), "stub", &format!("http://{unreachable}"), 1).unwrap();
    assert!(matches!(unreachable.models().await, Err(InferenceError::Unavailable(_))));
}

/// The concurrency is that of the backend, or one; an invalid URL is an error.
#[tokio::test]
async fn a_backend_reports_its_concurrency() {
    const LIST: &str = r#"{"data":[{"id":"a"}]}"#;
    let http = client().unwrap();
    let llama = listing(200, LIST).route("/props", get(|| async { r#"{"total_slots":3}"# }));
    for (server, slots) in [(llama, 3), (listing(200, LIST), 1)] {
        let found = llama_cpp::connect(&http, "llama_cpp", &format!("{}/v1", serve(server).await))
            .await
            .unwrap();
        assert_eq!((found.id(), found.max_concurrency()), ("llama_cpp", slots));
    }
    for bad in ["localhost:8080", "ftp://localhost", "http://", "http://x/?a=b", "", "nonsense"] {
        assert!(
            matches!(
                llama_cpp::connect(&http, "llama_cpp", bad).await,
                Err(InferenceError::Unsupported(_))
            ),
            "{bad}"
        );
    }
}
