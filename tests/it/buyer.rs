//! `pylon job`: the real program buys from a node over a relay.

use nostr_relay_builder::builder::{PolicyResult, QueryPolicy, RelayBuilder};
use nostr_sdk::util::BoxedFuture;
use nostr_sdk::{Client, EventBuilder, Filter, Kind, Tag, TagKind};
use pylon_core::machine::Execution;
use pylon_core::{JobId, PublicKey};
use pylon_nostr::identity::{generate, keys, npub_of, public_key};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket};
use pylon_tests::process::{Running, command};
use pylon_tests::stub::Script;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;

/// A buyer with a home of its own, on a market of its own.
struct TestBuyer {
    home: TempDir,
    market: TestMarket,
}

impl TestBuyer {
    async fn new(set: MarketOptions) -> Self {
        let (home, market) = (tempfile::tempdir().unwrap(), TestMarket::start(set).await);
        let made = pylon(home.path(), &["init"], None).await;
        assert!(made.status.success());
        let config = format!("relays = [\"{}\"]\n", market.relays[0].url());
        std::fs::write(home.path().join(".config/pylon/config.toml"), config).unwrap();
        Self { home, market }
    }

    /// Its own key.
    fn key(&self) -> String {
        let words =
            std::fs::read_to_string(self.home.path().join(".config/pylon/identity.mnemonic"))
                .unwrap();
        public_key(&keys(&words).unwrap()).to_hex()
    }

    async fn job(&self, args: &[&str]) -> Output {
        pylon(self.home.path(), &[&["job"], args].concat(), None).await
    }

    /// Runs a command that must succeed, and returns its output.
    async fn print(&self, args: &[&str]) -> String {
        let output = self.job(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn print_json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.print(args).await).unwrap()
    }
}

/// Runs the program without blocking the relay, which runs in this process.
async fn pylon(home: &Path, args: &[&str], stdin: Option<&str>) -> Output {
    let (home, args): (PathBuf, Vec<String>) =
        (home.to_owned(), args.iter().map(ToString::to_string).collect());
    let stdin = stdin.map(str::to_owned);
    let run = move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = command(&home, &args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            std::io::Write::write_all(&mut pipe, text.as_bytes()).unwrap();
        }
        child.wait_with_output().unwrap()
    };
    tokio::time::timeout(TEST_TIMEOUT, tokio::task::spawn_blocking(run)).await.unwrap().unwrap()
}

/// Goal: a buyer gets the result that it ordered, and finds it again. Method: submit and wait, then
/// status, results and list of the same job.
#[tokio::test(flavor = "multi_thread")]
async fn submitted_job_is_found_by_status_results_and_list() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = buyer.market.provider().to_hex();
    let args = [
        "submit",
        "one two three",
        "--param",
        "max_tokens=32",
        "--bid",
        "50000",
        "--provider",
        &provider,
        "--wait",
    ];
    let output = buyer.job(&args).await;
    let (answer, news) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        answer.starts_with("one two three\n") && answer.contains(" msat due: lnbcrt"),
        "{answer}"
    );
    assert!(news.contains("waiting for a result, 300 s at most\n"), "{news}");
    assert!(
        news.contains(&format!("{}  processing\n", npub_of(buyer.market.provider()))),
        "{news}"
    );

    let list = buyer.print_json(&["list", "--json"]).await;
    let job = list[0]["job"].as_str().unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["kind"]), (1, &5050.into()));
    let status = buyer.print_json(&["status", &job[..12], "--json"]).await;
    assert_eq!((&status["job"], status["providers"].as_array().unwrap().len()), (&job.into(), 1));
    let state = &status["providers"][0];
    assert_eq!(
        (&state["provider"], &state["status"]),
        (&provider.clone().into(), &"result".into())
    );
    let result = buyer.print_json(&["results", job, "--json"]).await;
    assert_eq!(
        (&result["content"], &result["provider"]),
        (&"one two three".into(), &provider.into())
    );
    assert!(
        result["bolt11"].as_str().unwrap().starts_with("lnbcrt")
            && result["amount_msats"].as_u64().unwrap() > 0
    );
    assert_eq!(result["guests"].as_array().unwrap().len(), 4);
}

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

/// Goal: two equal requests in one second are two jobs. Method: the same request from several
/// commands at once.
#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_in_one_second_are_different_jobs() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let args = ["submit", "the same"];
    let jobs = futures::future::join_all((0..4).map(|_| buyer.print(&args))).await;
    let different: std::collections::BTreeSet<&str> = jobs.iter().map(|job| job.trim()).collect();
    assert_eq!(different.len(), 4, "{jobs:?}");
    assert_eq!(buyer.print_json(&["list", "--json"]).await.as_array().unwrap().len(), 4);
}

