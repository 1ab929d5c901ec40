//! A node in the background: start, stop, and what a killed one leaves.

use super::{out, pid};
use pylon_nostr::identity::npub_of;
use pylon_tests::market::text;
use pylon_tests::process::{command, run};
use pylon_tests::program::{Program, check_failure, started};
use pylon_tests::stub::Script;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// Goal: a node outlives the terminal that started it. Method: start, check process, log and
/// responses, start again, stop.
#[tokio::test(flavor = "multi_thread")]
async fn node_runs_in_the_background() {
    let program = Program::new(Script::Echo).await;
    let idle = program.run(&["status"]);
    assert_eq!((idle.status.code(), out(&idle).as_str()), (Some(1), "Daemon: Not running\n"));
    assert_eq!(out(&program.run(&["stop"])), "Daemon: Not running\n");
    let output = program.print(&["start"]);
    let id = pid(&program);
    let first = format!("pylon runs (PID {id}), log {}", program.state("logs/pylon.log").display());
    let npub = npub_of(program.provider());
    let relays =
        program.json(&["status", "--json"])["relays"][0]["url"].as_str().unwrap().to_owned();
    let rest = [
        format!("  identity  {npub}"),
        "  modes     provider, host".into(),
        "  backends  llama_cpp (default)".into(),
        format!("  relays    {relays}"),
        "  kinds     5050".into(),
        "  wallet    none: all jobs are free".into(),
    ];
    assert_eq!(output, format!("{first}\n{}\n", rest.join("\n")));
    // Only Linux shows the session of a process.
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))
        .unwrap_or_else(|_| format!("{id} (pylon) S 1 {id} {id} 0"));
    let session = stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap();
    assert_eq!(session, id.to_string(), "a session of its own, away from the terminal");
    let log = fs::metadata(program.state("logs/pylon.log")).unwrap();
    assert_eq!(log.permissions().mode() & 0o777, 0o600);
    let page = program.print(&["status"]);
    for line in [
        &format!("Daemon: Running (PID: {id})"),
        "Modes:  provider, host",
        "  Available: llama_cpp (default)",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
    check_failure("a second", &program.run(&["start"]), &[&format!("PID {id}"), "stop it first"]);
    check_failure(
        "a second, in front",
        &program.run(&["start", "-f"]),
        &[&format!("PID {id}"), "stop it first"],
    );
    assert_eq!(program.print(&["stop"]), format!("stopped pylon (PID {id})\n"));
    assert!(fs::read_to_string(program.state("logs/pylon.log")).unwrap().contains("stopped"));
    assert_eq!(program.run(&["status"]).status.code(), Some(1));
}

/// Goal: a failed background start reports the reason in the terminal. Method: invalid settings.
#[tokio::test(flavor = "multi_thread")]
async fn failed_background_start_says_why() {
    let program = Program::new(Script::Echo).await;
    program.configure("relay = []");
    check_failure(
        "unknown key",
        &program.run(&["start"]),
        &["config.toml:", "did you mean `relays`"],
    );
    let elsewhere = program.home().join("other.toml");
    check_failure(
        "no such file",
        &program.run(&["start", "--config", elsewhere.to_str().unwrap()]),
        &["other.toml: no such file"],
    );
    program.configure("");
    let deep = program.home().join("x".repeat(100));
    fs::create_dir_all(deep.join(".config")).unwrap();
    fs::rename(program.home().join(".config/pylon"), deep.join(".config/pylon")).unwrap();
    for command in ["start", "status", "backends"] {
        let output = tokio::task::block_in_place(|| run(&deep, &[command]));
        check_failure("a long path", &output, &["pylon.sock is longer", "PYLON_HOME"]);
    }
    fs::rename(deep.join(".config/pylon"), program.home().join(".config/pylon")).unwrap();
    let file = program.home().join(".config/pylon/identity.mnemonic");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check_failure("secrets for all", &program.run(&["start"]), &["chmod 600"]);
    let doctor = program.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(out(&doctor).contains("chmod 600"), "{}", out(&doctor));
}

/// Goal: files that a killed node leaves do not block the next start. Method: SIGKILL, check that
/// lock and socket are there, and start.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_killed_node_do_not_block_a_start() {
    let program = Program::new(Script::Echo).await;
    let (node, _log, _) = tokio::task::block_in_place(|| started(program.home(), None));
    let dead = pid(&program);
    drop(node);
    assert!(program.state("pylon.sock").exists() && program.state("pylon.lock").exists());
    assert_eq!(program.run(&["status"]).status.code(), Some(1));
    assert_eq!(out(&program.run(&["stop"])), "Daemon: Not running\n");
    program.print(&["start"]);
    assert_ne!(pid(&program), dead);
}

/// Goal: a host sells nothing. Method: the relay sees no connection; a customer's request stays
/// unanswered while the control socket responds.
#[tokio::test(flavor = "multi_thread")]
async fn host_mode_opens_no_relay() {
    let program = Program::new(Script::Echo).await;
    let output = program.print(&["start", "--mode", "host"]);
    for line in [
        "  modes     host\n",
        "  backends  llama_cpp (default)\n",
        "  relays    none: the node serves local clients only",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
    let log = fs::read_to_string(program.state("logs/pylon.log")).unwrap();
    assert!(
        log.contains("serving local clients only") && log.contains("llama_cpp (default)"),
        "{log}"
    );
    let status = program.json(&["status", "--json"]);
    assert_eq!(status["daemon"]["modes"], json!(["host"]));
    assert_eq!((&status["relays"], &status["kinds"]), (&json!([]), &json!([])));
    assert_eq!(status["backends"][0]["available"], true);
    let doctor = program.json(&["doctor", "--json"]);
    let announcement: Vec<_> = doctor["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["check"] == "announcement")
        .collect();
    assert!(
        announcement.len() == 1 && announcement[0]["state"] == "ok",
        "nothing is announced, and nothing should be: {announcement:?}"
    );
    let events = program.print(&["events", "--json"]);
    assert!(events.contains("BackendAvailable") && !events.contains("Relay"), "{events}");
}

/// Goal: a stop ends. Method: a job that never ends; a stop with timeout zero, and one that kills.
#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_no_longer_than_its_timeout() {
    let program = Program::new(Script::Wait).await;
    for args in [&["stop", "--timeout", "0"][..], &["stop", "--timeout", "0", "--force"]] {
        program.print(&["start"]);
        let mut customer = program.customer().await;
        let job = customer.ask(vec![text("for ever")]).await;
        customer.feedback(job, "processing").await;
        assert!(program.print(args).contains("pylon (PID"));
        assert_eq!(program.run(&["status"]).status.code(), Some(1));
    }
    assert_eq!(
        program.json(&["jobs", "list", "--json"]).as_array().unwrap().len(),
        2,
        "they continue after the next start"
    );
    program.print(&["start"]);
    let mut patient = command(program.home(), &["stop", "--timeout", "3600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut log, mut line) =
        (BufReader::new(fs::File::open(program.state("logs/pylon.log")).unwrap()), String::new());
    while !line.contains("at most 3600 s") {
        line.clear();
        log.read_line(&mut line).unwrap();
    }
    program.print(&["stop", "--timeout", "0"]);
    assert!(
        tokio::task::block_in_place(|| patient.wait()).unwrap().success(),
        "a second stop with a longer timeout ends, too"
    );
}
