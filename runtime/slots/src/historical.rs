//! Loads the guests of any revision as they were, to repeat recorded decisions.

use crate::config::Config;
use crate::history;
use crate::installer::Installer;
use crate::store::ComponentStore;
use anyhow::{Context, Result};
use pylon_core::installation::Installation;
use pylon_egress::policy::EgressPolicy;
use pylon_sandbox::{Installed, Role, Sandbox};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Guests that are kept loaded; a history with more of them loads some again.
const LOADED_MAX: usize = 64;

/// The guests of all revisions.
pub struct HistoricalGuests {
    sandbox: Sandbox,
    store: ComponentStore,
    history: Vec<Installation>,
    /// By revision, role and job kind; or why that guest is unavailable.
    loaded: BTreeMap<(u64, Role, u16), Result<Arc<Installed>, String>>,
}

impl HistoricalGuests {
    /// The guests of this history, oldest first.
    pub const fn new(sandbox: Sandbox, store: ComponentStore, history: Vec<Installation>) -> Self {
        Self { sandbox, store, history, loaded: BTreeMap::new() }
    }

    /// Where the guests run.
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The guest that served jobs of this kind in this role, with its settings, limits and grants
    /// of that time. The error is one line.
    pub async fn guest(
        &mut self,
        revision: u64,
        role: Role,
        kind: u16,
    ) -> Result<Arc<Installed>, String> {
        let key = (revision, role, kind);
        if let Some(guest) = self.loaded.get(&key) {
            return guest.clone();
        }
        let guest = self.load(revision, role, kind).await.map_err(|error| format!("{error:#}"));
        if self.loaded.len() >= LOADED_MAX {
            self.loaded.clear();
        }
        self.loaded.insert(key, guest.clone());
        guest
    }

    async fn load(&self, revision: u64, role: Role, kind: u16) -> Result<Arc<Installed>> {
        let (slot, record) = history::serving(&self.history, revision, kind)
            .into_iter()
            .find(|(slot, _)| slot.role() == role)
            .with_context(|| format!("revision {revision} has no guest for {}", role.name()))?;
        // They serve no job, so the present rules do not apply.
        let installer = Installer {
            sandbox: &self.sandbox,
            store: &self.store,
            config: &Config::default(),
            egress: &EgressPolicy::default(),
        };
        installer.reload(slot, record, None).await
    }
}
