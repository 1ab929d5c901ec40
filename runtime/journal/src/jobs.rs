//! A job's state and its row. Request and plan are written once. An update writes neither them nor
//! indexes that it does not change.

use crate::columns::unserializable;
use crate::columns::{from_json, from_optional_json, integer, invalid, json, number, parsed, time};
use crate::redaction::redact_decisions;
use crate::request_column;
use crate::text_cipher::TextCipher;
use pylon_core::machine::{Execution, Invoicing, JobState, Settlement};
use pylon_core::payment::Invoice;
use pylon_core::{Job, JobId, Msat, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::borrow::Cow;

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "request, plan, status, delivery, invoicing, settlement, \
                                  attempt, route, due_msats, paid_msats, received_at, \
                                  started_at, completed_at, failure, invoice, evidence, output, \
                                  encrypted_text, text_purged_at, rowid AS number, id AS job";

/// The row before an update.
pub(super) struct Stored {
    rowid: i64,
    pub(super) execution: Execution,
    invoicing: Invoicing,
    pub(super) settlement: Settlement,
    paid: Msat,
    payment_hash: Option<String>,
    pub(super) closed: bool,
    text_purged_at: Option<UnixTime>,
}

impl Stored {
    /// Is the row of the invoice the same as for this state?
    pub(super) fn has_invoice_of(&self, state: &JobState) -> bool {
        (self.invoicing, self.settlement, self.paid)
            == (state.invoicing, state.settlement, state.paid)
            && self.payment_hash == state.payment_hash().map(|hash| hash.to_hex())
    }
}

/// Columns that contain text. For a confidential job only `encrypted` does, while the job needs it.
struct Texts {
    failure: Option<String>,
    error: Option<String>,
    invoice: Option<String>,
    evidence: Option<String>,
    output: Option<String>,
    payment_hash: Option<String>,
    encrypted: Option<Vec<u8>>,
}

impl Texts {
    fn of(state: &JobState, cipher: &TextCipher) -> rusqlite::Result<Self> {
        if !state.job.confidential {
            return Self::clear(state);
        }
        let encrypted = match state.needs_text() {
            true => cipher.encrypt(state.job.id, json(&(&state.job, &state.output))?.as_bytes())?,
            false => None,
        };
        Ok(Self { encrypted, ..Self::clear(&state.redacted())? })
    }

    fn clear(state: &JobState) -> rusqlite::Result<Self> {
        Ok(Self {
            failure: state.failure.as_ref().map(json).transpose()?,
            error: state.failure.as_ref().map(|failure| failure.message()),
            invoice: state.invoice.as_ref().map(json).transpose()?,
            evidence: state.evidence.as_ref().map(json).transpose()?,
            output: state.output.as_ref().map(json).transpose()?,
            payment_hash: state.payment_hash().map(|hash| hash.to_hex()),
            encrypted: None,
        })
    }
}

/// Returns `false` if the id exists.
pub(super) fn insert(
    conn: &Connection,
    cipher: &TextCipher,
    state: &JobState,
) -> rusqlite::Result<bool> {
    let state = &*written(None, state);
    let texts = Texts::of(state, cipher)?;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO jobs (id, kind, customer_pubkey, status, delivery, invoicing, settlement, \
                               closed, attempt, route, price_msats, due_msats, paid_msats, \
                               payment_hash, error_message, created_at, received_at, started_at, \
                               completed_at, failure, invoice, evidence, plan, request, output, \
                               encrypted_text, text_purged_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
                     ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27) \
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            state.job.id.to_hex(),
            state.job.kind,
            state.job.customer.to_hex(),
            state.execution.as_str(),
            state.delivery.as_str(),
            state.invoicing.as_str(),
            state.settlement.as_str(),
            state.is_closed(),
            state.attempt,
            state.route,
            integer(state.offer().price.get()),
            integer(state.due.get()),
            integer(state.paid.get()),
            texts.payment_hash,
            texts.error,
            integer(state.job.created_at.get()),
            integer(state.received_at.get()),
            state.started_at.map(|at| integer(at.get())),
            state.ended_at.map(|at| integer(at.get())),
            texts.failure,
            texts.invoice,
            texts.evidence,
            json(&state.plan)?,
            request_json(state)?,
            texts.output,
            texts.encrypted,
            state.text_purged_at.map(|at| integer(at.get())),
        ])?;
    Ok(inserted == 1)
}

