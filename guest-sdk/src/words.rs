//! The types that all worlds share, generated once; the worlds point here.

use crate::Params;

/// Shared words, as in `wit/types.wit`.
pub mod types {
    pub use super::generated::pylon::provider::types::*;
}

/// What a guest says of itself, as in `wit/description.wit`.
pub mod description {
    pub use super::generated::pylon::provider::description::*;
}

impl types::Job {
    /// What the customer set.
    pub fn params(&self) -> Params<'_> {
        Params::new(&self.params)
    }
}

impl types::Situation {
    /// What the operator set, defaults filled in.
    pub fn settings(&self) -> Params<'_> {
        Params::new(&self.settings)
    }
}

impl description::Setting {
    /// A setting with its default, for `describe`.
    // Inlined for its size: the guest's crate makes texts, too, and each crate has a copy of its own of the code that does.
    #[inline]
    pub fn new(name: &str, default: &str, help: &str) -> Self {
        Self { name: name.into(), default: default.into(), help: help.into() }
    }
}

impl description::About {
    /// A policy in its own words: no kinds, no wants, no bounds.
    #[inline]
    pub fn policy(
        name: &str,
        version: &str,
        summary: &str,
        settings: alloc::vec::Vec<description::Setting>,
    ) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            settings,
            kinds: alloc::vec::Vec::new(),
            wants: alloc::vec::Vec::new(),
            bounds: None,
        }
    }
}

#[allow(missing_docs, reason = "generated; types and fields carry the text of the WIT")]
mod generated {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package pylon:sdk;
            world words {
                import pylon:provider/types@0.1.0;
                import pylon:provider/description@0.1.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Eq],
    });
}
