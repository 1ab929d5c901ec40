//! What history and settings ask for, at a start and when they are read again.

use super::state::{State, commit};
use super::{Workshop, refuse};
use crate::Config;
use crate::grants;
use crate::history::{self, Due};
use crate::record::{audit, dismissed, installed};
use crate::steps::{Refused, Stop, Wish};
use crate::unserved::Unserved;
use anyhow::{Context, Result};
use futures::future::{join_all, try_join_all};
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, InstalledGuest as Record};
use pylon_core::machine::JobState;
use pylon_core::ports::journal::Journal;
use pylon_core::rows::Row;
use pylon_core::slots::GuestConfig;
use pylon_sandbox::{GuestSetRegistry, Role, Slot, SlotAssignment};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes that could be made, with what is to be written of them.
struct Changes {
    changes: Vec<SlotAssignment>,
    rows: Vec<Installation>,
    renewed: Renewed,
}

/// What became of the guests of the settings that had gone when their releases ended.
#[derive(Debug, Default)]
pub struct Renewed {
    /// These settings are followed again.
    pub keys: Vec<String>,
    /// In a line each: who does not come back, and why.
    pub refused: Vec<String>,
}

/// What serves on with other grants, and the record of that.
struct Anew {
    changes: Vec<SlotAssignment>,
    told: Vec<Row>,
}

/// A change that could not be made.
struct Failed {
    slot: Slot,
    refused: Box<Refused>,
}

impl Failed {
    fn gone(slot: Slot, record: &Record, error: &anyhow::Error) -> Self {
        Self { slot, refused: Box::new(Refused::gone(record, error)) }
    }
}

impl Workshop {
    /// Puts the guests to work that history and settings name.
    pub(crate) async fn start(
        &self,
        journal: Option<&dyn Journal>,
        now: UnixTime,
    ) -> Result<Arc<GuestSetRegistry>> {
        let mut state = self.state.lock().await;
        let config = state.config.clone();
        let due = async {
            let Changes { changes, rows, renewed } =
                self.due(&state, &config, "start", now).await?;
            renewed.refused.iter().for_each(|warning| tracing::warn!("{warning}"));
            let mut guests: BTreeMap<_, _> = changes.into_iter().collect();
            let serving = history::guests_at(&state.history, history::newest(&state.history));
            let unchanged = serving.into_iter().filter(|(slot, _)| !guests.contains_key(slot));
            // All at once: most of it is reading and checking code, on threads of its own.
            let again = try_join_all(unchanged.map(async |(slot, record)| {
                let again = self.bench(&config).again(slot, record, Some(now)).await;
                again
                    .map(|guest| (slot, Some(guest)))
                    .map_err(|error| Failed::gone(slot, record, &error))
            }));
            let again = again.await?;
            guests.extend(again);
            Ok((guests, rows))
        };
        let (guests, rows) = match due.await {
            Ok(due) => due,
            Err(failed) => return Err(write_down(&mut state, "start", failed, journal, now).await),
        };
        let written = installed(&rows, "start");
        state.remember(&written);
        if let Some(journal) = journal {
            commit(journal, written).await?;
        }
        state.history.extend(rows);
        let guests = guests.into_iter().filter_map(|(slot, guest)| Some((slot, guest?))).collect();
        let generations =
            Arc::new(GuestSetRegistry::starting(history::newest(&state.history), guests)?);
        let generations = Arc::clone(self.live.get_or_init(|| generations));
        self.tell(&state);
        let mut gone = state.left_alone(&[], "start", now);
        for (slot, shadow) in state.shadows().filter(|(slot, _)| state.is_served(&[], *slot)) {
            match self.bench(&config).again(slot, shadow, Some(now)).await {
                Ok(guest) => self.watch.shadow(slot, Some(guest)),
                Err(error) => {
                    gone.extend(dismissed("start", slot, shadow, &format!("{error:#}"), now))
                }
            }
        }
        self.remember(&mut state, &gone);
        if let Some(journal) = journal {
            commit(journal, gone).await?;
        }
        Ok(generations)
    }

