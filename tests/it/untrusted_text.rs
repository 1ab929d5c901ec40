//! Texts of other parties in the output of every command and in the log: of a model server, a
//! customer, a provider and a relay.

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use nostr_relay_builder::builder::{PolicyResult, RelayBuilder, WritePolicy};
use nostr_sdk::util::BoxedFuture;
use nostr_sdk::{Client, Event, EventBuilder, Keys, Kind, Tag, TagKind};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::market::{TEST_TIMEOUT, param, text};
use pylon_tests::process::run;
use pylon_tests::program::{Program, configure, started};
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Output;
use tokio::net::TcpListener;

/// Escape sequences of both forms, and characters that reorder, hide or break a line.
const HOSTILE: &str =
    "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{2066}e\u{2028}f\u{200b}g\u{7f}h\u{e0041}i\r\nj";

fn check(what: &str, text: &str) {
    let controls = |c: char| c.is_control() && c != '\n';
    let reorders = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    let hides = |c| matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    let found = text.find(|c| controls(c) || reorders(c) || hides(c));
    assert!(found.is_none(), "{what}: at {found:?} of {text:?}");
}

/// Runs a command, and checks all that it prints.
fn printed(program: &Program, args: &[&str]) -> String {
    let output: Output = tokio::task::block_in_place(|| run(program.home(), args));
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    check(&format!("{args:?}"), &stdout);
    check(&format!("stderr of {args:?}"), &stderr);
    stdout + &stderr
}

/// A model server whose names and errors are hostile.
async fn model_server() -> String {
    let models =
        || async { Json(json!({"object": "list", "data": [{"id": HOSTILE, "meta": {}}]})) };
    let error = || async {
        (StatusCode::BAD_REQUEST, Json(json!({"error": {"message": HOSTILE, "code": 400}})))
    };
    let router = Router::new()
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(error));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// Goal: no text of a model server or a customer reaches the terminal or the log of an operator
/// with a character that controls it, and JSON keeps the text. Method: hostile names of models,
/// errors, prompts and parameters, then each command that shows them.
#[tokio::test(flavor = "multi_thread")]
async fn operator_sees_no_control_characters() {
    let program = Program::new(Script::Echo).await;
    let (relay, server) = (program.relay.url().to_owned(), model_server().await);
    let settings = format!("relays = [\"{relay}\"]\ninference.llama_cpp.url = \"{server}\"\n");
    configure(program.home(), &settings);
    let start = || started(program.home(), Some("trace"));
    let (node, mut log, mut logged) = tokio::task::block_in_place(start);
    let mut customer = program.customer().await;
    let inputs = vec![text(HOSTILE), param("max_tokens", HOSTILE), param(HOSTILE, HOSTILE)];
    for inputs in [inputs, vec![text(HOSTILE)], vec![text("x"), param("model", HOSTILE)]] {
        let job = customer.ask(inputs).await;
        let refusal = customer.feedback(job, "error").await;
        printed(&program, &["jobs", "show", &job.to_hex()]);
        printed(&program, &["jobs", "show", &job.to_hex(), "--json"]);
        check("a message to the customer", &refusal.message);
    }
    for args in [
        &["status"][..],
        &["backends"],
        &["doctor"],
        &["events"],
        &["jobs", "list"],
        &["earnings"],
        &["guest", "list"],
    ] {
        printed(&program, args);
        printed(&program, &[args, &["--json"]].concat());
    }
    printed(&program, &["models"]);
    let models: Value = serde_json::from_str(&printed(&program, &["models", "--json"])).unwrap();
    assert_eq!(models["models"][0]["id"], HOSTILE);
    node.terminate();
    tokio::task::block_in_place(|| log.read_to_string(&mut logged).unwrap());
    check("the log", &logged);
}

/// Rejects every event with a hostile reason.
#[derive(Debug)]
struct Rejects;

impl WritePolicy for Rejects {
    fn admit_event<'a>(&'a self, _: &'a Event, _: &'a SocketAddr) -> BoxedFuture<'a, PolicyResult> {
        Box::pin(async { PolicyResult::Reject(HOSTILE.into()) })
    }
}

/// Goal: the same for a buyer. Method: hostile feedback, invoices, results and attributes of a
/// provider; a relay that rejects a request for a hostile reason.
#[tokio::test(flavor = "multi_thread")]
async fn buyer_sees_no_control_characters() {
    let program = Program::new(Script::Echo).await;
    let keys = Keys::generate();
    let provider = keys.public_key().to_hex();
    let client = Client::new(keys);
    client.add_relay(program.relay.url()).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    let submit = ["job", "submit", HOSTILE, "--provider", &provider, "--quiet"];
    let job = printed(&program, &submit).trim().to_owned();
    let tag = |name: &'static str, values: &[&str]| {
        Tag::custom(TagKind::custom(name), values.iter().copied())
    };
    for kind in [7000, 6050] {
        let tags = [
            tag("e", &[&job]),
            tag("p", &[&program.provider().to_hex()]),
            tag("status", &["payment-required", HOSTILE]),
            tag("amount", &["1", HOSTILE]),
            tag("result", &[HOSTILE, HOSTILE]),
            tag("guest", &[HOSTILE, HOSTILE, HOSTILE, &"0".repeat(64)]),
        ];
        let event = EventBuilder::new(Kind::from_u16(kind), HOSTILE).tags(tags);
        client.send_event_builder(event).await.unwrap();
        for args in [["job", "status", &job], ["job", "results", &job]] {
            printed(&program, &args);
            printed(&program, &[&args[..], &["--json"]].concat());
        }
    }
    let result = printed(&program, &["job", "results", &job, "--json"]);
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!((&result["content"], &result["bolt11"]), (&HOSTILE.into(), &HOSTILE.into()));
    assert_eq!(result["attributes"][HOSTILE], HOSTILE);
    printed(&program, &["job", "list"]);

    let rejects = RelayBuilder::default().write_policy(Rejects);
    let relay = InProcessRelay::start_with(rejects).await.unwrap();
    let said = printed(&program, &["job", "submit", "x", "--relay", relay.url()]);
    assert!(said.contains("not published"), "{said}");
}
