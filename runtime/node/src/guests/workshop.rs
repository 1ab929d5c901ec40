//! Where slots are changed, one change after the other: prepared, written down with who did what, and only then put to work. With a node the jobs
//! from then on have the change; without one the next start has it.

use super::deed::{Deed, REMOVED, Seated};
use super::history::{self, Due};
use super::record::{audit, installed, refusal};
use super::source::Found;
use super::steps::{Bench, Ready, Refused, Stop, Wish};
use super::watch::{Alarm, Reports, Watch};
use super::{Ledger, Shelf, grants, rollback};
use crate::config::{Config, Lockdown};
use crate::units::moment;
use anyhow::{Context, Result, anyhow, bail};
use futures::future::join_all;
use pylon_core::UnixTime;
use pylon_core::ports::installations::{Audit, Installation, Installed as Record, Purpose, Standby};
use pylon_core::ports::journal::{Journal, JournalError, Row};
use pylon_sandbox::{Change, Generations, Role, Sandbox, Slot};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, watch};

/// That a guest fails and stays is told again after this.
const TOLD_AGAIN_SECONDS: u64 = 3600;
/// So often what the settings ask for is prepared anew because a command has changed a slot meanwhile.
const LOOKS_MAX: usize = 5;

/// All that a change needs.
pub struct Workshop {
    sandbox: Sandbox,
    shelf: Shelf,
    state: Mutex<State>,
    /// The guests at work, with a node.
    live: OnceLock<Arc<Generations>>,
    pub(super) watch: Arc<Watch>,
    changed: watch::Sender<u64>,
}

/// What is written down.
#[derive(Clone)]
struct State {
    history: Vec<Installation>,
    standbys: Vec<Standby>,
    config: Config,
    /// Since when it is known that the guest of a set fails and stays, and why.
    told: BTreeMap<Slot, (u64, &'static str, UnixTime)>,
}

/// Changes that could be made, with what is to be written of them.
struct Changes {
    changes: Vec<Change>,
    rows: Vec<Installation>,
}

/// What serves on with other grants, and the record of that.
struct Anew {
    changes: Vec<Change>,
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
    /// Over what the journal says.
    pub(super) fn new(sandbox: Sandbox, shelf: Shelf, ledger: Ledger, config: &Config) -> (Self, Reports) {
        let (watch, reports) = Watch::new();
        let Ledger { history, standbys } = ledger;
        let changed = watch::Sender::new(history::newest(&history));
        let state = Mutex::new(State { history, standbys, config: config.clone(), told: BTreeMap::new() });
        (Self { sandbox, shelf, state, live: OnceLock::new(), watch, changed }, reports)
    }

    /// Without a node: the next start has what is done here.
    pub fn offline(sandbox: Sandbox, shelf: Shelf, ledger: Ledger, config: &Config) -> Self {
        Self::new(sandbox, shelf, ledger, config).0
    }