/// When the work of a finished job ended.
pub(super) fn ended_at(state: &JobState) -> UnixTime {
    state.ended_at.unwrap_or(state.received_at)
}

/// The part of a job that is written: the retained view once the text is purged, or as soon as it
/// is not needed any more.
fn written<'a>(purged_at: Option<UnixTime>, state: &'a JobState) -> Cow<'a, JobState> {
    let now = || state.drops_text().then(|| ended_at(state));
    match purged_at.or_else(now) {
        Some(at) => Cow::Owned(state.retained_view(at)),
        None => Cow::Borrowed(state),
    }
}

/// Without text for a confidential job.
fn request_json(state: &JobState) -> rusqlite::Result<String> {
    let of = |job: &Job| request_column::write(job).map_err(unserializable);
    if state.job.confidential { of(&state.job.redacted()) } else { of(&state.job) }
}

pub(super) fn stored(conn: &Connection, id: JobId) -> rusqlite::Result<Option<Stored>> {
    conn.prepare_cached(
        "SELECT rowid, status, invoicing, settlement, paid_msats, payment_hash, closed, \
                text_purged_at FROM jobs WHERE id = ?1",
    )?
    .query_row([id.to_hex()], |row| {
        Ok(Stored {
            rowid: row.get(0)?,
            execution: parsed(row, 1)?,
            invoicing: parsed(row, 2)?,
            settlement: parsed(row, 3)?,
            paid: Msat::new(number(row.get(4)?)),
            payment_hash: row.get(5)?,
            closed: row.get(6)?,
            text_purged_at: time(row, 7)?,
        })
    })
    .optional()
}

macro_rules! update {
    ($indexed:literal) => {
        concat!(
            "UPDATE jobs SET status = ?2, delivery = ?3, invoicing = ?4, settlement = ?5, ",
            "attempt = ?6, route = ?7, due_msats = ?8, paid_msats = ?9, error_message = ?10, ",
            "started_at = ?11, completed_at = ?12, failure = ?13, invoice = ?14, ",
            "evidence = ?15, output = ?16, encrypted_text = ?17, price_msats = ?18",
            $indexed,
            " WHERE rowid = ?1"
        )
    };
}

pub(super) fn update(
    conn: &Connection,
    cipher: &TextCipher,
    before: &Stored,
    state: &JobState,
) -> rusqlite::Result<()> {
    let (full, state) = (state, &*written(before.text_purged_at, state));
    if let (None, Some(at)) = (before.text_purged_at, state.text_purged_at) {
        purge_text(conn, state)?;
        redact_decisions(conn, cipher, full, at)?;
    }
    let texts = Texts::of(state, cipher)?;
    let closed = state.is_closed();
    // SQLite rewrites the entry of every index whose column is set, even to the same value.
    let reindex = closed != before.closed || texts.payment_hash != before.payment_hash;
    let sql = if reindex { update!(", closed = ?19, payment_hash = ?20") } else { update!("") };
    let mut statement = conn.prepare_cached(sql)?;
    let fields = params![
        before.rowid,
        state.execution.as_str(),
        state.delivery.as_str(),
        state.invoicing.as_str(),
        state.settlement.as_str(),
        state.attempt,
        state.route,
        integer(state.due.get()),
        integer(state.paid.get()),
        texts.error,
        state.started_at.map(|at| integer(at.get())),
        state.ended_at.map(|at| integer(at.get())),
        texts.failure,
        texts.invoice,
        texts.evidence,
        texts.output,
        texts.encrypted,
        integer(state.offer().price.get()),
        closed,
        texts.payment_hash,
    ];
    let fields = if reindex { fields } else { fields.split_at(18).0 };
    statement.execute(fields).map(drop)
}

