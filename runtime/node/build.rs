//! Builds the guests that the node ships and embeds them, with all that an author's own guest begins with.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What `pylon guest new` puts into a new crate: whoever writes guests has this program and no tree of ours. Sources rather than a package of
/// a registry, so that it works offline and the SDK is always the one that this node understands.
const SCAFFOLD: [&str; 3] = ["guest-sdk", "wit", "guests/templates"];

fn main() -> io::Result<()> {
    let out_dir = PathBuf::from(
        std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?,
    );
    let mut guests = pylon_guest_build::build("../../guests/policies".as_ref(), &out_dir)?;
    guests.extend(pylon_guest_build::build("../../guests/handlers".as_ref(), &out_dir)?);
    pylon_guest_build::write_table(&guests, "SHIPPED", &out_dir.join("shipped.rs"))?;

    let root = Path::new("../..").canonicalize()?;
    // The versions that we build with: an author's first build fetches no others, and none that nobody has tried.
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

/// Every file below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
