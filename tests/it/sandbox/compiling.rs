//! The compiler in a process of its own: what it makes runs here, and however it ends, the node goes on.

use super::{component, context, granted, job, situation};
use pylon_sandbox::{ChildCompiler, Compiling, Config, Sandbox};
use pylon_tests::process;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn ours() -> ChildCompiler {
    ChildCompiler::new(process::pylon(), vec!["compile-component".into()])
}

/// A compiler that is a line of shell; `$0` is the tier.
fn shell(line: &str) -> ChildCompiler {
    ChildCompiler::new(PathBuf::from("/bin/sh"), ["-c", line].map(OsString::from).into())
}

fn sandbox(compiler: ChildCompiler) -> Sandbox {
    Sandbox::open(Config { compiling: Compiling::By(Arc::new(compiler)), ..Config::default() })
        .unwrap()
}

/// What the child makes is what this process would have made.
#[tokio::test]
async fn a_child_compiles_for_both_tiers() {
    let (apart, here) = (sandbox(ours()), super::sandbox());
    for (slot, name) in [("pricing", "hostile_pricing"), ("handler:5999", "probe")] {
        let guest = apart
            .load(slot.parse().unwrap(), component(name), granted())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let same = here.load(slot.parse().unwrap(), component(name), granted()).await.unwrap();
        assert_eq!((guest.guest_ref(), guest.engine()), (same.guest_ref(), same.engine()));
    }
    let guest = apart
        .load("pricing".parse().unwrap(), component("hostile_pricing"), granted())
        .await
        .unwrap();
    assert!(guest.quote(&job(1), &context(), &situation()).value.unwrap().is_ok());
}

/// Goal: a compiler that fails is one refused component. Method: each way for a process to end badly, and the next component is compiled all the same.
#[tokio::test]
async fn a_child_that_fails_harms_nobody() {
    let program = process::pylon();
    let limited = format!("ulimit -v 40000; exec '{}' compile-component \"$0\"", program.display());
    for (what, compiler, words) in [
        ("a crash", shell("kill -SEGV $$"), "by itself (signal: 11"),
        ("an end without a word", shell("exit 3"), "by itself (exit status: 3)"),
        ("words", shell("echo 'pylon: no more' >&2; exit 1"), "no more"),
        ("nothing", shell("exit 0"), ""),
        ("nonsense", shell("cat"), ""),
        ("memory", shell(&limited), "ended by itself (signal"),
        ("time on the processor", shell("ulimit -t 1; while :; do :; done"), "by itself (signal"),
        ("no end", shell("exec cat /dev/zero").within(Duration::from_millis(300)), ""),
        (
            "no end, and nothing said",
            shell("exec sleep 600").within(Duration::from_millis(300)),
            "took longer than 0.3 s",
        ),
        (
            "no program",
            ChildCompiler::new(PathBuf::from("/nonexistent"), Vec::new()),
            "cannot be started",
        ),
    ] {
        let error = sandbox(compiler)
            .load("pricing".parse().unwrap(), component("hostile_pricing"), granted())
            .await
            .err()
            .unwrap();
        assert_eq!(error.code(), "compile", "{what}: {error}");
        assert!(error.to_string().contains(words), "{what}: {error}");
    }
    let refused =
        sandbox(ours()).load("handler:5999".parse().unwrap(), component("probe"), granted()).await;
    assert!(refused.is_ok());
}
