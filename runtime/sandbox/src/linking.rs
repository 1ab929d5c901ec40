//! What a component can import, by its role. An import that is not granted is refused before the
//! guest runs; the linker then contains only the granted ones.

use crate::handler_state::HandlerState;
use crate::imports::{self, wasi};
use crate::manifest::Capability;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result};

const INFERENCE: &str = "pylon:provider/inference@0.1.0";
const INPUTS: &str = "pylon:provider/inputs@0.1.0";
const LOG: &str = "pylon:provider/log@0.1.0";
const PROGRESS: &str = "pylon:provider/progress@0.1.0";

/// The first import with functions that is not granted.
pub(crate) fn ungranted(
    component: &Component,
    engine: &Engine,
    is_granted: impl Fn(&str) -> bool,
) -> Option<String> {
    let ty = component.component_type();
    let mut imports = ty.imports(engine);
    imports
        .find(|(name, import)| !is_types_only(&import.ty, engine) && !is_granted(name))
        .map(|(name, _)| name.to_owned())
}

fn is_types_only(item: &ComponentItem, engine: &Engine) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        }
        _ => false,
    }
}

/// The imports that every handler has.
fn is_always_linked(name: &str) -> bool {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    name == INPUTS
        || name == LOG
        || (version.starts_with("0.2.") && wasi::INTERFACES.contains(&interface))
}

/// Whether this build can link it for a handler.
pub(crate) fn is_grantable(name: &str) -> bool {
    is_always_linked(name) || name == INFERENCE || name == PROGRESS
}

/// Whether it is linked for a handler with these grants.
pub(crate) fn is_granted(name: &str, grants: &[Capability]) -> bool {
    is_always_linked(name)
        || (name == INFERENCE && grants.contains(&Capability::Inference))
        || (name == PROGRESS && grants.contains(&Capability::Progress))
}

/// The linker for a handler's jobs.
pub(crate) fn granted(engine: &Engine, grants: &[Capability]) -> Result<Linker<HandlerState>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    imports::link_inputs(&mut linker)?;
    imports::link_log(&mut linker)?;
    if grants.contains(&Capability::Inference) {
        imports::link_inference(&mut linker)?;
    }
    if grants.contains(&Capability::Progress) {
        imports::link_progress(&mut linker)?;
    }
    Ok(linker)
}

/// The linker for `describe`: the inert WASI stubs; all other imports trap.
pub(crate) fn inert(engine: &Engine, component: &Component) -> Result<Linker<HandlerState>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}
