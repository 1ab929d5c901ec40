//! A look at a component that no slot waits for: what it is, and what it says of itself.

use crate::about::About;
use crate::install::InstallError;
use crate::limits::Limits;
use crate::outline::Outline;
use crate::sandbox::{Made, Sandbox};
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
        let of_kinds =
            self.about.kinds.iter().filter_map(|served| Slot::of_kind(Role::Handler, served.kind));
        Slot::policy(self.role).into_iter().chain(of_kinds).collect()
    }
}

impl Sandbox {
    /// Reads its outline, compiles it and has it describe itself, as if it were granted all there is.
    pub async fn examine(&self, bytes: &[u8]) -> Result<Examined, InstallError> {
        let outline = Outline::of_guest(bytes)?;
        let role = outline.role()?;
        outline.fits(role)?;
        let Made { component, .. } = self.code(role.tier(), Digest::of(bytes), bytes).await?;
        let allowed = self.limits(role.tier());
        let (_, about, bounds) = self.described(role, &component, allowed).await?;
        Ok(Examined { role, about, limits: bounds.min(allowed) })
    }
}
