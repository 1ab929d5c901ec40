//! Embeds everything that a new guest's crate begins with.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The folders that `pylon guest new` copies. Sources rather than packages of a registry: they work
/// offline, and the SDK is always the one that this node understands.
const SCAFFOLD: [&str; 3] = ["guest-sdk", "wit", "guests/templates"];

fn main() -> io::Result<()> {
    let out_dir = PathBuf::from(
        std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?,
    );
    let root = Path::new("../..").canonicalize()?;
    // The versions that this program was built with, so that a first build fetches no others.
    let mut files = vec![root.join("Cargo.lock")];
    for folder in SCAFFOLD {
        println!("cargo::rerun-if-changed=../../{folder}");
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut table = String::from(
        "/// Path in our tree and text of each file.\nconst FILES: &[(&str, &str)] = &[\n",
    );
    for file in &files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let _ = writeln!(table, "    ({name:?}, include_str!({file:?})),");
    }
    table.push_str("];\n");
    fs::write(out_dir.join("scaffold.rs"), table)
}

/// Collects every file below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
