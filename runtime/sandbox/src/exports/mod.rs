//! Calls into guests: one file for each WIT interface, with the validation of its output.

pub(crate) mod description;
pub(crate) mod handler;
pub(crate) mod pricing;
pub(crate) mod routing;
mod validate;
pub(crate) mod verification;
