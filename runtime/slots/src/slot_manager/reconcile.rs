//! Changes that the settings require, at a start and when they are reloaded.

use super::state::{State, commit};
use super::{SlotManager, record_failure};
use crate::audit::{done, installed, shadow_removed};
use crate::config::Config;
use crate::failure::UnfilledSlot;
use crate::grants;
use crate::history::{self, Reconcile};
use crate::installer::{InstallRequest, Rejected};
use anyhow::{Context, Result};
use futures::future::{join_all, try_join_all};
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, InstalledGuest};
use pylon_core::ports::journal::Journal;
use pylon_core::rows::{Row, UnfinishedJob};
use pylon_sandbox::{GuestSetRegistry, Installed, Role, Slot, SlotAssignment};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes that are prepared, and the rows of their revisions.
struct PreparedChanges {
    changes: Vec<SlotAssignment>,
    rows: Vec<Installation>,
}

/// Guests that stay with other grants, and their audit rows.
struct Relinked {
    changes: Vec<SlotAssignment>,
    audits: Vec<Row>,
}

/// A change that cannot be made.
struct Failed {
    slot: Slot,
    rejected: Box<Rejected>,
}

impl Failed {
    fn unavailable(slot: Slot, record: &InstalledGuest, error: &anyhow::Error) -> Self {
        Self { slot, rejected: Box::new(Rejected::unavailable(record, error)) }
    }

    /// Records the failure.
    async fn record(
        self,
        state: &mut State,
        action: &str,
        journal: Option<&dyn Journal>,
        now: UnixTime,
    ) -> anyhow::Error {
        let Self { slot, rejected } = self;
        let failure = record_failure(state, action, slot, *rejected, journal, now).await;
        UnfilledSlot { slot, failure }.into()
    }
}

impl SlotManager {
    /// Loads the guests that history and settings name.
    pub(crate) async fn start(
        &self,
        journal: Option<&dyn Journal>,
        now: UnixTime,
    ) -> Result<Arc<GuestSetRegistry>> {
        let mut state = self.state.lock().await;
        let (guests, rows) = match self.load_all(&state, now).await {
            Ok(loaded) => loaded,
            Err(failed) => return Err(failed.record(&mut state, "start", journal, now).await),
        };
        let installed = installed(&rows, "start");
        state.apply_pending(&installed);
        if let Some(journal) = journal {
            commit(journal, installed).await?;
        }
        state.history.extend(rows);
        let guest_sets =
            Arc::new(GuestSetRegistry::starting(history::newest(&state.history), guests)?);
        let guest_sets = Arc::clone(self.live.get_or_init(|| guest_sets));
        self.notify(&state);
        let removed = self.load_shadows(&state, now).await;
        self.apply_pending(&mut state, &removed);
        if let Some(journal) = journal {
            commit(journal, removed).await?;
        }
        Ok(guest_sets)
    }

    /// The guests of all slots, and the rows of those that the settings changed.
    async fn load_all(
        &self,
        state: &State,
        now: UnixTime,
    ) -> Result<(Vec<(Slot, Arc<Installed>)>, Vec<Installation>), Failed> {
        let config = &state.config;
        let PreparedChanges { changes, rows } =
            self.prepare_changes(state, config, "start", now).await?;
        let changed: BTreeMap<_, _> = changes.into_iter().collect();
        let serving = history::current(&state.history).into_iter();
        let unchanged = serving.filter(|(slot, _)| !changed.contains_key(slot));
        // Concurrently: most of this is reading and checking code, on other threads.
        let reloaded = unchanged.map(async |(slot, record)| {
            let guest = self.installer(config).reload(slot, record, Some(now)).await;
            guest
                .map(|guest| (slot, guest))
                .map_err(|error| Failed::unavailable(slot, record, &error))
        });
        let mut guests: BTreeMap<_, _> = try_join_all(reloaded).await?.into_iter().collect();
        guests.extend(changed.into_iter().filter_map(|(slot, guest)| Some((slot, guest?))));
        Ok((guests.into_iter().collect(), rows))
    }

