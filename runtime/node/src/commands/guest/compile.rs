//! `pylon guest compile`: makes machine code for nodes that have no compiler.

use super::component;
use crate::cli::guest::CompileArgs;
use crate::commands::block_on;
use crate::guests;
use crate::output::say;
use anyhow::{Context, Result};
use pylon_core::Digest;
use pylon_sandbox::Outline;
use std::path::PathBuf;

/// Writes the image beside the component; that of a guest that comes with pylon here, under the name that a node's folder `guests` has for it.
pub(super) fn run(args: &CompileArgs) -> Result<()> {
    let shipped = args.file.to_str().and_then(guests::component);
    let (bytes, beside) = match shipped {
        Some(bytes) => (bytes.to_vec(), PathBuf::from(Digest::of(bytes).to_hex())),
        None => (component::read(&args.file)?, args.file.clone()),
    };
    let what = || args.file.display().to_string();
    let role = Outline::read(&bytes).and_then(|outline| outline.role()).with_context(what)?;
    let sandbox = component::sandbox(None)?;
    let image = block_on(async { Ok(sandbox.image(&bytes).await?) }).with_context(what)?;
    let mut path = beside.into_os_string();
    path.push(guests::image::suffix(&sandbox.engine_of(role)));
    let path = PathBuf::from(path);
    component::write(&path, &image)?;
    say(&format!("{}  sign it with `pylon guest sign`\n", path.display()))
}
