//! Commands that print as long as their reader reads.

use super::buy;
use pylon_tests::market::text;
use pylon_tests::process::command;
use pylon_tests::program::{Program, check_failure, said};
use pylon_tests::stub::Script;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Goal: events can be followed. Method: follow, buy, read; the follower ends with the node.
#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_followed() {
    let program = Program::new(Script::Echo).await;
    check_failure("no node", &program.run(&["events"]), &["no node runs"]);
    program.print(&["start"]);
    let mut child = command(program.home(), &["events", "--follow", "--json", "--limit", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The follower is connected once it has seen an event: buy jobs until then.
    let (seen, mut waiting) = tokio::sync::mpsc::channel(64);
    let reader = std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            if seen.blocking_send(serde_json::from_str::<Value>(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    let mut customer = program.customer().await;
    let mut events = Vec::new();
    let mut turn = 0;
    while events.is_empty() {
        turn += 1;
        // The same request within one second would be the same event.
        let job = customer.ask(vec![text(&format!("follow me {turn}"))]).await;
        customer.result(job).await;
        while let Ok(event) = waiting.try_recv() {
            events.push(event);
        }
    }
    program.print(&["stop"]);
    assert!(
        tokio::task::block_in_place(|| child.wait()).unwrap().success(),
        "the end of the node is not an error"
    );
    while let Some(event) = waiting.recv().await {
        events.push(event);
    }
    reader.join().unwrap();
    assert!(
        events.iter().any(|event| event["event"] == "JobCompleted" && event["job_id"].is_string()),
        "{events:?}"
    );
}

/// Goal: a reader that closes the pipe is not an error. Method: close the pipe at once.
#[tokio::test(flavor = "multi_thread")]
async fn closed_pipe_ends_a_command_without_an_error() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    buy(&program, "one").await;
    for args in [
        &["jobs", "list"][..],
        &["status"],
        &["earnings"],
        &["events", "--follow"],
        &["doctor"],
        &["completions", "bash"],
    ] {
        let mut child = command(program.home(), args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""), "{args:?}");
    }
}
