//! The compiler in a subprocess: its code runs in this process, and its failures are contained.

use super::{component, context, granted, job, situation};
use pylon_sandbox::{Compilation, Config, Sandbox, SubprocessCompiler};
use pylon_tests::process;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn ours() -> SubprocessCompiler {
    SubprocessCompiler::new(process::pylon(), vec!["compile-component".into()])
}

/// A compiler that is a line of shell; `$0` is the engine.
fn shell(line: &str) -> SubprocessCompiler {
    SubprocessCompiler::new(PathBuf::from("/bin/sh"), ["-c", line].map(OsString::from).into())
}

fn sandbox(compiler: SubprocessCompiler) -> Sandbox {
    Sandbox::open(Config {
        compilation: Compilation::With(Arc::new(compiler)),
        ..Config::default()
    })
    .unwrap()
}

/// The subprocess compiles the same code as this process.
#[tokio::test]
async fn a_subprocess_compiles_for_both_engines() {
    let (subprocess, in_process) = (sandbox(ours()), super::sandbox());
    for (slot, name) in [("pricing", "hostile_pricing"), ("handler:5999", "probe")] {
        let guest = subprocess
            .load(slot.parse().unwrap(), component(name), granted())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let same =
            in_process.load(slot.parse().unwrap(), component(name), granted()).await.unwrap();
        assert_eq!((guest.guest_ref(), guest.engine()), (same.guest_ref(), same.engine()));
    }
    let guest = subprocess
        .load("pricing".parse().unwrap(), component("hostile_pricing"), granted())
        .await
        .unwrap();
    assert!(guest.quote(&job(1), &context(), &situation()).value.unwrap().is_ok());
}

/// Goal: a failed compiler is one refused component. Method: all ways for a process to fail; the
/// next component is compiled.
#[tokio::test]
async fn failures_of_a_subprocess_are_contained() {
    let program = process::pylon();
    let limited = format!("ulimit -v 40000; exec '{}' compile-component \"$0\"", program.display());
    for (what, compiler, words) in [
        ("a crash", shell("kill -SEGV $$"), "the compiler failed (signal: 11"),
        ("an exit without a message", shell("exit 3"), "the compiler failed (exit status: 3)"),
        ("a message", shell("echo 'pylon: no more' >&2; exit 1"), "no more"),
        ("nothing", shell("exit 0"), ""),
        ("invalid output", shell("cat"), ""),
        ("memory", shell(&limited), "the compiler failed (signal"),
        ("CPU time", shell("ulimit -t 1; while :; do :; done"), "the compiler failed (signal"),
        ("no end", shell("exec cat /dev/zero").timeout(Duration::from_millis(300)), ""),
        (
            "no end, and no output",
            shell("exec sleep 600").timeout(Duration::from_millis(300)),
            "took longer than 0.3 s",
        ),
        (
            "no program",
            SubprocessCompiler::new(PathBuf::from("/nonexistent"), Vec::new()),
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
