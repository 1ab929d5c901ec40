//! Finds a job by the beginning of its id.

use anyhow::{Result, bail};
use pylon_core::JobId;
use pylon_core::text::sanitize_line;
use pylon_journal::ReadOnlyJournal;

/// The only job whose id begins with `prefix`.
pub(super) fn find_job(journal: &ReadOnlyJournal, prefix: &str) -> Result<JobId> {
    let prefix = hex_prefix(prefix)?;
    let found = journal.jobs_by_prefix(&prefix)?;
    if found.is_empty()
        && let Some(message) = journal.refusal(&prefix)?
    {
        bail!("the request {prefix} was refused: {}", sanitize_line(&message));
    }
    only(&prefix, &found)
}

/// The only job or refused request whose id begins with `prefix`.
pub(super) fn find_job_or_refusal(journal: &ReadOnlyJournal, prefix: &str) -> Result<JobId> {
    let prefix = hex_prefix(prefix)?;
    let mut found = journal.jobs_by_prefix(&prefix)?;
    found.extend(journal.refusals_by_prefix(&prefix)?);
    only(&prefix, &found)
}

/// The beginning of a job id, in lower case.
pub(super) fn hex_prefix(text: &str) -> Result<String> {
    let prefix = text.to_lowercase();
    let is_hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !(1..=64).contains(&prefix.len()) {
        bail!(
            "`{}` is not a job id: give its hex digits, or the first of them",
            sanitize_line(text)
        );
    }
    Ok(prefix)
}

fn only(prefix: &str, found: &[JobId]) -> Result<JobId> {
    match *found {
        [id] => Ok(id),
        [] => bail!("no job begins with {prefix}: `pylon jobs list` shows the latest jobs"),
        _ => bail!("several jobs begin with {prefix}: give more digits"),
    }
}
