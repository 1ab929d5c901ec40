//! The operator's commands on the real program.

mod background;
mod doctor;
mod follow;
mod journal;
mod logs;
mod private_authority;
mod progress;
mod reload;
mod screen;
mod setup;

use pylon_nostr::nip90::Delivered;
use pylon_tests::market::text;
use pylon_tests::program::Program;
use std::process::Output;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Buys one job and waits for its result.
async fn buy(program: &Program, words: &str) -> Delivered {
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text(words)]).await;
    customer.result(job).await
}

fn pid(program: &Program) -> u64 {
    program.json(&["status", "--json"])["daemon"]["pid"].as_u64().unwrap()
}
