//! The managed server: fetched, started, used and stopped. `real_` tests need Python and, the first
//! time, the package index; without them they report that they were skipped, and fail with
//! `CI=true`.

use super::*;
use pylon_core::completion::{ChatMessage, ChatRole, Chunk, CompletionEnd, CompletionRequest};
use pylon_egress::http::client;
use std::env;
use std::sync::Mutex;
use tokio::net::TcpStream;
use tokio::time::timeout;

const TEST_TIMEOUT: Duration = Duration::from_secs(120);

fn cache() -> PathBuf {
    let home = || {
        PathBuf::from(env::var_os("HOME").unwrap_or_else(|| env::temp_dir().into()))
            .join(".cache/pylon-tests")
    };
    env::var_os("PYLON_TEST_CACHE").map_or_else(home, PathBuf::from)
}

/// A running server, or a message why it was skipped.
async fn start(http: &Client, logs: &Path) -> Option<ManagedServer> {
    match ManagedServer::start(http, &cache(), logs, &|step| eprintln!("{step}")).await {
        Ok(server) => Some(server),
        Err(error) if env::var("CI").as_deref() == Ok("true") => {
            panic!("no real llama.cpp server: {error}")
        }
        Err(error) => {
            eprintln!("SKIPPED, no real llama.cpp server: {error}");
            None
        }
    }
}

fn ask(text: &str, max_tokens: u32) -> CompletionRequest {
    let message = |role, content: &str| ChatMessage { role, content: content.to_owned() };
    CompletionRequest {
        model: pins::MODEL_ALIAS.to_owned(),
        messages: vec![
            message(ChatRole::System, "You are a helpful assistant."),
            message(ChatRole::User, text),
        ],
        max_tokens,
        temperature: Some(0.0),
        top_p: None,
        top_k: None,
        frequency_penalty: None,
        stop: Vec::new(),
        seed: Some(1),
        schema: None,
        first_output_timeout: TEST_TIMEOUT,
    }
}

async fn read(
    backend: &OpenAi,
    request: &CompletionRequest,
) -> Result<(String, CompletionEnd), InferenceError> {
    let (mut stream, mut text) = (backend.generate(request).await?, String::new());
    loop {
        match timeout(TEST_TIMEOUT, stream.next()).await.unwrap()? {
            Chunk::Text(more) => text += &more,
            Chunk::End(end) => return Ok((text, end)),
        }
    }
}

/// A real model answers, counts tokens, stops at the limit, refuses a prompt that is too long, and
/// is free after a disconnect.
#[tokio::test]
async fn real_llama_cpp() {
    let (http, logs) = (client().unwrap(), tempfile::tempdir().unwrap());
    let Some(server) = start(&http, logs.path()).await else { return };
    let backend =
        crate::inference::llama_cpp::connect(&http, "llama_cpp", server.url()).await.unwrap();
    assert_eq!((backend.id(), backend.max_concurrency()), (ID, CONCURRENCY));
    let models = backend.models().await.unwrap();
    assert_eq!(
        (models[0].id.as_str(), models[0].context_tokens),
        (pins::MODEL_ALIAS, Some(CONTEXT_TOKENS / CONCURRENCY))
    );

    let (text, end) = read(&backend, &ask("What is the capital of France?", 24)).await.unwrap();
    assert!(text.contains("Paris"), "{text}");
    assert!(
        !end.length
            && !end.usage.estimated
            && end.usage.input_tokens > 10
            && end.usage.output_tokens >= 5,
        "{end:?}"
    );
    assert_eq!(end.model, pins::MODEL_ALIAS);
    let (_, end) = read(&backend, &ask("Tell me a long story.", 8)).await.unwrap();
    assert_eq!((end.length, end.usage.output_tokens), (true, 8));
    let too_long = read(&backend, &ask(&"hello ".repeat(5000), 8)).await.unwrap_err();
    assert_eq!(too_long, InferenceError::TooLong(CONTEXT_TOKENS / CONCURRENCY));

    // Both slots are used and dropped; otherwise the next answer would wait for 1,500 tokens each.
    for _ in 0..CONCURRENCY {
        let mut answer = backend.generate(&ask("Write a very long story.", 1500)).await.unwrap();
        assert!(matches!(timeout(TEST_TIMEOUT, answer.next()).await.unwrap(), Ok(Chunk::Text(_))));
    }
    assert!(read(&backend, &ask("Say hello.", 4)).await.is_ok());
    server.stop().await.unwrap();
}

/// With a complete cache a start needs no network, and the server ends with its handle.
#[tokio::test]
async fn real_llama_cpp_starts_offline_and_ends_with_us() {
    let (http, logs) = (client().unwrap(), tempfile::tempdir().unwrap());
    let Some(first) = start(&http, logs.path()).await else { return };
    first.stop().await.unwrap();
    let steps = Mutex::new(Vec::new());
    let note = |step: &str| steps.lock().unwrap().push(step.to_owned());
    let second = ManagedServer::start(&http, &cache(), logs.path(), &note).await.unwrap();
    assert_eq!(*steps.lock().unwrap(), ["starting the llama.cpp server"]);
    let address = second.url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&address).await.is_ok());
    drop(second);
    let gone = async { while TcpStream::connect(&address).await.is_ok() {} };
    timeout(TEST_TIMEOUT, gone).await.unwrap();
}

/// The launcher ends when its standard input is closed, which is all that remains of a dead parent.
#[tokio::test]
async fn real_llama_cpp_follows_its_parent() {
    let (http, logs) = (client().unwrap(), tempfile::tempdir().unwrap());
    let Some(server) = start(&http, logs.path()).await else { return };
    let ManagedServer { mut child, _lifeline: lifeline, .. } = server;
    assert!(child.try_wait().unwrap().is_none());
    drop(lifeline);
    assert!(timeout(TEST_TIMEOUT, child.wait()).await.unwrap().unwrap().success());
}

/// A failed fetch leaves no complete folder, and reports the output of pip.
#[tokio::test]
async fn a_failed_fetch_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let Ok(python) = Python::find(cache.path()).await else {
        eprintln!("SKIPPED, no Python");
        return;
    };
    let python = python.with_engine(pins::Wheel {
        name: "no such name",
        version: "0",
        sha256: "00",
        megabytes: 0,
    });
    let error = fetch::engine(&python, cache.path(), &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("--backend URL"), "{error}");
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}
