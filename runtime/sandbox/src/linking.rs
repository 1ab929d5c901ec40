//! What a component may import, by its role. A name that is not granted is refused before anything of the guest runs; the linker then holds
//! exactly the granted ones.

use crate::about::Want;
use crate::handler::HandlerState;
use crate::imports::{self, wasi};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result};

const INFERENCE: &str = "pylon:provider/inference@0.1.0";
const INPUTS: &str = "pylon:provider/inputs@0.1.0";
const LOG: &str = "pylon:provider/log@0.1.0";
const PROGRESS: &str = "pylon:provider/progress@0.1.0";

/// The first import that is more than types and that `granted` does not name.
pub(crate) fn ungranted(
    component: &Component,
    engine: &Engine,
    granted: impl Fn(&str) -> bool,
) -> Option<String> {
    let ty = component.component_type();
    let mut imports = ty.imports(engine);
    imports
        .find(|(name, import)| !is_types_only(&import.ty, engine) && !granted(name))
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

/// What std needs and what every handler has.
fn is_given(name: &str) -> bool {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    name == INPUTS
        || name == LOG
        || (version.starts_with("0.2.") && wasi::INTERFACES.contains(&interface))
}

/// What a handler could ever be granted by this build.
pub(crate) fn is_grantable(name: &str) -> bool {
    is_given(name) || name == INFERENCE || name == PROGRESS
}

/// What this handler is granted.
pub(crate) fn is_granted(name: &str, grants: &[Want]) -> bool {
    is_given(name)
        || (name == INFERENCE && grants.contains(&Want::Inference))
        || (name == PROGRESS && grants.contains(&Want::Progress))
}

/// For the work.
pub(crate) fn granted(engine: &Engine, grants: &[Want]) -> Result<Linker<HandlerState>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    imports::link_inputs(&mut linker)?;
    imports::link_log(&mut linker)?;
    if grants.contains(&Want::Inference) {
        imports::link_inference(&mut linker)?;
    }
    if grants.contains(&Want::Progress) {
        imports::link_progress(&mut linker)?;
    }
    Ok(linker)
}

/// For `describe`: std's stubs, and a trap behind everything else.
pub(crate) fn inert(engine: &Engine, component: &Component) -> Result<Linker<HandlerState>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}
