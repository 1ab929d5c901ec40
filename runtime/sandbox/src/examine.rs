//! A look at a component that no slot waits for: what it is, and what it says of itself.

use crate::about::About;
use crate::limits::Limits;
use crate::outline::Outline;
use crate::sandbox::{InstallError, MAX_COMPONENT_BYTES, Sandbox, Setup};
use crate::slot::{Role, Slot};
use pylon_core::Digest;

/// A component that would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Its world.
    pub role: Role,
    /// In its own words.
    pub about: About,
    /// The smaller of what it declares and what a node can do.
    pub limits: Limits,
}

impl Examined {
    /// Where it could go: the slot for all kinds, or that of each kind it does.
    pub fn slots(&self) -> Vec<Slot> {
        let of_kinds = self.about.kinds.iter().filter_map(|served| Slot::of_kind(Role::Handler, served.kind));
        Slot::policy(self.role).into_iter().chain(of_kinds).collect()
    }
}

impl Sandbox {
    /// Reads its outline, compiles it and has it describe itself, with nothing but what every guest of its world has.
    pub async fn examine(&self, bytes: &[u8]) -> Result<Examined, InstallError> {
        if bytes.len() > MAX_COMPONENT_BYTES {
            return Err(InstallError::Size(bytes.len()));
        }
        let role = Outline::read(bytes).and_then(|outline| outline.role()).map_err(InstallError::Outline)?;
        // Any kind will do: which ones it does is what it is asked.
        let slot =
            Slot::policy(role).or_else(|| Slot::of_kind(role, 5000)).ok_or_else(|| InstallError::Compile("no slot".into()))?;
        let (component, _) = self.compile(role, Digest::of(bytes), bytes).await?;
        let allowed = self.limits(role);
        let (_, about, bounds, _) = self.link(slot, &component, allowed, Setup::default().grants).await?;
        Ok(Examined { role, about, limits: bounds.min(allowed) })
    }
}
