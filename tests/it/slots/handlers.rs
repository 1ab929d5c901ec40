//! A handler that is installed while the node runs.

use super::{file, guest, install, serving, until};
use pylon_tests::market::{MarketOptions, TestMarket, text};
use pylon_tests::program::Program;
use pylon_tests::stub::Script;

/// Goal: a new kind is served from the swap on, announced and subscribed to, and its calls are
/// counted. Method: a request of that kind before and after.
#[tokio::test(flavor = "multi_thread")]
async fn new_kind_is_served_at_once() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    assert_eq!(market.node().status().kinds(), [5050]);
    let path = file(market.folder.path(), "probe");
    market.node().change(&install("handler:5999", guest(path, &[]))).await.unwrap();
    assert_eq!(market.node().status().kinds(), [5050, 5999]);
    let job = customer.broadcast(5999, vec![text("hello")]).await;
    // It runs without a backend, and its output is empty.
    let error = customer.feedback(job, "error").await;
    assert!(error.message.contains("the output is empty"), "{}", error.message);
    until(&market, "counted", async || {
        serving(&market, "handler:5999").await.stats.is_some_and(|seen| seen.calls == 1)
    })
    .await;
    let probe = serving(&market, "handler:5999").await;
    assert_eq!(
        (probe.name.as_str(), probe.stats.map(|stats| (stats.calls, stats.traps))),
        ("probe", Some((1, 0)))
    );
    assert!(probe.stats.unwrap().cpu_us.is_some());
    let pricing = serving(&market, "pricing").await.stats.unwrap();
    assert!(
        pricing.calls == 1 && pricing.p50_us.is_some() && pricing.fuel.is_some_and(|fuel| fuel > 0),
        "{pricing:?}"
    );
}

/// Goal: a handler cannot write a log line that looks like one of the node. Method: a message with
/// a line break.
#[tokio::test(flavor = "multi_thread")]
async fn log_line_of_a_handler_stays_one_line() {
    let program = Program::new(Script::Echo).await;
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