    /// Puts the guests to work that history and settings name.
    pub(super) async fn start(&self, journal: Option<&dyn Journal>, now: UnixTime) -> Result<Arc<Generations>> {
        let mut state = self.state.lock().await;
        let config = state.config.clone();
        let due = async {
            let Changes { changes, rows } = self.due(&state, &config, "start", now).await?;
            let mut guests: BTreeMap<_, _> = changes.into_iter().collect();
            for (slot, record) in history::guests_at(&state.history, history::newest(&state.history)) {
                if let std::collections::btree_map::Entry::Vacant(unchanged) = guests.entry(slot) {
                    let todo = || format!("put another guest into {slot} (`pylon guest rollback` or `pylon guest install`)");
                    let again = self.bench(&config).again(slot, record, Some(now)).await.with_context(todo);
                    unchanged.insert(Some(again.map_err(|error| Failed::gone(slot, record, &error))?));
                }
            }
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
        let generations = Arc::new(Generations::starting(history::newest(&state.history), guests)?);
        let generations = Arc::clone(self.live.get_or_init(|| generations));
        self.tell(&state);
        let mut gone = Vec::new();
        for standby in state.standbys.iter().filter(|standby| standby.purpose == Purpose::Shadow) {
            let Ok(slot) = standby.slot.parse() else { continue };
            match self.bench(&config).again(slot, &standby.guest, Some(now)).await {
                Ok(guest) => self.watch.shadow(slot, Some(guest)),
                Err(error) => gone.push((slot, standby.guest.clone(), error)),
            }
        }
        let gone = dismissed(&gone, "start", now);
        state.remember(&gone);
        if let Some(journal) = journal {
            commit(journal, gone).await?;
        }
        Ok(generations)
    }

    /// Brings back an older generation as it served this kind, for the jobs that name it: all of it or nothing. What cannot be had is told.
    pub(super) async fn bring_back(&self, number: u64, kind: u16, now: UnixTime) {
        let state = self.state.lock().await;
        let Some(live) = self.live.get().filter(|live| (1..live.number()).contains(&number)) else { return };
        let kept = async {
            let mut guests = Vec::new();
            for (slot, record) in history::serving(&state.history, number, kind) {
                guests.push((slot, self.bench(&state.config).again(slot, record, Some(now)).await?));
            }
            Ok::<_, anyhow::Error>(live.keep(number, kind, guests)?)
        };
        if let Err(error) = kept.await {
            tracing::warn!(number, kind, error = format!("{error:#}"), "a guest of before is gone: jobs that need it end");
        }
    }

    /// Follows the settings. All of it or nothing. What takes long comes before anybody has to wait for it, and is done again if slots change meanwhile;
    /// `first` is done once nothing is refused any more, and before anything is written: if that fails, so does this.
    pub async fn reload(
        &self,
        config: &Config,
        journal: &dyn Journal,
        now: UnixTime,
        first: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        for _ in 0..LOOKS_MAX {
            let seen = self.state.lock().await.clone();
            let due = async {
                let mut due = self.due(&seen, config, "reload", now).await?;
                let others = self.linked_anew(&seen, config, &due.changes, now).await?;
                due.changes.extend(others.changes);
                Ok((due, others.told))
            };
            let due = due.await;
            let mut state = self.state.lock().await;
            if history::newest(&state.history) != history::newest(&seen.history) {
                continue;
            }
            let (due, told) = match due {
                Ok(due) => due,
                Err(failed) => return Err(write_down(&mut state, "reload", failed, Some(journal), now).await),
            };
            first.await?;
            return self.follow(&mut state, config, due, told, journal, now).await;
        }
        bail!("slots are changed all the time by commands: try again")
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
        let Changes { changes, rows } = due;
        let shadows = state.standbys.iter().filter(|standby| standby.purpose == Purpose::Shadow);
        let untrusted = shadows.filter_map(|standby| {
            let error = self.bench(config).is_trusted(&standby.guest, now).err()?;
            Some((standby.slot.parse().ok()?, standby.guest.clone(), error))
        });
        let untrusted: Vec<_> = untrusted.collect();
        let written = installed(&rows, "reload").into_iter().chain(told).chain(dismissed(&untrusted, "reload", now));
        state.write(journal, written.collect()).await?;
        for (slot, ..) in untrusted {
            self.watch.shadow(slot, None);
        }
        state.config = config.clone();
        self.put(state, &changes, rows)
    }

    /// Does it, or leaves everything as it was. Either is written down.
    pub async fn carry_out(&self, deed: &Deed, journal: &dyn Journal, now: UnixTime) -> Result<Seated, Stop> {
        let slot: Slot = deed.slot().parse().map_err(|error| Stop::new("slot", format!("{error}")))?;
        // What takes long comes first: other changes need not wait for it.
        let found = match deed {
            Deed::Install { guest, .. } => {
                let config = self.state.lock().await.config.clone();
                Some(self.bench(&config).find(slot, guest).await)
            }
            _ => None,
        };
        let mut state = self.state.lock().await;
        let next = match self.ready(&state, deed, slot, found, now).await {
            Ok(next) => next,
            Err(refused) => return Err(refuse(&mut state, deed.word(), slot, refused, Some(journal), now).await),
        };
        if let (Deed::Install { shadow: true, .. }, Some(Ready { guest, record })) = (deed, &next) {
            let (name, record) = (slot.to_string(), record.clone());
            let standby = Standby { slot: name, purpose: Purpose::Shadow, guest: record, beyond: Vec::new(), since: now };
            let audit = audit(deed.word(), slot, &standby.guest, now);
            let rows = vec![Row::Stand(Box::new(standby.clone())), Row::Audit(Box::new(audit))];
            state.write(journal, rows).await.map_err(unwritten)?;
            self.watch.shadow(slot, Some(Arc::clone(guest)));
            return Ok(Seated::beside(&standby, Some(0)));
        }
        let (guest, record) = next.map(|ready| (ready.guest, ready.record)).unzip();
        let row = state.row(slot, record, deed.word(), now);
        let left = || Some(Seated { standing: REMOVED.into(), generation: Some(row.generation), ..state.serving(slot)? });
        let seated = Seated::serving(&row, None).or_else(left);
        let mut rows = installed(std::slice::from_ref(&row), deed.word());
        let is_shadow = matches!(deed, Deed::Activate { .. });
        rows.extend(is_shadow.then(|| Row::Leave(slot.to_string(), Purpose::Shadow)));
        state.write(journal, rows).await.map_err(unwritten)?;
        if is_shadow {
            self.watch.shadow(slot, None);
        }
        self.put(&mut state, &[(slot, guest)], vec![row]).map_err(|error| Stop::new("slot", error.to_string()))?;
        seated.ok_or_else(|| Stop::new("slot", "nothing is there"))
    }

    /// The guest of a slot has failed too often: what was there before comes back, unless that has just happened. Another guest may be there by now.
    pub async fn take_out(&self, alarm: Alarm, journal: &dyn Journal, now: UnixTime) {
        let Alarm { slot, generation } = alarm;
        let mut state = self.state.lock().await;
        let serving = history::at(&state.history, history::newest(&state.history)).get(&slot).copied().cloned();
        let Some(failing) = serving.filter(|row| row.generation == generation).and_then(|row| row.guest) else { return };
        let what = format!("{} {}", failing.name, failing.version);
        let done = match self.before(&state, slot, now).await {
            Err(stop) => {
                let is_told = state
                    .told
                    .get(&slot)
                    .is_some_and(|(of, code, at)| (*of, *code) == (generation, stop.code) && now.since(*at) < TOLD_AGAIN_SECONDS);
                if is_told {
                    return;
                }
                state.told.insert(slot, (generation, stop.code, now));
                let detail = format!("{what} stays: {}", stop.why);
                tracing::warn!(%slot, why = detail, "a guest fails again and again, and stays");
                let told = Audit { outcome: stop.code.into(), detail, ..audit(rollback::ROLLBACK, slot, &failing, now) };
                commit(journal, vec![Row::Audit(Box::new(told))]).await.map_err(anyhow::Error::from)
            }
            Ok(next) => {
                let (guest, record) = next.map(|ready| (ready.guest, ready.record)).unzip();
                let row = state.row(slot, record, rollback::BY_ITSELF, now);
                let traps = format!("{what} gave no answer {} times in {} calls", rollback::TRAPS, rollback::CALLS);
                let mut rows = installed(std::slice::from_ref(&row), rollback::ROLLBACK);
                rows.iter_mut().for_each(|row| {
                    if let Row::Audit(audit) = row {
                        audit.detail.clone_from(&traps)
                    }
                });
                match state.write(journal, rows).await {
                    Ok(()) => {
                        tracing::warn!(%slot, generation = row.generation, traps, "rolled back by itself");
                        self.put(&mut state, &[(slot, guest)], vec![row])
                    }
                    Err(error) => Err(error.into()),
                }
            }
        };
        if let Err(error) = done {
            tracing::error!(%slot, error = format!("{error:#}"), "a guest that fails was not taken out");
        }
    }

    /// Who comes back into a slot by itself now, or why nobody does.
    async fn before(&self, state: &State, slot: Slot, now: UnixTime) -> Result<Option<Ready>, Stop> {
        if let Some(until) = rollback::rests_until(&state.history, slot).filter(|until| *until > now) {
            return Err(Stop::new("wait", format!("the slot went back lately, and does not before {} UTC", moment(until))));
        }
        let before = rollback::target(&state.history, slot, None);
        let before = before.ok_or_else(|| Stop::new("nothing", rollback::nobody(&state.history, slot)))?;
        let Some(record) = before.cloned() else { return Ok(None) };
        let guest = self.bench(&state.config).back(slot, &record, now).await;
        guest.map(|guest| Some(Ready { guest, record })).map_err(|error| Stop::new("gone", format!("{error:#}")))
    }

    /// Who is where, and beside whom.
    pub async fn seated(&self) -> Vec<Seated> {
        let state = self.state.lock().await;
        let now = history::at(&state.history, history::newest(&state.history));
        let live: BTreeMap<_, _> = self.live.get().map(|live| live.list()).into_iter().flatten().collect();
        let serving = now.iter().filter_map(|(slot, row)| {
            let seated = Seated::serving(row, self.watch.figures(*slot))?;
            // Rules that came later may have left less.
            let grants = live.get(slot).map_or_else(|| seated.grants.clone(), |guest| grants::names(guest.granted()));
            Some(Seated { grants, ..seated })
        });
        let missed = |standby: &Standby| standby.slot.parse().ok().map(|slot| self.watch.missed(slot));
        let beside = state.standbys.iter().map(|standby| Seated::beside(standby, missed(standby)));
        serving.chain(beside).collect()
    }

    /// What may be installed, as it holds now.
    pub async fn rules(&self) -> Lockdown {
        self.state.lock().await.config.lockdown.clone()
    }

    /// Sees each change from now on: the newest set of guests.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// When guests of this kind in this set were replaced, if they were; and the last change of all.
    pub(crate) async fn replaced_at(&self, generation: u64, kind: u16) -> Option<UnixTime> {
        history::replaced_at(&self.state.lock().await.history, generation, kind)
    }

    /// When anything was changed last.
    pub(crate) async fn last_change(&self) -> Option<UnixTime> {
        self.state.lock().await.history.last().map(|row| row.at)
    }

    fn bench<'a>(&'a self, config: &'a Config) -> Bench<'a> {
        Bench { sandbox: &self.sandbox, shelf: &self.shelf, config }
    }

    /// Who is to come there; nobody empties the slot.
    async fn ready(
        &self,
        state: &State,
        deed: &Deed,
        slot: Slot,
        found: Option<Result<Found, Stop>>,
        now: UnixTime,
    ) -> Result<Option<Ready>, Refused> {
        let bench = self.bench(&state.config);
        let record = match (deed, found) {
            (Deed::Install { shadow: true, .. }, _) if slot.role() == Role::Handler => {
                let why = format!("{slot} does work, and work is not done twice: only policies have a shadow");
                return Err(Stop::new("shadow", why).into());
            }
            (Deed::Install { guest, .. }, Some(found)) => {
                let serving = history::guests_at(&state.history, history::newest(&state.history));
                return bench.prepare(Wish { slot, guest, had: serving.get(&slot).copied() }, found, now).await.map(Some);
            }
            _ => state.named(deed, slot)?,
        };
        let Some(record) = record else { return Ok(None) };
        match bench.back(slot, &record, now).await {
            Ok(guest) => Ok(Some(Ready { guest, record })),
            Err(error) => Err(Refused::gone(&record, &error)),
        }
    }

    /// What history and settings ask for.
    async fn due(&self, state: &State, config: &Config, why: &str, now: UnixTime) -> Result<Changes, Failed> {
        let (mut changes, mut rows, bench) = (Vec::new(), Vec::new(), self.bench(config));
        let serving = history::guests_at(&state.history, history::newest(&state.history));
        let due = history::due(&state.history, config);
        // All at once: each may take as long as an order may.
        let found = join_all(due.iter().map(|(slot, due)| async move {
            match due {
                Due::Install(guest) => Some(bench.find(*slot, guest).await),
                Due::Empty => None,
            }
        }));
        for (((slot, due), found), generation) in due.iter().zip(found.await).zip(history::newest(&state.history) + 1..) {
            let slot = *slot;
            let ready = match (due, found) {
                (Due::Install(guest), Some(found)) => {
                    let wish = Wish { slot, guest, had: serving.get(&slot).copied() };
                    let prepared = bench.prepare(wish, found, now).await;
                    Some(prepared.map_err(|refused| Failed { slot, refused: Box::new(refused) })?)
                }
                _ => None,
            };
            let stanza = history::stanza(config, slot);
            let guest = ready.as_ref().map(|ready| ready.record.clone());
            rows.push(Installation { generation, slot: slot.to_string(), guest, stanza, why: why.into(), at: now });
            changes.push((slot, ready.map(|ready| ready.guest)));
        }
        Ok(Changes { changes, rows })
    }

    /// What serves on under other settings, where they leave it other grants. As at a start, its set of guests keeps the number.
    async fn linked_anew(&self, state: &State, config: &Config, due: &[Change], now: UnixTime) -> Result<Anew, Failed> {
        let (before, bench) = (self.bench(&state.config), self.bench(config));
        let mut anew = Anew { changes: Vec::new(), told: Vec::new() };
        for (slot, record) in history::guests_at(&state.history, history::newest(&state.history)) {
            if due.iter().any(|(changed, _)| *changed == slot) {
                continue;
            }
            let gone = |error: anyhow::Error| Failed::gone(slot, record, &error);
            let what = || format!("{} {} in slot {slot}", record.name, record.version);
            bench.is_trusted(record, now).with_context(what).map_err(gone)?;
            if bench.grants(slot, Some(&record.grants)) != before.grants(slot, Some(&record.grants)) {
                let guest = bench.again(slot, record, Some(now)).await.map_err(gone)?;
                let granted = Record { grants: grants::names(guest.granted()), ..record.clone() };
                anew.told.push(Row::Audit(Box::new(audit("reload", slot, &granted, now))));
                anew.changes.push((slot, Some(guest)));
            }
        }
        Ok(anew)
    }

    /// It is written: the jobs from now on have it.
    fn put(&self, state: &mut State, changes: &[Change], rows: Vec<Installation>) -> Result<()> {
        state.history.extend(rows);
        if let Some(live) = self.live.get().filter(|_| !changes.is_empty()) {
            live.swap(history::newest(&state.history), changes)?;
        }
        self.tell(state);
        Ok(())
    }

    fn tell(&self, state: &State) {
        let newest = history::newest(&state.history);
        let now = history::at(&state.history, newest);
        self.watch.serve(now.iter().filter_map(|(slot, row)| Some((*slot, row.guest.as_ref()?.digest, row.generation))));
        self.changed.send_replace(newest);
    }
}

impl State {
    fn row(&self, slot: Slot, guest: Option<Record>, why: &str, at: UnixTime) -> Installation {
        let (generation, stanza) = (history::newest(&self.history) + 1, history::stanza(&self.config, slot));
        Installation { generation, slot: slot.to_string(), guest, stanza, why: why.into(), at }
    }