    /// Loads the shadows; the rows remove those that cannot be loaded or have an empty slot.
    async fn load_shadows(&self, state: &State, now: UnixTime) -> Vec<Row> {
        let mut removed = state.orphaned_shadows(&[], "start", now);
        for (slot, shadow) in state.shadows().filter(|(slot, _)| state.is_filled_after(&[], *slot))
        {
            match self.installer(&state.config).reload(slot, shadow, Some(now)).await {
                Ok(guest) => self.health.set_shadow(slot, Some(guest)),
                Err(error) => {
                    let why = format!("cannot be loaded: {error:#}");
                    removed.extend(shadow_removed("start", slot, shadow, &why, now));
                }
            }
        }
        removed
    }

    /// Loads the guests of an earlier revision that jobs of this kind still need: all of them or
    /// none. A failure is logged.
    pub(crate) async fn restore(&self, revision: u64, kind: u16, now: UnixTime) {
        let state = self.state.lock().await;
        let Some(live) = self.live.get().filter(|live| (1..live.revision()).contains(&revision))
        else {
            return;
        };
        let restored = async {
            let mut guests = Vec::new();
            let serving = history::serving(&state.history, revision, kind).into_iter();
            for (slot, record) in
                serving.filter(|(slot, _)| Role::NEEDED_AFTER_ADMISSION.contains(&slot.role()))
            {
                let installer = self.installer(&state.config);
                guests.push((slot, installer.reload(slot, record, Some(now)).await?));
            }
            Ok::<_, anyhow::Error>(live.keep(revision, kind, guests)?)
        };
        if let Err(error) = restored.await {
            let error = format!("{error:#}");
            tracing::warn!(revision, kind, error, "cannot load a guest: jobs that need it fail");
        }
    }

    /// Applies other settings: all of them or none. `before_commit` runs after everything is
    /// checked and before anything is recorded; if it fails, so does the reload.
    pub async fn reload(
        &self,
        config: &Config,
        journal: &dyn Journal,
        now: UnixTime,
        before_commit: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let (mut state, prepared) = self
            .prepare_change(|seen| async move {
                let mut prepared = self.prepare_changes(&seen, config, "reload", now).await?;
                let relinked = self.relink(&seen, config, &prepared.changes, now).await?;
                prepared.changes.extend(relinked.changes);
                Ok::<_, Failed>((prepared, relinked.audits))
            })
            .await;
        let (prepared, audits) = match prepared {
            Ok(prepared) => prepared,
            Err(failed) => {
                return Err(failed.record(&mut state, "reload", Some(journal), now).await);
            }
        };
        before_commit.await?;
        let PreparedChanges { changes, rows } = prepared;
        let untrusted = state
            .shadows()
            .filter(|(slot, _)| state.is_filled_after(&rows, *slot))
            .filter_map(|(slot, shadow)| {
                let error = self.installer(config).check_trusted(shadow, now).err()?;
                Some(shadow_removed("reload", slot, shadow, &format!("{error:#}"), now))
            });
        let orphaned = state.orphaned_shadows(&rows, "reload", now);
        let installed = installed(&rows, "reload").into_iter();
        let written = installed.chain(audits).chain(orphaned).chain(untrusted.flatten()).collect();
        self.commit(&mut state, journal, written).await?;
        state.config = config.clone();
        self.swap(&mut state, &changes, rows)
    }

