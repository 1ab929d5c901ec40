//! A server with the OpenAI API that answers from a script, for tests that are not about the
//! backend.

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
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
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

/// The model that it lists.
pub const MODEL: &str = "stub-model";
/// Time between two words of an endless answer: fast for a model, slow enough not to fill the
/// memory.
const WORD_INTERVAL: Duration = Duration::from_millis(20);

/// How the stub answers.
#[derive(Clone, Debug)]
pub enum Script {
    /// This text.
    Reply(&'static str),
    /// The prompt.
    Echo,
    /// An empty text.
    Empty,
    /// The prompt; if it contains this word, repeated endlessly.
    EchoOrEndless(&'static str),
    /// The prompt, after a call of [`Stub::release`].
    Wait,
    /// An error.
    Fail,
    /// An answer that breaks off.
    Truncate,
    /// This status with an error that quotes the prompt, so many times; then the prompt.
    RefuseFirst(u16, usize),
    /// The prompt, after so many events without text.
    Chatty(usize),
    /// The prompt to requests with this API key. Health and models are public.
    Keyed(&'static str),
}

struct Inner {
    script: Script,
    gate: Semaphore,
    requests: AtomicUsize,
    failing: AtomicBool,
    open_answers: watch::Sender<usize>,
}

/// A running server, stopped on drop.
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
            requests: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            open_answers: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .layer(middleware::from_fn_with_state(Arc::clone(&inner), refuse_when_failing))
            .with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
            .abort_handle();
        Self { inner, address, task }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets one waiting answer start.
    pub fn release(&self) {
        self.inner.gate.add_permits(1);
    }

    /// Answers only errors from now on.
    pub fn fail(&self) {
        self.inner.failing.store(true, Ordering::SeqCst);
    }

    /// Answers normally again.
    pub fn recover(&self) {
        self.inner.failing.store(false, Ordering::SeqCst);
    }

    /// Number of answers that are being streamed.
    pub fn open_answers(&self) -> usize {
        *self.inner.open_answers.borrow()
    }

    /// Waits until no answer is being streamed.
    pub async fn idle(&self) {
        self.inner.open_answers.subscribe().wait_for(|open| *open == 0).await.unwrap();
    }

    /// Number of completion requests so far.
    pub fn requests(&self) -> usize {
        self.inner.requests.load(Ordering::SeqCst)
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

async fn refuse_when_failing(
    State(inner): State<Arc<Inner>>,
    request: Request,
    next: Next,
) -> Response {
    if inner.failing.load(Ordering::SeqCst) {
        return refuse(502, "out of order");
    }
    next.run(request).await
}

async fn complete(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    if let Script::Keyed(key) = inner.script
        && headers.get("authorization").is_none_or(|given| given != &format!("Bearer {key}"))
    {
        return refuse(401, "{\"error\":{\"message\":\"Invalid API Key\"}}");
    }
    // The node sends an empty request to learn whether its key is right.
    let Some(messages) = request["messages"].as_array() else {
        return refuse(400, "{\"error\":{\"message\":\"'messages' is required\"}}");
    };
    let earlier = inner.requests.fetch_add(1, Ordering::SeqCst);
    let prompt = messages.last().and_then(|last| last["content"].as_str()).unwrap_or_default();
    let text = match &inner.script {
        Script::Reply(words) => (*words).to_owned(),
        Script::Empty => String::new(),
        Script::EchoOrEndless(word) if prompt.contains(word) => {
            return answer(&inner, endless(prompt));
        }
        Script::Truncate => return answer(&inner, stream::iter(words(prompt).collect::<Vec<_>>())),
        Script::RefuseFirst(status, times) if earlier < *times => {
            let error = json!({"error": {"message": format!("cannot answer: {prompt}")}});
            return refuse(*status, error.to_string());
        }
        Script::Echo
        | Script::EchoOrEndless(_)
        | Script::RefuseFirst(..)
        | Script::Chatty(_)
        | Script::Keyed(_) => prompt.to_owned(),
        Script::Wait => {
            inner.gate.acquire().await.unwrap().forget();
            prompt.to_owned()
        }
        Script::Fail => {
            return refuse(500, "{\"error\":{\"message\":\"out of order\"}}");
        }
    };
    let mut frames = vec![chunk(&json!({"role": "assistant", "content": null}), &Value::Null)];
    if let Script::Chatty(events) = inner.script {
        frames.extend(vec![chunk(&json!({}), &Value::Null); events]);
    }
    frames.extend(words(&text));
    frames.push(chunk(&json!({}), &json!("stop")));
    let tokens = text.split_whitespace().count();
    frames.push(frame(&json!({"choices": [], "model": MODEL, "usage": {"prompt_tokens": prompt.len() / 4 + 1, "completion_tokens": tokens, "total_tokens": prompt.len() / 4 + 1 + tokens}})));
    frames.push("data: [DONE]\n\n".into());
    answer(&inner, stream::iter(frames))
}

fn refuse(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// The text, repeated.
fn endless(text: &str) -> impl Stream<Item = Bytes> + Send + use<> {
    let words: Vec<_> = words(text).collect();
    stream::iter(words.into_iter().cycle()).then(|word| async {
        tokio::time::sleep(WORD_INTERVAL).await;
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

/// Counts an answer until its stream is dropped: at its end, or when the client disconnects.
struct OpenAnswer(Arc<Inner>);

impl OpenAnswer {
    fn new(inner: &Arc<Inner>) -> Self {
        inner.open_answers.send_modify(|open| *open += 1);
        Self(Arc::clone(inner))
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.0.open_answers.send_modify(|open| *open -= 1);
    }
}

fn answer(inner: &Arc<Inner>, frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let open = OpenAnswer::new(inner);
    let frames = frames.map(move |frame| {
        let _ = &open;
        Ok::<_, Infallible>(frame)
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .header("server", "llama.cpp")
        .body(Body::from_stream(frames))
        .unwrap()
}
