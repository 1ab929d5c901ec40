//! A node in the background.

use pylon_tests::process::pylon;
use pylon_tests::program::{Program, said};
use pylon_tests::stage::PATIENCE;
use pylon_tests::stub::Script;
use std::process::Stdio;
use tokio::process::Command;

/// Goal: who waits for a file that its caller had open does not wait for the node. Method: a shell gives the program a pipe besides the three; the pipe
/// ends with the command, and the node runs on.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_its_caller_is_kept() {
    let program = Program::set(Script::Echo).await;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec 9>&1 && exec \"$0\" start >&2"])
        .arg(pylon())
        .env("PYLON_HOME", program.home());
    let started = shell.env_remove("RUST_LOG").stdin(Stdio::null()).output();
    let started =
        tokio::time::timeout(PATIENCE, started).await.expect("the node holds the pipe").unwrap();
    assert!(started.status.success() && started.stdout.is_empty(), "{}", said(&started));
    assert_eq!(program.json(&["status", "--json"])["daemon"]["running"], true);
}
