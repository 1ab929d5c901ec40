//! The walk-through of `guests/README.md`, as written there.

use pylon_tests::process::pylon;
use pylon_tests::program::{configure, said, started};
use pylon_tests::stub::{Script, Stub};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const COMMANDS_MAX: usize = 10;

/// The commands of the block below that heading, without their comments.
fn commands() -> Vec<String> {
    let page = include_str!("../../../guests/README.md");
    let (_, section) = page.split_once("## From nothing to a price of your own").unwrap();
    let block = section.split("```").nth(1).unwrap().strip_prefix("sh\n").unwrap();
    block
        .lines()
        .map(|line| line.split_once("  # ").map_or(line, |(command, _)| command).trim().to_owned())
        .collect()
}

/// A folder of an author with the program and Rust, without this tree.
struct AuthorShell {
    folder: tempfile::TempDir,
    backend: String,
}

impl AuthorShell {
    /// Runs a line in a shell, with a stub backend and with what Cargo has fetched and compiled
    /// before.
    fn run(&self, line: &str) -> Output {
        let line = if line.contains("pylon demo") {
            format!("{line} --backend {}", self.backend)
        } else {
            line.to_owned()
        };
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let kept = |name: &str, folder: &str| {
            std::env::var_os(name).map_or_else(|| home.join(folder), PathBuf::from)
        };
        let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
        let path =
            std::env::join_paths([pylon().parent().unwrap().to_owned()].into_iter().chain(folders))
                .unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-ec", &line]).current_dir(self.folder.path()).stdin(Stdio::null());
        shell.env("HOME", self.folder.path()).env_remove("PYLON_HOME").env("PATH", path);
        shell
            .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"));
        shell
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests"))
            .env("CARGO_NET_OFFLINE", "true");
        shell.output().unwrap()
    }
}

/// Goal: a new author gets to a price that is signed, back-tested, shadowed and active, in at most
/// ten commands. Method: those of the page, one after the other in a shell; then a node is started
/// there and lists its guests.
#[tokio::test(flavor = "multi_thread")]
async fn cargo_walkthrough_of_the_readme_works() {
    let stub = Stub::start(Script::Reply(
        "Once upon a time there was a node that sold stories by the word.",
    ))
    .await;
    let shell = AuthorShell { folder: tempfile::tempdir().unwrap(), backend: stub.url() };
    let commands = commands();
    assert!(commands.len() <= COMMANDS_MAX, "{commands:?}");
    let mut pages = Vec::new();
    for line in &commands {
        let output = tokio::task::block_in_place(|| shell.run(line));
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}: {} {page}", said(&output));
        pages.push(page);
    }
    let page =
        |words: &str| commands.iter().zip(&pages).find(|(line, _)| line.contains(words)).unwrap().1;
    let tested = page("guest backtest");
    assert!(
        tested.contains("happy_hours 0.1.0") && tested.contains("on 200 decisions"),
        "{tested}"
    );
    let compared = page("guest compare");
    assert!(
        compared.contains("happy_hours 0.1.0 as a shadow of pricing")
            && compared.contains("of 40 answers"),
        "{compared}"
    );
    assert!(page("guest activate").contains("publisher"), "{}", page("guest activate"));
    let drawn = std::fs::read_to_string(shell.folder.path().join("happy_hours.svg")).unwrap();
    assert!(drawn.starts_with("<svg"));
    let last = "pylon demo --jobs 1 --keep shop";
    assert!(include_str!("../../../guests/README.md").contains(last), "what shows the new price");
    let shown = String::from_utf8_lossy(&tokio::task::block_in_place(|| shell.run(last)).stdout)
        .into_owned();
    assert!(
        shown.contains("pricing.quote  happy_hours ") && shown.contains(" msat on delivery"),
        "{shown}"
    );

    let shop = shell.folder.path().join("shop");
    let words = std::fs::read_to_string(shop.join(".config/pylon/identity.mnemonic")).unwrap();
    configure(
        &shop,
        &format!("relays = [\"ws://127.0.0.1:9\"]\ninference.llama_cpp.url = \"{}\"\n", stub.url()),
    );
    let (node, _log, said) = tokio::task::block_in_place(|| started(&shop, None));
    let output = tokio::task::block_in_place(|| {
        shell.run("PYLON_HOME=\"$PWD/shop\" pylon guest list --json")
    });
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let pricing = list["guests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|guest| guest["slot"] == "pricing")
        .unwrap()
        .clone();
    assert_eq!(
        (&pricing["name"], &pricing["role"]),
        (&"happy_hours".into(), &"serving".into()),
        "{list}"
    );
    assert!(pricing["publisher"].is_string() && pricing["calls"].is_u64(), "{pricing}");
    let provider = pylon_nostr::identity::npub(&pylon_nostr::identity::keys(words.trim()).unwrap());
    assert!(said.contains(&provider), "{said}");
    drop(node);
}
