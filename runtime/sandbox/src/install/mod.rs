//! The way of a component into the node: what an operator lets it do.

mod grants;

pub use grants::Grants;
