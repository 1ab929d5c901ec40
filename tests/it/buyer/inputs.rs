//! The command line of `pylon job submit`, its files and stdin.

use super::{TestBuyer, pylon};
use pylon_core::{InputSource, JobId, PublicKey};
use pylon_tests::market::MarketOptions;
use pylon_tests::stub::Script;
use std::fs;

/// Goal: each mistake ends in one line that says what to do, and nothing is sent. Method: one
/// mistake a row.
#[tokio::test(flavor = "multi_thread")]
async fn invalid_input_is_one_error_line_and_sends_nothing() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let stranger = PublicKey::from_bytes([7; 32]).to_hex();
    let own = buyer.key();
    let missing = format!("@{}/none", buyer.home.path().display());
    let rows: [(&str, &[&str], &str); 10] = [
        ("no wallet", &["submit", "x", "--wait", "--bid", "1", "--pay"], "nothing was sent"),
        ("no relay", &["submit", "x", "--relay", "ws://127.0.0.1:9"], ":9; nothing was sent"),
        ("an unknown job", &["results", "abc"], "pylon job list"),
        ("no job", &["status", ""], "pylon job list"),
        (
            "no answer",
            &["submit", "x", "--provider", &stranger, "--wait", "--timeout", "1"],
            "no answer from the provider within 1 s",
        ),
        ("empty", &["submit", ""], "the prompt is empty"),
        ("a missing file", &["submit", "x", "-i", &missing], "nothing was sent"),
        ("an empty file", &["submit", "-i", "@/dev/null"], "/dev/null is empty"),
        ("of itself", &["submit", "x", "--provider", &own], "this node's own key"),
        (
            "refused",
            &["submit", " ", "--provider", &buyer.market.provider().to_hex(), "--wait"],
            "no usable input",
        ),
    ];
    for (what, args, words) in rows {
        let output = buyer.job(args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert_eq!(
            said.lines().filter(|line| line.starts_with("pylon: ")).count(),
            1,
            "{what}: {said}"
        );
        assert!(said.contains(words), "{what}: {said}");
    }
    let output = buyer.job(&["submit", "--wait"]).await;
    assert_eq!(output.status.code(), Some(2), "nothing to work on: {output:?}");
    let empty = tempfile::tempdir().unwrap();
    let output = pylon(empty.path(), &["job", "submit", "x"], None).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("pylon init"));
    let output =
        pylon(buyer.home.path(), &["job", "submit", "-", "--wait"], Some("from stdin")).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().next(), Some("from stdin"));
}

/// Goal: a byte order mark is no part of a text, wherever the program reads one. Method: one before
/// the settings, the identity, stdin and an input file.
#[tokio::test(flavor = "multi_thread")]
async fn byte_order_mark_is_not_part_of_a_text() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let with_bom = |path: &std::path::Path| {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, format!("\u{feff}{text}")).unwrap();
    };
    let config = buyer.home.path().join(".config/pylon");
    with_bom(&config.join("config.toml"));
    with_bom(&config.join("identity.mnemonic"));
    let file = buyer.home.path().join("input.txt");
    fs::write(&file, "\u{feff}from a file\r\n\u{feff}").unwrap();
    let file = format!("@{}", file.display());
    let args = ["job", "submit", "-", "-i", &file, "-i", "text:from the command line"];
    let output = pylon(buyer.home.path(), &args, Some("\u{feff}from stdin")).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let id = JobId::from_hex(String::from_utf8_lossy(&output.stdout).trim()).unwrap();
    let job = buyer.market.wait_until(id, |_| true).await.job;
    let texts = job.inputs.iter().map(|input| match &input.source {
        InputSource::Text(text) => text.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        texts.collect::<Vec<_>>(),
        ["from stdin", "from a file\r\n\u{feff}", "from the command line"]
    );
}
