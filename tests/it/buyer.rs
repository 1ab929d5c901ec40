//! `pylon job`: the real program buys from a node over a relay.

use nostr_relay_builder::builder::{PolicyResult, QueryPolicy, RelayBuilder};
use nostr_sdk::util::BoxedFuture;
use nostr_sdk::{Client, EventBuilder, Filter, Kind, Tag, TagKind};
use pylon_core::machine::Execution;
use pylon_core::{JobId, PublicKey};
use pylon_nostr::identity::{generate, keys, npub_of, public_key};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::process::{Running, command};
use pylon_tests::stage::{PATIENCE, Set, Stage};
use pylon_tests::stub::Script;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;

/// Somebody with a home of its own, and a market to buy on.
struct Shopper {
    home: TempDir,
    stage: Stage,
}

impl Shopper {
    async fn new(set: Set) -> Self {
        let (home, stage) = (tempfile::tempdir().unwrap(), Stage::set(set).await);
        let made = pylon(home.path(), &["init"], None).await;
        assert!(made.status.success());
        let config = format!("relays = [\"{}\"]\n", stage.relays[0].url());
        std::fs::write(home.path().join(".config/pylon/config.toml"), config).unwrap();
        Self { home, stage }
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

    /// A command that must succeed, and what it printed.
    async fn told(&self, args: &[&str]) -> String {
        let output = self.job(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn told_json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.told(args).await).unwrap()
    }
}

/// Runs the program beside the relay, which lives in this process.
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
    tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(run)).await.unwrap().unwrap()
}

/// Goal: a buyer gets what it asked for, and finds it again. Method: submit and wait, then status, results and list of the same job.
#[tokio::test(flavor = "multi_thread")]
async fn submit_and_look() {
    let shopper = Shopper::new(Set::default()).await;
    let provider = shopper.stage.provider().to_hex();
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
    let output = shopper.job(&args).await;
    let (answer, news) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        answer.starts_with("one two three\n") && answer.contains(" msat due: lnbcrt"),
        "{answer}"
    );
    assert!(news.contains("waiting for a result, 300 s at most\n"), "{news}");
    assert!(
        news.contains(&format!("{}  processing\n", npub_of(shopper.stage.provider()))),
        "{news}"
    );

    let list = shopper.told_json(&["list", "--json"]).await;
    let job = list[0]["job"].as_str().unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["kind"]), (1, &5050.into()));
    let status = shopper.told_json(&["status", &job[..12], "--json"]).await;
    assert_eq!((&status["job"], status["providers"].as_array().unwrap().len()), (&job.into(), 1));
    let stand = &status["providers"][0];
    assert_eq!(
        (&stand["provider"], &stand["status"]),
        (&provider.clone().into(), &"result".into())
    );
    let result = shopper.told_json(&["results", job, "--json"]).await;
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

/// Goal: who waits hears what is said meanwhile, in time to do something about it. Method: a provider that wants its money first; the invoice is paid as
/// soon as it is told, and the result comes.
#[tokio::test(flavor = "multi_thread")]
async fn told_while_it_waits() {
    let shopper =
        Shopper::new(Set { pricing: &[("terms", "before-work")], ..Set::default() }).await;
    let provider = shopper.stage.provider().to_hex();
    let mut submit = command(
        shopper.home.path(),
        &["job", "submit", "paid", "--provider", &provider, "--wait", "--json"],
    );
    let mut waiting =
        Running(submit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let (news, answer) =
        (BufReader::new(waiting.0.stderr.take().unwrap()), waiting.0.stdout.take().unwrap());
    let invoice = tokio::task::spawn_blocking(move || {
        let mut lines = news.lines().map(Result::unwrap);
        let wants = lines
            .find(|line| line.contains("payment-required"))
            .expect("told that it is to be paid");
        (wants, lines.next().unwrap().trim().to_owned(), lines)
    });
    let (wants, invoice, _lines) = tokio::time::timeout(PATIENCE, invoice).await.unwrap().unwrap();
    assert!(
        wants.starts_with(&npub_of(shopper.stage.provider())) && wants.ends_with(" msat due"),
        "{wants}"
    );
    shopper.stage.bank.pay(&invoice).unwrap();
    let answer = tokio::task::spawn_blocking(|| std::io::read_to_string(answer).unwrap());
    let result: Value =
        serde_json::from_str(&tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap())
            .unwrap();
    assert_eq!((waiting.0.wait().unwrap().code(), &result["content"]), (Some(0), &"paid".into()));
}

/// Goal: what is asked for twice in one second is two jobs. Method: the same, from several commands at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_another_job() {
    let shopper = Shopper::new(Set::default()).await;
    let args = ["submit", "the same"];
    let jobs = futures::future::join_all((0..4).map(|_| shopper.told(&args))).await;
    let different: std::collections::BTreeSet<&str> = jobs.iter().map(|job| job.trim()).collect();
    assert_eq!(different.len(), 4, "{jobs:?}");
    assert_eq!(shopper.told_json(&["list", "--json"]).await.as_array().unwrap().len(), 4);
}

