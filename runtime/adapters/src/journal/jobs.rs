//! A job's state and its row. Request and plan are written once; an update leaves them, and the indexes it does not change, alone.

use super::{Safe, integer, number, request, retention};
use pylon_core::machine::{Delivery, Execution, Invoicing, JobState, Settlement};
use pylon_core::ports::payments::Invoice;
use pylon_core::{Job, JobId, Msat, UnixTime};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// What [`read`] expects, in its order.
pub(super) const COLUMNS: &str = "request, plan, status, delivery, invoicing, settlement, attempt, route, due_msats, paid_msats, \
                                  received_at, started_at, completed_at, failure, invoice, evidence, output, sealed, text_gone_at";

/// What the row says before an update.
pub(super) struct Stored {
    rowid: i64,
    pub(super) execution: Execution,
    invoicing: Invoicing,
    pub(super) settlement: Settlement,
    paid: Msat,
    payment_hash: Option<String>,
    pub(super) closed: bool,
    text_gone_at: Option<UnixTime>,
}

impl Stored {
    /// Does the invoice's row say what it would say for this state?
    pub(super) fn has_invoice_of(&self, state: &JobState) -> bool {
        (self.invoicing, self.settlement, self.paid)
            == (state.invoicing, state.settlement, state.paid)
            && self.payment_hash == state.payment_hash().map(|hash| hash.to_hex())
    }
}

/// Columns that JSON and people share. Of a confidential job they have no text: while it needs its text, `sealed` has that.
struct Texts {
    failure: Option<String>,
    error: Option<String>,
    invoice: Option<String>,
    evidence: Option<String>,
    output: Option<String>,
    payment_hash: Option<String>,
    sealed: Option<Vec<u8>>,
}

impl Texts {
    fn of(state: &JobState, safe: &Safe) -> rusqlite::Result<Self> {
        if !state.job.confidential {
            return Self::clear(state);
        }
        let sealed = match state.needs_text() {
            true => safe.seal(state.job.id, json(&(&state.job, &state.output))?.as_bytes())?,
            false => None,
        };
        Ok(Self { sealed, ..Self::clear(&state.without_text())? })
    }

    fn clear(state: &JobState) -> rusqlite::Result<Self> {
        Ok(Self {
            failure: state.failure.as_ref().map(json).transpose()?,
            error: state.failure.as_ref().map(|failure| failure.words()),
            invoice: state.invoice.as_ref().map(json).transpose()?,
            evidence: state.evidence.as_ref().map(json).transpose()?,
            output: state.output.as_ref().map(json).transpose()?,
            payment_hash: state.payment_hash().map(|hash| hash.to_hex()),
            sealed: None,
        })
    }
}

/// `false` if the id is there already.
pub(super) fn insert(conn: &Connection, safe: &Safe, state: &JobState) -> rusqlite::Result<bool> {
    let state = &*kept(None, state);
    let texts = Texts::of(state, safe)?;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO jobs (id, kind, customer_pubkey, status, delivery, invoicing, settlement, closed, attempt, route, \
             price_msats, due_msats, paid_msats, payment_hash, error_message, created_at, received_at, started_at, completed_at, \
             failure, invoice, evidence, plan, request, output, sealed, text_gone_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, \
             ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            state.job.id.to_hex(),
            state.job.kind,
            state.job.customer.to_hex(),
            state.execution.word(),
            state.delivery.word(),
            state.invoicing.word(),
            state.settlement.word(),
            state.is_closed(),
            state.attempt,
            state.route,
            integer(state.plan.offer.price.get()),
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
            request_column(state)?,
            texts.output,
            texts.sealed,
            state.text_gone_at.map(|at| integer(at.get())),
        ])?;
    Ok(inserted == 1)
}

/// What may be written of a job: an outline, once its text is gone or as soon as nobody may read it again.
fn kept<'a>(gone_at: Option<UnixTime>, state: &'a JobState) -> Cow<'a, JobState> {
    let now = || state.drops_text().then(|| retention::ended_at(state));
    match gone_at.or_else(now) {
        Some(at) => Cow::Owned(state.outline(at)),
        None => Cow::Borrowed(state),
    }
}

/// Of a confidential job, what is no text.
fn request_column(state: &JobState) -> rusqlite::Result<String> {
    let of = |job: &Job| request::write(job).map_err(unwritten);
    if state.job.confidential { of(&state.job.without_text()) } else { of(&state.job) }
}

pub(super) fn stored(conn: &Connection, id: JobId) -> rusqlite::Result<Option<Stored>> {
    conn.prepare_cached(
        "SELECT rowid, status, invoicing, settlement, paid_msats, payment_hash, closed, text_gone_at FROM jobs WHERE id = ?1",
    )?
    .query_row([id.to_hex()], |row| {
        Ok(Stored {
            rowid: row.get(0)?,
            execution: word(row, 1, Execution::from_word)?,
            invoicing: word(row, 2, Invoicing::from_word)?,
            settlement: word(row, 3, Settlement::from_word)?,
            paid: Msat::new(number(row.get(4)?)),
            payment_hash: row.get(5)?,
            closed: row.get(6)?,
            text_gone_at: time(row, 7)?,
        })
    })
    .optional()
}

