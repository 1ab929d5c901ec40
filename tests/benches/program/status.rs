//! `pylon status` against its minimum work: starting and ending a process, and one request over the
//! socket.

use pylon_control_api::Client;
use pylon_node::home::Home;
use pylon_tests::figures::{Figure, Goal, median};
use pylon_tests::process::run;
use pylon_tests::program::{Program, started};
use pylon_tests::stub::Script;
use std::process::Command;
use std::time::Instant;

const ROUNDS: usize = 15;
const TIMES: u32 = 10;

pub(crate) async fn measure() -> Figure {
    let program = Program::new(Script::Echo).await;
    let _node = tokio::task::block_in_place(|| started(program.home(), None));
    let home = Home::at(program.home());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(micros(|| assert!(run(program.home(), &["status"]).status.success())));
        let spawn = micros(|| assert!(Command::new("/bin/true").status().unwrap().success()));
        let begun = Instant::now();
        for _ in 0..TIMES {
            Client::new(home.socket()).status().await.unwrap();
        }
        theirs.push(spawn + begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES));
    }
    let name = "pylon status ÷ spawn of /bin/true and one question (µs)";
    Figure { name, ours: median(ours), against: median(theirs), goal: Goal::AtMost(2.0) }
}

fn micros(mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    tokio::task::block_in_place(|| (0..TIMES).for_each(|_| call()));
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}
