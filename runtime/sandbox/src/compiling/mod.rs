//! From a component's bytes to an image of machine code. The compiler is the largest program that a stranger's bytes ever meet, so a node has it
//! run in a process of its own: what crashes or never ends there is one refused component.

mod child;

pub use child::{ChildCompiler, compile_stdin};

use crate::engine;
use crate::limits::Limits;
use crate::slot::Tier;
use async_trait::async_trait;
use std::sync::Arc;
use wasmtime::Engine;

/// Who compiles.
#[derive(Clone, Default)]
pub enum Compiling {
    /// This process.
    #[default]
    Here,
    /// Somebody else, with the same settings: see [`ChildCompiler`].
    By(Arc<dyn Compiler>),
    /// Nobody: only what is in the cache, or comes as a signed image, is run.
    Never,
}

/// Turns components into images for the engine of a tier.
#[async_trait]
pub trait Compiler: Send + Sync {
    /// The image, or why there is none, in a line. An image for another engine is refused when it is loaded.
    async fn compile(&self, tier: Tier, component: &[u8]) -> Result<Vec<u8>, String>;
}

/// Off the threads that serve jobs.
pub(crate) async fn here(tier: Tier, limits: Limits, component: &[u8]) -> Result<Vec<u8>, String> {
    let component = component.to_vec();
    let compiling = tokio::task::spawn_blocking(move || now(tier, &limits, &component));
    compiling.await.map_err(|panic| panic.to_string())?
}

/// Takes tenths of a second.
fn now(tier: Tier, limits: &Limits, component: &[u8]) -> Result<Vec<u8>, String> {
    let compiled = engine::compiler(tier, limits)
        .and_then(|engine: Engine| engine.precompile_component(component));
    compiled.map_err(|error| format!("{error:#}"))
}
