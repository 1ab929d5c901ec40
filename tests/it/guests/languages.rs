//! Handlers in other languages, built with the component tools of those languages.

use crate::peers::{installed, scripts};
use crate::sandbox::host::Recorder;
use crate::sandbox::{job, within};
use pylon_core::guest::{Cost, Fault};
use pylon_core::machine::Settlement;
use pylon_core::slots::{GuestConfig, SlotChange};
use pylon_sandbox::{Config, InstallError, Installed, Limits, Sandbox, Setup};
use pylon_tests::market::{MarketOptions, TestMarket, text};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const WORLDS: [&str; 4] =
    ["routing-policy", "pricing-policy", "verification-policy", "job-handler"];
const MIB: u64 = 1 << 20;
const CALLS: usize = 101;
const DEADLINE_MS: u64 = 60_000;

/// Goal: a handler can be written in JavaScript. Method: jco reads every world and builds a
/// component from the handler, which passes its cases.
#[tokio::test(flavor = "multi_thread")]
async fn peer_jco_makes_a_handler() {
    let Some(home) = installed("jco") else { return };
    let folder = folder();
    let jco = |args: &[&str]| {
        done(
            Command::new("node")
                .arg(home.join("node_modules/.bin/jco"))
                .args(args)
                .current_dir(&folder),
        );
    };
    for world in WORLDS {
        jco(&["guest-types", "wit/deps/provider", "--world-name", world, "--out-dir", world]);
    }
    let source = scripts().join("jco/word_count.js");
    let source = source.to_str().unwrap();
    // Disabled features are not imported: clocks, HTTP, randomness and files, which no handler may
    // use.
    jco(&[
        "componentize",
        source,
        "--wit",
        "wit",
        "--world-name",
        "word-count",
        "--disable",
        "all",
        "--out",
        "word_count.wasm",
    ]);
    works(folder.path()).await;
}

/// Goal: a handler can be written in Python. Method: the same, with componentize-py.
#[tokio::test(flavor = "multi_thread")]
async fn peer_componentize_py_makes_a_handler() {
    let Some(home) = installed("componentize-py") else { return };
    let folder = folder();
    let python = |args: &[&str]| {
        let mut command = Command::new(home.join("bin/python"));
        command
            .args(["-c", "from componentize_py import script; script()"])
            .args(args)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        done(command.current_dir(&folder));
    };
    for world in WORLDS {
        python(&["--wit-path", "wit/deps/provider", "--world", world, "bindings", world]);
    }
    fs::copy(scripts().join("componentize-py/word_count.py"), folder.path().join("word_count.py"))
        .unwrap();
    // Without WASI's network, files and clock: their imports become traps inside the component.
    let args =
        ["--wit-path", "wit", "--world", "word-count", "componentize", "--stub-wasi", "word_count"];
    python(&[&args[..], &["--output", "word_count.wasm"]].concat());
    works(folder.path()).await;
}

/// A folder with the contract, as an author has it, and the cases.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let wit = folder.path().join("wit/deps/provider");
    fs::create_dir_all(&wit).unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap() {
        let file = file.unwrap().path();
        fs::copy(&file, wit.join(file.file_name().unwrap())).unwrap();
    }
    fs::copy(scripts().join("word_count.wit"), folder.path().join("wit/word_count.wit")).unwrap();
    fs::copy(scripts().join("word_count.cases.toml"), folder.path().join("word_count.cases.toml"))
        .unwrap();
    folder
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}

/// Goal: such a guest behaves like any other. Method: `guest test` of the program; then its cost,
/// and the operator's memory limit: the smallest with which it works, and the fault just below.
async fn works(folder: &Path) {
    let tested = super::guest(folder, &["test", "word_count.wasm"]);
    assert!(
        tested.status.success(),
        "{}",
        String::from_utf8_lossy(&[tested.stdout, tested.stderr].concat())
    );
    let bytes = fs::read(folder.join("word_count.wasm")).unwrap();

    let cache = cap_std::fs::Dir::open_ambient_dir(folder, cap_std::ambient_authority()).unwrap();
    let sandbox =
        Sandbox::open(Config { cache: Some(cache), handler_instances: 2, ..Config::default() })
            .unwrap();
    let begun = Instant::now();
    let inspection = sandbox.inspect(&bytes).await.unwrap();
    let compiled_ms = begun.elapsed().as_millis();
    assert!(inspection.manifest.name.starts_with("word-count-"), "{}", inspection.manifest.name);

    let load = async |memory_bytes| {
        let setup = within(Setup::default(), Limits { memory_bytes, ..Limits::HANDLER });
        sandbox.load("handler:5999".parse().unwrap(), &bytes, setup).await
    };
    let mut memory = MIB;
    let guest = loop {
        match load(memory).await {
            Ok(guest) => break guest,
            Err(InstallError::Describe(Fault::Memory)) => memory += MIB,
            Err(error) => panic!("within {memory} bytes: {error}"),
        }
    };
    assert!((2 * MIB..=Limits::HANDLER.memory_bytes).contains(&memory), "{memory}");
    let begun = Instant::now();
    load(memory).await.unwrap();
    let loaded_ms = begun.elapsed().as_millis();
    let mut cpu_us = Vec::new();
    for _ in 0..CALLS {
        cpu_us.push(call(&guest).await);
    }
    cpu_us.sort_unstable();
    let (name, size, cpu, memory) =
        (&inspection.manifest.name, bytes.len(), cpu_us[CALLS / 2], memory / MIB);
    println!(
        "{name}: {size} bytes, compiled in {compiled_ms} ms, loaded in {loaded_ms} ms, a call {cpu} µs of CPU and {memory} MiB"
    );
    sells(&folder.join("word_count.wasm"), name).await;
}

/// Goal: such a guest earns like any other. Method: a node installs it for its kind; a customer has
/// words counted, gets the number, and pays.
async fn sells(component: &Path, name: &str) {
    let market = TestMarket::start(MarketOptions {
        pricing: &[("base-msat", "1000")],
        ..MarketOptions::default()
    })
    .await;
    let guest =
        GuestConfig { source: component.to_str().unwrap().into(), ..GuestConfig::default() };
    let install = SlotChange::Install { slot: "handler:5999".into(), guest, shadow: false };
    assert_eq!(market.node().change(&install).await.unwrap().name, name);
    let mut customer = market.customer().await;
    let job = customer.broadcast(5999, vec![text("one two three")]).await;
    let result = customer.result(job).await;
    assert_eq!(result.content, "3");
    assert!(result.guests.iter().any(|guest| guest.name == name), "{:?}", result.guests);
    market.bank.pay(&result.due.unwrap().1.unwrap()).unwrap();
    market.wait_until(job, |state| state.settlement == Settlement::Paid).await;
}

/// The CPU time of a successful call.
async fn call(guest: &Installed) -> u64 {
    let answer =
        guest.run(&job(1), DEADLINE_MS, Arc::new(Recorder::reading("one two three"))).await;
    assert_eq!(answer.value.unwrap().unwrap().content, "3");
    let Cost::CpuUs(cpu_us) = answer.call.cost else { panic!("{:?}", answer.call.cost) };
    cpu_us
}
