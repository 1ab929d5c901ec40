//! `pylon guest build`: compiles an author's crate to a component in its folder.

use crate::args::guest::BuildArgs;
use crate::output::print;
use anyhow::{Context, Result, bail};
use pylon_core::Digest;
use serde::Deserialize;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

/// Builds the component, and prints its path, size and digest.
pub(super) fn run(args: &BuildArgs) -> Result<()> {
    let component = build(&args.dir)?;
    let bytes = std::fs::read(&component).with_context(|| component.display().to_string())?;
    let size = bytes.len();
    print(&format!("{}  {size} bytes  sha256 {}\n", component.display(), Digest::of(&bytes)))
}

/// Builds the crate in this folder and returns the path of the component.
pub(super) fn build(dir: &Path) -> Result<PathBuf> {
    let component = dir.join(format!("{}.wasm", package_name(dir)?));
    pylon_guest_build::build_alone(dir, &component, !std::io::stderr().is_terminal())?;
    Ok(component)
}

fn package_name(dir: &Path) -> Result<String> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }

    #[derive(Deserialize)]
    struct Package {
        name: String,
    }

    let path = dir.join("Cargo.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "{} does not exist: give the folder that `pylon guest new` created",
                path.display()
            )
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("{} has no package name", path.display()))?;
    Ok(manifest.package.name)
}
