//! How each kind of row is written, inside the writer's transaction.

use crate::columns::{integer, json};
use crate::decision_log::{self, LogSequence};
use crate::error::CommitError;
use crate::mac::MacInput;
use crate::text_cipher::TextCipher;
use crate::{jobs, pending_guests, retention, slot_changes, totals};
use pylon_core::admission::AGE_SECONDS_MAX;
use pylon_core::earnings::Earning;
use pylon_core::guest::Cost;
use pylon_core::machine::JobState;
use pylon_core::message::RelayRefusal;
use pylon_core::rows::{DecisionRow, OutboxRow, RefusalRow, Row};
use pylon_core::{MessageId, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Bytes of a refusal's text, part of which comes from customers.
const REFUSAL_BYTES_MAX: usize = 1024;
/// Age at which counts of dropped requests are removed: 30 days.
const DROPPED_SECONDS_MAX: u64 = 30 * 24 * 3600;
/// Relays whose refusals are kept for one job.
const RELAY_REFUSALS_MAX: i64 = 64;
/// Seconds between two purges of old refusals.
const PURGE_INTERVAL_SECONDS: u64 = 60;
/// Refusals that one purge removes, so that no commit waits long for it.
const PURGE_ROWS_MAX: usize = 256;
/// Age at which refusals that were decided by guests are removed: 30 days.
const DECIDED_REFUSAL_SECONDS_MAX: u64 = 30 * 24 * 3600;
/// Number of refusals that were decided by guests; the oldest are removed first.
const DECIDED_REFUSALS_MAX: i64 = 50_000;

/// Deletes the feedback about a job, except for this message.
pub(super) const SUPERSEDE: &str =
    "DELETE FROM outbox WHERE job_id = ?1 AND is_result = 0 AND id <> ?2";
pub(super) const UNDECIDED_BEFORE: &str = "SELECT id FROM refusals \
                                           WHERE request IS NULL AND created_at < ?1 \
                                           ORDER BY created_at LIMIT ?2";
pub(super) const DECIDED_BEFORE: &str = "SELECT id FROM refusals \
                                         WHERE request IS NOT NULL AND created_at < ?1 \
                                         ORDER BY created_at LIMIT ?2";
const DECIDED_EXCESS: &str = "SELECT id FROM refusals WHERE request IS NOT NULL \
                              ORDER BY created_at DESC LIMIT ?2 OFFSET ?1";

/// What the writer remembers from one commit to the next. It is reset with every failed commit.
#[derive(Clone, Copy, Default)]
pub(super) struct WriterCache {
    /// When old refusals were last purged.
    purged_at: Option<UnixTime>,
    /// `None` whenever the table may differ from it.
    pub(super) sequence: Option<LogSequence>,
}

pub(super) fn write(
    conn: &Connection,
    cipher: &TextCipher,
    row: &Row,
    cache: &mut WriterCache,
) -> Result<(), CommitError> {
    match row {
        Row::Admit(state) => admit(conn, cipher, state),
        Row::Update(state) => update(conn, cipher, state),
        Row::Refuse(refusal) => refuse(conn, cipher, refusal, &mut cache.purged_at),
        Row::Decision(decision) => decide(conn, cipher, decision, &mut cache.sequence),
        Row::Send(message) => send(conn, message),
        Row::Sent(id) => sent(conn, *id),
        Row::RefusedByRelay(refusal, at) => refused_by_relay(conn, refusal, *at),
        Row::Dropped(jobs, at) => dropped(conn, *jobs, *at),
        Row::Earn(earning) => earn(conn, earning),
        Row::Install(installation) => Ok(slot_changes::insert(conn, installation)?),
        Row::Audit(audit) => Ok(slot_changes::audit(conn, audit)?),
        Row::PutPending(guest) => Ok(pending_guests::put(conn, guest)?),
        Row::RemovePending(slot, kind) => Ok(pending_guests::remove(conn, slot, *kind)?),
        Row::Shadow(answer) => Ok(pending_guests::add_answer(conn, answer)?),
    }
}

fn admit(conn: &Connection, cipher: &TextCipher, state: &JobState) -> Result<(), CommitError> {
    let refused = conn
        .prepare_cached("SELECT 1 FROM refusals WHERE id = ?1")?
        .exists([state.job.id.to_hex()])?;
    if refused || !jobs::insert(conn, cipher, state)? {
        return Err(CommitError::AlreadyKnown);
    }
    totals::job_admitted(conn, state)?;
    update_dependents(conn, None, state)
}

fn update(conn: &Connection, cipher: &TextCipher, state: &JobState) -> Result<(), CommitError> {
    let before = jobs::stored(conn, state.job.id)?.ok_or(CommitError::MissingJob)?;
    jobs::update(conn, cipher, &before, state)?;
    update_dependents(conn, Some(&before), state)
}

/// Updates what depends on a job's row: its invoice, the totals and the retention of its text.
fn update_dependents(
    conn: &Connection,
    before: Option<&jobs::Stored>,
    state: &JobState,
) -> Result<(), CommitError> {
    if let Some(invoice) = &state.invoice
        && before.is_none_or(|stored| !stored.has_invoice_of(state))
    {
        jobs::write_invoice(conn, state, invoice)?;
    }
    totals::job_changed(conn, before, state)?;
    retention::update_registration(conn, before, state)
}

fn refuse(
    conn: &Connection,
    cipher: &TextCipher,
    row: &RefusalRow,
    purged_at: &mut Option<UnixTime>,
) -> Result<(), CommitError> {
    let id = row.id.to_hex();
    let is_job = conn.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?.exists([&id])?;
    let inserted = !is_job
        && conn
            .prepare_cached(
                "INSERT INTO refusals (id, kind, customer_pubkey, code, error_message, \
                                       created_at, refused_at, request) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                id,
                row.kind,
                row.customer.to_hex(),
                row.refusal.code(),
                bounded(&row.refusal.message()),
                integer(row.created_at.get()),
                integer(row.at.get()),
                row.job.as_ref().map(json).transpose()?,
            ])?
            == 1;
    if !inserted {
        return Err(CommitError::AlreadyKnown);
    }
    let due =
        purged_at.is_none_or(|last| row.at < last || row.at.since(last) >= PURGE_INTERVAL_SECONDS);
    if due {
        // After a purge that reached its limit, the next refusal purges again.
        *purged_at = (purge_refusals(conn, cipher, row.at)? < PURGE_ROWS_MAX).then_some(row.at);
    }
    Ok(())
}

