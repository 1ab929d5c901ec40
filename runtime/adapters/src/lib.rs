//! How the world is reached: one folder per port of the core, one file or folder per row. Nothing here decides; what
//! adapters have in common is the port, the policy for addresses that strangers name, and nothing else.

pub mod address;
mod bound;
pub mod download;
pub mod inference;
pub mod inputs;
pub mod journal;
pub mod market;
pub mod payments;
