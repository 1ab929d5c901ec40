//! The inner Cargo: what it inherits, what it must not, and what it says it built.

use crate::{Component, TARGET};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the outer build set for its own machine or its own linter, and what would make the guests' bytes depend on who builds them.
const NOT_INHERITED: [&str; 11] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// Is the standard library for guests there? Asked first: without it Cargo fails in a hundred lines.
pub(crate) fn require_target() -> io::Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(&rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let folder = String::from_utf8_lossy(&asked.stdout);
    if asked.status.success() && Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    Err(io::Error::other(format!("guests need the target {TARGET}: run `rustup target add {TARGET}`")))
}

/// Builds all examples of the package; paths are those in `target_dir`.
pub(crate) fn build_examples(manifest: &Path, root: &Path, target_dir: &Path) -> io::Result<Vec<Component>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `--locked`: what the outer build resolved is what the guests get, and the committed lock file is never rewritten from here.
    command.args(["build", "--locked", "--profile", "guest", "--target", TARGET, "--examples"]);
    command.args(["--message-format", "json-render-diagnostics"]).arg("--manifest-path").arg(manifest);
    command.arg("--target-dir").arg(target_dir).current_dir(root);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", remapped(root));
    let built = command.stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        return Err(io::Error::other(format!("the guests of {} do not build: Cargo says why above", manifest.display())));
    }
    Ok(built.stdout.split(|byte| *byte == b'\n').filter_map(|line| example(line, manifest)).collect())
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

/// An example of this package that Cargo has built.
fn example(line: &[u8], manifest: &Path) -> Option<Component> {
    let message: serde_json::Value = serde_json::from_slice(line).ok()?;
    let target = message.get("target")?;
    let is_example = target.get("kind")?.as_array()?.iter().any(|kind| kind == "example");
    let is_ours = Path::new(message.get("manifest_path")?.as_str()?) == manifest;
    if message.get("reason")? != "compiler-artifact" || !is_example || !is_ours {
        return None;
    }
    let files = message.get("filenames")?.as_array()?.iter().filter_map(|file| file.as_str());
    let path = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|ending| ending == "wasm"))?;
    Some(Component { name: target.get("name")?.as_str()?.to_owned(), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all that Cargo reports only the examples of the package itself are guests.
    #[test]
    fn guests_are_the_examples_that_cargo_reports() {
        let line = |kind: &str, manifest: &str| {
            let target = format!(r#"{{"kind":["{kind}"],"name":"echo"}}"#);
            let files = r#"["/t/echo.wasm"]"#;
            format!(r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{target},"filenames":{files}}}"#)
        };
        let ours = Path::new("/g/Cargo.toml");
        let found = |line: &str| example(line.as_bytes(), ours).map(|guest| guest.name);
        assert_eq!(found(&line("example", "/g/Cargo.toml")), Some("echo".into()));
        assert_eq!(found(&line("lib", "/g/Cargo.toml")), None);
        assert_eq!(found(&line("example", "/other/Cargo.toml")), None);
        assert_eq!(found("   Compiling echo"), None);
    }
}
