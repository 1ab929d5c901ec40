//! A slow download does not block other commands.

use super::file;
use pylon_tests::process::command;
use pylon_tests::program::{Program, check_failure};
use pylon_tests::stub::Script;
use std::process::Stdio;
use tokio::net::TcpListener;

/// Goal: while a guest is downloaded, a node lists its guests, changes other slots, and stops.
/// Method: an address that accepts the connection and sends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn slow_download_blocks_no_other_change() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}/a.wasm", silent.local_addr().unwrap());
    let digest = "0".repeat(64);
    let mut fetching = command(
        program.home(),
        &["guest", "install", &address, "--digest", &digest, "--slot", "pricing"],
    );
    let mut fetching = fetching.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _connection = silent.accept().await.unwrap();
    let path = file(program.home(), "hostile_pricing");
    program.print(&["guest", "list"]);
    assert!(fetching.try_wait().unwrap().is_none(), "the list did not wait for it");
    program.print(&["guest", "install", path.to_str().unwrap(), "--slot", "pricing:5050"]);
    check_failure("no such job", &program.run(&["jobs", "accept", &digest]), &["no job"]);
    program.print(&["reload"]);
    program.print(&["stop", "--timeout", "5"]);
    let waited = fetching.wait().unwrap();
    assert!(!waited.success(), "the node has ended before it had the guest");
    let history = program.json(&["guest", "list", "--history", "--json"]);
    assert_eq!(history.as_array().unwrap().len(), 5);
}
