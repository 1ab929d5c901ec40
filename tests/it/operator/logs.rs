//! The log of a node.

use super::buy;
use pylon_tests::process::command;
use pylon_tests::program::{Program, check_failure};
use pylon_tests::stub::Script;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

/// Goal: the log can be read without knowing its files, and by job. Method: a node with a rotated
/// log and two jobs.
#[tokio::test(flavor = "multi_thread")]
async fn log_is_shown_with_its_rotated_files() {
    let program = Program::new(Script::Echo).await;
    check_failure("no log", &program.run(&["logs"]), &["pylon.log", "pylon start"]);
    program.print(&["start"]);
    let (one, two) = (buy(&program, "one").await.job, buy(&program, "two").await.job);
    program.print(&["stop"]);
    let log = program.state("logs/pylon.log");
    let old = format!("the oldest line about {}\n", one.short());
    fs::write(program.state("logs/pylon.log.2"), &old).unwrap();
    fs::write(program.state("logs/pylon.log.1"), "an old \u{1b}[2Jline\n").unwrap();
    let all = program.print(&["logs"]);
    let whole = format!("{old}an old \u{fffd}[2Jline\n{}", fs::read_to_string(&log).unwrap());
    assert_eq!(all, whole);
    for id in [one.to_hex(), one.short(), one.to_hex()[..12].to_uppercase()] {
        let page = program.print(&["logs", "--job", &id]);
        assert!(page.starts_with(&old) && page.contains("JobCompleted"), "{page}");
        assert!(!page.contains(&two.short()) && !page.contains("stopped"), "{page}");
    }
    check_failure("no id", &program.run(&["logs", "--job", "xyz"]), &["hex digits"]);
    let page = program.print(&["logs", "--limit", "1"]);
    assert!(page.starts_with("…\n") && page.contains("stopped") && page.lines().count() == 2);
}

/// Goal: a log can be followed across a rotation, and a closed pipe ends that. Method: follow one
/// job, rename the log, start the node again.
#[tokio::test(flavor = "multi_thread")]
async fn log_can_be_followed() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let mut follow = command(program.home(), &["logs", "--follow", "--limit", "0"]);
    let mut child = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |words: &str| {
        tokio::task::block_in_place(|| while !lines.next().unwrap().unwrap().contains(words) {})
    };
    buy(&program, "one").await;
    until("JobCompleted");
    program.print(&["stop"]);
    until("stopped");
    fs::rename(program.state("logs/pylon.log"), program.state("logs/pylon.log.1")).unwrap();
    program.print(&["start"]);
    until("listening for jobs");
    drop(lines);
    let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// Goal: the log is for people, or on request for programs. Method: a job with each format, in the
/// foreground and in the background.
#[tokio::test(flavor = "multi_thread")]
async fn log_has_the_requested_format() {
    let program = Program::new(Script::Echo).await;
    for format in ["text", "json"] {
        let mut node = command(program.home(), &["start", "-f", "--log-format", format]);
        let mut child = node.env("RUST_LOG", "info").stderr(Stdio::piped()).spawn().unwrap();
        let job = buy(&program, format).await.job.to_hex();
        program.print(&["stop"]);
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        tokio::task::block_in_place(|| child.wait()).unwrap();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&job)).collect();
        assert!(!lines.is_empty(), "{log}");
        if format == "text" {
            assert!(!log.contains("{\""), "{log}");
            assert!(lines.iter().any(|line| line.contains("JobStarted job_id=")), "{log}");
        } else {
            let completed = log
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .find(|line| line["message"] == "JobCompleted")
                .unwrap_or_else(|| panic!("{log}"));
            assert_eq!((&completed["job_id"], &completed["level"]), (&job.into(), &"INFO".into()));
        }
    }
    program.print(&["start", "--log-format", "json"]);
    let job = buy(&program, "in the background").await.job.to_hex();
    program.print(&["stop"]);
    let lines = program.print(&["logs", "--job", &job]);
    for line in lines.lines().filter(|line| line.contains("JobCompleted")) {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["job_id"], job);
    }
    assert!(lines.contains("JobCompleted"), "{lines}");
}
