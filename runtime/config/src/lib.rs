//! TOML files that people write, such as `config.toml` and the cases of a guest: read with a limit,
//! split into sections, and refused in one line that names the place. What a section may contain is
//! the business of the crate that owns it.

#![warn(missing_docs)]

mod document;
mod error;
mod explain;

pub use document::{Document, read_text};
pub use error::ConfigError;
pub use explain::{Setting, differences, explain};
