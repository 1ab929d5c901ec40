//! The real program with a home of its own, a relay and a stub backend. Its node is stopped on
//! drop.

use crate::market::Customer;
use crate::process::{Running, command, run};
use crate::stub::{Script, Stub};
use pylon_core::PublicKey;
use pylon_nostr::relay::InProcessRelay;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Output, Stdio};
use tempfile::TempDir;

/// The mnemonic of a BIP-39 test vector.
pub const PHRASE: &str =
    "legal winner thank year wave sausage worth useful legal winner thank yellow";

/// The program and what it connects to.
pub struct Program {
    home: TempDir,
    /// Its relay.
    pub relay: InProcessRelay,
    /// Its backend.
    pub stub: Stub,
}

impl Program {
    /// With an identity and settings; no node runs yet.
    pub async fn new(script: Script) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let (relay, stub) = (InProcessRelay::start().await.unwrap(), Stub::start(script).await);
        let program = Self { home: tempfile::tempdir().unwrap(), relay, stub };
        let imported = program.run_with_input(&["init", "--import"], PHRASE);
        assert!(imported.status.success(), "{}", said(&imported));
        program.configure("");
        program
    }

    /// Its home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file in its state folder.
    pub fn state(&self, name: &str) -> PathBuf {
        self.home().join(".openagents/pylon").join(name)
    }

    /// Writes its settings: relay and backend, and these.
    pub fn configure(&self, more: &str) {
        configure(self.home(), &format!("{}{more}\n", self.base_config()));
    }

    /// The settings of relay and backend.
    fn base_config(&self) -> String {
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

    /// Runs a command with this input.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Output {
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

    /// The public key of its identity.
    pub fn provider(&self) -> PublicKey {
        let keys = pylon_nostr::identity::keys(PHRASE).unwrap();
        pylon_nostr::identity::public_key(&keys)
    }

    /// A customer of its node.
    pub async fn customer(&self) -> Customer {
        Customer::of(self.provider(), &[self.relay.url().to_owned()]).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        run(self.home(), &["stop", "--timeout", "0", "--force"]);
    }
}

/// The stderr of a command.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks for one error line on stderr with these texts, and exit code 1.
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

/// Starts a node in the foreground and waits for the log line that it is ready.
pub fn started(home: &Path, log: Option<&str>) -> (Running, BufReader<ChildStderr>, String) {
    let mut command = command(home, &["start", "-f"]);
    if let Some(filter) = log {
        command.env("RUST_LOG", filter);
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
