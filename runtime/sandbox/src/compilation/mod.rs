//! Compiles components to machine code. The compiler is the largest program that processes
//! untrusted bytes, so a node runs it in a separate process: a crash or a timeout is one refused
//! component.

mod compiler;
mod in_process;
mod subprocess;

pub use compiler::{Compilation, Compiler};
pub(crate) use in_process::compile_blocking;
pub use subprocess::{SubprocessCompiler, compile_stdin};