/// Removes refusals that are no longer needed, with their decisions: requests that no guest decided
/// about once they are too old to be accepted, the others later. Returns how many there were of the
/// more frequent kind.
fn purge_refusals(
    conn: &Connection,
    cipher: &TextCipher,
    now: UnixTime,
) -> Result<usize, CommitError> {
    let ids = |query: &str, parameter: i64| {
        conn.prepare_cached(query)?
            .query_map(params![parameter, PURGE_ROWS_MAX], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()
    };
    let mut purged: Vec<String> = ids(UNDECIDED_BEFORE, integer(now.minus(AGE_SECONDS_MAX).get()))?;
    let old: Vec<String> =
        ids(DECIDED_BEFORE, integer(now.minus(DECIDED_REFUSAL_SECONDS_MAX).get()))?;
    let excess: Vec<String> =
        if old.is_empty() { ids(DECIDED_EXCESS, DECIDED_REFUSALS_MAX)? } else { Vec::new() };
    let most = purged.len().max(old.len()).max(excess.len());
    purged.extend(old);
    purged.extend(excess);
    let mut decisions = Vec::new();
    for id in &purged {
        let mut select = conn.prepare_cached("SELECT id FROM decisions WHERE job_id = ?1")?;
        decisions.extend(
            select.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?,
        );
        conn.prepare_cached(
            "DELETE FROM shadow_answers \
             WHERE decision_id IN (SELECT id FROM decisions WHERE job_id = ?1)",
        )?
        .execute([id])?;
        conn.prepare_cached("DELETE FROM decisions WHERE job_id = ?1")?.execute([id])?;
        conn.prepare_cached("DELETE FROM refusals WHERE id = ?1")?.execute([id])?;
    }
    decisions.sort_unstable();
    decision_log::record_purged(conn, cipher, &decisions)?;
    Ok(most)
}

fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(REFUSAL_BYTES_MAX)).unwrap_or_default()
}

