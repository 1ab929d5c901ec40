//! Which compiler a sandbox uses.

use crate::slot::EngineKind;
use async_trait::async_trait;
use std::sync::Arc;

/// How components are compiled.
#[derive(Clone, Default)]
pub enum Compilation {
    /// In this process.
    #[default]
    InProcess,
    /// By another compiler with the same settings, such as
    /// [`SubprocessCompiler`](crate::SubprocessCompiler).
    With(Arc<dyn Compiler>),
    /// Not at all: only cached and signed precompiled code runs.
    Disabled,
}

/// Compiles components for one of the engines.
#[async_trait]
pub trait Compiler: Send + Sync {
    /// The compiled code, or a one-line error. Code for another engine is refused when it is
    /// loaded.
    async fn compile(&self, engine: EngineKind, component: &[u8]) -> Result<Vec<u8>, String>;
}
