//! What handlers may call: one file for each WIT interface, and `wasi` for what std cannot do without. Each only translates and counts; the work
//! is the host's, behind the port. `agent` is not here: it is not linked.

pub(crate) mod inference;
mod inputs;
mod log;
mod progress;
pub(crate) mod wasi;

use crate::bindings;
use crate::handler::HandlerState;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

type Host = HasSelf<HandlerState>;

pub(crate) fn link_inference(linker: &mut Linker<HandlerState>) -> Result<()> {
    bindings::inference::add_to_linker::<_, Host>(linker, |state| state)
}

pub(crate) fn link_inputs(linker: &mut Linker<HandlerState>) -> Result<()> {
    bindings::inputs::add_to_linker::<_, Host>(linker, |state| state)
}

pub(crate) fn link_log(linker: &mut Linker<HandlerState>) -> Result<()> {
    bindings::log::add_to_linker::<_, Host>(linker, |state| state)
}

pub(crate) fn link_progress(linker: &mut Linker<HandlerState>) -> Result<()> {
    bindings::progress::add_to_linker::<_, Host>(linker, |state| state)
}
