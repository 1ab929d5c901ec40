//! Guests, for their authors and operators.

mod author;
mod backtest;
mod cases;
mod docs;
mod frozen;
mod languages;
mod prices;
mod replay;
mod signing;
mod sold_jobs;
mod walkthrough;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use pylon_authoring::cases::{CaseResult, parse, run};
use pylon_sandbox::{Config, Sandbox};
use pylon_tests::process::pylon;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a command of the program in this folder, without a node.
fn guest(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(pylon());
    command
        .arg("guest")
        .args(args)
        .current_dir(folder)
        .env("PYLON_HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs these cases of a component.
async fn cases_of(guest: &[u8], cases: &str) -> Vec<CaseResult> {
    let cache = tempfile::tempdir().unwrap();
    let cache_dir = Dir::open_ambient_dir(cache.path(), ambient_authority()).unwrap();
    let sandbox = Sandbox::open(Config {
        cache: Some(cache_dir),
        policy_instances: 2,
        handler_instances: 2,
        ..Config::default()
    });
    let sandbox = sandbox.unwrap();
    let inspection = sandbox.inspect(guest).await.unwrap();
    run(&sandbox, guest, &inspection, &parse(cases).unwrap()).await
}