/// Goal: only the requested provider's answer to this request is shown as the result. Method: a
/// stranger answers for the requested provider, which is silent; then a result that names another
/// request.
#[tokio::test(flavor = "multi_thread")]
async fn result_of_another_provider_or_request_is_not_shown() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let provider = buyer.market.provider().to_hex();
    let job = buyer.print(&["submit", "hello", "--provider", &provider]).await.trim().to_owned();
    let id = JobId::from_hex(&job).unwrap();
    let state = buyer.market.wait_until(id, |_| true).await;
    let stranger = keys(&generate().unwrap()).unwrap();
    let client = Client::new(stranger.clone());
    client.add_relay(buyer.market.relays[0].url()).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    let tag = |name: &'static str, value: String| Tag::custom(TagKind::custom(name), [value]);
    let lie = EventBuilder::new(Kind::from_u16(6050), "a lie")
        .tags([tag("e", job.clone()), tag("p", state.job.customer.to_hex())]);
    client.send_event(&lie.sign_with_keys(&stranger).unwrap()).await.unwrap();
    let bill = EventBuilder::new(Kind::from_u16(7000), "").tags([
        tag("e", job.clone()),
        tag("p", state.job.customer.to_hex()),
        tag("status", "payment-required".into()),
    ]);
    client.send_event(&bill.sign_with_keys(&stranger).unwrap()).await.unwrap();

    let none = buyer.job(&["results", &job]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("no result yet"), "{said}");
    let status = buyer.print_json(&["status", &job, "--json"]).await;
    assert_eq!(
        (status["providers"].as_array().unwrap().len(), &status["providers"][0]["status"]),
        (1, &"processing".into())
    );
}

/// Goal: the buyer of a confidential job is warned that the answer is public and that its price
/// exceeds the bid. Method: a provider that answers an encrypted request in plain text, for more
/// than the bid.
#[tokio::test(flavor = "multi_thread")]
async fn buyer_is_warned_of_plain_text_and_of_a_price_over_its_bid() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = keys(&generate().unwrap()).unwrap();
    let key = public_key(&provider).to_hex();
    let job = buyer
        .print(&["submit", "in confidence", "--provider", &key, "--encrypt", "--bid", "1000"])
        .await
        .trim()
        .to_owned();
    let client = Client::new(provider.clone());
    client.add_relay(buyer.market.relays[0].url()).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    let tag = |name: &'static str, value: &str| Tag::custom(TagKind::custom(name), [value]);
    let answer = EventBuilder::new(Kind::from_u16(6050), "for all to read").tags([
        tag("e", &job),
        tag("p", &buyer.key()),
        Tag::custom(TagKind::custom("amount"), ["1001", "lnbc1"]),
    ]);
    client.send_event(&answer.sign_with_keys(&provider).unwrap()).await.unwrap();
    let output = buyer.job(&["results", &job]).await;
    let (answer, warning) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(answer.contains("1001 msat due (more than the bid of 1000 msat): lnbc1"), "{answer}");
    assert!(warning.contains("in plain text"), "{warning}");
}

/// Goal: a buyer can cancel a job. Method: submit without waiting, cancel, and see the provider
/// stop.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_job_is_stopped_by_the_provider() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let job = buyer.print(&["submit", "hello"]).await.trim().to_owned();
    let id = JobId::from_hex(&job).unwrap();
    buyer.market.wait_until(id, |state| state.execution == Execution::Processing).await;
    assert!(buyer.print(&["cancel", &job]).await.contains("Withdrawn"));
    buyer.market.wait_until(id, |state| state.execution == Execution::Cancelled).await;
    assert!(buyer.print(&["status", &job]).await.contains("It was withdrawn "));
    assert!(buyer.print_json(&["status", &job, "--json"]).await["withdrawn_at"].is_u64());
    assert!(buyer.print(&["list"]).await.contains(" ago  (withdrawn)\n"));
    let at = buyer.print_json(&["list", "--json"]).await[0]["withdrawn_at"].clone();
    assert!(buyer.print(&["cancel", &job]).await.contains("Withdrawn"));
    assert_eq!(
        buyer.print_json(&["list", "--json"]).await[0]["withdrawn_at"],
        at,
        "once more changes nothing"
    );
    let none = buyer.job(&["results", &job]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(1) && said.contains("this job was withdrawn"), "{said}");
}