/// Goal: nobody else's answer is shown as the result. Method: a stranger answers for the provider that was asked, which is silent; then one that
/// quotes another request.
#[tokio::test(flavor = "multi_thread")]
async fn another_s_result_is_not_shown() {
    let shopper = Shopper::new(Set { script: Script::Wait, ..Set::default() }).await;
    let provider = shopper.stage.provider().to_hex();
    let job = shopper.told(&["submit", "hello", "--provider", &provider]).await.trim().to_owned();
    let id = JobId::from_hex(&job).unwrap();
    let state = shopper.stage.until(id, |_| true).await;
    let stranger = keys(&generate().unwrap()).unwrap();
    let client = Client::new(stranger.clone());
    client.add_relay(shopper.stage.relays[0].url()).await.unwrap();
    client.try_connect(PATIENCE).await;
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

    let none = shopper.job(&["results", &job]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("no result yet"), "{said}");
    let status = shopper.told_json(&["status", &job, "--json"]).await;
    assert_eq!(
        (status["providers"].as_array().unwrap().len(), &status["providers"][0]["status"]),
        (1, &"processing".into())
    );
}

/// Goal: who asked in confidence hears that the answer is public, and that its price is over the bid. Method: a provider that answers an encrypted
/// request in the clear, for more than was bid.
#[tokio::test(flavor = "multi_thread")]
async fn warned_of_what_was_not_agreed() {
    let shopper = Shopper::new(Set::default()).await;
    let provider = keys(&generate().unwrap()).unwrap();
    let key = public_key(&provider).to_hex();
    let job = shopper
        .told(&["submit", "in confidence", "--provider", &key, "--encrypt", "--bid", "1000"])
        .await
        .trim()
        .to_owned();
    let client = Client::new(provider.clone());
    client.add_relay(shopper.stage.relays[0].url()).await.unwrap();
    client.try_connect(PATIENCE).await;
    let tag = |name: &'static str, value: &str| Tag::custom(TagKind::custom(name), [value]);
    let answer = EventBuilder::new(Kind::from_u16(6050), "for all to read").tags([
        tag("e", &job),
        tag("p", &shopper.key()),
        Tag::custom(TagKind::custom("amount"), ["1001", "lnbc1"]),
    ]);
    client.send_event(&answer.sign_with_keys(&provider).unwrap()).await.unwrap();
    let output = shopper.job(&["results", &job]).await;
    let (answer, warning) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        answer.contains("1001 msat due (more than the 1000 msat that were bid): lnbc1"),
        "{answer}"
    );
    assert!(warning.contains("in the clear"), "{warning}");
}

/// Goal: a buyer may change its mind. Method: submit without waiting, withdraw, and see the provider stop.
#[tokio::test(flavor = "multi_thread")]
async fn withdrawn() {
    let shopper = Shopper::new(Set { script: Script::Wait, ..Set::default() }).await;
    let job = shopper.told(&["submit", "hello"]).await.trim().to_owned();
    let id = JobId::from_hex(&job).unwrap();
    shopper.stage.until(id, |state| state.execution == Execution::Processing).await;
    assert!(shopper.told(&["cancel", &job]).await.contains("Withdrawn"));
    shopper.stage.until(id, |state| state.execution == Execution::Cancelled).await;
    assert!(shopper.told(&["status", &job]).await.contains("It was withdrawn "));
    assert!(shopper.told_json(&["status", &job, "--json"]).await["withdrawn_at"].is_u64());
    assert!(shopper.told(&["list"]).await.contains(" ago  (withdrawn)\n"));
    let at = shopper.told_json(&["list", "--json"]).await[0]["withdrawn_at"].clone();
    assert!(shopper.told(&["cancel", &job]).await.contains("Withdrawn"));
    assert_eq!(
        shopper.told_json(&["list", "--json"]).await[0]["withdrawn_at"],
        at,
        "once more changes nothing"
    );
    let none = shopper.job(&["results", &job]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(1) && said.contains("this job was withdrawn"), "{said}");
}

