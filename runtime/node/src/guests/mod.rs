//! The guests at work: which component is in which slot, now and for the jobs of before. The journal has the history, the shelf the components,
//! the sandbox the code; here they are put together.

mod history;
mod shelf;
mod shipped;

pub use shelf::Shelf;
pub use shipped::component;

use crate::config::{Config, Guest};
use anyhow::{Context, Result, anyhow, bail};
use cap_std::fs::Dir;
use history::{Due, SHIPPED};
use pylon_core::ports::guests::Guests;
use pylon_core::ports::installations::{Installation, Installed as Record};
use pylon_core::{Digest, Param, UnixTime};
use pylon_sandbox::{
    Change, Compiling, Config as SandboxConfig, Generations, Grants, Installed, Role, Sandbox, Setup, Slot, Want,
};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The guests at work.
pub struct Slots {
    /// What serves.
    pub generations: Arc<Generations>,
    sandbox: Sandbox,
    shelf: Shelf,
    history: Mutex<Vec<Installation>>,
}

/// Changes that could be made: nothing is at work with them yet.
pub struct Prepared {
    changes: Vec<Change>,
    /// To be committed before they are made.
    pub rows: Vec<Installation>,
}

/// Reserves what guests run on.
pub fn sandbox(cache: Dir, compiling: Compiling) -> Result<Sandbox> {
    Ok(Sandbox::open(SandboxConfig { cache: Some(cache), compiling, ..SandboxConfig::default() })?)
}

impl Slots {
    /// Puts the guests to work that history and settings name. What comes back beside them is to be committed before a job is taken.
    pub async fn open(
        sandbox: Sandbox,
        shelf: Shelf,
        mut history: Vec<Installation>,
        config: &Config,
        now: UnixTime,
    ) -> Result<(Self, Vec<Installation>)> {
        let Prepared { changes, rows } = changes(&sandbox, &shelf, &history, config, "start", now).await?;
        let mut guests: BTreeMap<_, _> = changes.into_iter().collect();
        for (slot, record) in history::guests_at(&history, history::newest(&history)) {
            if let Entry::Vacant(unchanged) = guests.entry(slot) {
                unchanged.insert(Some(again(&sandbox, &shelf, slot, record).await?));
            }
        }
        history.extend(rows.iter().cloned());
        let guests = guests.into_iter().filter_map(|(slot, guest)| Some((slot, guest?))).collect();
        let generations = Arc::new(Generations::starting(history::newest(&history), guests)?);
        Ok((Self { generations, sandbox, shelf, history: Mutex::new(history) }, rows))
    }

    /// Brings back the guests of older generations, for the jobs that name them. What cannot be had is told, and those jobs go on with today's.
    pub async fn bring_back(&self, numbers: BTreeSet<u64>) {
        let history = self.history.lock().await;
        for number in numbers.into_iter().filter(|number| (1..self.generations.number()).contains(number)) {
            let mut guests = Vec::new();
            for (slot, record) in history::guests_at(&history, number) {
                match again(&self.sandbox, &self.shelf, slot, record).await {
                    Ok(guest) => guests.push((slot, guest)),
                    Err(error) => tracing::warn!(%slot, number, error = format!("{error:#}"), "a guest of before is gone"),
                }
            }
            if let Err(error) = self.generations.keep(number, guests) {
                tracing::warn!(number, %error, "guests of before are not complete: their jobs go on with those of now");
            }
        }
    }

    /// The port.
    pub fn guests(&self) -> Arc<dyn Guests> {
        Arc::clone(&self.generations) as Arc<dyn Guests>
    }

    /// The kinds that have a handler.
    pub fn kinds(&self) -> Vec<u16> {
        skills(&self.generations).into_iter().map(|skill| skill.kind).collect()
    }

    /// Makes ready what the settings change. Nothing is at work with it yet.
    pub async fn prepare(&self, config: &Config, now: UnixTime) -> Result<Prepared> {
        changes(&self.sandbox, &self.shelf, &self.history.lock().await, config, "reload", now).await
    }

    /// Puts them to work for all jobs from now on, once their rows are committed.
    pub async fn put(&self, prepared: Prepared) -> Result<()> {
        let mut history = self.history.lock().await;
        let Some(newest) = prepared.rows.last().map(|row| row.generation) else { return Ok(()) };
        self.generations.swap(newest, &prepared.changes)?;
        history.extend(prepared.rows);
        Ok(())
    }
}

/// What the settings change, with its rows of history.
async fn changes(
    sandbox: &Sandbox,
    shelf: &Shelf,
    history: &[Installation],
    config: &Config,
    why: &str,
    now: UnixTime,
) -> Result<Prepared> {
    let (mut changes, mut rows) = (Vec::new(), Vec::new());
    for ((slot, due), generation) in history::due(history, config).into_iter().zip(history::newest(history) + 1..) {
        let guest = match due {
            Due::Install(guest) => Some(load(sandbox, shelf, slot, &guest).await?),
            Due::Empty => None,
        };
        let record = guest.as_ref().map(|(_, record)| record.clone());
        let stanza = history::stanza(config, slot);
        rows.push(Installation { generation, slot: slot.to_string(), guest: record, stanza, why: why.into(), at: now });
        changes.push((slot, guest.map(|(guest, _)| guest)));
    }
    Ok(Prepared { changes, rows })
}

/// A guest as the settings want it, with what the history shall say of it.
async fn load(sandbox: &Sandbox, shelf: &Shelf, slot: Slot, guest: &Guest) -> Result<(Arc<Installed>, Record)> {
    let Some(name) = shipped::for_slot(slot) else { bail!("`guests.\"{slot}\"`: no handler does this kind; leave it out") };
    let bytes = shelf::shipped_bytes(name)?;
    let installed = sandbox.load(slot, bytes, setup(&guest.settings)).await;
    let installed = installed.with_context(|| format!("{name}, which `guests.{slot}` configures"))?;
    shelf.put(bytes)?;
    let record = record(&installed, format!("{SHIPPED}{name}"), guest.settings.clone())?;
    Ok((installed, record))
}

/// A guest as the history has it.
async fn again(sandbox: &Sandbox, shelf: &Shelf, slot: Slot, record: &Record) -> Result<Arc<Installed>> {
    let what = || format!("{} {} in slot {slot}", record.name, record.version);
    let ours = record.source.strip_prefix(SHIPPED).and_then(component).filter(|bytes| Digest::of(bytes) == record.digest);
    let bytes = ours.map_or_else(|| shelf.get(record.digest), |bytes| Ok(bytes.to_vec())).with_context(what)?;
    sandbox.load(slot, &bytes, setup(&record.settings)).await.with_context(what)
}

fn setup(settings: &BTreeMap<String, String>) -> Setup {
    let settings = settings.iter().map(|(name, value)| Param { name: name.clone(), values: vec![value.clone()] }).collect();
    Setup { settings, grants: Grants::all(), withhold: true, ..Setup::default() }
}

fn record(installed: &Installed, source: String, settings: BTreeMap<String, String>) -> Result<Record> {
    let limits = serde_json::to_value(installed.limits()).and_then(serde_json::from_value);
    let stamp = installed.stamp();
    Ok(Record {
        digest: stamp.digest,
        name: stamp.name.clone(),
        version: stamp.version.clone(),
        source,
        settings,
        grants: installed.granted().iter().map(|want| want.name().into()).collect(),
        limits: limits.map_err(|error| anyhow!("limits without a name: {error}"))?,
        publisher: None,
    })
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
