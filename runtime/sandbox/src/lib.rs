//! What guests may see and do: the only wasmtime of the node. A [`Sandbox`] turns a component into an [`Installed`] guest, [`Generations`] puts it
//! to work for the jobs that come after.
//!
//! A guest serves one call and is dropped with everything it had. What is not granted is not linked. Every limit is a field of [`Limits`].
//! What a guest asks of the world goes through the port `HandlerHost` of `core`; no socket, file or clock is reached from here.

#![warn(missing_docs)]

mod about;
mod admission;
mod bindings;
mod cache;
mod compiling;
mod convert;
mod engine;
mod examine;
mod exports;
mod fault;
mod gate;
mod generations;
mod handler;
mod image;
mod imports;
mod install;
mod installed;
mod job_log;
mod limits;
mod linking;
mod meter;
mod outline;
mod policy;
mod sandbox;
mod slot;
mod ticker;

pub use about::{About, ServedKind, Setting, Want};
pub use compiling::{ChildCompiler, Compiler, Compiling, compile_stdin};
pub use examine::Examined;
pub use generations::{Change, Generations};
pub use image::{IMAGE_BYTES_MAX, Loaded, SignedImage};
pub use install::{COMPONENT_BYTES_MAX, Grants, InstallError, Setup};
pub use installed::Installed;
pub use limits::Limits;
pub use outline::{Import, Outline, OutlineError};
pub use sandbox::{Config, OpenError, Sandbox};
pub use slot::{NotASlot, Role, Slot, Tier};
