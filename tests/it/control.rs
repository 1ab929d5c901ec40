//! The control socket under hostile and broken clients: whatever they do, the next client is
//! served.

use pylon_tests::program::{Program, check_failure};
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Longer than any timeout of the control server.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to the node.
fn connect(program: &Program) -> UnixStream {
    let stream = UnixStream::connect(program.state("pylon.sock")).unwrap();
    stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
    stream
}

/// Sends this, and returns the response until the node closes the connection.
fn send(program: &Program, bytes: &[u8]) -> String {
    let mut stream = connect(program);
    // The node may close the connection before the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request with a body.
fn post(path: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    format!("{head}{body}").into_bytes()
}

fn is_well(program: &Program, what: &str) {
    assert_eq!(program.json(&["status", "--json"])["daemon"]["running"], true, "after {what}");
}

/// Goal: no other user can control the node. Method: the permissions of the socket and of its
/// folder.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_can_open_the_socket() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let mode =
        |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(program.state("pylon.sock")), 0o600);
    assert_eq!(mode(program.state("")), 0o700);
    program.print(&["stop"]);
    assert!(!program.state("pylon.sock").exists(), "it is gone with the node");
}

/// Goal: malformed requests end in time and affect no other client. Method: one kind of malformed
/// request a row.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_an_error_or_are_disconnected() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let check = |what: &str, bytes: &[u8], expected: &str| {
        let answer = tokio::task::block_in_place(|| send(&program, bytes));
        assert!(answer.starts_with(expected), "{what}: {answer:?}");
        if answer.contains("application/json") && !answer.starts_with("HTTP/1.1 200") {
            let body: Value =
                serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
            assert!(
                body["error"].as_str().is_some_and(|line| !line.is_empty() && !line.contains('\n')),
                "{what}: {body}"
            );
        }
        is_well(&program, what);
    };
    check("nothing at all", b"", "");
    check("garbage", &[0xff; 4096], "HTTP/1.1 400");
    check("half of a head", b"GET /v1/status HTTP/1.1\r\nhost:", "");
    check(
        "a head without an end",
        &[b"GET /v1/status HTTP/1.1\r\nx: ".as_slice(), &[b'a'; 1 << 20]].concat(),
        "HTTP/1.1 431",
    );
    check(
        "half of a body",
        b"POST /v1/stop HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        "",
    );
    check("a huge body", &post("/v1/stop", &" ".repeat(1 << 20)), "HTTP/1.1 413");
    check("no JSON", &post("/v1/stop", "stop"), "HTTP/1.1 400");
    check("other JSON", &post("/v1/stop", "{\"drain_seconds\": -1}"), "HTTP/1.1 422");
    check("no body", b"POST /v1/stop HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 415");
    check("no such path", b"GET /v2/status HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 404");
    check("another method", b"GET /v1/stop HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 405");
    check(
        "no such field",
        b"GET /v1/events?limit=many HTTP/1.1\r\nhost: x\r\n\r\n",
        "HTTP/1.1 400",
    );
    check(
        "a second request",
        b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n",
        "HTTP/1.1 200",
    );
}

/// Goal: many idle clients block others only for a short time, and use no resources afterwards.
/// Method: 200 connections at once, then a request.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_block_other_clients() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let crowd: Vec<_> = (0..200).map(|_| connect(&program)).collect();
    is_well(&program, "200 clients");
    tokio::task::block_in_place(|| {
        for mut client in crowd {
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer);
        }
    });
    is_well(&program, "they have gone");
}

/// Goal: event followers have a limit of their own, and a slow one does not block the node. Method:
/// more followers than allowed, none of which reads, and a stop.
#[tokio::test(flavor = "multi_thread")]
async fn event_followers_are_limited() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let follow = b"GET /v1/events?follow=true HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut followers = Vec::new();
    for _ in 0..16 {
        let mut one = connect(&program);
        one.write_all(follow).unwrap();
        let mut first = [0; 15];
        one.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        followers.push(one);
    }
    check_failure(
        "one too many",
        &program.run(&["events", "--follow"]),
        &["16 clients already follow the events"],
    );
    is_well(&program, "many followers");
    program.print(&["stop"]);
    drop(followers);
}

/// Goal: the responses are the documented ones. Method: each path, field by field.
#[tokio::test(flavor = "multi_thread")]
async fn responses_match_the_documentation() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start", "--mode", "provider"]);
    let status = program.json(&["status", "--json"]);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&status),
        [
            "agent_backends",
            "backends",
            "daemon",
            "jobs",
            "kinds",
            "panics",
            "refused",
            "relays",
            "stats"
        ]
    );
    assert_eq!(
        names(&status["daemon"]),
        ["config", "modes", "pid", "running", "started_at", "uptime_secs", "version"]
    );
    assert_eq!(status["daemon"]["modes"], json!(["provider"]));
    assert_eq!(status["kinds"], json!([5050]));
    assert_eq!(status["relays"][0]["url"], program.relay.url());
    let backends = program.json(&["backends", "--json"]);
    assert_eq!(
        (&backends["backends"][0]["id"], &backends["backends"][0]["available"]),
        (&json!("llama_cpp"), &json!(true))
    );
    assert_eq!(backends["backends"], status["backends"]);
    let models = program.json(&["models", "--json"]);
    assert_eq!(
        models["models"],
        json!([{"id": "stub-model", "backend": "llama_cpp", "default": true, "context_tokens": 4096, "price_permille": 1000}])
    );
}

/// Goal: the reported state of a backend is its current one. Method: one that fails and recovers,
/// without a job.
#[tokio::test(flavor = "multi_thread")]
async fn backend_status_is_current() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let available = || program.json(&["backends", "--json"])["backends"][0]["available"].clone();
    assert_eq!(available(), true);
    program.stub.fail();
    assert_eq!(available(), false);
    assert_eq!(
        program.json(&["status", "--json"])["backends"][0]["available"],
        false,
        "status shows the last probe"
    );
    program.stub.recover();
    assert_eq!(available(), true);
}
