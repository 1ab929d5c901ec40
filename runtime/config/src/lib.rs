//! Reads the TOML files that people write, such as `config.toml` and the cases of a guest: with a
//! size limit, split into sections, and with one-line errors that name the line. Each section is
//! defined by the crate that owns it.

#![warn(missing_docs)]

mod document;
mod error;
mod explain;

pub use document::{Document, read_text};
pub use error::ConfigError;
pub use explain::{EffectiveSetting, differences, explain};
