//! The guests at work: which component is in which slot, now and for the jobs of before. The journal has the history, the shelf the components,
//! the sandbox the code; `workshop` changes slots, `steps` is what a component has to pass, `watch` sees how they do.

pub mod bounds;
mod config;
pub mod grants;
mod history;
pub mod image;
pub mod keeper;
mod ledger;
mod past;
mod record;
mod rollback;
mod shadow;
mod shelf;
mod shipped;
mod source;
mod steps;
pub mod tally;
mod unserved;
mod watch;
mod workshop;

pub use config::{Config, publishers};
pub use ledger::Ledger;
pub use past::Past;
pub use shelf::Shelf;
pub use shipped::component;
pub use source::Place;
pub use source::{component_in, nothing};
pub use steps::Stop;
pub use unserved::Unserved;
pub use watch::{Alarm, Reports};
pub use workshop::Workshop;

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

/// The guests at work.
pub struct Slots {
    /// What serves.
    pub generations: Arc<GuestSetRegistry>,
    /// Where that is changed.
    pub workshop: Arc<Workshop>,
}

/// Reserves what guests run on. Under rules that allow no compiler there is none, nor code that one has left.
pub fn sandbox(cache: Dir, compilation: Compilation, rules: &Lockdown) -> Result<Sandbox> {
    let (cache, compilation) = if rules.allow_compile {
        (Some(cache), compilation)
    } else {
        (None, Compilation::Disabled)
    };
    Ok(Sandbox::open(SandboxConfig { cache, compilation, ..SandboxConfig::default() })?)
}

impl Slots {
    /// Puts the guests to work that history and settings name, and writes what that changes: without a journal, nothing.
    pub async fn open(
        sandbox: Sandbox,
        shelf: Shelf,
        ledger: Ledger,
        config: &Config,
        addresses: EgressPolicy,
        journal: Option<&dyn Journal>,
        now: UnixTime,
    ) -> Result<(Self, Reports)> {
        let (workshop, reports) = Workshop::new(sandbox, shelf, ledger, config, addresses);
        let generations = workshop.start(journal, now).await?;
        Ok((Self { generations, workshop: Arc::new(workshop) }, reports))
    }

    /// Brings back the guests of older generations that jobs of these kinds still need, for the jobs that name them. What cannot be had is told, and those jobs
    /// have no guests.
    pub async fn bring_back(&self, kept: BTreeSet<(u64, u16)>, now: UnixTime) {
        for (number, kind) in kept {
            self.workshop.bring_back(number, kind, now).await;
        }
    }

    /// The port.
    pub fn guests(&self) -> Arc<dyn GuestSets> {
        Arc::clone(&self.generations) as Arc<dyn GuestSets>
    }

    /// Who is to hear of every decision.
    pub fn observer(&self) -> Arc<dyn DecisionObserver> {
        Arc::clone(&self.workshop.watch) as Arc<dyn DecisionObserver>
    }

    /// The kinds that have a handler.
    pub fn kinds(&self) -> Vec<u16> {
        skills(&self.generations).into_iter().map(|skill| skill.kind).collect()
    }
}

/// A kind that is served, and what its handler needs to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skill {
    /// 5000 to 5999.
    pub kind: u16,
    /// Text generation.
    pub inference: bool,
    /// An agent.
    pub agent: bool,
}

/// What these guests can do.
pub fn skills(generations: &GuestSetRegistry) -> Vec<Skill> {
    let of = |(slot, guest): (Slot, Arc<Installed>)| {
        let wants = &guest.manifest().requests;
        let kind = slot.kind().filter(|_| slot.role() == Role::Handler)?;
        Some(Skill {
            kind,
            inference: wants.contains(&Capability::Inference),
            agent: wants.contains(&Capability::Agent),
        })
    };
    generations.list().into_iter().filter_map(of).collect()
}
