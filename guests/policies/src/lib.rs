//! Code that several policies share. Each policy is a file next to this folder and an `[[example]]`
//! in `Cargo.toml`.

#![no_std]

extern crate alloc;

pub mod tariff;
