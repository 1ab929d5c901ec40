//! The port `Inference`: a stream with one end, errors by what the caller does next, and a backend
//! that stops when the stream is dropped.

use super::within;
use crate::stub::{MODEL, Script, Stub};
use futures::future::BoxFuture;
use pylon_core::completion::{ChatMessage, ChatRole, Chunk, CompletionEnd, CompletionRequest};
use pylon_core::ports::inference::{Inference, InferenceError};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Connects to a server at this address, whether it runs or not.
pub type Connect = fn(url: String) -> BoxFuture<'static, Arc<dyn Inference>>;

/// Runs all checks.
pub async fn check(connect: Connect) {
    models_are_listed(connect).await;
    completion_has_one_end(connect).await;
    failures_are_errors(connect).await;
    stopped_server_is_unavailable(connect).await;
    silence_is_a_timeout(connect).await;
    dropped_stream_stops_the_backend(connect).await;
}

async fn start(connect: Connect, script: Script) -> (Arc<dyn Inference>, Stub) {
    let stub = Stub::start(script).await;
    (within(connect(stub.url())).await, stub)
}

fn request(prompt: &str) -> CompletionRequest {
    CompletionRequest {
        model: MODEL.into(),
        messages: vec![ChatMessage { role: ChatRole::User, content: prompt.into() }],
        max_tokens: 64,
        temperature: None,
        top_p: None,
        top_k: None,
        frequency_penalty: None,
        stop: Vec::new(),
        seed: None,
        schema: None,
        first_output_timeout: super::TIMEOUT,
    }
}

/// Reads a completion to its end, which is never read past.
async fn complete(
    backend: &dyn Inference,
    request: &CompletionRequest,
) -> Result<(String, CompletionEnd), InferenceError> {
    let read = async {
        let (mut stream, mut text) = (backend.generate(request).await?, String::new());
        loop {
            match stream.next().await? {
                Chunk::Text(chunk) => text += &chunk,
                Chunk::End(end) => return Ok((text, end)),
            }
        }
    };
    within(read).await
}

async fn models_are_listed(connect: Connect) {
    let (backend, _stub) = start(connect, Script::Echo).await;
    assert!(!backend.id().is_empty() && backend.max_concurrency() >= 1);
    let models = within(backend.models()).await.unwrap();
    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), [MODEL]);
}

async fn completion_has_one_end(connect: Connect) {
    for (script, expected) in [(Script::Echo, "one two three"), (Script::Empty, "")] {
        let (backend, _stub) = start(connect, script).await;
        let (text, end) = complete(&*backend, &request("one two three")).await.unwrap();
        assert_eq!((text.as_str(), end.model.as_str(), end.length), (expected, MODEL, false));
        let most = u64::from(request("").max_tokens);
        assert!(end.usage.input_tokens > 0 && end.usage.output_tokens <= most, "{end:?}");
    }
}

/// Another backend is tried: what ended early is not taken for an answer.
async fn failures_are_errors(connect: Connect) {
    for script in [Script::Fail, Script::Truncate] {
        let (backend, _stub) = start(connect, script.clone()).await;
        let error = complete(&*backend, &request("one two three")).await.unwrap_err();
        assert!(matches!(error, InferenceError::Failed(..)), "{script:?}: {error:?}");
    }
    let (backend, stub) = start(connect, Script::Echo).await;
    stub.fail();
    for error in [
        within(backend.models()).await.unwrap_err(),
        complete(&*backend, &request("one")).await.unwrap_err(),
    ] {
        assert!(matches!(error, InferenceError::Unavailable(_)), "{error:?}");
    }
    stub.recover();
    complete(&*backend, &request("one")).await.unwrap();
}

async fn stopped_server_is_unavailable(connect: Connect) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let backend = within(connect(url)).await;
    for error in [
        within(backend.models()).await.unwrap_err(),
        complete(&*backend, &request("one")).await.unwrap_err(),
    ] {
        assert!(matches!(error, InferenceError::Unavailable(_)), "{error:?}");
    }
}

async fn silence_is_a_timeout(connect: Connect) {
    let (backend, _stub) = start(connect, Script::Wait).await;
    let first_output_timeout = Duration::from_millis(100);
    let request = CompletionRequest { first_output_timeout, ..request("one") };
    let error = complete(&*backend, &request).await.unwrap_err();
    assert_eq!(error, InferenceError::Timeout);
}

async fn dropped_stream_stops_the_backend(connect: Connect) {
    let (backend, stub) = start(connect, Script::EchoOrEndless("forever")).await;
    let mut stream = within(backend.generate(&request("forever"))).await.unwrap();
    assert!(matches!(within(stream.next()).await, Ok(Chunk::Text(_))));
    assert_eq!(stub.open_answers(), 1);
    drop(stream);
    within(stub.idle()).await;
}
