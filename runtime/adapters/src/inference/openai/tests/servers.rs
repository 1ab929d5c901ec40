//! The key of a server, and the names of its models.

use super::*;
use axum::http::HeaderMap;

/// Goal: a server with a key is ready only with that key, and no other server gets it. Method: a
/// server whose lists are public, and one that redirects to it.
#[tokio::test]
async fn a_key_is_checked_and_stays_with_its_server() {
    type Seen = Arc<std::sync::Mutex<Vec<String>>>;
    let seen = Seen::default();
    let record = |seen: &Seen, headers: &HeaderMap| {
        let key = headers.get("authorization").map(|key| key.to_str().unwrap().to_owned());
        seen.lock().unwrap().push(key.clone().unwrap_or_default());
        if key.as_deref() == Some("Bearer right") {
            return streamed(stream::iter([Ok(Bytes::from(events(&[STOP])))]).boxed());
        }
        (Status::UNAUTHORIZED, r#"{"error":{"message":"Invalid API Key"}}"#).into_response()
    };
    let log = seen.clone();
    let keyed = listing(200, r#"{"data":[{"id":"a"}]}"#).route(
        "/v1/chat/completions",
        post(async move |headers: HeaderMap| record(&log, &headers)),
    );
    let url = serve(keyed).await;
    let with = |url: &str, key: Option<&str>| {
        let key = key.map(|key| ApiKey::parse(key).unwrap());
        OpenAi::new(client().unwrap(), "stub", url, 1).unwrap().with_key(key)
    };
    for key in [None, Some("wrong")] {
        let backend = with(&url, key);
        let refused = InferenceError::Unauthorized("Invalid API Key".to_owned());
        assert_eq!(backend.models().await.unwrap_err(), refused, "{key:?}");
        assert_eq!(error_of(&backend).await, refused, "{key:?}");
    }
    let backend = with(&url, Some("right"));
    assert_eq!(backend.models().await.unwrap().len(), 1);
    read(&backend, &request()).await.unwrap();
    assert!(!format!("{backend:?}").contains("right"));

    let calls = seen.lock().unwrap().len();
    let target = format!("{url}/v1/chat/completions");
    let moved = axum::response::Redirect::temporary(&target);
    let moved = Router::new().route("/v1/chat/completions", post(async move || moved));
    let redirecting = with(&serve(moved).await, Some("right"));
    assert!(matches!(error_of(&redirecting).await, InferenceError::Unavailable(_)));
    assert_eq!(seen.lock().unwrap().len(), calls, "the key was sent elsewhere");
}

/// Goal: no path of the operator leaves the node, and the server still gets its own id. Method: a
/// model in two folders, which the answer names by its path.
#[tokio::test]
async fn paths_of_models_stay_private() {
    async fn answer(body: Bytes) -> Reply {
        let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let event = serde_json::json!({ "model": asked["model"], "choices": [{ "delta": {}, "finish_reason": "stop" }] });
        streamed(stream::iter([Ok(Bytes::from(events(&[format!("data: {event}")])))]).boxed())
    }
    const LIST: &str = r#"{"data":[{"id":"/home/me/b/x.gguf"},{"id":"/home/me/a/x.gguf"}]}"#;
    let router = listing(200, LIST).route("/v1/chat/completions", post(answer));
    let backend = OpenAi::new(client().unwrap(), "stub", &serve(router).await, 1).unwrap();
    let models = backend.models().await.unwrap();
    let names: Vec<_> = models.into_iter().map(|model| model.id).collect();
    assert_eq!(names, ["x.gguf-2", "x.gguf"]);
    for name in names {
        let request = CompletionRequest { model: name.clone(), ..request() };
        assert_eq!(read(&backend, &request).await.unwrap().1.model, name);
    }
}
