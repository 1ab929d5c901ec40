//! The checks of a request before any guest is asked: its date, its size and its inputs.

use crate::decision::Refusal;
use crate::sources::{FETCHED_MAX, Sources};
use crate::{InputSource, Job, UnixTime};

/// Older requests are not admitted. Refusals are kept at least this long.
pub const AGE_SECONDS_MAX: u64 = 3600;
/// Requests dated further in the future are not admitted: clocks do not differ by more.
pub const AHEAD_SECONDS_MAX: u64 = 300;

/// Limits of a request.
#[derive(Clone, Debug)]
pub struct AdmissionLimits {
    /// Bytes of all texts in the request.
    pub input_bytes_max: u64,
    /// Sources that may be fetched.
    pub sources: Sources,
}

/// Whether the request is neither too old nor dated in the future.
pub fn is_timely(created_at: UnixTime, now: UnixTime) -> bool {
    created_at >= now.minus(AGE_SECONDS_MAX) && created_at <= now.plus(AHEAD_SECONDS_MAX)
}

/// Checks that the inputs are usable and within the limits.
pub fn check(job: &Job, limits: &AdmissionLimits) -> Result<(), Refusal> {
    let bytes = job.input_bytes();
    if bytes > limits.input_bytes_max {
        return Err(Refusal::Invalid(format!(
            "{bytes} bytes of input, {} are allowed",
            limits.input_bytes_max
        )));
    }
    if let Some(input) = job.inputs.iter().find(|input| !limits.sources.allow(&input.source)) {
        return Err(Refusal::Unsupported(format!(
            "input of type `{}`: send the text itself",
            input.source.as_str()
        )));
    }
    let fetched =
        job.inputs.iter().filter(|input| !matches!(input.source, InputSource::Text(_))).count();
    if fetched > FETCHED_MAX {
        return Err(Refusal::Invalid(format!(
            "{fetched} inputs to fetch, {FETCHED_MAX} are allowed"
        )));
    }
    if job
        .inputs
        .iter()
        .all(|input| matches!(&input.source, InputSource::Text(text) if text.trim().is_empty()))
    {
        return Err(Refusal::Invalid("no usable input".into()));
    }
    Ok(())
}