    /// Brings back an older revision as it served this kind, for the jobs that name it: all who are still asked about them, or nobody. What cannot be
    /// had is told.
    pub(crate) async fn bring_back(&self, number: u64, kind: u16, now: UnixTime) {
        let state = self.state.lock().await;
        let Some(live) = self.live.get().filter(|live| (1..live.revision()).contains(&number))
        else {
            return;
        };
        let kept = async {
            let mut guests = Vec::new();
            let serving = history::serving(&state.history, number, kind).into_iter();
            for (slot, record) in
                serving.filter(|(slot, _)| Role::NEEDED_AFTER_ADMISSION.contains(&slot.role()))
            {
                guests
                    .push((slot, self.bench(&state.config).again(slot, record, Some(now)).await?));
            }
            Ok::<_, anyhow::Error>(live.keep(number, kind, guests)?)
        };
        if let Err(error) = kept.await {
            tracing::warn!(
                number,
                kind,
                error = format!("{error:#}"),
                "a guest of before is gone: jobs that need it end"
            );
        }
    }

    /// Follows the settings. All of it or nothing.
    /// `first` is done once nothing is refused any more, and before anything is written: if that fails, so does this.
    pub async fn reload(
        &self,
        config: &Config,
        journal: &dyn Journal,
        now: UnixTime,
        first: impl Future<Output = Result<()>>,
    ) -> Result<Renewed> {
        let (mut state, due) = self
            .prepared(|seen| async move {
                let mut due = self.due(&seen, config, "reload", now).await?;
                let others = self.linked_anew(&seen, config, &due.changes, now).await?;
                due.changes.extend(others.changes);
                Ok((due, others.told))
            })
            .await;
        let (mut due, told) = match due {
            Ok(due) => due,
            Err(failed) => {
                return Err(write_down(&mut state, "reload", failed, Some(journal), now).await);
            }
        };
        first.await?;
        let renewed = std::mem::take(&mut due.renewed);
        self.follow(&mut state, config, due, told, journal, now).await?;
        Ok(renewed)
    }

    /// In a line: how many of these jobs go on with guests of before that the rules of now refuse, and for how long.
    pub async fn outlasting(&self, jobs: &[JobState], now: UnixTime) -> Option<String> {
        let state = self.state.lock().await;
        let (history, bench) = (&state.history, self.bench(&state.config));
        let is_refused = |number, kind| {
            let mut needed = history::serving(history, number, kind)
                .into_iter()
                .filter(|(slot, _)| Role::NEEDED_AFTER_ADMISSION.contains(&slot.role()));
            needed.any(|(_, record)| bench.is_trusted(record, now).is_err())
        };
        let (mut refused, mut until) = (BTreeMap::new(), Vec::new());
        for job in jobs.iter().filter(|job| !job.is_over() && job.plan.revision > 0) {
            let (number, kind) = (job.plan.revision, job.job.kind);
            if *refused.entry((number, kind)).or_insert_with(|| is_refused(number, kind)) {
                let replaced = history::replaced_at(history, number, kind).unwrap_or(now);
                until.push(replaced.plus(state.config.guest_drain_seconds.into()));
            }
        }
        let (count, left) = (until.len(), until.iter().max()?.since(now));
        Some(format!(
            "jobs that go on with guests which `lockdown` refuses now: {count}, for {left} s at most (`guest_drain_seconds`)"
        ))
    }

    /// Puts to work what the settings ask for.
    async fn follow(
        &self,
        state: &mut State,
        config: &Config,
        due: Changes,
        told: Vec<Row>,
        journal: &dyn Journal,
        now: UnixTime,
    ) -> Result<()> {
        let Changes { changes, rows, .. } = due;
        let untrusted = state
            .shadows()
            .filter(|(slot, _)| state.is_served(&rows, *slot))
            .filter_map(|(slot, shadow)| {
                let error = self.bench(config).is_trusted(shadow, now).err()?;
                Some(dismissed("reload", slot, shadow, &format!("{error:#}"), now))
            });
        let beside = state.left_alone(&rows, "reload", now).into_iter().chain(untrusted.flatten());
        let written = installed(&rows, "reload").into_iter().chain(told).chain(beside).collect();
        self.write(state, journal, written).await?;
        state.config = config.clone();
        self.put(state, &changes, rows)
    }

