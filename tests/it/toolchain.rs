//! The two commands of the README on a machine whose Rust toolchain is not complete: what is
//! missing is added through rustup, and without rustup they stop before Cargo starts.
//!
//! `PATH` holds nothing but stand-ins, so nothing is downloaded or compiled.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Lists its arguments in the file `calls`.
const CARGO: &str = "echo \"cargo $*\" >>\"$BIN/calls\"\n";
/// Has the toolchain if the file `toolchain` is there, and the target if `target` is.
const RUSTC: &str = "[ -e \"$BIN/toolchain\" ] || exit 1\necho \"$BIN/target\"\n";
/// Adds what it is asked for.
const RUSTUP: &str = "echo \"rustup $*\" >>\"$BIN/calls\"\n\
    case \"$1\" in target) /bin/mkdir \"$BIN/target\" ;; *) : >\"$BIN/toolchain\" ;; esac\n";
const BROKEN_RUSTUP: &str = "echo 'no network' >&2\nexit 1\n";

/// A folder of programs that replaces `PATH`.
struct Machine(TempDir);

impl Machine {
    fn with(programs: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for (name, script) in programs {
            let path = machine.file(name);
            fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn with_toolchain(self) -> Self {
        fs::write(self.file("toolchain"), "").unwrap();
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, shell: &str, script: &str, args: &[&str]) -> Output {
        let path = std::env::var_os("PATH").unwrap();
        let mut shells = std::env::split_paths(&path).map(|folder| folder.join(shell));
        let mut command = Command::new(shells.find(|file| file.is_file()).unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(script);
        command.arg(script).args(args).env("PATH", self.0.path()).env("BIN", self.0.path());
        command.env_remove("RUSTC").env("RUSTUP_AUTO_INSTALL", "0").output().unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.file("calls")).unwrap_or_default()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Goal: the demo needs one command on a machine that has rustup. Method: a toolchain without the
/// target, no toolchain at all, and a complete one.
#[test]
fn missing_parts_of_the_toolchain_are_added_through_rustup() {
    let programs = [("cargo", CARGO), ("rustc", RUSTC), ("rustup", RUSTUP)];
    let (toolchain, target) = ("rustup toolchain install\n", "rustup target add wasm32-wasip2\n");
    let demo = "cargo run --release -- demo --jobs 2\n";
    for (machine, calls) in [
        (Machine::with(&programs), [toolchain, target, demo].concat()),
        (Machine::with(&programs).with_toolchain(), [target, demo].concat()),
    ] {
        let output = machine.run("sh", "demo", &["--jobs", "2"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(machine.calls(), calls);
        assert!(stderr(&output).contains("adding the target wasm32-wasip2"), "{}", stderr(&output));
        let again = machine.run("sh", "demo", &["--jobs", "2"]);
        assert_eq!((machine.calls(), stderr(&again)), (calls + demo, String::new()));
    }
}

/// Goal: an incomplete machine is reported before anything is compiled. Method: both commands,
/// without rustup, with a rustup that fails, and without Rust; Cargo must not have been called.
#[test]
fn toolchain_that_cannot_be_completed_stops_both_commands_before_cargo() {
    let target = "guests need the target wasm32-wasip2 and there is no rustup";
    for (machine, error) in [
        (Machine::with(&[("cargo", CARGO), ("rustc", RUSTC)]).with_toolchain(), target),
        (
            Machine::with(&[("cargo", CARGO), ("rustc", RUSTC), ("rustup", BROKEN_RUSTUP)])
                .with_toolchain(),
            "`rustup target add wasm32-wasip2` failed",
        ),
        (
            Machine::with(&[("cargo", CARGO), ("rustc", RUSTC), ("rustup", BROKEN_RUSTUP)]),
            "`rustup toolchain install` failed",
        ),
        (Machine::with(&[("cargo", CARGO)]), "install Rust from https://rustup.rs"),
    ] {
        for (shell, script) in [("sh", "demo"), ("bash", "tests/run")] {
            let output = machine.run(shell, script, &[]);
            let stderr = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{script}: {stderr}");
            assert!(
                stderr.lines().last().unwrap_or_default().contains(error),
                "{script}: {stderr}"
            );
            assert_eq!(machine.calls(), "", "{script} with {error}");
        }
    }
}
