//! How this program compiles guests: it runs its own hidden command in a subprocess.

use anyhow::{Context, Result};
use async_trait::async_trait;
use pylon_sandbox::{Compilation, Compiler, EngineKind, SubprocessCompiler};
use std::path::PathBuf;
use std::sync::Arc;

const COMMAND: &str = "compile-component";

/// A compiler that runs this executable, even if its file was replaced after the start. Only this
/// program has the command; others that link the sandbox compile in their own process.
pub(crate) fn subprocess_compiler() -> Result<Compilation> {
    Ok(Compilation::With(Arc::new(compiler()?)))
}

/// The same compiler, which calls `begin` before each component.
pub(crate) fn reporting_compiler(begin: fn()) -> Result<Compilation> {
    Ok(Compilation::With(Arc::new(Reporting { compiler: compiler()?, begin })))
}

fn compiler() -> Result<SubprocessCompiler> {
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() {
        running
    } else {
        std::env::current_exe().context("cannot find the path of this program")?
    };
    Ok(SubprocessCompiler::new(program, vec![COMMAND.into()]))
}

struct Reporting {
    compiler: SubprocessCompiler,
    begin: fn(),
}

#[async_trait]
impl Compiler for Reporting {
    async fn compile(&self, engine: EngineKind, component: &[u8]) -> Result<Vec<u8>, String> {
        (self.begin)();
        self.compiler.compile(engine, component).await
    }
}
