//! Inspects a component without installing it.

use crate::component_interface::ComponentInterface;
use crate::error::InstallError;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::sandbox::{LoadedCode, Sandbox};
use crate::slot::{Role, Slot};
use pylon_core::Digest;

/// A component that can be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The role of its world.
    pub role: Role,
    /// Its manifest.
    pub manifest: Manifest,
    /// The smaller one of its own limits and the node's.
    pub limits: Limits,
}

impl Inspection {
    /// The slots that it can serve: the one for all kinds, or one for each kind that it serves.
    pub fn slots(&self) -> Vec<Slot> {
        let of_kinds = self
            .manifest
            .kinds
            .iter()
            .filter_map(|served| Slot::of_kind(Role::Handler, served.kind));
        Slot::policy(self.role).into_iter().chain(of_kinds).collect()
    }
}

impl Sandbox {
    /// Reads a component's interface, compiles it and calls `describe`.
    pub async fn inspect(&self, bytes: &[u8]) -> Result<Inspection, InstallError> {
        let interface = ComponentInterface::read_guest(bytes)?;
        let role = interface.role()?;
        interface.check_role(role)?;
        let engine = role.engine_kind();
        let LoadedCode { component, .. } = self.code(engine, Digest::of(bytes), bytes).await?;
        let node = self.limits(engine);
        let (_, manifest, own) = self.described(role, &component, node).await?;
        Ok(Inspection { role, manifest, limits: own.min(node) })
    }
}
