//! How each kind of row is written. All of it runs inside the writer's transaction.

use super::seal::{self, Numbers};
use super::{Safe, installations, integer, jobs, retention, standbys, tallies, unwritable, words};
use pylon_core::admission::MAX_AGE_SECONDS;
use pylon_core::machine::JobState;
use pylon_core::ports::guests::{Cost, Fault};
use pylon_core::ports::journal::{
    DecisionRow, Earning, JournalError, OutboxRow, RefusalRow, Row, Source,
};
use pylon_core::{MessageId, UnixTime};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

/// Bytes of a refusal's text: strangers write some of it.
const REFUSAL_BYTES: usize = 1024;
/// Seconds between two purges of old refusals.
const PURGE_SECONDS: u64 = 60;
/// Refusals that one purge removes, so that no commit waits long for it.
const PURGE_ROWS: usize = 256;
/// Refusals that other guests can be asked about are kept for so long, 30 days, …
const ASKED_SECONDS: u64 = 30 * 24 * 3600;
/// … and so many of them, the newest.
const ASKED_MAX: i64 = 50_000;

pub(super) const UNASKED: &str =
    "SELECT id FROM refusals WHERE job IS NULL AND created_at < ?1 ORDER BY created_at LIMIT ?2";
pub(super) const ASKED: &str = "SELECT id FROM refusals WHERE job IS NOT NULL AND created_at < ?1 ORDER BY created_at LIMIT ?2";
const ASKED_BEYOND: &str =
    "SELECT id FROM refusals WHERE job IS NOT NULL ORDER BY created_at DESC LIMIT ?2 OFFSET ?1";

/// Why a batch is not written.
pub(super) enum Halt {
    /// The id is there already.
    Known,
    /// A row needs a job that is not there.
    Absent,
    /// What SQLite says.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Halt {
    fn from(why: rusqlite::Error) -> Self {
        Self::Sql(why)
    }
}

impl From<Halt> for JournalError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Known => Self::Known,
            Halt::Absent => Self::Contradicts("the row of its job is missing".into()),
            Halt::Sql(why) if why.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Self::Contradicts(words(&why))
            }
            Halt::Sql(why) => unwritable(why),
        }
    }
}

/// What the writer keeps in mind from one commit to the next.
#[derive(Default)]
pub(super) struct Memory {
    /// When old refusals were last purged.
    purged_at: Option<UnixTime>,
    /// Not while another may have changed them.
    pub(super) numbers: Option<Numbers>,
}

pub(super) fn write(
    conn: &Connection,
    safe: &Safe,
    row: &Row,
    memory: &mut Memory,
) -> Result<(), Halt> {
    match row {
        Row::Admit(state) => admit(conn, safe, state),
        Row::Update(state) => update(conn, safe, state),
        Row::Refuse(refusal) => refuse(conn, safe, refusal, &mut memory.purged_at),
        Row::Decision(decision) => decide(conn, safe, decision, &mut memory.numbers),
        Row::Send(message) => send(conn, message),
        Row::Sent(id) => sent(conn, *id),
        Row::Earn(earning) => earn(conn, earning),
        Row::Install(installation) => Ok(installations::insert(conn, installation)?),
        Row::Audit(audit) => Ok(installations::audit(conn, audit)?),
        Row::Stand(standby) => Ok(standbys::put(conn, standby)?),
        Row::Leave(slot, purpose) => Ok(standbys::remove(conn, slot, *purpose)?),
        Row::Shadow(answer) => Ok(standbys::answer(conn, answer)?),
    }
}

fn admit(conn: &Connection, safe: &Safe, state: &JobState) -> Result<(), Halt> {
    let refused = conn
        .prepare_cached("SELECT 1 FROM refusals WHERE id = ?1")?
        .exists([state.job.id.to_hex()])?;
    if refused || !jobs::insert(conn, safe, state)? {
        return Err(Halt::Known);
    }
    tallies::seen(conn, state)?;
    follow(conn, None, state)
}

fn update(conn: &Connection, safe: &Safe, state: &JobState) -> Result<(), Halt> {
    let before = jobs::stored(conn, state.job.id)?.ok_or(Halt::Absent)?;
    jobs::update(conn, safe, &before, state)?;
    follow(conn, Some(&before), state)
}

/// What hangs on a job's row: its invoice's row, the sums, and how long its text is kept.
fn follow(conn: &Connection, before: Option<&jobs::Stored>, state: &JobState) -> Result<(), Halt> {
    if let Some(invoice) = &state.invoice
        && before.is_none_or(|stored| !stored.has_invoice_of(state))
    {
        jobs::write_invoice(conn, state, invoice)?;
    }
    tallies::turned(conn, before, state)?;
    retention::follow(conn, before, state)
}

fn refuse(
    conn: &Connection,
    safe: &Safe,
    row: &RefusalRow,
    purged_at: &mut Option<UnixTime>,
) -> Result<(), Halt> {
    let id = row.id.to_hex();
    let taken = conn.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?.exists([&id])?;
    let inserted = !taken
        && conn
            .prepare_cached(
                "INSERT INTO refusals (id, kind, customer_pubkey, code, error_message, created_at, refused_at, job) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                id,
                row.kind,
                row.customer.to_hex(),
                row.refusal.code(),
                bounded(&row.refusal.words()),
                integer(row.created_at.get()),
                integer(row.at.get()),
                row.asked.as_ref().map(jobs::json).transpose()?,
            ])?
            == 1;
    if !inserted {
        return Err(Halt::Known);
    }
    let due = purged_at.is_none_or(|last| row.at < last || row.at.since(last) >= PURGE_SECONDS);
    if due {
        // A full purge is followed by another with the next refusal.
        *purged_at = (purge(conn, safe, row.at)? < PURGE_ROWS).then_some(row.at);
    }
    Ok(())
}

