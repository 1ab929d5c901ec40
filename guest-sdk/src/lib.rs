//! What a Pylon guest is written with. A guest is a struct, an `impl` of one trait and one macro line: [`routing::Routing`], [`pricing::Pricing`] and
//! [`verification::Verification`] for policies, `handler::Handler` for jobs.
//!
//! Two flavours: policies use this crate as it is (no std, no imports, an allocator sized for one call), handlers with the feature `std`.
//! Never use `std::collections::HashMap` in a guest: it asks the host for randomness. `BTreeMap` does not.

#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![warn(missing_docs)]

extern crate alloc;

#[cfg(feature = "std")]
pub mod handler;
pub mod params;
pub mod pricing;
pub mod routing;
#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
mod small;
pub mod verification;
mod words;

pub use params::Params;
pub use words::{description, types};
