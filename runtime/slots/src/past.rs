//! The guests of any revision, as they were: for whoever asks a recorded question again.

use super::steps::Bench;
use super::{Shelf, history};
use crate::Config;
use anyhow::{Context, Result};
use pylon_core::installation::Installation;
use pylon_egress::policy::EgressPolicy;
use pylon_sandbox::{Installed, Role, Sandbox};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Guests that are kept ready; a history with more of them is loaded again.
const READY_MAX: usize = 64;

/// Brings back whom the history of the slots names.
pub struct Past {
    sandbox: Sandbox,
    shelf: Shelf,
    history: Vec<Installation>,
    /// By revision, role and kind of job. The words say why there is none.
    ready: BTreeMap<(u64, Role, u16), Result<Arc<Installed>, String>>,
}

impl Past {
    /// Over this history, oldest first.
    pub const fn new(sandbox: Sandbox, shelf: Shelf, history: Vec<Installation>) -> Self {
        Self { sandbox, shelf, history, ready: BTreeMap::new() }
    }

    /// Where guests run.
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Who served in this role for jobs of this kind, with the settings, limits and grants of that time. The error is one line.
    pub async fn guest(
        &mut self,
        revision: u64,
        role: Role,
        kind: u16,
    ) -> Result<Arc<Installed>, String> {
        let key = (revision, role, kind);
        if let Some(guest) = self.ready.get(&key) {
            return guest.clone();
        }
        let guest =
            self.bring_back(revision, role, kind).await.map_err(|error| format!("{error:#}"));
        if self.ready.len() >= READY_MAX {
            self.ready.clear();
        }
        self.ready.insert(key, guest.clone());
        guest
    }

    async fn bring_back(&self, revision: u64, role: Role, kind: u16) -> Result<Arc<Installed>> {
        let found = history::serving(&self.history, revision, kind)
            .into_iter()
            .find(|(slot, _)| slot.role() == role);
        let (slot, record) = found
            .with_context(|| format!("revision {revision} has no guest for {}", role.name()))?;
        // Nobody is served by them: they need not be trusted now.
        let bench = Bench {
            sandbox: &self.sandbox,
            shelf: &self.shelf,
            config: &Config::default(),
            addresses: &EgressPolicy::default(),
        };
        bench.again(slot, record, None).await
    }
}
