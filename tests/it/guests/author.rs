//! Guests of authors: a new guest builds and passes its own cases at once, and each example of the
//! SDK's documentation builds.

use crate::guests::docs::{example, example_cases};
use pylon_tests::process::run;
use pylon_tests::program::{check_failure, said};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A world, the arguments of `guest new` for it, and a numeric setting of that guest.
const GUESTS: [(&str, &[&str], Option<&str>); 4] = [
    ("pricing", &["policy", "pricing"], Some("per-1k-msat")),
    ("routing", &["policy", "routing"], Some("max-failures-permille")),
    ("verification", &["policy", "verification"], Some("min-bytes")),
    ("handler", &["handler", "5123"], None),
];

/// Like `super::guest`, with Cargo offline and a target folder that later runs share.
fn guest(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(pylon_tests::process::pylon());
    command
        .arg("guest")
        .args(args)
        .current_dir(folder)
        .env("PYLON_HOME", folder)
        .stdin(Stdio::null());
    command
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests"))
        .env("CARGO_NET_OFFLINE", "true");
    command.output().unwrap()
}

/// Goal: an author has a working guest after one command, without network and without this tree.
/// Method: create, build, test and inspect one of each world, and set a number to a word; then
/// replace it by the example of the documentation, build that, and run its cases.
#[test]
fn cargo_builds_new_guests() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = guest(folder.path(), &["install", "token_pricing", "--slot", "pricing"]);
    check_failure("a home without identity", &nowhere, &["no identity", "pylon init"]);
    let ours = guest(folder.path(), &["new", "policy", "pricing", "token_pricing"]);
    check_failure("a reserved name", &ours, &["comes with pylon"]);
    assert!(run(folder.path(), &["init"]).status.success());
    for (world, plan, number) in GUESTS {
        let name = &format!("my_{world}");
        let made = guest(folder.path(), &[&["new"][..], plan, &[name]].concat());
        assert!(made.status.success(), "{name}: {}", said(&made));
        let tested = guest(folder.path(), &["test", name, "--json"]);
        assert!(
            tested.status.success(),
            "{name}: {} {}",
            said(&tested),
            String::from_utf8_lossy(&tested.stdout)
        );
        let facts: serde_json::Value = serde_json::from_slice(&tested.stdout).unwrap();
        assert!(facts["passed"].as_u64().unwrap() >= 4 && facts["failed"] == 0, "{facts}");
        assert_eq!(facts["name"], name.as_str());
        if world != "handler" {
            let size =
                fs::metadata(folder.path().join(name).join(format!("{name}.wasm"))).unwrap().len();
            assert!(size <= 64 << 10, "{name} has {size} bytes");
        }
        if let Some(number) = number {
            let wrong = guest(
                folder.path(),
                &["install", name, "--slot", world, "--settings", &format!("{number}=few")],
            );
            check_failure("no number", &wrong, &["setting: ", &format!("setting `{number}`")]);
        }
        fs::write(folder.path().join(name).join("src/lib.rs"), example(world)).unwrap();
        let built = guest(folder.path(), &["build", name]);
        assert!(built.status.success(), "the example of {world}: {}", said(&built));
        if let Some(cases) = example_cases(world) {
            fs::write(folder.path().join(name).join(format!("{name}.cases.toml")), cases).unwrap();
            let tested = guest(folder.path(), &["test", name]);
            let page = String::from_utf8_lossy(&tested.stdout);
            assert!(page.contains("2 passed, 0 failed"), "{world}: {} {page}", said(&tested));
        }
        let component = format!("{name}/{name}.wasm");
        assert!(guest(folder.path(), &["inspect", &component]).status.success());
        check_failure(
            "again",
            &guest(folder.path(), &[&["new"][..], plan, &[name]].concat()),
            &["already exists"],
        );
    }
    let broken = folder.path().join("my_pricing");
    fs::write(broken.join("src/lib.rs"), "no Rust").unwrap();
    check_failure(
        "no Rust",
        &guest(&broken, &["test"]),
        &["does not build", "messages of Cargo above"],
    );
    fs::remove_file(broken.join("Cargo.toml")).unwrap();
    check_failure(
        "no crate",
        &guest(&broken, &["build"]),
        &["Cargo.toml does not exist", "guest new"],
    );
}

/// Goal: without Rust the error says what to install. Method: a path of Cargo, or of rustc, that
/// does not exist.
#[test]
fn missing_compiler_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    assert!(super::guest(folder.path(), &["new", "policy", "pricing", "mine"]).status.success());
    let without = |tool: &str| {
        let mut command = Command::new(pylon_tests::process::pylon());
        command
            .args(["guest", "build", "mine"])
            .current_dir(folder.path())
            .env(tool, "/nowhere/to/be/found");
        command.output().unwrap()
    };
    check_failure("no cargo", &without("CARGO"), &["cargo cannot be run", "https://rustup.rs"]);
    check_failure("no rustc", &without("RUSTC"), &["rustc cannot be run", "https://rustup.rs"]);
}
