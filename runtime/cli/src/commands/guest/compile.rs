//! `pylon guest compile`: makes machine code for nodes that have no compiler.

use super::component;
use crate::args::guest::CompileArgs;
use crate::commands::block_on;
use crate::output::say;
use anyhow::{Context, Result};
use pylon_core::Digest;
use pylon_sandbox::ComponentInterface;
use pylon_slots as guests;
use std::path::PathBuf;

/// Writes the image beside the component; that of a guest that comes with pylon here, under the name that a node's folder `guests` has for it.
pub(super) fn run(args: &CompileArgs) -> Result<()> {
    let (bytes, file) = component::named(&args.file)?;
    let place = if file.is_some() {
        "beside the component"
    } else {
        "in `.openagents/pylon/guests` of the node's home"
    };
    let beside = file.unwrap_or_else(|| Digest::of(&bytes).to_hex().into());
    let what = || args.file.display().to_string();
    let role =
        ComponentInterface::read(&bytes).and_then(|outline| outline.role()).with_context(what)?;
    let sandbox = component::sandbox(None)?;
    let image = block_on(async { Ok(sandbox.precompile(&bytes).await?) }).with_context(what)?;
    let mut path = beside.into_os_string();
    path.push(guests::precompiled::suffix(&sandbox.engine_id(role)));
    let path = PathBuf::from(path);
    component::write(&path, &image)?;
    let path = path.display();
    say(&format!(
        "{path}\n\nNext: pylon guest sign --key KEYFILE {path}, then keep it and its release {place}\n"
    ))
}
