//! Where slots are changed, one change after the other: prepared, written down with who did what, and only then put to work. With a node the jobs
//! from then on have the change; without one the next start has it.

use super::Shelf;
use super::deed::{Deed, Seated};
use super::history::{self, Due};
use super::rollback;
use super::steps::{Bench, Ready, Refused, Seen, Stop, Wish};
use super::watch::{Reports, Watch};
use crate::config::Config;
use crate::home::Home;
use anyhow::{Context, Result, anyhow};
use pylon_adapters::journal::Books;
use pylon_core::UnixTime;
use pylon_core::ports::installations::{Audit, Installation, Installed as Record, Purpose, Standby};
use pylon_core::ports::journal::{Journal, JournalError, Row};
use pylon_sandbox::{Change, Generations, Role, Sandbox, Slot};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, watch};

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
struct State {
    history: Vec<Installation>,
    standbys: Vec<Standby>,
    config: Config,
}

/// What the journal says of the slots.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// All of it, oldest first.
    pub history: Vec<Installation>,
    /// Who stands beside.
    pub standbys: Vec<Standby>,
}

impl Ledger {
    /// That of a home, as anybody may read it.
    pub fn of(home: &Home) -> Result<Self> {
        if !home.database().exists() {
            return Ok(Self::default());
        }
        let books = Books::open(&home.database())?;
        Ok(Self { history: books.installations()?, standbys: books.standbys()? })
    }

    /// Who is where, and beside whom, without how they do.
    pub fn seated(&self) -> Vec<Seated> {
        let now = history::at(&self.history, history::newest(&self.history));
        let serving = now.values().filter_map(|row| Seated::serving(row, None));
        serving.chain(self.standbys.iter().map(|standby| Seated::beside(standby, None))).collect()
    }
}

/// Changes that could be made, with what is to be written of them.
struct Changes {
    changes: Vec<Change>,
    rows: Vec<Installation>,
}

/// One that could not be made.
struct Failed {
    slot: Slot,
    refused: Refused,
}

impl Workshop {
    /// Over what the journal says.
    pub(super) fn new(sandbox: Sandbox, shelf: Shelf, ledger: Ledger, config: &Config) -> (Self, Reports) {
        let (watch, reports) = Watch::new();
        let Ledger { history, standbys } = ledger;
        let changed = watch::Sender::new(history::newest(&history));
        let state = Mutex::new(State { history, standbys, config: config.clone() });
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
        let Changes { changes, rows } = self.due(&mut state, &config, "start", journal, now).await?;
        let mut guests: BTreeMap<_, _> = changes.into_iter().collect();
        for (slot, record) in history::guests_at(&state.history, history::newest(&state.history)) {
            if let std::collections::btree_map::Entry::Vacant(unchanged) = guests.entry(slot) {
                let again = self.bench(&config).again(slot, record).await;
                let todo = || format!("put another guest into {slot} (`pylon guest rollback` or `pylon guest install`)");
                unchanged.insert(Some(again.with_context(todo)?));
            }
        }
        if let Some(journal) = journal {
            commit(journal, installed(&rows, "start")).await?;
        }
        state.history.extend(rows);
        let guests = guests.into_iter().filter_map(|(slot, guest)| Some((slot, guest?))).collect();
        let generations = Arc::new(Generations::starting(history::newest(&state.history), guests)?);
        let generations = Arc::clone(self.live.get_or_init(|| generations));
        self.tell(&state);
        for standby in state.standbys.iter().filter(|standby| standby.purpose == Purpose::Shadow) {
            let Ok(slot) = standby.slot.parse() else { continue };
            match self.bench(&config).again(slot, &standby.guest).await {
                Ok(guest) => self.watch.shadow(slot, Some(guest)),
                Err(error) => tracing::warn!(%slot, error = format!("{error:#}"), "the shadow is gone"),
            }
        }
        Ok(generations)
    }

    /// Brings back the guests of an older generation, for the jobs that name it. What cannot be had is told.
    pub(super) async fn bring_back(&self, number: u64) {
        let state = self.state.lock().await;
        let Some(live) = self.live.get().filter(|live| (1..live.number()).contains(&number)) else { return };
        let mut guests = Vec::new();
        for (slot, record) in history::guests_at(&state.history, number) {
            match self.bench(&state.config).again(slot, record).await {
                Ok(guest) => guests.push((slot, guest)),
                Err(error) => tracing::warn!(%slot, number, error = format!("{error:#}"), "a guest of before is gone"),
            }
        }
        if let Err(error) = live.keep(number, guests) {
            tracing::warn!(number, %error, "guests of before are not complete: their jobs go on with those of now");
        }
    }

