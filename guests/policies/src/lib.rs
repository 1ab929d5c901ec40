//! What several policies share. Each policy is a file beside this folder and a stanza in `Cargo.toml`.

#![no_std]

extern crate alloc;

pub mod tariff;
