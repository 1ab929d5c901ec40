//! An OpenAI-shaped server that answers from a script. It stands in for a backend where the backend is not what is tested.

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// The model it says it has.
pub const MODEL: &str = "stub-model";
/// Between two words of an answer without an end: fast for a model, slow enough not to fill a memory.
const PACE: Duration = Duration::from_millis(20);

/// How it answers.
#[derive(Clone, Debug)]
pub enum Script {
    /// These words.
    Say(&'static str),
    /// What it was asked.
    Echo,
    /// Nothing at all.
    Nothing,
    /// What it was asked; if that holds this word, again and again without an end.
    EchoOrEndless(&'static str),
    /// What it was asked, when [`Stub::release`] lets it.
    Wait,
    /// An error.
    Break,
    /// Half of an answer, and no more.
    BreakOff,
}

struct Inner {
    script: Script,
    gate: Semaphore,
    asked: AtomicUsize,
    /// Out of order until further notice.
    broken: AtomicBool,
}

/// A server at work.
pub struct Stub {
    inner: Arc<Inner>,
    address: SocketAddr,
    task: AbortHandle,
}

impl Stub {
    /// Starts one on a free port of 127.0.0.1.
    pub async fn start(script: Script) -> Self {
        let inner = Arc::new(Inner {
            script,
            gate: Semaphore::new(0),
            asked: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .layer(middleware::from_fn_with_state(Arc::clone(&inner), refuse_when_broken))
            .with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
            .abort_handle();
        Self { inner, address, task }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets one waiting answer begin.
    pub fn release(&self) {
        self.inner.gate.add_permits(1);
    }

    /// From now on it answers nothing but errors.
    pub fn break_down(&self) {
        self.inner.broken.store(true, Ordering::SeqCst);
    }

    /// From now on it answers again.
    pub fn recover(&self) {
        self.inner.broken.store(false, Ordering::SeqCst);
    }

    /// How many requests have come.
    pub fn asked(&self) -> usize {
        self.inner.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn models() -> Json<Value> {
    let model =
        json!({"id": MODEL, "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx": 4096}});
    Json(json!({"object": "list", "data": [model]}))
}

async fn refuse_when_broken(
    State(inner): State<Arc<Inner>>,
    request: Request,
    next: Next,
) -> Response {
    if inner.broken.load(Ordering::SeqCst) {
        return Response::builder().status(503).body(Body::from("out of order")).unwrap();
    }
    next.run(request).await
}

async fn complete(State(inner): State<Arc<Inner>>, Json(request): Json<Value>) -> Response {
    inner.asked.fetch_add(1, Ordering::SeqCst);
    let asked = request["messages"]
        .as_array()
        .and_then(|all| all.last())
        .and_then(|last| last["content"].as_str())
        .unwrap_or_default();
    let text = match &inner.script {
        Script::Say(words) => (*words).to_owned(),
        Script::Nothing => String::new(),
        Script::EchoOrEndless(word) if asked.contains(word) => return answer(endless(asked)),
        Script::BreakOff => return answer(stream::iter(words(asked).collect::<Vec<_>>())),
        Script::Echo | Script::EchoOrEndless(_) => asked.to_owned(),
        Script::Wait => {
            inner.gate.acquire().await.unwrap().forget();
            asked.to_owned()
        }
        Script::Break => {
            return Response::builder()
                .status(500)
                .body(Body::from("{\"error\":{\"message\":\"out of order\"}}"))
                .unwrap();
        }
    };
    let mut frames = vec![chunk(&json!({"role": "assistant", "content": null}), &Value::Null)];
    frames.extend(words(&text));
    frames.push(chunk(&json!({}), &json!("stop")));
    let tokens = text.split_whitespace().count();
    frames.push(frame(&json!({"choices": [], "model": MODEL, "usage": {"prompt_tokens": asked.len() / 4 + 1, "completion_tokens": tokens, "total_tokens": asked.len() / 4 + 1 + tokens}})));
    frames.push("data: [DONE]\n\n".into());
    answer(stream::iter(frames))
}

/// The text again and again.
fn endless(text: &str) -> impl Stream<Item = Bytes> + Send + use<> {
    let words: Vec<_> = words(text).collect();
    stream::iter(words.into_iter().cycle()).then(|word| async {
        tokio::time::sleep(PACE).await;
        word
    })
}

fn words(text: &str) -> impl Iterator<Item = Bytes> {
    text.split_inclusive(' ').map(|word| chunk(&json!({"content": word}), &Value::Null))
}

fn chunk(delta: &Value, finish: &Value) -> Bytes {
    frame(
        &json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "model": MODEL}),
    )
}

fn frame(data: &Value) -> Bytes {
    format!("data: {data}\n\n").into()
}

fn answer(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    Response::builder()
        .header("content-type", "text/event-stream")
        .header("server", "llama.cpp")
        .body(Body::from_stream(frames.map(Ok::<_, Infallible>)))
        .unwrap()
}
