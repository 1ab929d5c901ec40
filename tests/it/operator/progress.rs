//! What the operator sees of work in progress: of jobs, and of a start.

use super::{buy, out, pid};
use pylon_tests::market::{TEST_TIMEOUT, text};
use pylon_tests::program::{Program, check_failure, said};
use pylon_tests::stub::Script;
use pylon_tests::terminal::shown;
use serde_json::{Value, json};
use std::fs;

/// Goal: the status shows what runs and what waits. Method: two jobs that never end, on a node that
/// runs one at a time.
#[tokio::test(flavor = "multi_thread")]
async fn status_shows_jobs_in_progress() {
    let program = Program::new(Script::Wait).await;
    program.print(&["start"]);
    let idle = program.json(&["status", "--json"])["jobs"].clone();
    assert_eq!(idle, json!({"running": 0, "waiting": 0}));
    assert!(!program.print(&["status"]).contains("Jobs: "));
    let mut customer = program.customer().await;
    for words in ["one", "two"] {
        let job = customer.ask(vec![text(words)]).await;
        customer.feedback(job, "processing").await;
    }
    let status = tokio::time::timeout(TEST_TIMEOUT, async {
        loop {
            let status = program.json(&["status", "--json"]);
            if status["jobs"]["waiting"] == 1 && status["backends"][0]["in_flight"] == 1 {
                return status;
            }
            tokio::task::yield_now().await;
        }
    });
    let status = status.await.unwrap();
    assert!(status["jobs"]["oldest_wait_secs"].is_u64(), "{status}");
    let page = program.print(&["status"]);
    assert!(page.contains("  Jobs: 1 running, 1 waiting (the oldest for "), "{page}");
    assert!(page.contains("  Running: llama_cpp 1 of "), "{page}");
}

/// Goal: a start says what the node still waits for. Method: no backend and no relay, then only no
/// backend, then both.
#[tokio::test(flavor = "multi_thread")]
async fn start_says_what_is_not_there_yet() {
    let program = Program::new(Script::Echo).await;
    let (backend, relay) = ("no backend responds", "no relay is connected");
    program.stub.fail();
    let config = program.home().join(".config/pylon/config.toml");
    let whole = fs::read_to_string(&config).unwrap();
    fs::write(&config, whole.replace(program.relay.url(), "ws://127.0.0.1:9")).unwrap();
    let output = program.print(&["start"]);
    assert!(output.contains(backend) && output.contains(relay), "{output}");
    assert!(output.contains("ws://127.0.0.1:9 (not connected)"), "{output}");
    program.print(&["stop"]);
    fs::write(&config, whole).unwrap();
    let output = program.print(&["start"]);
    assert!(output.contains(backend) && !output.contains(relay), "{output}");
    program.print(&["stop"]);
    program.stub.recover();
    assert!(!program.print(&["start"]).contains("Not ready"));
}

/// Goal: a start that compiles says so, and a later one does not. Method: two starts of one home,
/// and one on a terminal.
#[tokio::test(flavor = "multi_thread")]
async fn start_that_compiles_says_so() {
    let program = Program::new(Script::Echo).await;
    let first = program.run(&["start"]);
    assert!(first.status.success(), "{}", said(&first));
    assert_eq!(said(&first).matches("compiling the guests").count(), 1, "{}", said(&first));
    program.print(&["stop"]);
    assert_eq!(said(&program.run(&["start"])), "");
    let other = Program::new(Script::Echo).await;
    let screen = tokio::task::block_in_place(|| shown(other.home(), &["start"], 80, &[]));
    let (before, after) = screen.split_once("pylon runs").unwrap();
    assert!(before.contains("\rcompiling the guests") && before.contains(" s)"), "{screen:?}");
    assert!(before.ends_with("\r\u{1b}[K") && !after.contains("compiling"), "{screen:?}");
}

/// Goal: a restart is a stop and a start with the same mode. Method: without a node, with one, and
/// with settings that are wrong.
#[tokio::test(flavor = "multi_thread")]
async fn restart_keeps_the_mode() {
    let program = Program::new(Script::Echo).await;
    let output = program.print(&["restart", "--mode", "host"]);
    assert!(output.starts_with("Daemon: Not running\npylon runs (PID "), "{output}");
    let first = pid(&program);
    let output = program.print(&["restart"]);
    let expected = format!("stopped pylon (PID {first})\npylon runs (PID {}), ", pid(&program));
    assert!(output.starts_with(&expected), "{output}");
    assert_ne!(pid(&program), first);
    let modes = |program: &Program| program.json(&["status", "--json"])["daemon"]["modes"].clone();
    assert_eq!(modes(&program), json!(["host"]));
    let running = pid(&program);
    program.configure("relay = []");
    check_failure("wrong", &program.run(&["restart"]), &["did you mean", "nothing was changed"]);
    assert_eq!(pid(&program), running);
    program.configure("");
    program.print(&["restart", "--mode", "both"]);
    assert_eq!(modes(&program), json!(["provider", "host"]));
}

/// Goal: an operator can read what was asked and answered, as long as it is kept. Method: a job, a
/// confidential one, and one whose texts are deleted.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_job_are_shown_on_request() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let job = buy(&program, "what was asked").await.job.to_hex();
    assert!(!program.print(&["jobs", "show", &job]).contains("what was asked"));
    let page = program.print(&["jobs", "show", &job, "--text"]);
    let (asked, answered) = page.split_once("\nAnswered:\n").unwrap();
    assert!(asked.ends_with("\nAsked:\nwhat was asked\n"), "{page}");
    assert!(answered.contains("what was asked"), "{page}");
    let texts = program.json(&["jobs", "show", &job, "--text", "--json"])["texts"].clone();
    assert_eq!(texts["inputs"][0]["source"]["text"], "what was asked");
    assert!(texts["output"]["content"].is_string(), "{texts}");
    program.configure("[journal]\nkeep_text_days = 0");
    program.print(&["reload"]);
    buy(&program, "another").await;
    let purged = tokio::time::timeout(TEST_TIMEOUT, async {
        while program.json(&["jobs", "show", &job, "--json"])["text_purged_at"].is_null() {
            tokio::task::yield_now().await;
        }
    });
    purged.await.unwrap();
    let page = out(&program.run(&["jobs", "show", &job, "--text"]));
    assert!(page.contains("The texts were deleted on 20"), "{page}");
    let shown = program.json(&["jobs", "show", &job, "--text", "--json"]);
    assert_eq!(shown.get("texts"), Some(&Value::Null));
}
