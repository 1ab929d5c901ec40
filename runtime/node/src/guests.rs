//! The guests that this program ships, and how they are put to work at a start.

use crate::config::Config;
use anyhow::{Context, anyhow, bail};
use cap_std::fs::Dir;
use pylon_core::Param;
use pylon_core::ports::guests::Guests;
use pylon_sandbox::{Compiling, Config as SandboxConfig, Generations, Grants, Installed, Role, Sandbox, Setup, Slot, Want};
use std::collections::BTreeSet;
use std::sync::Arc;

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Which shipped policy serves where no other does.
const POLICIES: &[(Role, &str)] =
    &[(Role::Routing, "preferred_routing"), (Role::Pricing, "token_pricing"), (Role::Verification, "basic_verification")];
/// Which shipped handler serves which kind.
const HANDLERS: &[(u16, &str)] = &[(5050, "text_generation")];

/// The guests at work.
pub struct Shipped {
    /// All slots.
    pub generations: Arc<Generations>,
    /// The kinds that are served.
    pub kinds: Vec<u16>,
    sandbox: Sandbox,
}

/// Guests that could be at work, by slot; `None` empties it.
pub struct Prepared(Vec<(Slot, Option<Arc<Installed>>)>);

/// The policies for every kind, and the handlers, are always there.
fn shipped_for(slot: Slot) -> Option<&'static str> {
    let policy = POLICIES.iter().find(|(role, _)| *role == slot.role()).map(|(_, name)| *name);
    policy.or_else(|| HANDLERS.iter().find(|(kind, _)| slot.kind() == Some(*kind)).map(|(_, name)| *name))
}

/// Loads the shipped guests with the operator's settings. Compiled code is kept in the cache folder.
pub async fn load(cache: Dir, compiling: Compiling, config: &Config) -> anyhow::Result<Shipped> {
    let sandbox = Sandbox::open(SandboxConfig { cache: Some(cache), compiling, ..SandboxConfig::default() })?;
    let mut policies = Vec::with_capacity(POLICIES.len());
    for (role, name) in POLICIES {
        let slot = Slot::policy(*role).ok_or_else(|| anyhow!("{name} is no policy"))?;
        policies.push(install(&sandbox, slot, name, config).await?);
    }
    let [routing, pricing, verification] = <[Arc<Installed>; 3]>::try_from(policies).map_err(|_| anyhow!("three policies"))?;
    let generations = Generations::new(routing, pricing, verification)?;
    for (kind, name) in HANDLERS {
        let slot = Slot::of_kind(Role::Handler, *kind).ok_or_else(|| anyhow!("{kind} is no kind of a job"))?;
        generations.install(slot, &install(&sandbox, slot, name, config).await?)?;
    }
    for slot in config.guests.keys().filter_map(|slot| slot.parse::<Slot>().ok()).filter(|slot| slot.kind().is_some()) {
        match POLICIES.iter().find(|(role, _)| *role == slot.role()) {
            // Settings of its own for one kind.
            Some((_, name)) => drop(generations.install(slot, &install(&sandbox, slot, name, config).await?)?),
            None if HANDLERS.iter().any(|(kind, _)| slot.kind() == Some(*kind)) => {}
            None => bail!("`guests.\"{slot}\"`: no handler does this kind; leave it out"),
        }
    }
    let kinds = HANDLERS.iter().map(|(kind, _)| *kind).collect();
    Ok(Shipped { generations: Arc::new(generations), kinds, sandbox })
}

/// A shipped component.
pub fn component(name: &str) -> Option<&'static [u8]> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, bytes)| *bytes)
}

async fn install(sandbox: &Sandbox, slot: Slot, name: &str, config: &Config) -> anyhow::Result<Arc<Installed>> {
    let bytes = component(name).ok_or_else(|| anyhow!("{name} is not shipped"))?;
    let table = slot.to_string();
    let settings = config.guests.get(&table).map(|guest| &guest.settings).into_iter().flatten();
    let settings = settings.map(|(name, value)| Param { name: name.clone(), values: vec![value.clone()] }).collect();
    let installed = sandbox.load(slot, bytes, Setup { settings, grants: Grants::all(), ..Setup::default() }).await;
    installed.with_context(|| format!("{name}, which `guests.{table}` configures"))
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
pub fn skills(generations: &Generations) -> Vec<Skill> {
    let of = |(slot, guest): (Slot, Arc<Installed>)| {
        let wants = &guest.about().wants;
        let kind = slot.kind().filter(|_| slot.role() == Role::Handler)?;
        Some(Skill { kind, inference: wants.contains(&Want::Inference), agent: wants.contains(&Want::Agent) })
    };
    generations.list().into_iter().filter_map(of).collect()
}

impl Shipped {
    /// The port.
    pub fn guests(&self) -> Arc<dyn Guests> {
        Arc::clone(&self.generations) as Arc<dyn Guests>
    }

    /// Makes the guests ready whose settings differ. Nothing is at work with them yet.
    pub async fn prepare(&self, before: &Config, after: &Config) -> anyhow::Result<Prepared> {
        let mut prepared = Vec::new();
        let tables: BTreeSet<_> = before.guests.keys().chain(after.guests.keys()).collect();
        for table in tables.into_iter().filter(|table| before.guests.get(*table) != after.guests.get(*table)) {
            let slot: Slot = table.parse()?;
            let Some(name) = shipped_for(slot) else { bail!("`guests.\"{slot}\"`: no handler does this kind; leave it out") };
            // A policy of its own for one kind is there only while it has settings of its own.
            let guest = match after.guests.get(table) {
                None if slot.role() != Role::Handler && slot.kind().is_some() => None,
                _ => Some(install(&self.sandbox, slot, name, after).await?),
            };
            prepared.push((slot, guest));
        }
        Ok(Prepared(prepared))
    }

    /// Puts them to work for all jobs from now on.
    pub fn put(&self, prepared: Prepared) -> anyhow::Result<()> {
        for (slot, guest) in prepared.0 {
            match guest {
                Some(guest) => drop(self.generations.install(slot, &guest)?),
                None => drop(self.generations.remove(slot)),
            }
        }
        Ok(())
    }
}
