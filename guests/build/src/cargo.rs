//! The inner Cargo process: its environment, its arguments, and the artifacts that it reports.

use crate::{Component, TARGET};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fs, io};

/// The target folder of an outer build, which holds its lock. Authors may set their own.
const OUTER_FOLDERS: [&str; 2] = ["CARGO_BUILD_TARGET_DIR", "CARGO_TARGET_DIR"];

/// Settings of the outer build for its own target or linter, and those that would make the bytes of
/// a guest depend on the machine that builds it.
const NOT_INHERITED: [&str; 9] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CLIPPY_ARGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// Runs the script that completes the toolchain of this tree and passes on what it reports. Build
/// scripts of one build may come here at the same time, so `lock` is a file that they share.
pub(crate) fn complete_toolchain(script: &Path, lock: &Path) -> io::Result<()> {
    let lock = fs::File::create(lock)?;
    lock.lock()?;
    let output = Command::new(script).output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = report.lines().last().unwrap_or_default();
        return Err(io::Error::other(format!("{}: {last}", script.display())));
    }
    for line in report.lines() {
        println!("cargo::warning={line}");
    }
    Ok(())
}

/// Checks that the standard library for guests is installed: without it Cargo fails in a hundred
/// lines.
pub(crate) fn require_target(folder: &Path) -> io::Result<()> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = started(
        rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder).output(),
        "rustc",
    )?;
    if !output.status.success() {
        return Err(io::Error::other(unusable_rustc(&String::from_utf8_lossy(&output.stderr))));
    }
    if Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "guests need the target {TARGET}: run `rustup target add {TARGET}`"
    )))
}

/// The error for a compiler that cannot name its library folder: most often the proxy of rustup,
/// with no toolchain installed.
fn unusable_rustc(stderr: &str) -> String {
    let why = stderr
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it printed no reason");
    format!(
        "rustc cannot be used ({why}): run `rustup default stable` to install a toolchain, then \
         `rustup target add {TARGET}`"
    )
}

/// Builds all examples of the package; paths are those in `target_dir`.
pub(crate) fn build_examples(
    manifest: &Path,
    root: &Path,
    target_dir: &Path,
) -> io::Result<Vec<Component>> {
    let mut command = cargo(manifest, root);
    // `--locked`: guests get the versions that the outer build resolved, and the committed lock
    // file is never rewritten from here.
    command.args(["--locked", "--profile", "guest", "--examples", "--target-dir"]).arg(target_dir);
    for name in OUTER_FOLDERS {
        command.env_remove(name);
    }
    Ok(components(&run(&mut command, manifest)?, manifest, "example"))
}

/// Builds the library of an author's own crate in its profile `release`.
pub(crate) fn build_library(
    manifest: &Path,
    root: &Path,
    quiet: bool,
) -> io::Result<Vec<Component>> {
    let mut command = cargo(manifest, root);
    command.args(["--release", "--lib"]).args(quiet.then_some("--quiet"));
    Ok(components(&run(&mut command, manifest)?, manifest, "cdylib"))
}

fn cargo(manifest: &Path, root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([
            "build",
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(manifest);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command
        .env("CARGO_ENCODED_RUSTFLAGS", remapped(root))
        .current_dir(root)
        .stderr(Stdio::inherit());
    command
}

fn run(cargo: &mut Command, manifest: &Path) -> io::Result<Vec<u8>> {
    let built = started(cargo.output(), "cargo")?;
    if built.status.success() {
        return Ok(built.stdout);
    }
    Err(io::Error::other(format!(
        "{} does not build: see the messages of Cargo above",
        manifest.display()
    )))
}

fn started(output: io::Result<Output>, tool: &str) -> io::Result<Output> {
    output.map_err(|error| {
        io::Error::other(format!(
            "{tool} cannot be run ({error}): install Rust from https://rustup.rs"
        ))
    })
}

/// Panic messages name source files. Without the folders of the builder in them, the same source
/// has the same digest on every machine.
fn remapped(root: &Path) -> OsString {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = OsString::new();
    for (from, to) in [(home, "/cargo"), (Some(root.to_path_buf()), "/pylon")] {
        let Some(from) = from else { continue };
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

/// The artifacts that Cargo reports.
fn components(messages: &[u8], manifest: &Path, kind: &str) -> Vec<Component> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| component(line, manifest, kind))
        .collect()
}

/// The artifact of a target of this kind in this package.
fn component(line: &[u8], manifest: &Path, kind: &str) -> Option<Component> {
    let message: serde_json::Value = serde_json::from_slice(line).ok()?;
    let target = message.get("target")?;
    let is_kind = target.get("kind")?.as_array()?.iter().any(|found| found == kind);
    let in_package = Path::new(message.get("manifest_path")?.as_str()?) == manifest;
    if message.get("reason")? != "compiler-artifact" || !is_kind || !in_package {
        return None;
    }
    let files = message.get("filenames")?.as_array()?.iter().filter_map(|file| file.as_str());
    let path = files
        .map(PathBuf::from)
        .find(|file| file.extension().is_some_and(|ending| ending == "wasm"))?;
    Some(Component { name: target.get("name")?.as_str()?.to_owned(), path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Goal: with rustup and no toolchain the error says what to do. Method: the message that
    /// rustup prints in that case, and an empty one.
    #[test]
    fn missing_toolchain_is_reported_in_one_line() {
        let rustup = "error: rustup could not choose a version of rustc to run, because one wasn't specified explicitly, and no default is configured.\n\
                      help: run 'rustup default stable' to download the latest stable release of Rust and set it as your default toolchain.\n";
        for (stderr, why) in
            [(rustup, "no default is configured.)"), ("\n", "(it printed no reason)")]
        {
            let error = unusable_rustc(stderr);
            for part in ["`rustup default stable`", "`rustup target add", why] {
                assert!(error.contains(part), "{error}");
            }
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    /// Goal: a build script stops with the reason that the toolchain script gives. Method: scripts
    /// that succeed and fail.
    #[test]
    fn failed_toolchain_script_stops_the_build() {
        let folder = std::env::temp_dir().join(format!("pylon-toolchain-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let run = |code: &str| {
            let script = folder.join(format!("exit-{code}"));
            fs::write(&script, format!("#!/bin/sh\necho first >&2\necho last >&2\nexit {code}\n"))
                .unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            complete_toolchain(&script, &folder.join("lock"))
        };
        run("0").unwrap();
        let error = run("1").unwrap_err().to_string();
        assert!(error.ends_with("exit-1: last"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }

    /// Of all artifacts that Cargo reports, only examples of the package itself are guests.
    #[test]
    fn guests_are_the_examples_that_cargo_reports() {
        let line = |kind: &str, manifest: &str| {
            let target = format!(r#"{{"kind":["{kind}"],"name":"echo"}}"#);
            let files = r#"["/t/echo.wasm"]"#;
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{target},"filenames":{files}}}"#
            )
        };
        let ours = Path::new("/g/Cargo.toml");
        let found =
            |line: &str| component(line.as_bytes(), ours, "example").map(|guest| guest.name);
        assert_eq!(found(&line("example", "/g/Cargo.toml")), Some("echo".into()));
        assert_eq!(found(&line("lib", "/g/Cargo.toml")), None);
        assert_eq!(found(&line("example", "/other/Cargo.toml")), None);
        assert_eq!(found("   Compiling echo"), None);
    }
}
