//! What handlers can import: one file for each WIT interface, and `wasi` for std. These only
//! convert and count; the host does the work behind the port `HandlerHost`. `agent` is not linked
//! yet.

pub(crate) mod inference;
mod inputs;
mod log;
mod progress;
pub(crate) mod wasi;

use crate::bindings;
use crate::handler_state::HandlerState;
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