fn decide(
    conn: &Connection,
    cipher: &TextCipher,
    row: &DecisionRow,
    sequence: &mut Option<LogSequence>,
) -> Result<(), CommitError> {
    let (fuel, cpu_us) = match row.cost {
        Cost::Fuel(units) => (Some(integer(units)), None),
        Cost::CpuUs(cpu_us) => (None, Some(integer(cpu_us))),
    };
    let (output, fault) =
        (row.output.as_ref().ok(), row.output.as_ref().err().map(|fault| fault.as_str()));
    let (wall_us, at, revision) =
        (integer(row.wall_us), integer(row.at.get()), integer(row.revision));
    // Without a key SQLite assigns the id, and the row has no MAC.
    let (id, mac) = match cipher.mac_key() {
        None => (None, None),
        Some(key) => {
            let sequence = match sequence {
                Some(sequence) => sequence,
                none => none.insert(LogSequence::load(conn, key)?),
            };
            let id = sequence.next();
            let input = MacInput {
                id,
                job: row.job.as_bytes(),
                slot: &row.guest.slot,
                name: &row.guest.name,
                version: &row.guest.version,
                digest: row.guest.digest.as_bytes(),
                function: row.function.as_str(),
                attempt: row.attempt,
                input: &row.input,
                output: output.map(String::as_str),
                fault,
                cost: row.cost,
                wall_us,
                at,
                revision,
                engine: &row.engine,
                text_purged_at: 0,
            };
            (Some(id), Some(input.mac(key)))
        }
    };
    conn.prepare_cached(
        "INSERT INTO decisions (job_id, slot, name, version, digest, function, attempt, input, \
                                output, fault, fuel, cpu_us, wall_us, decided_at, revision, \
                                engine, id, mac) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?
    .execute(params![
        row.job.to_hex(),
        row.guest.slot,
        row.guest.name,
        row.guest.version,
        row.guest.digest.to_hex(),
        row.function.as_str(),
        row.attempt,
        row.input,
        output,
        fault,
        fuel,
        cpu_us,
        wall_us,
        at,
        revision,
        row.engine,
        id,
        mac,
    ])?;
    Ok(())
}

fn send(conn: &Connection, row: &OutboxRow) -> Result<(), CommitError> {
    conn.prepare_cached(SUPERSEDE)?.execute([row.job.to_hex(), row.message.id.to_hex()])?;
    // Messages with the same id have the same bytes.
    conn.prepare_cached(
        "INSERT INTO outbox (id, job_id, is_result, bytes, expires_at) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![
        row.message.id.to_hex(),
        row.job.to_hex(),
        row.result,
        row.message.bytes,
        integer(row.expires_at.get())
    ])?;
    Ok(())
}

fn sent(conn: &Connection, id: MessageId) -> Result<(), CommitError> {
    conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id.to_hex()])?;
    Ok(())
}

fn refused_by_relay(
    conn: &Connection,
    refusal: &RelayRefusal,
    at: UnixTime,
) -> Result<(), CommitError> {
    let RelayRefusal { job, relay, reason } = refusal;
    conn.prepare_cached(
        "INSERT INTO relay_refusals (job_id, relay, reason, refused_at) \
         SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ?1) \
         AND (SELECT count(*) FROM relay_refusals WHERE job_id = ?1 AND relay <> ?2) < ?5 \
         ON CONFLICT (job_id, relay) DO UPDATE \
         SET reason = excluded.reason, refused_at = excluded.refused_at",
    )?
    .execute(params![job.to_hex(), relay, reason, integer(at.get()), RELAY_REFUSALS_MAX])?;
    Ok(())
}

fn dropped(conn: &Connection, jobs: u64, at: UnixTime) -> Result<(), CommitError> {
    conn.prepare_cached(
        "INSERT INTO dropped_requests (hour, jobs) VALUES (?1, ?2) \
         ON CONFLICT (hour) DO UPDATE SET jobs = jobs + excluded.jobs",
    )?
    .execute(params![integer(at.get() / 3600), integer(jobs)])?;
    let oldest = at.minus(DROPPED_SECONDS_MAX).get() / 3600;
    conn.prepare_cached("DELETE FROM dropped_requests WHERE hour < ?1")?
        .execute([integer(oldest)])?;
    Ok(())
}

fn earn(conn: &Connection, earning: &Earning) -> Result<(), CommitError> {
    let job = earning.job.to_hex();
    let (customer, kind): (String, u16) = conn
        .prepare_cached("SELECT customer_pubkey, kind FROM jobs WHERE id = ?1")?
        .query_row([&job], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or(CommitError::MissingJob)?;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO earnings (job_id, amount_msats, source, payment_hash, earned_at) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (payment_hash, source) DO NOTHING",
        )?
        .execute(params![
            job,
            integer(earning.amount.get()),
            earning.source.as_str(),
            earning.payment_hash.to_hex(),
            integer(earning.at.get())
        ])?;
    if inserted == 1 {
        totals::earned(conn, &customer, kind, earning)?;
    }
    Ok(())
}