/// Goal: an amount that is no number is not the same as nothing due. Method: a provider that asks so, before the work and with the result.
#[tokio::test(flavor = "multi_thread")]
async fn an_amount_that_is_no_number() {
    let shopper = Shopper::new(Set::default()).await;
    let provider = keys(&generate().unwrap()).unwrap();
    let job = shopper
        .told(&["submit", "hello", "--provider", &public_key(&provider).to_hex()])
        .await
        .trim()
        .to_owned();
    let client = Client::new(provider.clone());
    client.add_relay(shopper.stage.relays[0].url()).await.unwrap();
    client.try_connect(PATIENCE).await;
    let tag = |name: &'static str, values: &[&str]| {
        Tag::custom(TagKind::custom(name), values.iter().copied())
    };
    for (kind, amount) in [(7000, "1e9"), (6050, "-21")] {
        let tags = [
            tag("e", &[&job]),
            tag("p", &[&shopper.key()]),
            tag("status", &["payment-required"]),
            tag("amount", &[amount, "lnbc1"]),
        ];
        let said = EventBuilder::new(Kind::from_u16(kind), "an answer").tags(tags);
        client.send_event(&said.sign_with_keys(&provider).unwrap()).await.unwrap();
        let status = shopper.told(&["status", &job]).await;
        assert!(
            status.contains("the amount due cannot be read") && !status.contains("lnbc1"),
            "{amount}: {status}"
        );
        let stand = shopper.told_json(&["status", &job, "--json"]).await["providers"][0].clone();
        assert_eq!(
            (&stand["amount_unreadable"], &stand["amount_msats"]),
            (&true.into(), &Value::Null),
            "{amount}"
        );
    }
    let result = shopper.told(&["results", &job]).await;
    assert!(
        result.starts_with("an answer\n") && result.contains("the amount due cannot be read"),
        "{result}"
    );
    assert_eq!(shopper.told_json(&["results", &job, "--json"]).await["amount_unreadable"], true);
}

/// Goal: a relay that refuses is not taken for providers who are silent, and one purchase that cannot be read hides no other. Method: a relay that turns
/// every question away, looked at by each command; then a file that is no purchase, and one as long as may be that was withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_named() {
    let shopper = Shopper::new(Set { script: Script::Wait, ..Set::default() }).await;
    let builder = RelayBuilder::default().query_policy(Closed);
    let relay = InProcessRelay::start_with(builder).await.unwrap();
    let job = shopper.told(&["submit", "hello", "--relay", relay.url()]).await.trim().to_owned();
    for args in [["status", &job], ["results", &job]] {
        let output = shopper.job(&args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(
            said.contains("no relay has answered")
                && said.contains(relay.url())
                && said.contains("shut"),
            "{said}"
        );
    }
    let both =
        ["submit", "hello", "--relay", relay.url(), "--relay", shopper.stage.relays[0].url()];
    let other = shopper.told(&both).await.trim().to_owned();
    let output = shopper.job(&["status", &other]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.lines().count() == 1 && said.contains(relay.url()),
        "{said}"
    );

    let folder = shopper.home.path().join(".openagents/pylon/purchases");
    std::fs::write(folder.join("none.json"), "{").unwrap();
    let file = folder.join(format!("{job}.json"));
    let mut purchase: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    purchase["relays"][0] = "x".repeat((1 << 20) - 1).into();
    std::fs::write(&file, purchase.to_string()).unwrap();
    let output = shopper.job(&["list", "--json"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert!(said.lines().count() == 1 && said.contains("purchases/none.json"), "{said}");

    let long = format!("long={}", "x".repeat(110_000));
    let params = std::iter::repeat_n(["--param", &long], 10).flatten();
    let output =
        shopper.job(&["submit", "hello"].into_iter().chain(params).collect::<Vec<_>>()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("1048576 are allowed"), "{said}");
}

/// Answers no question.
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

/// Goal: every way to be wrong ends in one line that says what to do, and nothing is sent. Method: one mistake a row.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input() {
    let shopper = Shopper::new(Set::default()).await;
    let nobody = PublicKey::from_bytes([7; 32]).to_hex();
    let own = shopper.key();
    let rows: [(&str, &[&str], &str); 8] = [
        ("no wallet", &["submit", "x", "--wait", "--bid", "1", "--pay"], "nothing was sent"),
        ("no relay", &["submit", "x", "--relay", "ws://127.0.0.1:9"], "no relay"),
        ("an unknown job", &["results", "abc"], "pylon job list"),
        ("no job", &["status", ""], "pylon job list"),
        (
            "nobody answers",
            &["submit", "x", "--provider", &nobody, "--wait", "--timeout", "1"],
            "no answer of the provider within 1 s",
        ),
        ("empty", &["submit", ""], "the prompt is empty"),
        ("of itself", &["submit", "x", "--provider", &own], "this node itself"),
        (
            "refused",
            &["submit", " ", "--provider", &shopper.stage.provider().to_hex(), "--wait"],
            "no usable input",
        ),
    ];
    for (what, args, words) in rows {
        let output = shopper.job(args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert_eq!(
            said.lines().filter(|line| line.starts_with("pylon: ")).count(),
            1,
            "{what}: {said}"
        );
        assert!(said.contains(words), "{what}: {said}");
    }
    let output = shopper.job(&["submit", "--wait"]).await;
    assert_eq!(output.status.code(), Some(2), "nothing to work on: {output:?}");
    let empty = tempfile::tempdir().unwrap();
    let output = pylon(empty.path(), &["job", "submit", "x"], None).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("pylon init"));
    let output =
        pylon(shopper.home.path(), &["job", "submit", "-", "--wait"], Some("from stdin")).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().next(), Some("from stdin"));
}