    /// One line: how many of these jobs continue with earlier guests that the present rules refuse,
    /// and for how long.
    pub async fn refused_guests_warning(
        &self,
        jobs: &[UnfinishedJob],
        now: UnixTime,
    ) -> Option<String> {
        let state = self.state.lock().await;
        let (history, installer) = (&state.history, self.installer(&state.config));
        let is_refused = |revision, kind| {
            let mut needed = history::serving(history, revision, kind)
                .into_iter()
                .filter(|(slot, _)| Role::NEEDED_AFTER_ADMISSION.contains(&slot.role()));
            needed.any(|(_, record)| installer.check_trusted(record, now).is_err())
        };
        let (mut refused, mut ends) = (BTreeMap::new(), Vec::new());
        for job in jobs.iter().filter(|job| !job.execution.is_over() && job.revision > 0) {
            let (revision, kind) = (job.revision, job.kind);
            let key = (revision, kind);
            if *refused.entry(key).or_insert_with(|| is_refused(revision, kind)) {
                let replaced = history::replaced_at(history, revision, kind).unwrap_or(now);
                ends.push(replaced.plus(state.config.guest_drain_seconds.into()));
            }
        }
        let (count, seconds) = (ends.len(), ends.iter().max()?.since(now));
        Some(format!(
            "jobs with guests that `lockdown` refuses now: {count}; they continue for at most \
             {seconds} s (`guest_drain_seconds`)"
        ))
    }

    /// Prepares the changes that history and settings require.
    async fn prepare_changes(
        &self,
        state: &State,
        config: &Config,
        action: &str,
        now: UnixTime,
    ) -> Result<PreparedChanges, Failed> {
        let installer = self.installer(config);
        let serving = history::current(&state.history);
        let required = history::changes(&state.history, config);
        // Concurrently: each may take until its timeout.
        let fetched = join_all(required.iter().map(|(slot, change)| async move {
            match change {
                Reconcile::Install(guest) => Some((guest, installer.fetch(*slot, guest).await)),
                Reconcile::Empty => None,
            }
        }));
        let (mut changes, mut rows) = (Vec::new(), Vec::new());
        for ((slot, _), fetched) in required.iter().zip(fetched.await) {
            let slot = *slot;
            let (mut loaded, mut guest) = (None, None);
            if let Some((config, fetched)) = fetched {
                let current = serving.get(&slot).copied();
                let request = InstallRequest { slot, guest: config, current };
                let prepared = installer
                    .prepare(request, &fetched, now)
                    .await
                    .map_err(|rejected| Failed { slot, rejected: Box::new(rejected) })?;
                (loaded, guest) = (Some(prepared.guest), Some(prepared.record));
            }
            rows.push(Installation {
                revision: history::newest(&state.history) + 1 + rows.len() as u64,
                slot: slot.to_string(),
                guest,
                config: history::config_json(config, slot),
                cause: action.into(),
                at: now,
            });
            changes.push((slot, loaded));
        }
        Ok(PreparedChanges { changes, rows })
    }

    /// Loads serving guests again that get other grants from the new settings. The revision stays,
    /// as at a start.
    async fn relink(
        &self,
        state: &State,
        config: &Config,
        changed: &[SlotAssignment],
        now: UnixTime,
    ) -> Result<Relinked, Failed> {
        let (before, after) = (self.installer(&state.config), self.installer(config));
        let mut relinked = Relinked { changes: Vec::new(), audits: Vec::new() };
        for (slot, record) in history::current(&state.history) {
            if changed.iter().any(|(changed, _)| *changed == slot) {
                continue;
            }
            let failed = |error: anyhow::Error| Failed::unavailable(slot, record, &error);
            let guest = || format!("{} {} in slot {slot}", record.name, record.version);
            after.check_trusted(record, now).with_context(guest).map_err(failed)?;
            let grants = Some(record.grants.as_slice());
            if after.grants(slot, grants) != before.grants(slot, grants) {
                let guest = after.reload(slot, record, Some(now)).await.map_err(failed)?;
                let grants = grants::names(guest.granted());
                let granted = InstalledGuest { grants, ..record.clone() };
                let audit = done("reload", slot, &granted, now);
                relinked.audits.push(Row::Audit(Box::new(audit)));
                relinked.changes.push((slot, Some(guest)));
            }
        }
        Ok(relinked)
    }
}
