//! Replaces the texts in decisions by digests.

use crate::columns::integer;
use crate::decisions::{self, MacCheck, RecordedDecision};
use crate::text_cipher::TextCipher;
use pylon_core::decision::{Situation, Verdict};
use pylon_core::guest::GuestFunction;
use pylon_core::job::JobError;
use pylon_core::machine::JobState;
use pylon_core::work::{Evidence, Output};
use pylon_core::{JobId, UnixTime};
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Decisions of a job that contain text or, if `?2`, all of them.
pub(super) const WITH_TEXT: &str =
    "job_id = ?1 AND (?2 OR function IN ('run', 'judge')) AND text_purged_at IS NULL";
pub(super) const SHADOW_OUTPUTS: &str = "SELECT slot, digest, output FROM shadow_answers \
                                         WHERE decision_id = ?1 AND output IS NOT NULL";

/// Redacts the decisions about a job. `state` must still contain the job's texts.
pub(super) fn redact_decisions(
    conn: &Connection,
    cipher: &TextCipher,
    state: &JobState,
    now: UnixTime,
) -> rusqlite::Result<()> {
    // If the retained view lacks something that policies saw, they cannot be asked again.
    let all = !state.job.fits_retained_view(&state.plan.public);
    let mut select = conn.prepare_cached(&format!(
        "SELECT {} FROM decisions WHERE {WITH_TEXT}",
        decisions::COLUMNS
    ))?;
    let mut rows = select.query(params![state.job.id.to_hex(), all])?;
    while let Some(row) = rows.next()? {
        let row = decisions::decision_of_row(row)?;
        let was_valid = row.check_mac(cipher) == MacCheck::Valid;
        let row =
            RecordedDecision { text_purged_at: Some(now), ..redacted(row, cipher, state.job.id) };
        // A row that was changed before keeps its invalid MAC, so the change stays visible.
        let mac = cipher
            .mac_key()
            .filter(|_| was_valid)
            .map(|key| row.mac_input().mac(key).to_vec())
            .or_else(|| row.mac.clone());
        conn.prepare_cached(
            "UPDATE decisions SET input = ?2, output = ?3, text_purged_at = ?4, mac = ?5 \
             WHERE id = ?1",
        )?
        .execute(params![
            integer(row.id),
            row.input,
            row.output.as_ref().ok(),
            integer(now.get()),
            mac
        ])?;
        if row.function == GuestFunction::Judge.as_str() {
            redact_shadow_answers(conn, integer(row.id), |text| cipher.digest(state.job.id, text))?;
        }
    }
    Ok(())
}

/// Verdicts of shadow guests may quote the output. Equal texts have equal digests in both rows.
fn redact_shadow_answers(
    conn: &Connection,
    decision: i64,
    digest: impl Fn(&str) -> String,
) -> rusqlite::Result<()> {
    let mut select = conn.prepare_cached(SHADOW_OUTPUTS)?;
    let mut rows = select.query([decision])?;
    while let Some(row) = rows.next()? {
        let (slot, shadow, output): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let output = changed_json(&output, |verdict: Verdict| verdict.redact(&digest));
        conn.prepare_cached(
            "UPDATE shadow_answers SET output = ?4 \
             WHERE slot = ?1 AND digest = ?2 AND decision_id = ?3",
        )?
        .execute(params![slot, shadow, decision, output])?;
    }
    Ok(())
}

fn redacted(row: RecordedDecision, cipher: &TextCipher, job: JobId) -> RecordedDecision {
    let digest = |text: &str| cipher.digest(job, text);
    match row.function.parse() {
        Ok(GuestFunction::Run) => {
            let result = |result: Result<Output, JobError>| {
                result.map(|output| output.redact(digest)).map_err(|error| error.redact(digest))
            };
            // The input is the host's answers, which quote request and output.
            RecordedDecision {
                input: "null".into(),
                output: row.output.map(|output| changed_json(&output, result)),
                ..row
            }
        }
        Ok(GuestFunction::Judge) => {
            let input =
                |(evidence, situation): (Evidence, Situation)| (evidence.redact(digest), situation);
            let verdict = |verdict: Verdict| verdict.redact(digest);
            RecordedDecision {
                input: changed_json(&row.input, input),
                output: row.output.map(|output| changed_json(&output, verdict)),
                ..row
            }
        }
        _ => row,
    }
}

/// JSON of another form than the core's may contain text anywhere: `null` replaces all of it.
fn changed_json<T: DeserializeOwned, U: Serialize>(
    json: &str,
    change: impl FnOnce(T) -> U,
) -> String {
    let changed = serde_json::from_str(json)
        .ok()
        .and_then(|value| serde_json::to_string(&change(value)).ok());
    changed.unwrap_or_else(|| "null".into())
}
