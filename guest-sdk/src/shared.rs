//! The types that all worlds share, generated once; the bindings of each world refer to these.

use crate::Params;

/// Types shared by all interfaces, as in `wit/types.wit`.
pub mod types {
    pub use super::generated::pylon::provider::types::*;
}

/// The manifest of a guest, as in `wit/description.wit`.
pub mod description {
    pub use super::generated::pylon::provider::description::*;
}

impl types::Job {
    /// The customer's parameters.
    pub fn params(&self) -> Params<'_> {
        Params::new(&self.params)
    }
}

impl types::Situation {
    /// The operator's settings, with defaults filled in.
    pub fn settings(&self) -> Params<'_> {
        Params::new(&self.settings)
    }

    /// Facts that later versions of the node have added.
    pub fn extra(&self) -> Params<'_> {
        Params::new(&self.extra)
    }
}

impl description::Setting {
    /// A setting for the manifest.
    pub fn new(name: &str, default: &str, help: &str) -> Self {
        Self { name: name.into(), default: default.into(), help: help.into() }
    }
}

impl description::Manifest {
    /// The manifest of a policy: no kinds, no capabilities, the node's limits.
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
            requests: alloc::vec::Vec::new(),
            limits: None,
        }
    }
}

#[allow(missing_docs, reason = "generated; types and fields have the documentation of the WIT")]
mod generated {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package pylon:sdk;
            world shared {
                import pylon:provider/types@0.1.0;
                import pylon:provider/description@0.1.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Eq],
    });
}
