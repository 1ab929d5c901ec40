//! The checks a request must pass before anything is asked of a guest: ours, new enough, and with something to work on.

use crate::decision::Refusal;
use crate::sources::{FETCHED_MAX, Sources};
use crate::{InputSource, Job, UnixTime};

/// Requests dated longer ago are not taken, and refusals are forgotten after it.
pub const MAX_AGE_SECONDS: u64 = 3600;
/// Requests dated further ahead are not taken: clocks differ, but not by more.
pub const MAX_AHEAD_SECONDS: u64 = 300;

/// Bounds on what a request may carry.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes of all texts together.
    pub input_bytes: u64,
    /// Inputs that may be fetched.
    pub sources: Sources,
}

/// Could this request be taken, as far as its date tells?
pub fn is_timely(created_at: UnixTime, now: UnixTime) -> bool {
    created_at >= now.minus(MAX_AGE_SECONDS) && created_at <= now.plus(MAX_AHEAD_SECONDS)
}

/// Is there something in it that we can work on?
pub fn check(job: &Job, bounds: &Bounds) -> Result<(), Refusal> {
    let bytes = job.input_bytes();
    if bytes > bounds.input_bytes {
        return Err(Refusal::Invalid(format!(
            "{bytes} bytes of input, {} are allowed",
            bounds.input_bytes
        )));
    }
    if let Some(input) = job.inputs.iter().find(|input| !bounds.sources.allow(&input.source)) {
        return Err(Refusal::Unsupported(format!(
            "input of type `{}`: send the text itself",
            input.source.word()
        )));
    }
    let fetched =
        job.inputs.iter().filter(|input| !matches!(input.source, InputSource::Text(_))).count();
    if fetched > FETCHED_MAX {
        return Err(Refusal::Invalid(format!(
            "{fetched} inputs to be fetched, {FETCHED_MAX} are allowed"
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
