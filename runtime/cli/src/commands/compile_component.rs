//! The compiler in a process of its own: hidden, for this program alone.

use crate::args::CompileComponentArgs;
use anyhow::{Context, Result, anyhow};
use pylon_sandbox::{Compilation, EngineKind, SubprocessCompiler, compile_stdin};
use std::path::PathBuf;
use std::sync::Arc;

const COMMAND: &str = "compile-component";

/// Compiles one component and ends.
pub(crate) fn run(args: &CompileComponentArgs) -> Result<()> {
    let tier = if args.tier == EngineKind::Handler.name() {
        EngineKind::Handler
    } else {
        EngineKind::Policy
    };
    compile_stdin(tier).map_err(|why| anyhow!(why))
}

/// Has this very program compile, also where its file was replaced meanwhile. Only for what runs in this program, not for those that link it.
pub(crate) fn apart() -> Result<Compilation> {
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() {
        running
    } else {
        std::env::current_exe().context("cannot find this program")?
    };
    Ok(Compilation::With(Arc::new(SubprocessCompiler::new(program, vec![COMMAND.into()]))))
}