/// Forgets requests that are too old to be taken, with what guests said of them; where others can be asked about one, later. Returns how many.
fn purge(conn: &Connection, safe: &Safe, now: UnixTime) -> Result<usize, Halt> {
    let ids = |question: &str, number: i64| {
        conn.prepare_cached(question)?
            .query_map(params![number, PURGE_ROWS], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()
    };
    let mut gone: Vec<String> = ids(UNASKED, integer(now.minus(MAX_AGE_SECONDS).get()))?;
    let of_age: Vec<String> = ids(ASKED, integer(now.minus(ASKED_SECONDS).get()))?;
    let too_many: Vec<String> =
        if of_age.is_empty() { ids(ASKED_BEYOND, ASKED_MAX)? } else { Vec::new() };
    let most = gone.len().max(of_age.len()).max(too_many.len());
    gone.extend(of_age);
    gone.extend(too_many);
    let mut decisions = Vec::new();
    for id in &gone {
        let mut found = conn.prepare_cached("SELECT id FROM decisions WHERE job_id = ?1")?;
        decisions.extend(
            found.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?,
        );
        conn.prepare_cached(
            "DELETE FROM shadows WHERE decision_id IN (SELECT id FROM decisions WHERE job_id = ?1)",
        )?
        .execute([id])?;
        conn.prepare_cached("DELETE FROM decisions WHERE job_id = ?1")?.execute([id])?;
        conn.prepare_cached("DELETE FROM refusals WHERE id = ?1")?.execute([id])?;
    }
    decisions.sort_unstable();
    seal::forget(conn, safe, &decisions)?;
    Ok(most)
}

fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(REFUSAL_BYTES)).unwrap_or_default()
}

fn decide(
    conn: &Connection,
    safe: &Safe,
    row: &DecisionRow,
    numbers: &mut Option<Numbers>,
) -> Result<(), Halt> {
    let (fuel, cpu_micros) = match row.cost {
        Cost::Fuel(units) => (Some(integer(units)), None),
        Cost::CpuMicros(micros) => (None, Some(integer(micros))),
    };
    let (output, fault) =
        (row.output.as_ref().ok(), row.output.as_ref().err().map(|fault| fault_word(*fault)));
    let (micros, at, generation) =
        (integer(row.micros), integer(row.at.get()), integer(row.generation));
    // Without a key SQLite gives the number.
    let sealed = match safe.seals() {
        None => None,
        Some(key) => {
            let numbers = match numbers {
                Some(numbers) => numbers,
                none => none.insert(Numbers::load(conn, key)?),
            };
            let id = numbers.next();
            let sealable = seal::Sealable {
                id,
                job: row.job.as_bytes(),
                slot: &row.guest.slot,
                name: &row.guest.name,
                version: &row.guest.version,
                digest: row.guest.digest.as_bytes(),
                function: row.function,
                attempt: row.attempt,
                input: &row.input,
                output: output.map(String::as_str),
                fault,
                cost: row.cost,
                micros,
                at,
                generation,
                engine: &row.engine,
                text_gone_at: 0,
            };
            Some((id, sealable.seal(key)))
        }
    };
    conn.prepare_cached(
        "INSERT INTO decisions (job_id, slot, name, version, digest, function, attempt, input, output, fault, fuel, cpu_micros, \
         micros, decided_at, generation, engine, id, seal) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?
    .execute(params![
        row.job.to_hex(),
        row.guest.slot,
        row.guest.name,
        row.guest.version,
        row.guest.digest.to_hex(),
        row.function,
        row.attempt,
        row.input,
        output,
        fault,
        fuel,
        cpu_micros,
        micros,
        at,
        generation,
        row.engine,
        sealed.as_ref().map(|(id, _)| id),
        sealed.as_ref().map(|(_, seal)| seal),
    ])?;
    Ok(())
}

/// As serde names it.
pub(super) const fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::Fuel => "fuel",
        Fault::Cpu => "cpu",
        Fault::Wall => "wall",
        Fault::Memory => "memory",
        Fault::Stack => "stack",
        Fault::Traffic => "traffic",
        Fault::Trap => "trap",
        Fault::Nonsense => "nonsense",
    }
}

fn send(conn: &Connection, row: &OutboxRow) -> Result<(), Halt> {
    // The same id is the same bytes.
    conn.prepare_cached(
        "INSERT INTO outbox (id, job_id, is_result, bytes, expires_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![
        row.sealed.id.to_hex(),
        row.job.to_hex(),
        row.result,
        row.sealed.bytes,
        integer(row.expires_at.get())
    ])?;
    Ok(())
}

fn sent(conn: &Connection, id: MessageId) -> Result<(), Halt> {
    conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id.to_hex()])?;
    Ok(())
}

fn earn(conn: &Connection, earning: &Earning) -> Result<(), Halt> {
    let job = earning.job.to_hex();
    let (customer, kind): (String, u16) = conn
        .prepare_cached("SELECT customer_pubkey, kind FROM jobs WHERE id = ?1")?
        .query_row([&job], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or(Halt::Absent)?;
    let new = conn
        .prepare_cached(
            "INSERT INTO earnings (job_id, amount_msats, source, payment_hash, earned_at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (payment_hash, source) DO NOTHING",
        )?
        .execute(params![
            job,
            integer(earning.amount.get()),
            source_word(earning.source),
            earning.payment_hash.to_hex(),
            integer(earning.at.get())
        ])?;
    if new == 1 {
        tallies::earned(conn, &customer, kind, earning)?;
    }
    Ok(())
}

/// The word in the journal.
pub(super) const fn source_word(source: Source) -> &'static str {
    match source {
        Source::Job => "job",
        Source::Tip => "tip",
    }
}
