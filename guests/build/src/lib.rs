//! Compiles guests to components: whole packages, from the build script of the crate that embeds
//! them, and single crates of authors, for `pylon guest build`. So no component is ever committed,
//! and none is older than its source.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! let out_dir = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
//! let mut guests = pylon_guest_build::build("../../guests/policies".as_ref(), &out_dir)?;
//! guests.extend(pylon_guest_build::build("../../guests/handlers".as_ref(), &out_dir)?);
//! pylon_guest_build::write_table(&guests, "GUESTS", &out_dir.join("guests.rs"))
//! # }
//! ```
//!
//! The crate itself then has `include!(concat!(env!("OUT_DIR"), "/guests.rs"));`, which defines
//! `const GUESTS: &[(&str, &[u8])]`: name and component of each guest. Each package is built by a
//! call of its own, because one build would unify their features.

#![warn(missing_docs)]

mod cargo;
mod strip;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The only target that guests link for.
pub const TARGET: &str = "wasm32-wasip2";

/// A guest that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Name of its `[[example]]`: `token_pricing`.
    pub name: String,
    /// Path of the component, in the `out_dir` of the call.
    pub path: PathBuf,
}

/// Builds every `[[example]]` of the package, writes the components, without debug names, into
/// `out_dir` and tells Cargo when to build them again. Sorted by name.
///
/// `package_dir` is relative to the crate whose build script this is; `out_dir` is its `OUT_DIR`.
/// The target of the guests is added through rustup if it is missing. An error is one line that
/// says what to do.
pub fn build(package_dir: &Path, out_dir: &Path) -> io::Result<Vec<Component>> {
    let manifest = package_dir.join("Cargo.toml");
    let manifest = manifest
        .canonicalize()
        .map_err(|error| io::Error::other(format!("{}: {error}", manifest.display())))?;
    let root = workspace(&manifest)?;
    watch(&root, &manifest);
    let target_dir = target_dir(out_dir);
    fs::create_dir_all(&target_dir)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/toolchain");
    cargo::complete_toolchain(script.as_ref(), &target_dir.join("toolchain.lock"))?;
    let mut guests = Vec::new();
    for built in cargo::build_examples(&manifest, &root, &target_dir)? {
        let path = out_dir.join(format!("{}.wasm", built.name));
        put(&built.path, &path)?;
        guests.push(Component { name: built.name, path });
    }
    if guests.is_empty() {
        return Err(io::Error::other(format!(
            "{}: the package has no `[[example]]`, so no guests",
            manifest.display()
        )));
    }
    guests.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(guests)
}

/// Builds the library of a crate outside this workspace, such as `pylon guest new` makes, and
/// writes the component, without debug names, to `file`. Cargo reports on stderr, with `quiet` only
/// errors.
pub fn build_alone(crate_dir: &Path, file: &Path, quiet: bool) -> io::Result<()> {
    let manifest = crate_dir.join("Cargo.toml");
    let manifest = manifest
        .canonicalize()
        .map_err(|error| io::Error::other(format!("{}: {error}", manifest.display())))?;
    let root = manifest.parent().unwrap_or(crate_dir);
    cargo::require_target(root)?;
    match cargo::build_library(&manifest, root, quiet)?.as_slice() {
        [library] => put(&library.path, file),
        _ => Err(io::Error::other(format!(
            "{}: not a guest: `[lib]` has no `crate-type = [\"cdylib\"]`",
            manifest.display()
        ))),
    }
}

fn put(built: &Path, path: &Path) -> io::Result<()> {
    let component = fs::read(built)?;
    fs::write(path, strip::without_names(&component).unwrap_or(component))
}

/// Writes a file to `include!`: `const NAME: &[(&str, &[u8])]` with name and component of each
/// guest.
pub fn write_table(guests: &[Component], name: &str, file: &Path) -> io::Result<()> {
    let mut table = format!(
        "/// Name and component of each guest.\npub(crate) const {name}: &[(&str, &[u8])] = &[\n"
    );
    for guest in guests {
        let _ = writeln!(table, "    ({:?}, include_bytes!({:?})),", guest.name, guest.path);
    }
    table.push_str("];\n");
    fs::write(file, table)
}

/// The folder that holds the lock file.
fn workspace(manifest: &Path) -> io::Result<PathBuf> {
    let root = manifest.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_path_buf)
        .ok_or_else(|| io::Error::other(format!("{}: no Cargo.lock above it", manifest.display())))
}

fn watch(root: &Path, manifest: &Path) {
    let package = manifest.parent().map(Path::to_path_buf);
    let shared = ["guest-sdk", "wit", "Cargo.toml", "Cargo.lock"].map(|path| root.join(path));
    for path in package.into_iter().chain(shared) {
        // For a missing path Cargo would run the build script each time.
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
}

/// Next to the `build` folder of the outer build, so that packages and runs share it. The outer
/// target folder itself is locked meanwhile.
fn target_dir(out_dir: &Path) -> PathBuf {
    let build =
        out_dir.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build"));
    build.and_then(Path::parent).unwrap_or(out_dir).join("guests")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In Cargo's layout all build scripts of one profile share a folder; elsewhere each has its
    /// own.
    #[test]
    fn guests_are_built_next_to_the_outer_build() {
        assert_eq!(
            target_dir("/t/release/build/pylon-1f/out".as_ref()),
            Path::new("/t/release/guests")
        );
        assert_eq!(target_dir("/elsewhere".as_ref()), Path::new("/elsewhere/guests"));
    }

    /// The table is Rust that names each guest and the file of its component.
    #[test]
    fn the_table_includes_each_guest() {
        let file =
            std::env::temp_dir().join(format!("pylon-guest-table-{}.rs", std::process::id()));
        let guests = [Component { name: "echo".into(), path: "/o/echo.wasm".into() }];
        write_table(&guests, "GUESTS", &file).unwrap();
        let table = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(table.contains("const GUESTS: &[(&str, &[u8])]"), "{table}");
        assert!(table.contains("(\"echo\", include_bytes!(\"/o/echo.wasm\"))"), "{table}");
    }
}