    fn serving(&self, slot: Slot) -> Option<Seated> {
        Seated::serving(history::at(&self.history, history::newest(&self.history)).get(&slot)?, None)
    }

    /// The guest of before that this is about; nobody, if the slot was empty then.
    fn named(&self, deed: &Deed, slot: Slot) -> Result<Option<Record>, Stop> {
        let nothing = |why: String| Stop::new("nothing", why);
        match deed {
            Deed::Activate { .. } => self.standby(slot, Purpose::Shadow).map(Some).ok_or_else(|| {
                nothing(format!("{slot} has no shadow: `pylon guest install SOURCE --slot {slot} --shadow` puts one there"))
            }),
            Deed::Approve { digest, .. } => {
                let waiting = self.standby(slot, Purpose::Approval);
                let waiting = waiting
                    .ok_or_else(|| nothing(format!("no guest waits for {slot}: `pylon guest list` shows those that do")))?;
                if digest.is_some_and(|seen| seen != waiting.digest) {
                    let why = format!("by now {} {} waits for {slot}, {}", waiting.name, waiting.version, waiting.digest);
                    return Err(Stop::new("digest", format!("{why}: see it with `pylon guest list`")));
                }
                Ok(Some(waiting))
            }
            Deed::Rollback { to, .. } => {
                let before = rollback::target(&self.history, slot, *to).map(Option::<&Record>::cloned);
                before.ok_or_else(|| match to {
                    None => nothing(rollback::nobody(&self.history, slot)),
                    Some(to) => nothing(format!("{slot} had no guest in generation {to}: see `pylon guest list --history`")),
                })
            }
            Deed::Install { .. } => Err(nothing("a guest that comes anew is none of before".into())),
        }
    }

