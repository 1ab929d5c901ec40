//! `pylon compile-component`: the hidden command that compiles a guest in a subprocess.

use crate::args::CompileComponentArgs;
use anyhow::{Result, anyhow};
use pylon_sandbox::{EngineKind, compile_stdin};

/// Compiles one component from stdin to stdout.
pub(crate) fn run(args: &CompileComponentArgs) -> Result<()> {
    let engine = if args.engine == EngineKind::Handler.name() {
        EngineKind::Handler
    } else {
        EngineKind::Policy
    };
    compile_stdin(engine).map_err(|error| anyhow!(error))
}
