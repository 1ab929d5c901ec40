//! Adapters for the core's ports: one folder per port, one file or folder per implementation. They
//! do all I/O and decide nothing about jobs.

pub mod inference;
pub mod inputs;
pub mod payments;