    /// Follows the settings. All of it or nothing.
    pub async fn reload(&self, config: &Config, journal: &dyn Journal, now: UnixTime) -> Result<()> {
        let mut state = self.state.lock().await;
        let Changes { changes, rows } = self.due(&mut state, config, "reload", Some(journal), now).await?;
        let serving = history::guests_at(&state.history, history::newest(&state.history));
        for (slot, guest) in serving.into_iter().filter(|(slot, _)| changes.iter().all(|(changed, _)| changed != slot)) {
            let trusted = self.bench(config).is_trusted(guest);
            trusted.with_context(|| format!("{} {} in slot {slot}", guest.name, guest.version))?;
        }
        commit(journal, installed(&rows, "reload")).await?;
        self.put(&mut state, &changes, rows)?;
        state.config = config.clone();
        Ok(())
    }

    /// Does it, or leaves everything as it was. Either is written down.
    pub async fn carry_out(&self, deed: &Deed, journal: &dyn Journal, now: UnixTime) -> Result<Seated, Stop> {
        let slot: Slot = deed.slot().parse().map_err(|error| Stop::new("slot", format!("{error}")))?;
        let mut state = self.state.lock().await;
        let Ready { guest, record } = match self.ready(&state, deed, slot, now).await {
            Ok(ready) => ready,
            Err(refused) => {
                let (stop, rows) = refusal(deed.word(), slot, refused, now);
                state.remember(&rows);
                // What was refused stays refused, written down or not.
                if let Err(error) = commit(journal, rows).await {
                    tracing::error!(%error, "a refusal is not written down");
                }
                return Err(stop);
            }
        };
        if matches!(deed, Deed::Install { shadow: true, .. }) {
            let name = slot.to_string();
            let standby = Standby { slot: name, purpose: Purpose::Shadow, guest: record, beyond: Vec::new(), since: now };
            let audit = audit(deed.word(), slot, &standby.guest, now);
            let rows = vec![Row::Stand(Box::new(standby.clone())), Row::Audit(Box::new(audit))];
            state.commit(journal, rows).await?;
            self.watch.shadow(slot, Some(guest));
            return Ok(Seated::beside(&standby, Some(0)));
        }
        let row = state.row(slot, record, deed.word(), now);
        let seated = Seated::serving(&row, None);
        let mut rows = installed(std::slice::from_ref(&row), deed.word());
        let leaves = match deed {
            Deed::Activate { .. } => Some(Purpose::Shadow),
            // Whoever waited there has been passed over.
            Deed::Approve { .. } | Deed::Install { .. } => Some(Purpose::Approval),
            Deed::Rollback { .. } => None,
        };
        rows.extend(leaves.map(|purpose| Row::Leave(slot.to_string(), purpose)));
        state.commit(journal, rows).await?;
        if leaves == Some(Purpose::Shadow) {
            self.watch.shadow(slot, None);
        }
        self.put(&mut state, &[(slot, Some(guest))], vec![row]).map_err(|error| Stop::new("slot", error.to_string()))?;
        seated.ok_or_else(|| Stop::new("slot", "nothing is there"))
    }

    /// The guest of a slot has failed too often: what was there before comes back, unless that has just happened.
    pub(crate) async fn take_out(&self, slot: Slot, journal: &dyn Journal, now: UnixTime) {
        let mut state = self.state.lock().await;
        let serving = history::at(&state.history, history::newest(&state.history)).get(&slot).and_then(|row| row.guest.clone());
        let Some(failing) = serving else { return };
        let what = format!("{} {}", failing.name, failing.version);
        let before = rollback::target(&state.history, slot, None).and_then(|row| row.guest.clone());
        let stays = match (rollback::rests_until(&state.history, slot).filter(|until| *until > now), before) {
            (Some(until), _) => {
                Err(Stop::new("wait", format!("{what} stays: the slot went back lately, and does not before {until:?}")))
            }
            (None, None) => Err(Stop::new("nothing", format!("{what} stays: there is nothing to go back to"))),
            (None, Some(record)) => match self.bench(&state.config).again(slot, &record).await {
                Ok(guest) => Ok((guest, record)),
                Err(error) => Err(Stop::new("gone", format!("{what} stays: {error:#}"))),
            },
        };
        let done = match stays {
            Err(stop) => {
                tracing::warn!(%slot, guest = what, why = stop.why, "a guest fails again and again, and stays");
                let told =
                    Audit { outcome: stop.code.into(), detail: stop.why, ..audit(rollback::ROLLBACK, slot, &failing, now) };
                commit(journal, vec![Row::Audit(Box::new(told))]).await.map_err(anyhow::Error::from)
            }
            Ok((guest, record)) => {
                let row = state.row(slot, record, rollback::BY_ITSELF, now);
                let traps = format!("{what} gave no answer {} times in {} calls", rollback::TRAPS, rollback::CALLS);
                let mut rows = installed(std::slice::from_ref(&row), rollback::ROLLBACK);
                rows.iter_mut().for_each(|row| {
                    if let Row::Audit(audit) = row {
                        audit.detail.clone_from(&traps)
                    }
                });
                match commit(journal, rows).await {
                    Ok(()) => {
                        tracing::warn!(%slot, generation = row.generation, traps, "rolled back by itself");
                        self.put(&mut state, &[(slot, Some(guest))], vec![row])
                    }
                    Err(error) => Err(error.into()),
                }
            }
        };
        if let Err(error) = done {
            tracing::error!(%slot, error = format!("{error:#}"), "a guest that fails was not taken out");
        }
    }

