//! `pylon job`: the real program buys from a node, and from providers of the tests, over a relay.

mod deception;
mod inputs;
mod orders;
mod relays;
mod waiting;

use nostr_sdk::{
    Client, EventBuilder, Filter, Keys, Kind, RelayPoolNotification, Tag, TagKind, Timestamp,
};
use pylon_nostr::identity::{generate, keys, public_key};
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket};
use pylon_tests::process::{Running, command};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::time::Instant;
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

    /// A job for this provider, published but not awaited.
    async fn submit_to(&self, provider: &TestProvider) -> String {
        let job = self.print(&["submit", "hello", "--provider", &provider.key(), "--quiet"]).await;
        job.trim().to_owned()
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

/// A provider that sends what a test wants.
struct TestProvider {
    keys: Keys,
    client: Client,
    customer: String,
}

impl TestProvider {
    /// On the first relay of the buyer's market.
    async fn of(buyer: &TestBuyer) -> Self {
        let keys = keys(&generate().unwrap()).unwrap();
        let client = Client::new(keys.clone());
        client.add_relay(buyer.market.relays[0].url()).await.unwrap();
        client.try_connect(TEST_TIMEOUT).await;
        Self { keys, client, customer: buyer.key() }
    }

    fn key(&self) -> String {
        public_key(&self.keys).to_hex()
    }

    /// The first job that is submitted to it.
    async fn first_job(&self) -> String {
        let mut notifications = self.client.notifications();
        let filter = Filter::new().kind(Kind::from_u16(5050)).pubkey(self.keys.public_key());
        self.client.subscribe(filter, None).await.unwrap();
        let job = async {
            loop {
                if let RelayPoolNotification::Event { event, .. } =
                    notifications.recv().await.unwrap()
                {
                    return event.id.to_hex();
                }
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, job).await.expect("a job")
    }

    /// Sends a result (6050) or feedback (7000) about a job, with these further tags.
    async fn send(&self, kind: u16, job: &str, content: &str, tags: &[&[&str]]) {
        self.send_at(Timestamp::now(), kind, job, content, tags).await;
    }

    async fn send_at(&self, at: Timestamp, kind: u16, job: &str, content: &str, tags: &[&[&str]]) {
        let about: [&[&str]; 2] = [&["e", job], &["p", &self.customer]];
        let tags = about
            .iter()
            .chain(tags)
            .map(|tag| Tag::custom(TagKind::custom(tag[0].to_owned()), tag[1..].iter().copied()));
        let event = EventBuilder::new(Kind::from_u16(kind), content).tags(tags);
        let event = event.custom_created_at(at).sign_with_keys(&self.keys).unwrap();
        self.client.send_event(&event).await.unwrap();
    }

    /// Sends feedback with a status and a message in its tag.
    async fn feedback(&self, job: &str, status: &str, message: &str) {
        self.send(7000, job, "", &[&["status", status, message]]).await;
    }
}

/// A command that waits for a result, and its output so far.
struct Waiting {
    program: Running,
    job: String,
    stderr: mpsc::Receiver<String>,
    said: String,
}

impl Waiting {
    /// Submits a job and waits until it is published.
    fn start(buyer: &TestBuyer, args: &[&str]) -> Self {
        let mut waiting = Self::spawn(buyer, args);
        waiting.until(": waiting for a result");
        let (_, job) = waiting.said.split_once("Job ").unwrap();
        waiting.job = job[..64].to_owned();
        waiting
    }

    fn spawn(buyer: &TestBuyer, args: &[&str]) -> Self {
        let args = [&["job", "submit", "--wait"], args].concat();
        let mut command = command(buyer.home.path(), &args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut program = Running(child);
        let mut pipe = program.0.stderr.take().unwrap();
        let (sender, stderr) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                let _ = sender.send(String::from_utf8_lossy(&bytes[..count]).into_owned());
            }
        });
        Self { program, job: String::new(), stderr, said: String::new() }
    }

    /// Waits until stderr has this text.
    fn until(&mut self, text: &str) {
        let deadline = Instant::now() + TEST_TIMEOUT;
        while !self.said.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::task::block_in_place(|| self.stderr.recv_timeout(left)) {
                Ok(more) => self.said.push_str(&more),
                Err(_) => panic!("no `{text}` in `{}`", self.said),
            }
        }
    }

    /// Waits for the end: exit code, stdout and all of stderr.
    fn end(mut self) -> (Option<i32>, String, String) {
        tokio::task::block_in_place(|| {
            let stdout = std::io::read_to_string(self.program.0.stdout.take().unwrap()).unwrap();
            while let Ok(more) = self.stderr.recv_timeout(TEST_TIMEOUT) {
                self.said.push_str(&more);
            }
            (self.program.0.wait().unwrap().code(), stdout, self.said)
        })
    }
}
