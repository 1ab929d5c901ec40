//! A node in the background.

use pylon_tests::market::TEST_TIMEOUT;
use pylon_tests::process::pylon;
use pylon_tests::program::{Program, said};
use pylon_tests::stub::Script;
use std::process::Stdio;
use tokio::process::Command;

/// Goal: the daemon does not keep open files of its caller. Method: a shell gives the program a
/// pipe as a fourth descriptor; the pipe ends with the command while the node keeps running.
#[tokio::test(flavor = "multi_thread")]
async fn daemon_keeps_no_file_descriptor_of_its_caller() {
    let program = Program::new(Script::Echo).await;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec 9>&1 && exec \"$0\" start >&2"])
        .arg(pylon())
        .env("PYLON_HOME", program.home());
    let started = shell.env_remove("RUST_LOG").stdin(Stdio::null()).output();
    let started = tokio::time::timeout(TEST_TIMEOUT, started)
        .await
        .expect("the node holds the pipe")
        .unwrap();
    assert!(started.status.success() && started.stdout.is_empty(), "{}", said(&started));
    assert_eq!(program.json(&["status", "--json"])["daemon"]["running"], true);
}