    /// Who is where, and beside whom.
    pub async fn seated(&self) -> Vec<Seated> {
        let state = self.state.lock().await;
        let now = history::at(&state.history, history::newest(&state.history));
        let serving = now.iter().filter_map(|(slot, row)| Seated::serving(row, self.watch.figures(*slot)));
        let missed = |standby: &Standby| standby.slot.parse().ok().map(|slot| self.watch.missed(slot));
        let beside = state.standbys.iter().map(|standby| Seated::beside(standby, missed(standby)));
        serving.chain(beside).collect()
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
        Bench { sandbox: &self.sandbox, shelf: &self.shelf, rules: &config.lockdown }
    }

    async fn ready(&self, state: &State, deed: &Deed, slot: Slot, now: UnixTime) -> Result<Ready, Refused> {
        let stopped = |code, why: String| Refused { stop: Stop::new(code, why), seen: Seen::default(), approval: None };
        let bench = self.bench(&state.config);
        let record = match deed {
            Deed::Install { guest, shadow, .. } => {
                if *shadow && slot.role() == Role::Handler {
                    return Err(stopped(
                        "shadow",
                        format!("{slot} does work, and work is not done twice: only policies have a shadow"),
                    ));
                }
                let serving = history::guests_at(&state.history, history::newest(&state.history));
                // What the settings say of the slot's bounds and grants holds for whoever comes there.
                let mut guest = guest.clone();
                if let Some(table) = state.config.guests.get(&slot.to_string()) {
                    guest.grants = guest.grants.or_else(|| table.grants.clone());
                    if guest.bounds.is_empty() {
                        guest.bounds.clone_from(&table.bounds);
                    }
                }
                return bench.prepare(Wish { slot, guest: &guest, had: serving.get(&slot).copied() }, now).await;
            }
            Deed::Rollback { to, .. } => match rollback::target(&state.history, slot, *to).and_then(|row| row.guest.clone()) {
                Some(record) => record,
                None => {
                    return Err(stopped("nothing", "there is nothing to go back to: see `pylon guest list --history`".into()));
                }
            },
            Deed::Activate { .. } => state.standby(slot, Purpose::Shadow).ok_or_else(|| {
                stopped(
                    "nothing",
                    format!("{slot} has no shadow: `pylon guest install SOURCE --slot {slot} --shadow` puts one there"),
                )
            })?,
            Deed::Approve { .. } => state.standby(slot, Purpose::Approval).ok_or_else(|| {
                stopped("nothing", format!("no guest waits for {slot}: `pylon guest list` shows those that do"))
            })?,
        };
        match bench.again(slot, &record).await {
            Ok(guest) => Ok(Ready { guest, record }),
            Err(error) => Err(stopped("gone", format!("{error:#}"))),
        }
    }

    /// What history and settings ask for. What cannot be is written down.
    async fn due(
        &self,
        state: &mut State,
        config: &Config,
        why: &str,
        journal: Option<&dyn Journal>,
        now: UnixTime,
    ) -> Result<Changes> {
        match self.prepared(state, config, why, now).await {
            Ok(changes) => Ok(changes),
            Err(failed) => {
                let Failed { slot, refused } = *failed;
                let (stop, rows) = refusal(why, slot, refused, now);
                state.remember(&rows);
                if let Some(journal) = journal
                    && let Err(error) = commit(journal, rows).await
                {
                    tracing::error!(%error, "a refusal is not written down");
                }
                Err(anyhow!("`guests.{slot}` cannot be installed ({}): {}", stop.code, stop.why))
            }
        }
    }

