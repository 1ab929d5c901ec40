//! The compiler in this process.

use crate::engine;
use crate::limits::Limits;
use crate::slot::EngineKind;
use wasmtime::Engine;

/// Compiles on a thread for blocking work.
pub(crate) async fn compile_blocking(
    kind: EngineKind,
    limits: Limits,
    component: &[u8],
) -> Result<Vec<u8>, String> {
    let component = component.to_vec();
    tokio::task::spawn_blocking(move || compile(kind, &limits, &component))
        .await
        .map_err(|panic| panic.to_string())?
}

/// Takes tenths of a second.
pub(super) fn compile(
    kind: EngineKind,
    limits: &Limits,
    component: &[u8],
) -> Result<Vec<u8>, String> {
    engine::compiler(kind, limits)
        .and_then(|engine: Engine| engine.precompile_component(component))
        .map_err(|error| format!("{error:#}"))
}