macro_rules! update {
    ($indexed:literal) => {
        concat!(
            "UPDATE jobs SET status = ?2, delivery = ?3, invoicing = ?4, settlement = ?5, attempt = ?6, route = ?7, due_msats = ?8, ",
            "paid_msats = ?9, error_message = ?10, started_at = ?11, completed_at = ?12, failure = ?13, invoice = ?14, ",
            "evidence = ?15, output = ?16, sealed = ?17",
            $indexed,
            " WHERE rowid = ?1"
        )
    };
}

pub(super) fn update(
    conn: &Connection,
    safe: &Safe,
    before: &Stored,
    state: &JobState,
) -> rusqlite::Result<()> {
    let (full, state) = (state, &*kept(before.text_gone_at, state));
    if let (None, Some(at)) = (before.text_gone_at, state.text_gone_at) {
        drop_text(conn, state)?;
        retention::drop_texts_of_decisions(conn, safe, full, at)?;
    }
    let texts = Texts::of(state, safe)?;
    let closed = state.is_closed();
    // SQLite rewrites the entry of every index whose column is set, changed or not.
    let reindex = closed != before.closed || texts.payment_hash != before.payment_hash;
    let sql = if reindex { update!(", closed = ?18, payment_hash = ?19") } else { update!("") };
    let mut statement = conn.prepare_cached(sql)?;
    let fields = params![
        before.rowid,
        state.execution.word(),
        state.delivery.word(),
        state.invoicing.word(),
        state.settlement.word(),
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
        texts.sealed,
        closed,
        texts.payment_hash,
    ];
    let fields = if reindex { fields } else { fields.split_at(17).0 };
    statement.execute(fields).map(drop)
}

/// Takes the texts out of a row: writes what an outline has in their place.
pub(super) fn drop_text(conn: &Connection, outline: &JobState) -> rusqlite::Result<()> {
    let texts = Texts::clear(outline)?;
    let gone_at = outline.text_gone_at.map(|at| integer(at.get()));
    conn.prepare_cached(
        "UPDATE jobs SET request = ?2, error_message = ?3, failure = ?4, evidence = ?5, output = ?6, sealed = NULL, \
         text_gone_at = ?7 WHERE id = ?1",
    )?
    .execute(params![
        outline.job.id.to_hex(),
        request_column(outline)?,
        texts.error,
        texts.failure,
        texts.evidence,
        texts.output,
        gone_at
    ])
    .map(drop)
}

/// Writes the row of the job's invoice as it stands now.
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
        "INSERT INTO invoices (job_id, bolt11, payment_hash, amount_msats, status, paid_amount_msats, created_at, expires_at, paid_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, unixepoch(), ?7, iif(?5 = 'paid', unixepoch(), NULL)) \
         ON CONFLICT (payment_hash) DO UPDATE SET status = excluded.status, paid_amount_msats = excluded.paid_amount_msats, \
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

/// From a row of [`COLUMNS`]. A confidential job whose text cannot be opened comes without it.
pub(super) fn read(row: &Row<'_>, safe: &Safe) -> rusqlite::Result<JobState> {
    let mut state = in_clear(row)?;
    if let Some(sealed) = row.get_ref(17)?.as_blob_or_null()?
        && let Some(text) = safe.open(state.job.id, sealed)
    {
        (state.job, state.output) =
            serde_json::from_slice(&text).map_err(|why| unknown(17, why))?;
    }
    Ok(state)
}

fn in_clear(row: &Row<'_>) -> rusqlite::Result<JobState> {
    Ok(JobState {
        job: request::read(row.get_ref(0)?.as_str()?).map_err(|why| unknown(0, why))?.into(),
        plan: json_column(row, 1)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        execution: word(row, 2, Execution::from_word)?,
        delivery: word(row, 3, Delivery::from_word)?,
        invoicing: word(row, 4, Invoicing::from_word)?,
        settlement: word(row, 5, Settlement::from_word)?,
        attempt: row.get(6)?,
        route: row.get(7)?,
        due: Msat::new(number(row.get(8)?)),
        paid: Msat::new(number(row.get(9)?)),
        received_at: UnixTime::new(number(row.get(10)?)),
        started_at: time(row, 11)?,
        ended_at: time(row, 12)?,
        failure: json_column(row, 13)?,
        invoice: json_column(row, 14)?,
        evidence: json_column(row, 15)?,
        output: json_column(row, 16)?,
        text_gone_at: time(row, 18)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixTime>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|at| UnixTime::new(number(at))))
}

fn word<T>(row: &Row<'_>, column: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unknown(column, format!("`{text}` means nothing here")))
}

/// Whatever was written by hand and does not parse is named, never guessed.
pub(super) fn unknown(
    column: usize,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

pub(super) fn json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(unwritten)
}

fn unwritten(why: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(why.into())
}

pub(super) fn json_column<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(serde_json::from_str).transpose().map_err(|why| unknown(column, why))
}
