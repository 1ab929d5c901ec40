//! The inner Cargo: what it inherits, what it must not, and what it says it built.

use crate::{Component, TARGET};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where an outer build works is no place for the inner one; where an author builds is for the author to say.
const OUTER_FOLDERS: [&str; 2] = ["CARGO_BUILD_TARGET_DIR", "CARGO_TARGET_DIR"];

/// What the outer build set for its own machine or its own linter, and what would make the guests' bytes depend on who builds them.
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

/// Is the standard library for guests there? Asked first: without it Cargo fails in a hundred lines.
pub(crate) fn require_target(folder: &Path) -> io::Result<()> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let asked = started(
        rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder).output(),
        "rustc",
    )?;
    if !asked.status.success() {
        return Err(io::Error::other(no_rustc(&String::from_utf8_lossy(&asked.stderr))));
    }
    if Path::new(String::from_utf8_lossy(&asked.stdout).trim()).is_dir() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "guests need the target {TARGET}: run `rustup target add {TARGET}`"
    )))
}

/// A compiler that does not even say where its libraries are: most often rustup's stand-in for one, without a toolchain behind it.
fn no_rustc(said: &str) -> String {
    let why =
        said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    let todo = "`rustup default stable` installs and takes a toolchain";
    format!("rustc cannot be used: {todo}, `rustup target add {TARGET}` what guests need ({why})")
}

/// Builds all examples of the package; paths are those in `target_dir`.
pub(crate) fn build_examples(
    manifest: &Path,
    root: &Path,
    target_dir: &Path,
) -> io::Result<Vec<Component>> {
    let mut command = cargo(manifest, root);
    // `--locked`: what the outer build resolved is what the guests get, and the committed lock file is never rewritten from here.
    command.args(["--locked", "--profile", "guest", "--examples", "--target-dir"]).arg(target_dir);
    for name in OUTER_FOLDERS {
        command.env_remove(name);
    }
    Ok(components(&run(&mut command, manifest)?, manifest, "example"))
}

/// Builds the library of an author's own crate, as its profile `release` says.
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
    Err(io::Error::other(format!("{} does not build: Cargo says why above", manifest.display())))
}

fn started(output: io::Result<Output>, tool: &str) -> io::Result<Output> {
    output.map_err(|error| {
        io::Error::other(format!(
            "{tool} cannot be run ({error}): install Rust from https://rustup.rs"
        ))
    })
}

/// Panics name source files; ours name none of the builder's folders, so that the same source has the same digest anywhere.
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

/// What Cargo says it built.
fn components(said: &[u8], manifest: &Path, kind: &str) -> Vec<Component> {
    said.split(|byte| *byte == b'\n').filter_map(|line| component(line, manifest, kind)).collect()
}

/// A target of this kind in this package.
fn component(line: &[u8], manifest: &Path, kind: &str) -> Option<Component> {
    let message: serde_json::Value = serde_json::from_slice(line).ok()?;
    let target = message.get("target")?;
    let is_kind = target.get("kind")?.as_array()?.iter().any(|its| its == kind);
    let is_ours = Path::new(message.get("manifest_path")?.as_str()?) == manifest;
    if message.get("reason")? != "compiler-artifact" || !is_kind || !is_ours {
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

    /// Goal: who has rustup and no toolchain reads what to do. Method: what rustup says then, and nothing at all.
    #[test]
    fn without_a_toolchain() {
        let rustup = "error: rustup could not choose a version of rustc to run, because one wasn't specified explicitly, and no default is configured.\n\
                      help: run 'rustup default stable' to download the latest stable release of Rust and set it as your default toolchain.\n";
        for (said, why) in [(rustup, "no default is configured.)"), ("\n", "(it says nothing)")] {
            let told = no_rustc(said);
            assert!(
                told.contains("`rustup default stable`") && told.contains("`rustup target add"),
                "{told}"
            );
            assert!(told.ends_with(why) && told.lines().count() == 1, "{told}");
        }
    }

    /// Of all that Cargo reports only the examples of the package itself are guests.
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
