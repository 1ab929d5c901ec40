//! How the world is reached: one folder per port of the core, one file or folder per row. Nothing here decides; what
//! adapters have in common is the port and nothing else.

pub mod inference;
pub mod inputs;
pub mod payments;
