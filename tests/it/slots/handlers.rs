//! A handler that comes while the node runs.

use super::{file, guest, install, serving, until};
use pylon_tests::program::Program;
use pylon_tests::stage::{Set, Stage, text};
use pylon_tests::stub::Script;

/// Goal: a new kind is served from the swap on, announced and listened for, and its calls are counted. Method: a request of that kind before and after.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_kind_is_served_at_once() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    assert_eq!(stage.node().facts().kinds(), [5050]);
    let path = file(stage.folder.path(), "probe");
    stage.node().change(&install("handler:5999", guest(path, &[]))).await.unwrap();
    assert_eq!(stage.node().facts().kinds(), [5050, 5999]);
    let job = customer.broadcast(5999, vec![text("hello")]).await;
    // It works without a backend, and what it says is nothing.
    let error = customer.feedback(job, "error").await;
    assert!(error.message.contains("the output is empty"), "{}", error.message);
    until(&stage, "counted", async || {
        serving(&stage, "handler:5999").await.figures.is_some_and(|seen| seen.calls == 1)
    })
    .await;
    let probe = serving(&stage, "handler:5999").await;
    assert_eq!(
        (probe.name.as_str(), probe.figures.map(|figures| (figures.calls, figures.traps))),
        ("probe", Some((1, 0)))
    );
    assert!(probe.figures.unwrap().cpu_us.is_some());
    let pricing = serving(&stage, "pricing").await.figures.unwrap();
    assert!(
        pricing.calls == 1 && pricing.p50_us.is_some() && pricing.fuel.is_some_and(|fuel| fuel > 0),
        "{pricing:?}"
    );
}

/// Goal: a handler writes no line into the log that looks like one of the node. Method: one whose line has two.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_stays_one_line() {
    let program = Program::set(Script::Echo).await;
    program.print(&["start"]);
    let path = file(program.home(), "hostile_handler");
    program.print(&[
        "guest",
        "install",
        path.to_str().unwrap(),
        "--slot",
        "handler:5999",
        "--settings",
        "do=lines",
    ]);
    let mut customer = program.customer().await;
    let job = customer.broadcast(5999, vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.content, "fine");
    program.print(&["stop"]);
    let log = std::fs::read_to_string(program.state("logs/pylon.log")).unwrap();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("first line") || line.contains("second line"))
        .collect();
    assert!(
        matches!(lines.as_slice(), [one] if one.contains("first line second line")),
        "{lines:?}"
    );
}
