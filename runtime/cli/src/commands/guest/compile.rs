//! `pylon guest compile`: precompiles a component for nodes that do not compile.

use super::component;
use crate::args::guest::CompileArgs;
use crate::commands::block_on;
use crate::output::print;
use anyhow::{Context, Result};
use pylon_core::Digest;
use pylon_sandbox::ComponentInterface;
use pylon_slots as guests;
use std::path::PathBuf;

/// Writes the machine code to the folder of the component. For a guest that comes with pylon, it is
/// written to the current folder, with the name that it needs in the node's folder `guests`.
pub(super) fn run(args: &CompileArgs) -> Result<()> {
    let (bytes, file) = component::named(&args.file)?;
    let target = if file.is_some() {
        "the folder of the component"
    } else {
        "the node's folder `.openagents/pylon/guests`"
    };
    let stem = file.unwrap_or_else(|| Digest::of(&bytes).to_hex().into());
    let name = || args.file.display().to_string();
    let role = ComponentInterface::read(&bytes)
        .and_then(|interface| interface.role())
        .with_context(name)?;
    let sandbox = component::sandbox(None)?;
    let code = block_on(async { Ok(sandbox.precompile(&bytes).await?) }).with_context(name)?;
    let mut path = stem.into_os_string();
    path.push(guests::precompiled::suffix(&sandbox.engine_id(role)));
    let path = PathBuf::from(path);
    component::write(&path, &code)?;
    let path = path.display();
    print(&format!(
        "{path}\n\nNext: pylon guest sign --key KEYFILE {path}, then copy it and its release to \
         {target}\n"
    ))
}
