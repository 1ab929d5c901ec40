//! Builds guests from a build script and embeds them.
//!
//! Guests link only for `wasm32-wasip2`, with features and link arguments of their own, so every package of them is built by a cargo of
//! its own. What the outer cargo or clippy has set for its compiler must not reach that cargo, and the two must not wait for each other's
//! target folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of every guest.
const TARGET: &str = "wasm32-wasip2";
/// What the outer build says to its own compiler.
const NOT_INHERITED: &[&str] = &[
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTC",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_TARGET_DIR",
];

/// Builds every guest of these packages and writes `OUT_DIR/file`: `const name: &[(&str, &[u8])]`, each guest by its name.
/// Ends the build script with one line if that fails.
pub fn embed(packages: &[PathBuf], file: &str, name: &str) {
    if let Err(why) = try_embed(packages, file, name) {
        eprintln!("the guests cannot be built: {why}");
        std::process::exit(1);
    }
}

fn try_embed(packages: &[PathBuf], file: &str, name: &str) -> Result<(), String> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: this is for build scripts")?);
    let target = target_folder(&out);
    let mut table = format!("const {name}: &[(&str, &[u8])] = &[\n");
    for package in packages {
        watch(package);
        build(package, &target)?;
        for guest in guests_of(package)? {
            let built = target.join(TARGET).join("release/examples").join(format!("{guest}.wasm"));
            let kept = out.join(format!("{guest}.wasm"));
            std::fs::copy(&built, &kept).map_err(|why| format!("{}: {why}", built.display()))?;
            let _ = writeln!(table, "    ({guest:?}, include_bytes!({:?})),", kept.display().to_string());
        }
    }
    table.push_str("];\n");
    std::fs::write(out.join(file), table).map_err(|why| format!("{file}: {why}"))
}

/// One folder for all guests of this target folder: `target/guests`, beside `target/release`.
fn target_folder(out: &Path) -> PathBuf {
    let profile = out.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build")).and_then(Path::parent);
    profile.and_then(Path::parent).unwrap_or(out).join("guests")
}

/// The guests are the files of the package, one each.
fn guests_of(package: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(package).map_err(|why| format!("{}: {why}", package.display()))?;
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let names = sources.filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    let mut guests: Vec<_> = names.filter(|name| name != "build").collect();
    guests.sort();
    Ok(guests)
}

fn build(package: &Path, target: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--examples", "--target", TARGET]);
    command.arg("--manifest-path").arg(package.join("Cargo.toml")).arg("--target-dir").arg(target);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    let output = command.output().map_err(|why| format!("cargo does not start: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("can't find crate for `core`") || said.contains("can't find crate for `std`") {
        return Err(format!("the target is missing, run: rustup target add {TARGET}"));
    }
    Err(format!("{}\n{said}", package.display()))
}

/// A change of a guest, of the SDK or of the contract builds them again.
fn watch(package: &Path) {
    let root = package.ancestors().find(|folder| folder.join("wit").is_dir()).unwrap_or(package);
    for path in [package, &root.join("guest-sdk"), &root.join("wit")] {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}
