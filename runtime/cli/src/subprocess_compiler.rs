//! How this program compiles guests: it runs its own hidden command in a subprocess.

use anyhow::{Context, Result};
use pylon_sandbox::{Compilation, SubprocessCompiler};
use std::path::PathBuf;
use std::sync::Arc;

const COMMAND: &str = "compile-component";

/// A compiler that runs this executable, even if its file was replaced after the start. Only this
/// program has the command; others that link the sandbox compile in their own process.
pub(crate) fn subprocess_compiler() -> Result<Compilation> {
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() {
        running
    } else {
        std::env::current_exe().context("cannot find the path of this program")?
    };
    Ok(Compilation::With(Arc::new(SubprocessCompiler::new(program, vec![COMMAND.into()]))))
}