    /// What history and settings ask for.
    async fn due(
        &self,
        state: &State,
        config: &Config,
        why: &str,
        now: UnixTime,
    ) -> Result<Changes, Failed> {
        let (mut changes, mut rows, mut renewed, bench) =
            (Vec::new(), Vec::new(), Renewed::default(), self.bench(config));
        let serving = history::guests_at(&state.history, history::newest(&state.history));
        let due = history::due(&state.history, config);
        // All at once: each may take as long as an order may.
        let found = join_all(due.iter().map(|(slot, due)| async move {
            match due {
                Due::Install(guest) | Due::Renew(guest, _) => Some(bench.find(*slot, guest).await),
                Due::Empty => None,
            }
        }));
        for ((slot, due), found) in due.iter().zip(found.await) {
            let (slot, had) = (*slot, serving.get(slot).copied());
            let ready = match (due, found) {
                (Due::Install(guest), Some(found)) => {
                    let prepared = bench.prepare(Wish { slot, guest, had }, &found, now).await;
                    Some(prepared.map_err(|refused| Failed { slot, refused: Box::new(refused) })?)
                }
                // The others can do without it, as they have since.
                (Due::Renew(guest, before), Some(found)) => {
                    match bench.prepare(Wish { slot, guest, had: Some(before) }, &found, now).await
                    {
                        Ok(ready) if had == Some(&ready.record) => continue,
                        Ok(ready) => {
                            renewed.keys.push(if slot.kind().is_some() {
                                format!("guests.\"{slot}\"")
                            } else {
                                format!("guests.{slot}")
                            });
                            Some(ready)
                        }
                        Err(Refused { stop, .. }) => {
                            renewed.refused.push(lapsed(slot, guest, &stop));
                            continue;
                        }
                    }
                }
                _ => None,
            };
            let (revision, stanza) = (
                history::newest(&state.history) + 1 + rows.len() as u64,
                history::stanza(config, slot),
            );
            let guest = ready.as_ref().map(|ready| ready.record.clone());
            rows.push(Installation {
                revision,
                slot: slot.to_string(),
                guest,
                config: stanza,
                cause: why.into(),
                at: now,
            });
            changes.push((slot, ready.map(|ready| ready.guest)));
        }
        Ok(Changes { changes, rows, renewed })
    }

    /// What serves on under other settings, where they leave it other grants. As at a start, its set of guests keeps the number.
    async fn linked_anew(
        &self,
        state: &State,
        config: &Config,
        due: &[SlotAssignment],
        now: UnixTime,
    ) -> Result<Anew, Failed> {
        let (before, bench) = (self.bench(&state.config), self.bench(config));
        let mut anew = Anew { changes: Vec::new(), told: Vec::new() };
        for (slot, record) in history::guests_at(&state.history, history::newest(&state.history)) {
            if due.iter().any(|(changed, _)| *changed == slot) {
                continue;
            }
            let gone = |error: anyhow::Error| Failed::gone(slot, record, &error);
            let what = || format!("{} {} in slot {slot}", record.name, record.version);
            bench.is_trusted(record, now).with_context(what).map_err(gone)?;
            if bench.grants(slot, Some(&record.grants)) != before.grants(slot, Some(&record.grants))
            {
                let guest = bench.again(slot, record, Some(now)).await.map_err(gone)?;
                let granted = Record { grants: grants::names(guest.granted()), ..record.clone() };
                anew.told.push(Row::Audit(Box::new(audit("reload", slot, &granted, now))));
                anew.changes.push((slot, Some(guest)));
            }
        }
        Ok(anew)
    }
}

/// Who does not come back though the settings name it, in a line.
fn lapsed(slot: Slot, guest: &GuestConfig, stop: &Stop) -> String {
    let (source, why) = (&guest.source, &stop.why);
    format!(
        "{slot} is without what the settings name, {source}, since its release ended: {why}; then `pylon reload` takes it again"
    )
}

/// A refusal of what the settings ask for.
async fn write_down(
    state: &mut State,
    action: &str,
    failed: Failed,
    journal: Option<&dyn Journal>,
    now: UnixTime,
) -> anyhow::Error {
    let Failed { slot, refused } = failed;
    let stop = refuse(state, action, slot, *refused, journal, now).await;
    Unserved { slot, stop }.into()
}
