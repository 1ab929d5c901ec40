//! Backends that are busy, refuse requests or send too much: what becomes of the job, and what the
//! customer, the log and the commands say about it.

use pylon_nostr::nip90::RequestTag;
use pylon_tests::market::text;
use pylon_tests::program::Program;
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn log(program: &Program) -> String {
    fs::read_to_string(program.state("logs/pylon.log")).unwrap()
}

/// The row of the doctor about the backend.
fn diagnosis(program: &Program) -> Value {
    let output = program.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["checks"].as_array().unwrap();
    rows.iter().find(|row| row["check"] == "backend").unwrap().clone()
}

/// Goal: a backend that is busy costs time and no job. Method: one that limits the rate, and one
/// that loads its model, each twice.
#[tokio::test(flavor = "multi_thread")]
async fn busy_backend_is_waited_for() {
    for status in [429, 503] {
        let program = Program::new(Script::RefuseFirst(status, 2)).await;
        program.print(&["start"]);
        let mut customer = program.customer().await;
        let job = customer.ask(vec![text("patience")]).await;
        assert_eq!(customer.result(job).await.content, "patience", "{status}");
        assert_eq!(program.stub.requests(), 3, "{status}");
    }
}

/// Goal: the operator reads the words of the backend, the customer does not, and those of a
/// confidential job nobody. Method: a backend that quotes the prompt in its error; feedback, log
/// and `jobs show`.
#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_backend_are_for_the_operator() {
    let program = Program::new(Script::RefuseFirst(500, 2)).await;
    program.print(&["start"]);
    let mut customer = program.customer().await;
    let failed = "processing error: the backend failed: it reports an internal error";
    let show = |job: pylon_core::JobId| program.json(&["jobs", "show", &job.to_hex(), "--json"]);

    let open = customer.ask(vec![text("canary-open")]).await;
    assert_eq!(customer.feedback(open, "error").await.message, failed);
    let words = "the backend cannot answer this request: cannot answer: canary-open";
    assert_eq!(show(open)["backend_errors"], json!([format!("llama_cpp: {words}")]));
    let line = log(&program).lines().find(|line| line.contains(words)).unwrap().to_owned();
    assert!(line.contains(&open.short().to_string()), "{line}");
    assert!(program.print(&["jobs", "show", &open.to_hex()]).contains(words));

    let secret = customer.ask(vec![text("canary-secret"), RequestTag::Encrypted]).await;
    assert_eq!(customer.feedback(secret, "error").await.message, failed);
    assert_eq!(show(secret)["backend_errors"], json!([]));
    let log = log(&program);
    assert!(log.contains(&secret.short().to_string()) && !log.contains("canary-secret"));
}

/// Goal: a server that wants a key is out of use until it gets it, and each command says what to
/// do. Method: a server whose lists are public; without a key, with one that others can read, and
/// with the right one.
#[tokio::test(flavor = "multi_thread")]
async fn backend_with_a_key_needs_it() {
    let program = Program::new(Script::Keyed("s3cret")).await;
    let (row, hint) = (diagnosis(&program), "set `inference.llama_cpp.api_key_file`");
    assert_eq!(row["state"], "broken", "{row}");
    assert!(row["detail"].as_str().unwrap().contains("Invalid API Key"), "{row}");
    assert!(row["hint"].as_str().unwrap().starts_with(hint), "{row}");
    let table = program.print(&["backends"]);
    assert!(table.contains("Invalid API Key") && table.contains(hint), "{table}");

    let file = program.home().join("key");
    fs::write(&file, "s3cret\n").unwrap();
    program.configure(&format!("inference.llama_cpp.api_key_file = {file:?}"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let row = diagnosis(&program);
    assert!(row["detail"].as_str().unwrap().contains("chmod 600"), "{row}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(diagnosis(&program)["state"], "ok");
    program.print(&["start"]);
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text("keyed")]).await;
    assert_eq!(customer.result(job).await.content, "keyed");
    assert!(!log(&program).contains("s3cret"));
}

/// Goal: a backend that rejects the key of a job is used no more until a probe succeeds. Method:
/// one that rejects it once; the events of the node, and a later job.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_key_takes_the_backend_out() {
    let program = Program::new(Script::RefuseFirst(401, 1)).await;
    program.print(&["start"]);
    let mut customer = program.customer().await;
    let rejected = customer.ask(vec![text("one")]).await;
    assert_eq!(customer.feedback(rejected, "error").await.message, "no backend");
    assert!(log(&program).contains("set `inference.llama_cpp.api_key_file`"));
    assert_eq!(program.json(&["backends", "--json"])["backends"][0]["available"], true);
    let events = program.print(&["events", "--json"]);
    let changes: Vec<_> = events
        .lines()
        .filter_map(|line| {
            ["BackendUnavailable", "BackendAvailable"].into_iter().find(|name| line.contains(name))
        })
        .collect();
    assert_eq!(changes, ["BackendAvailable", "BackendUnavailable", "BackendAvailable"], "{events}");
    let job = customer.ask(vec![text("two")]).await;
    assert_eq!(customer.result(job).await.content, "two");
}

/// Goal: a guest does not answer for the CPU time that the answer of a backend costs. Method: many
/// events without text, which never reach the guest, and a guest that may use little CPU time.
#[tokio::test(flavor = "multi_thread")]
async fn chatty_backend_is_no_fault_of_the_guest() {
    let program = Program::new(Script::Chatty(50_000)).await;
    program.configure("[guests.\"handler:5050\"]\nlimits = { cpu_ms = 50 }");
    program.print(&["start"]);
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text("at last")]).await;
    assert_eq!(customer.result(job).await.content, "at last");
}