/// Replaces the texts of a row by those of the retained view.
pub(super) fn purge_text(conn: &Connection, retained: &JobState) -> rusqlite::Result<()> {
    let texts = Texts::clear(retained)?;
    let purged_at = retained.text_purged_at.map(|at| integer(at.get()));
    conn.prepare_cached(
        "UPDATE jobs SET request = ?2, error_message = ?3, failure = ?4, evidence = ?5, \
                         output = ?6, encrypted_text = NULL, text_purged_at = ?7 WHERE id = ?1",
    )?
    .execute(params![
        retained.job.id.to_hex(),
        request_json(retained)?,
        texts.error,
        texts.failure,
        texts.evidence,
        texts.output,
        purged_at
    ])
    .map(drop)
}

/// Writes the current state of the job's invoice.
pub(super) fn write_invoice(
    conn: &Connection,
    state: &JobState,
    invoice: &Invoice,
) -> rusqlite::Result<()> {
    let status = match (state.settlement, state.invoicing) {
        (Settlement::Paid | Settlement::RefundDue | Settlement::Refunded, _) => "paid",
        (Settlement::Held, _) => "held",
        (_, Invoicing::Expired) | (Settlement::Unpaid, _) => "expired",
        (_, Invoicing::Cancelled) | (Settlement::Cancelled, _) => "cancelled",
        (Settlement::None | Settlement::Pending, _) => "pending",
    };
    conn.prepare_cached(
        "INSERT INTO invoices (job_id, bolt11, payment_hash, amount_msats, status, \
                               paid_amount_msats, created_at, expires_at, paid_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, unixepoch(), ?7, iif(?5 = 'paid', unixepoch(), NULL)) \
         ON CONFLICT (payment_hash) DO UPDATE SET status = excluded.status, \
             paid_amount_msats = excluded.paid_amount_msats, \
             paid_at = coalesce(paid_at, excluded.paid_at)",
    )?
    .execute(params![
        state.job.id.to_hex(),
        invoice.bolt11,
        invoice.payment_hash.to_hex(),
        integer(invoice.amount.get()),
        status,
        (status == "paid").then(|| integer(state.paid.get())),
        integer(invoice.expires_at.get()),
    ])
    .map(drop)
}

/// Reads a row of [`COLUMNS`]. A confidential job whose text cannot be decrypted has none.
pub(super) fn read(row: &Row<'_>, cipher: &TextCipher) -> rusqlite::Result<JobState> {
    let mut state = plain_columns(row)?;
    if let Some(encrypted) = row.get_ref(17)?.as_blob_or_null()?
        && let Some(text) = cipher.decrypt(state.job.id, encrypted)
    {
        (state.job, state.output) =
            serde_json::from_slice(&text).map_err(|error| invalid(17, error))?;
    }
    Ok(state)
}

fn plain_columns(row: &Row<'_>) -> rusqlite::Result<JobState> {
    Ok(JobState {
        job: request_column::read(row.get_ref(0)?.as_str()?)
            .map_err(|error| invalid(0, error))?
            .into(),
        plan: from_json(row, 1)?,
        execution: parsed(row, 2)?,
        delivery: parsed(row, 3)?,
        invoicing: parsed(row, 4)?,
        settlement: parsed(row, 5)?,
        attempt: row.get(6)?,
        route: row.get(7)?,
        due: Msat::new(number(row.get(8)?)),
        paid: Msat::new(number(row.get(9)?)),
        received_at: UnixTime::new(number(row.get(10)?)),
        started_at: time(row, 11)?,
        ended_at: time(row, 12)?,
        failure: from_optional_json(row, 13)?,
        invoice: from_optional_json(row, 14)?,
        evidence: from_optional_json(row, 15)?,
        output: from_optional_json(row, 16)?,
        text_purged_at: time(row, 18)?,
    })
}