    fn standby(&self, slot: Slot, purpose: Purpose) -> Option<Record> {
        let name = slot.to_string();
        let found = self.standbys.iter().find(|standby| standby.slot == name && standby.purpose == purpose);
        found.map(|standby| standby.guest.clone())
    }

    async fn write(&mut self, journal: &dyn Journal, rows: Vec<Row>) -> Result<(), JournalError> {
        commit(journal, rows.clone()).await?;
        self.remember(&rows);
        Ok(())
    }

    /// Who stands beside the slots after these.
    fn remember(&mut self, rows: &[Row]) {
        for row in rows {
            match row {
                Row::Stand(new) => {
                    self.standbys.retain(|one| (&one.slot, one.purpose) != (&new.slot, new.purpose));
                    self.standbys.push(Standby::clone(new));
                }
                Row::Leave(slot, purpose) => self.standbys.retain(|one| (&one.slot, one.purpose) != (slot, *purpose)),
                _ => {}
            }
        }
    }
}

fn unwritten(error: JournalError) -> Stop {
    Stop::new("journal", error.to_string())
}

async fn commit(journal: &dyn Journal, rows: Vec<Row>) -> Result<(), JournalError> {
    if rows.is_empty() { Ok(()) } else { journal.commit(rows.into()).await }
}

/// The record of shadows that are asked no more.
fn dismissed(shadows: &[(Slot, Record, anyhow::Error)], action: &str, now: UnixTime) -> Vec<Row> {
    let of = |(slot, record, error): &(Slot, Record, anyhow::Error)| {
        let detail = format!("no shadow any more: {} {} {error:#}", record.name, record.version);
        tracing::warn!(%slot, detail, "a shadow is gone");
        let told = Audit { outcome: "gone".into(), detail, ..audit(action, *slot, record, now) };
        [Row::Leave(slot.to_string(), Purpose::Shadow), Row::Audit(Box::new(told))]
    };
    shadows.iter().flat_map(of).collect()
}

/// Writes down that this was refused, and says why.
async fn refuse(
    state: &mut State,
    action: &str,
    slot: Slot,
    refused: Refused,
    journal: Option<&dyn Journal>,
    now: UnixTime,
) -> Stop {
    let (stop, rows) = refusal(action, slot, refused, now);
    state.remember(&rows);
    // What was refused stays refused, written down or not.
    if let Some(journal) = journal
        && let Err(error) = commit(journal, rows).await
    {
        tracing::error!(%error, "a refusal is not written down");
    }
    stop
}

/// The same of what the settings ask for.
async fn write_down(
    state: &mut State,
    action: &str,
    failed: Failed,
    journal: Option<&dyn Journal>,
    now: UnixTime,
) -> anyhow::Error {
    let Failed { slot, refused } = failed;
    let stop = refuse(state, action, slot, *refused, journal, now).await;
    anyhow!("`guests.{slot}` is not put to work ({}): {}", stop.code, stop.why)
}
