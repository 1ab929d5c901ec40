//! Runs guests: the only crate that uses wasmtime. A [`Sandbox`] turns a component into an
//! [`Installed`] guest, and [`GuestSetRegistry`] decides which guest serves which slot.
//!
//! An instance serves one call and is then dropped. Imports that are not granted are not linked.
//! Every limit is a field of [`Limits`]. Handlers reach the outside through the port `HandlerHost`
//! of `pylon-core` only: this crate opens no sockets and no files, apart from its cache.

#![warn(missing_docs)]

mod bindings;
mod cache;
mod compilation;
mod completion;
mod component_interface;
mod convert;
mod cpu_meter;
mod engine;
mod epoch_ticker;
mod error;
mod exports;
mod fault;
mod guest_set_registry;
mod handler_engine;
mod handler_pool;
mod handler_state;
mod imports;
mod inspection;
mod install;
mod installed;
mod job_log;
mod limits;
mod linking;
mod manifest;
mod policy_engine;
mod policy_pool;
mod precompiled;
mod sandbox;
mod slot;
mod unmetered_host;
mod wasi_context;

pub use compilation::{Compilation, Compiler, SubprocessCompiler, compile_stdin};
pub use component_interface::{ComponentInterface, Import};
pub use error::{InstallError, InterfaceError};
pub use guest_set_registry::{GuestSetRegistry, SlotAssignment};
pub use inspection::Inspection;
pub use install::{Grants, Setup};
pub use installed::Installed;
pub use limits::{COMPONENT_BYTES_MAX, Limits, POLICY_BYTES_ADVISED_MAX};
pub use manifest::{Capability, Manifest, ServedKind, Setting};
pub use precompiled::{CodeOrigin, PRECOMPILED_BYTES_MAX, SignedPrecompiled};
pub use sandbox::{Config, Sandbox, SandboxError};
pub use slot::{EngineKind, InvalidSlot, Role, Slot};