/// Goal: an amount that does not parse is different from no amount. Method: a provider that sends
/// such an amount, before the work and with the result.
#[tokio::test(flavor = "multi_thread")]
async fn invalid_amount_is_not_treated_as_nothing_due() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = keys(&generate().unwrap()).unwrap();
    let job = buyer
        .print(&["submit", "hello", "--provider", &public_key(&provider).to_hex()])
        .await
        .trim()
        .to_owned();
    let client = Client::new(provider.clone());
    client.add_relay(buyer.market.relays[0].url()).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    let tag = |name: &'static str, values: &[&str]| {
        Tag::custom(TagKind::custom(name), values.iter().copied())
    };
    for (kind, amount) in [(7000, "1e9"), (6050, "-21")] {
        let tags = [
            tag("e", &[&job]),
            tag("p", &[&buyer.key()]),
            tag("status", &["payment-required"]),
            tag("amount", &[amount, "lnbc1"]),
        ];
        let said = EventBuilder::new(Kind::from_u16(kind), "an answer").tags(tags);
        client.send_event(&said.sign_with_keys(&provider).unwrap()).await.unwrap();
        let status = buyer.print(&["status", &job]).await;
        assert!(
            status.contains("the amount due is not a number") && !status.contains("lnbc1"),
            "{amount}: {status}"
        );
        let state = buyer.print_json(&["status", &job, "--json"]).await["providers"][0].clone();
        assert_eq!(
            (&state["amount_invalid"], &state["amount_msats"]),
            (&true.into(), &Value::Null),
            "{amount}"
        );
    }
    let result = buyer.print(&["results", &job]).await;
    assert!(
        result.starts_with("an answer\n") && result.contains("the amount due is not a number"),
        "{result}"
    );
    assert_eq!(buyer.print_json(&["results", &job, "--json"]).await["amount_invalid"], true);
}

/// Goal: a relay that refuses queries is not reported as silent providers, and one unreadable
/// request file hides no other. Method: each command against a relay that refuses every query; then
/// a file that is not a request, and a cancelled request of maximum size.
#[tokio::test(flavor = "multi_thread")]
async fn unreachable_relays_and_unreadable_requests_are_reported() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let builder = RelayBuilder::default().query_policy(Closed);
    let relay = InProcessRelay::start_with(builder).await.unwrap();
    let job = buyer.print(&["submit", "hello", "--relay", relay.url()]).await.trim().to_owned();
    for args in [["status", &job], ["results", &job]] {
        let output = buyer.job(&args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(
            said.contains("no relay has answered")
                && said.contains(relay.url())
                && said.contains("shut"),
            "{said}"
        );
    }
    let both = ["submit", "hello", "--relay", relay.url(), "--relay", buyer.market.relays[0].url()];
    let other = buyer.print(&both).await.trim().to_owned();
    let output = buyer.job(&["status", &other]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.lines().count() == 1 && said.contains(relay.url()),
        "{said}"
    );

    let folder = buyer.home.path().join(".openagents/pylon/sent_requests");
    std::fs::write(folder.join("none.json"), "{").unwrap();
    let file = folder.join(format!("{job}.json"));
    let mut sent: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    sent["relays"][0] = "x".repeat((1 << 20) - 1).into();
    std::fs::write(&file, sent.to_string()).unwrap();
    let output = buyer.job(&["list", "--json"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert!(said.lines().count() == 1 && said.contains("sent_requests/none.json"), "{said}");

    let long = format!("long={}", "x".repeat(110_000));
    let params = std::iter::repeat_n(["--param", &long], 10).flatten();
    let output =
        buyer.job(&["submit", "hello"].into_iter().chain(params).collect::<Vec<_>>()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("at most 1048576 are allowed"),
        "{said}"
    );
}

/// Rejects every query.
#[derive(Debug)]
struct Closed;

impl QueryPolicy for Closed {
    fn admit_query<'a>(
        &'a self,
        _: &'a Filter,
        _: &'a SocketAddr,
    ) -> BoxedFuture<'a, PolicyResult> {
        Box::pin(async { PolicyResult::Reject("shut".into()) })
    }
}

/// Goal: each mistake ends in one line that says what to do, and nothing is sent. Method: one
/// mistake a row.
#[tokio::test(flavor = "multi_thread")]
async fn invalid_input_is_one_error_line_and_sends_nothing() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let stranger = PublicKey::from_bytes([7; 32]).to_hex();
    let own = buyer.key();
    let rows: [(&str, &[&str], &str); 8] = [
        ("no wallet", &["submit", "x", "--wait", "--bid", "1", "--pay"], "nothing was sent"),
        ("no relay", &["submit", "x", "--relay", "ws://127.0.0.1:9"], "no relay"),
        ("an unknown job", &["results", "abc"], "pylon job list"),
        ("no job", &["status", ""], "pylon job list"),
        (
            "no answer",
            &["submit", "x", "--provider", &stranger, "--wait", "--timeout", "1"],
            "no answer from the provider within 1 s",
        ),
        ("empty", &["submit", ""], "the prompt is empty"),
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