    async fn prepared(&self, state: &State, config: &Config, why: &str, now: UnixTime) -> Result<Changes, Box<Failed>> {
        let (mut changes, mut rows) = (Vec::new(), Vec::new());
        let serving = history::guests_at(&state.history, history::newest(&state.history));
        for ((slot, due), generation) in
            history::due(&state.history, config).into_iter().zip(history::newest(&state.history) + 1..)
        {
            let ready = match &due {
                Due::Install(guest) => {
                    let wish = Wish { slot, guest, had: serving.get(&slot).copied() };
                    Some(self.bench(config).prepare(wish, now).await.map_err(|refused| Box::new(Failed { slot, refused }))?)
                }
                Due::Empty => None,
            };
            let stanza = history::stanza(config, slot);
            let guest = ready.as_ref().map(|ready| ready.record.clone());
            rows.push(Installation { generation, slot: slot.to_string(), guest, stanza, why: why.into(), at: now });
            changes.push((slot, ready.map(|ready| ready.guest)));
        }
        Ok(Changes { changes, rows })
    }

    /// It is written: the jobs from now on have it.
    fn put(&self, state: &mut State, changes: &[Change], rows: Vec<Installation>) -> Result<()> {
        let Some(newest) = rows.last().map(|row| row.generation) else { return Ok(()) };
        state.history.extend(rows);
        if let Some(live) = self.live.get() {
            live.swap(newest, changes)?;
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
    fn row(&self, slot: Slot, guest: Record, why: &str, at: UnixTime) -> Installation {
        let (generation, stanza) = (history::newest(&self.history) + 1, history::stanza(&self.config, slot));
        Installation { generation, slot: slot.to_string(), guest: Some(guest), stanza, why: why.into(), at }
    }

    fn standby(&self, slot: Slot, purpose: Purpose) -> Option<Record> {
        let name = slot.to_string();
        let found = self.standbys.iter().find(|standby| standby.slot == name && standby.purpose == purpose);
        found.map(|standby| standby.guest.clone())
    }

    async fn commit(&mut self, journal: &dyn Journal, rows: Vec<Row>) -> Result<(), Stop> {
        commit(journal, rows.clone()).await.map_err(|error| Stop::new("journal", error.to_string()))?;
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

async fn commit(journal: &dyn Journal, rows: Vec<Row>) -> Result<(), JournalError> {
    if rows.is_empty() { Ok(()) } else { journal.commit(rows.into()).await }
}

/// The rows of history, each with the record of who did it.
fn installed(rows: &[Installation], action: &str) -> Vec<Row> {
    let of = |row: &Installation| {
        let audit = match (&row.guest, row.slot.parse()) {
            (Some(guest), Ok(slot)) => audit(action, slot, guest, row.at),
            _ => Audit {
                at: row.at,
                action: "remove".into(),
                slot: row.slot.clone(),
                digest: None,
                guest: String::new(),
                publisher: None,
                outcome: DONE.into(),
                detail: format!("{action}: the settings name it no more"),
            },
        };
        [Row::Install(Box::new(row.clone())), Row::Audit(Box::new(audit))]
    };
    rows.iter().flat_map(of).collect()
}

const DONE: &str = "done";

fn audit(action: &str, slot: Slot, guest: &Record, at: UnixTime) -> Audit {
    let grants = if guest.grants.is_empty() { String::new() } else { format!(", granted {}", guest.grants.join(" ")) };
    Audit {
        at,
        action: action.into(),
        slot: slot.to_string(),
        digest: Some(guest.digest),
        guest: format!("{} {}", guest.name, guest.version),
        publisher: guest.publisher,
        outcome: DONE.into(),
        detail: format!("from {}{grants}", guest.source),
    }
}

/// Why not, and what is written of it.
fn refusal(action: &str, slot: Slot, refused: Refused, at: UnixTime) -> (Stop, Vec<Row>) {
    let Refused { stop, seen, approval } = refused;
    let audit = Audit {
        at,
        action: action.into(),
        slot: slot.to_string(),
        digest: seen.digest,
        guest: approval.as_ref().map_or_else(String::new, |(guest, _)| format!("{} {}", guest.name, guest.version)),
        publisher: seen.publisher,
        outcome: stop.code.into(),
        detail: stop.why.clone(),
    };
    let waits = approval.map(|(guest, beyond)| {
        Row::Stand(Box::new(Standby { slot: slot.to_string(), purpose: Purpose::Approval, guest, beyond, since: at }))
    });
    (stop, std::iter::once(Row::Audit(Box::new(audit))).chain(waits).collect())
}
