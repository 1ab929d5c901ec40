//! The real program on a home of its own, with a relay and a stub backend within its reach. Whatever it has started is gone when this is.

use crate::process::{Running, command, run};
use crate::stage::Customer;
use crate::stub::{Script, Stub};
use pylon_core::PublicKey;
use pylon_nostr::relay::InProcessRelay;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Output, Stdio};
use tempfile::TempDir;

/// Words that no log has a use for, and their keys (BIP-39's own vector, NIP-06).
pub const PHRASE: &str =
    "legal winner thank year wave sausage worth useful legal winner thank yellow";

/// A program that can be run.
pub struct Program {
    home: TempDir,
    /// Where it listens.
    pub relay: InProcessRelay,
    /// Its backend.
    pub stub: Stub,
}

impl Program {
    /// With an identity and settings; nothing runs yet.
    pub async fn set(script: Script) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let (relay, stub) = (InProcessRelay::start().await.unwrap(), Stub::start(script).await);
        let program = Self { home: tempfile::tempdir().unwrap(), relay, stub };
        let imported = program.feed(&["init", "--import"], PHRASE);
        assert!(imported.status.success(), "{}", said(&imported));
        program.configure("");
        program
    }

    /// Its home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file of its state.
    pub fn state(&self, name: &str) -> PathBuf {
        self.home().join(".openagents/pylon").join(name)
    }

    /// Its settings: relay and backend, and these.
    pub fn configure(&self, more: &str) {
        configure(self.home(), &format!("{}{more}\n", self.reach()));
    }

    /// What a file must say so that it finds relay and backend.
    fn reach(&self) -> String {
        format!(
            "relays = [\"{}\"]\ninference.llama_cpp.url = \"{}\"\n",
            self.relay.url(),
            self.stub.url()
        )
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        tokio::task::block_in_place(|| run(self.home(), args))
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn print(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that prints JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.print(args)).unwrap()
    }

    /// Runs a command that reads this.
    pub fn feed(&self, args: &[&str], input: &str) -> Output {
        tokio::task::block_in_place(|| {
            let mut command = command(self.home(), args);
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        })
    }

    /// Who it is on the market.
    pub fn provider(&self) -> PublicKey {
        let keys = pylon_nostr::identity::keys(PHRASE).unwrap();
        pylon_nostr::identity::public_key(&keys)
    }

    /// Somebody who buys from it.
    pub async fn customer(&self) -> Customer {
        Customer::of(self.provider(), &[self.relay.url().to_owned()]).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        run(self.home(), &["stop", "--timeout", "0", "--force"]);
    }
}

/// What a command said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One line on stderr that holds these words, and exit code 1.
pub fn check_failure(what: &str, output: &Output, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("pylon: ")).collect();
    assert_eq!(lines.len(), 1, "{what}: {said}");
    for word in words {
        assert!(lines[0].contains(word), "{what}: no `{word}` in {}", lines[0]);
    }
}

/// Writes the settings of a home.
pub fn configure(home: &Path, config: &str) {
    fs::create_dir_all(home.join(".config/pylon")).unwrap();
    fs::write(home.join(".config/pylon/config.toml"), config).unwrap();
}

/// Starts a node in the foreground and waits for the line that says it takes jobs.
pub fn started(home: &Path, log: Option<&str>) -> (Running, BufReader<ChildStderr>, String) {
    let mut command = command(home, &["start", "-f"]);
    if let Some(wish) = log {
        command.env("RUST_LOG", wish);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let node = Running(child);
    let (mut line, mut all) = (String::new(), String::new());
    while log.read_line(&mut line).unwrap() > 0 {
        all.push_str(&line);
        if line.contains("listening for jobs") {
            return (node, log, all);
        }
        line.clear();
    }
    panic!("the node ended: {all}");
}
