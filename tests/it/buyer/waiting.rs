//! A buyer that waits for a result.

use super::{TestBuyer, TestProvider, Waiting};
use nostr_sdk::Timestamp;
use pylon_nostr::identity::npub_of;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT};
use pylon_tests::process::{Running, command};
use pylon_tests::stub::Script;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Goal: a waiting buyer sees feedback in time to react to it. Method: a provider that wants
/// payment first; the invoice is paid as soon as it is printed, and the result arrives.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_buyer_is_shown_the_invoice_in_time_to_pay() {
    let buyer = TestBuyer::new(MarketOptions {
        pricing: &[("terms", "before-work")],
        ..MarketOptions::default()
    })
    .await;
    let provider = buyer.market.provider().to_hex();
    let mut submit = command(
        buyer.home.path(),
        &["job", "submit", "paid", "--provider", &provider, "--wait", "--json"],
    );
    let mut waiting =
        Running(submit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let (news, answer) =
        (BufReader::new(waiting.0.stderr.take().unwrap()), waiting.0.stdout.take().unwrap());
    let invoice = tokio::task::spawn_blocking(move || {
        let mut lines = news.lines().map(Result::unwrap);
        let wants =
            lines.find(|line| line.contains("payment-required")).expect("an invoice in the output");
        (wants, lines.next().unwrap().trim().to_owned(), lines)
    });
    let (wants, invoice, _lines) =
        tokio::time::timeout(TEST_TIMEOUT, invoice).await.unwrap().unwrap();
    assert!(
        wants.starts_with(&npub_of(buyer.market.provider())) && wants.ends_with(" msat due"),
        "{wants}"
    );
    buyer.market.bank.pay(&invoice).unwrap();
    let answer = tokio::task::spawn_blocking(|| std::io::read_to_string(answer).unwrap());
    let result: Value =
        serde_json::from_str(&tokio::time::timeout(TEST_TIMEOUT, answer).await.unwrap().unwrap())
            .unwrap();
    assert_eq!((waiting.0.wait().unwrap().code(), &result["content"]), (Some(0), &"paid".into()));
}

/// Goal: the clock of a provider does not decide whether it is heard. Method: a result from a clock
/// that is behind or ahead.
#[tokio::test(flavor = "multi_thread")]
async fn provider_with_a_wrong_clock_is_heard() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    for seconds in [-10, -3000, -86_400, 250] {
        let waiting = Waiting::start(&buyer, &["what time is it?", "--provider", &provider.key()]);
        let now = i64::try_from(Timestamp::now().as_secs()).unwrap();
        let at = Timestamp::from_secs(u64::try_from(now + seconds).unwrap());
        provider.send_at(at, 6050, &waiting.job, "late", &[]).await;
        let (code, stdout, said) = waiting.end();
        assert_eq!((code, stdout.as_str()), (Some(0), "late\n"), "{seconds} s: {said}");
    }
}

/// Goal: the buyer reads the words as they come, and scripts only the result. Method: partial
/// results with all text so far, only the new part, and out of order; then the same, quiet.
#[tokio::test(flavor = "multi_thread")]
async fn words_are_shown_as_they_come() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    let key = provider.key();
    for (what, partials) in [
        ("all so far", ["one\r\n", "one\r\ntwo ", "one\r\ntwo three "]),
        ("only the new part", ["one\r\n", "two ", "three "]),
        ("out of order", ["one\r\n", "one\r\ntwo three ", "one\r\ntwo "]),
    ] {
        let mut waiting = Waiting::start(&buyer, &["x", "--provider", &key]);
        for partial in partials {
            provider.send(7000, &waiting.job, partial, &[&["status", "partial"]]).await;
        }
        waiting.until("partial:\none\ntwo three ");
        provider.feedback(&waiting.job, "processing", "nearly there").await;
        waiting.until("three \nnpub1");
        provider.send(6050, &waiting.job, "one\r\ntwo three four", &[]).await;
        let (code, stdout, said) = waiting.end();
        assert_eq!((code, stdout.as_str()), (Some(0), "one\ntwo three four\n"), "{what}: {said}");
    }
    let provider = TestProvider::of(&buyer).await;
    let quiet = Waiting::spawn(&buyer, &["x", "--quiet", "--provider", &provider.key()]);
    let job = provider.first_job().await;
    provider.send(7000, &job, "one", &[&["status", "partial"]]).await;
    provider.feedback(&job, "processing", "").await;
    provider.send(6050, &job, "one two", &[]).await;
    let (code, stdout, said) = quiet.end();
    assert_eq!((code, stdout.as_str(), said.as_str()), (Some(0), "one two\n", ""));
}

/// Goal: a message is shown wherever a provider wrote it, and a missing one is not invented.
/// Method: feedback with its words in the tag, in the content, and nowhere; then errors.
#[tokio::test(flavor = "multi_thread")]
async fn message_in_the_content_is_shown() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    for (message, content, line) in [
        ("in the tag", "", "processing: in the tag\n"),
        ("", "in the content", "processing: in the content\n"),
        ("in the tag", "a sample", "processing: in the tag\n"),
        ("", "", "processing\n"),
    ] {
        let mut waiting = Waiting::start(&buyer, &["x", "--provider", &provider.key()]);
        let status = |status| ["status", status, message];
        provider.send(7000, &waiting.job, content, &[&status("processing")]).await;
        waiting.until(line);
        provider.send(7000, &waiting.job, content, &[&status("error")]).await;
        let (code, _, said) = waiting.end();
        let reason = match (message, content) {
            ("", "") => "the provider reports an error without a reason".to_owned(),
            ("", words) | (words, _) => format!("the provider reports an error: {words}"),
        };
        assert!(code == Some(1) && said.ends_with(&format!("pylon: {reason}\n")), "{said}");
    }
}

/// Goal: an error of one provider does not end the wait for others, and the buyer knows. Method: a
/// request to all, an error, and a result of another provider.
#[tokio::test(flavor = "multi_thread")]
async fn wait_goes_on_after_errors() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let (first, second) = (TestProvider::of(&buyer).await, TestProvider::of(&buyer).await);
    // The node of the market serves no such kind.
    let mut waiting = Waiting::start(&buyer, &["x", "--kind", "5999"]);
    first.feedback(&waiting.job, "error", "too busy").await;
    waiting.until("error: too busy\n");
    waiting.until("Every answer so far is an error (providers: 1): waiting for others\n");
    second.send(6999, &waiting.job, "done", &[]).await;
    assert_eq!(waiting.end().1, "done\n");

    let waiting = Waiting::start(&buyer, &["x", "--kind", "5999", "--timeout", "3"]);
    first.feedback(&waiting.job, "error", "").await;
    let (code, _, said) = waiting.end();
    let expected = "no result (a provider reports an error without a reason) within 3 s";
    assert!(code == Some(1) && said.contains(expected), "{said}");
}

/// Goal: who interrupts a wait knows that the job goes on. Method: SIGINT, as Ctrl-C sends it.
#[tokio::test(flavor = "multi_thread")]
async fn interrupted_wait_says_that_the_job_still_runs() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    let mut waiting = Waiting::start(&buyer, &["x", "--provider", &provider.key()]);
    // Its messages are received, so the signal is handled, too.
    provider.feedback(&waiting.job, "processing", "").await;
    waiting.until("processing\n");
    waiting.program.signal(libc::SIGINT);
    let job = waiting.job.clone();
    let (code, _, said) = waiting.end();
    assert!(code == Some(1) && said.contains("the job still runs"), "{said}");
    assert!(said.contains(&format!("`pylon job cancel {job}` withdraws it")), "{said}");
}
