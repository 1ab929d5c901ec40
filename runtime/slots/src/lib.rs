//! Which guest serves which slot: now, and for the jobs that were admitted under an earlier
//! revision. The journal has the history and the component store the components. `installer` checks
//! components, `slot_manager` changes slots, and `health` watches the guests that serve.

mod audit;
mod call_stats;
mod config;
mod failure;
mod fetch;
pub mod grants;
mod health;
mod historical;
mod history;
mod installer;
pub mod limits;
pub mod precompiled;
mod rollback;
mod shadow;
mod shipped;
mod slot_manager;
mod source;
mod store;
pub mod supervisor;

pub use config::{Config, publishers};
pub use failure::{InstallFailure, UnfilledSlot};
pub use health::{FaultAlert, HealthEvents};
pub use historical::HistoricalGuests;
pub use history::SlotHistory;
pub use shipped::component;
pub use slot_manager::SlotManager;
pub use source::{ComponentSource, find_component, not_found_message};
pub use store::ComponentStore;

use anyhow::Result;
use cap_std::fs::Dir;
use pylon_core::UnixTime;
use pylon_core::ports::decision_observer::DecisionObserver;
use pylon_core::ports::guests::GuestSets;
use pylon_core::ports::journal::Journal;
use pylon_core::slots::Lockdown;
use pylon_egress::policy::EgressPolicy;
use pylon_sandbox::{
    Capability, Compilation, Config as SandboxConfig, GuestSetRegistry, Installed, Role, Sandbox,
    Slot,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The slots of a node and their guests.
pub struct Slots {
    /// The serving guests.
    pub guest_sets: Arc<GuestSetRegistry>,
    /// Changes the slots.
    pub manager: Arc<SlotManager>,
}

/// Opens the engines and instance pools. If `lockdown` forbids compilation, there is no compiler,
/// and cached code is not used.
pub fn sandbox(cache: Dir, compilation: Compilation, lockdown: &Lockdown) -> Result<Sandbox> {
    let (cache, compilation) = if lockdown.allow_compile {
        (Some(cache), compilation)
    } else {
        (None, Compilation::Disabled)
    };
    Ok(Sandbox::open(SandboxConfig { cache, compilation, ..SandboxConfig::default() })?)
}

impl Slots {
    /// Loads the guests that history and settings name, and records the changes, if there is a
    /// journal.
    pub async fn open(
        sandbox: Sandbox,
        store: ComponentStore,
        history: SlotHistory,
        config: &Config,
        egress: EgressPolicy,
        journal: Option<&dyn Journal>,
        now: UnixTime,
    ) -> Result<(Self, HealthEvents)> {
        let (manager, events) = SlotManager::new(sandbox, store, history, config, egress);
        let guest_sets = manager.start(journal, now).await?;
        Ok((Self { guest_sets, manager: Arc::new(manager) }, events))
    }

    /// Loads the guests of earlier revisions that unfinished jobs need, by revision and job kind.
    /// If a guest is unavailable, that is logged, and those jobs have no guests.
    pub async fn restore(&self, needed: BTreeSet<(u64, u16)>, now: UnixTime) {
        for (revision, kind) in needed {
            self.manager.restore(revision, kind, now).await;
        }
    }

    /// The port for guests.
    pub fn guests(&self) -> Arc<dyn GuestSets> {
        Arc::clone(&self.guest_sets) as Arc<dyn GuestSets>
    }

    /// The observer that has to see every decision.
    pub fn observer(&self) -> Arc<dyn DecisionObserver> {
        Arc::clone(&self.manager.health) as Arc<dyn DecisionObserver>
    }

    /// The job kinds that have a handler.
    pub fn kinds(&self) -> Vec<u16> {
        handled_kinds(&self.guest_sets).into_iter().map(|handled| handled.kind).collect()
    }
}

/// A job kind that has a handler, and what the handler needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandledKind {
    /// 5000 to 5999.
    pub kind: u16,
    /// It needs an inference backend.
    pub inference: bool,
    /// It needs an agent.
    pub agent: bool,
}

/// The job kinds that these guests handle.
pub fn handled_kinds(guest_sets: &GuestSetRegistry) -> Vec<HandledKind> {
    let handled = |(slot, guest): (Slot, Arc<Installed>)| {
        let requests = &guest.manifest().requests;
        let kind = slot.kind().filter(|_| slot.role() == Role::Handler)?;
        Some(HandledKind {
            kind,
            inference: requests.contains(&Capability::Inference),
            agent: requests.contains(&Capability::Agent),
        })
    };
    guest_sets.list().into_iter().filter_map(handled).collect()
}
