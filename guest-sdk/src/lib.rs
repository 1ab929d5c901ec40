//! The SDK for Pylon guests. A guest is a struct, an `impl` of one trait and one macro line.
//!
//! | world | trait |
//! |---|---|
//! | `routing-policy` | [`routing::Routing`] |
//! | `pricing-policy` | [`pricing::Pricing`] |
//! | `verification-policy` | [`verification::Verification`] |
//! | `job-handler` | `handler::Handler`, with the feature `std` |
//!
//! Policies use this crate without features: `no_std`, no imports, and an allocator for a single
//! call; `extern crate alloc` gives them `String`, `Vec` and `format!`. Handlers use the feature
//! `std`. Do not use `std::collections::HashMap` in a guest: it asks the host for randomness.
//! `BTreeMap` does not.

#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![warn(missing_docs)]

extern crate alloc;

#[cfg(feature = "std")]
pub mod handler;
#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
mod no_std;
pub mod params;
pub mod pricing;
pub mod routing;
mod shared;
pub mod verification;

pub use params::{InvalidSetting, Params};
pub use shared::{description, types};
