//! Our program with independent software from package registries: a relay, customers and another
//! provider. The checks of a customer are in `tests/peers`, in its own language and with its own
//! library; `tests/peers/install` installs them.

use pylon_core::PublicKey;
use pylon_nostr::identity::{keys, public_key};
use pylon_tests::market::TEST_TIMEOUT;
use pylon_tests::process::{Running, command, run};
use pylon_tests::stub::{Script, Stub};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const RELAY: &str = "nostr-relay";
const NOSTR_TOOLS: &str = "nostr-tools";
const NDK: &str = "ndk";
const NOSTR_DVM: &str = "nostr-dvm";
/// For all modes of a customer. Each waits up to a minute for an answer.
const CUSTOMER_TIMEOUT: Duration = Duration::from_secs(240);

/// Goal: customers that share no code with us get what they pay for. Method: requests to any
/// provider, to us, invalid ones, and one cancelled while it runs; each answer is checked by the
/// customer's library.
#[tokio::test(flavor = "multi_thread")]
async fn peer_nostr_tools_buys() {
    buys_from_us(NOSTR_TOOLS, &["plain", "targeted", "nip04", "nip44", "refused", "cancelled"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_ndk_buys() {
    buys_from_us(NDK, &["plain", "targeted", "nip44", "refused", "cancelled"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_nostr_dvm_buys() {
    buys_from_us(NOSTR_DVM, &["plain", "targeted", "nip04", "nip44", "refused", "cancelled"]).await;
}

/// Goal: the checks of these customers are valid. Method: all of them, also encrypted, against a
/// provider of others.
#[tokio::test(flavor = "multi_thread")]
async fn peer_nostr_dvm_sells() {
    let Some(relay) = Relay::start() else { return };
    let Some(rival) = Rival::start(&relay.url) else { return };
    for peer in [NOSTR_TOOLS, NDK, NOSTR_DVM] {
        let Some(home) = installed(peer) else { return };
        buys(peer, &home, &relay.url, rival.key, &["plain", "targeted", "nip44"]).await;
    }
}

/// Goal: our buyer gets its result from a provider that shares no code with us. Method: `pylon job
/// submit`, to any provider and encrypted to this one.
#[tokio::test(flavor = "multi_thread")]
async fn peer_nostr_dvm_sells_to_us() {
    let Some(relay) = Relay::start() else { return };
    let Some(rival) = Rival::start(&relay.url) else { return };
    let home = tempfile::tempdir().unwrap();
    assert!(run(home.path(), &["init"]).status.success());
    let key = rival.key.to_hex();
    for more in [&[][..], &["--provider", &key], &["--provider", &key, "--encrypt"]] {
        let words = format!("three words {}", more.len());
        let args =
            [&["job", "submit", &words, "--relay", &relay.url, "--wait", "--timeout", "60"], more]
                .concat();
        let output = run(home.path(), &args);
        let (answer, said) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && answer.trim_end() == words, "{more:?}: {answer} {said}");
    }
    let list = run(home.path(), &["job", "list", "--json"]);
    let jobs: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    for job in jobs.as_array().unwrap() {
        let status = run(home.path(), &["job", "status", job["job"].as_str().unwrap(), "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(
            (&status["providers"][0]["provider"], &status["providers"][0]["status"]),
            (&key.clone().into(), &"result".into())
        );
    }
}

async fn buys_from_us(peer: &str, modes: &[&str]) {
    let (Some(home), Some(relay)) = (installed(peer), Relay::start()) else { return };
    let stub = Stub::start(Script::EchoOrEndless("without end")).await;
    let node = Node::start(&relay.url, &stub);
    buys(peer, &home, &relay.url, node.key, modes).await;
}

/// Runs the checks of a customer, which must all pass.
async fn buys(peer: &str, home: &Path, relay: &str, provider: PublicKey, modes: &[&str]) {
    let (interpreter, script) = match peer {
        NOSTR_DVM => (home.join("bin/python"), "customer.py"),
        _ => (PathBuf::from("node"), "customer.mjs"),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut customer =
        tokio::process::Command::from(script_of(peer, &interpreter, script, folder.path()));
    customer
        .env("PEER_HOME", home)
        .arg(relay)
        .arg(provider.to_hex())
        .args(modes)
        .kill_on_drop(true);
    let output = tokio::time::timeout(CUSTOMER_TIMEOUT, customer.output()).await;
    let output = output
        .unwrap_or_else(|_| panic!("{peer} is not done within {CUSTOMER_TIMEOUT:?}"))
        .unwrap();
    let (checks, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\nafter these:\n{checks}");
    for mode in modes {
        assert!(
            checks.lines().any(|line| line.contains(&format!("{mode:?}"))),
            "{peer} checked nothing in mode {mode}:\n{checks}"
        );
    }
}

/// The command of a peer's script, in an empty folder that is also its home.
fn script_of(peer: &str, interpreter: &Path, script: &str, folder: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command
        .arg(scripts().join(peer).join(script))
        .current_dir(folder)
        .env("HOME", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The folder of an installed peer. Without it the test is reported as skipped, and fails with
/// `CI=true`.
pub(crate) fn installed(peer: &str) -> Option<PathBuf> {
    let asked = Command::new(scripts().join("install")).args(["--where", peer]).output().unwrap();
    if asked.status.success() {
        return Some(String::from_utf8(asked.stdout).unwrap().trim_end().into());
    }
    let why = String::from_utf8_lossy(&asked.stderr).trim().to_owned();
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    println!("SKIPPED, {why}");
    None
}

/// The relay from PyPI on a free port.
struct Relay {
    url: String,
    _process: Running,
    _folder: TempDir,
}

impl Relay {
    fn start() -> Option<Self> {
        let home = installed(RELAY)?;
        let folder = tempfile::tempdir().unwrap();
        let mut serve = Command::new(home.join("bin/python"));
        serve
            .args(["-c", "from nostr_relay.cli import main; main()", "--config"])
            .arg(scripts().join(RELAY).join("config.yaml"));
        serve
            .args(["serve", "--use-uvicorn"])
            .current_dir(folder.path())
            .env("HOME", folder.path());
        let (process, rest) = Running::ready(serve, "Uvicorn running on http://", TEST_TIMEOUT);
        let address = rest.split_whitespace().next().expect("an address");
        Some(Self { url: format!("ws://{address}"), _process: process, _folder: folder })
    }
}

/// Our program, as an operator runs it.
struct Node {
    key: PublicKey,
    _process: Running,
    _home: TempDir,
}

impl Node {
    fn start(relay: &str, stub: &Stub) -> Self {
        let home = tempfile::tempdir().unwrap();
        assert!(run(home.path(), &["init"]).status.success());
        let folder = home.path().join(".config/pylon");
        let config =
            format!("relays = [{relay:?}]\n[inference.llama_cpp]\nurl = {:?}\n", stub.url());
        fs::write(folder.join("config.toml"), config).unwrap();
        let words = fs::read_to_string(folder.join("identity.mnemonic")).unwrap();
        let key = public_key(&keys(words.trim()).unwrap());
        let (process, _) = Running::ready(
            command(home.path(), &["start", "-f"]),
            "listening for jobs",
            TEST_TIMEOUT,
        );
        Self { key, _process: process, _home: home }
    }
}

/// The provider of nostr-dvm, which echoes the prompt.
struct Rival {
    key: PublicKey,
    _process: Running,
    _folder: TempDir,
}

impl Rival {
    fn start(relay: &str) -> Option<Self> {
        let home = installed(NOSTR_DVM)?;
        let folder = tempfile::tempdir().unwrap();
        let mut serve =
            script_of(NOSTR_DVM, &home.join("bin/python"), "provider.py", folder.path());
        serve.arg(relay);
        let (process, key) = Running::ready(serve, "serving ", TEST_TIMEOUT);
        let key = PublicKey::from_hex(key.trim()).expect("a public key");
        Some(Self { key, _process: process, _folder: folder })
    }
}
