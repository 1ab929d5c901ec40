//! The inputs that a customer only pointed to: what can be said against them before a job is taken, and their texts before it waits for a worker.

use super::{INPUT_BYTES_MAX, Shared};
use futures::future::try_join_all;
use pylon_core::decision::Refusal;
use pylon_core::job::JobError;
use pylon_core::ports::guests::GuestSet;
use pylon_core::ports::inputs::FetchError;
use pylon_core::sources::{Sources, check_chain, jobs_of};
use pylon_core::{InputSource, Job};
use std::sync::Arc;

/// The text of each input.
pub(super) type Texts = Arc<[String]>;

/// Addresses that are never fetched, and chains that are too long or lead back. Reaches nothing.
pub(super) fn check(shared: &Shared, job: &Job, sources: &Sources) -> Result<(), Refusal> {
    for (index, input) in job.inputs.iter().enumerate() {
        shared
            .inputs
            .check(input, sources)
            .map_err(|error| Refusal::Invalid(error.message_for(index)))?;
    }
    check_jobs(shared, job)
}

/// As far as the jobs behind it are known.
fn check_jobs(shared: &Shared, job: &Job) -> Result<(), Refusal> {
    let known =
        |id| Ok(shared.journal.job(id)?.map(|state| jobs_of(&state.job)).unwrap_or_default());
    match check_chain(job, known) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(Refusal::Invalid(why.to_string())),
        Err(error) => {
            let error: pylon_core::ports::journal::JournalError = error;
            tracing::error!(%error, "a chain of jobs cannot be followed");
            Err(Refusal::Busy(30))
        }
    }
}

/// Fetches what is not in the request. All of it together is bounded as a request is.
pub(super) fn gather(
    shared: &Arc<Shared>,
    guests: &dyn GuestSet,
    job: &Arc<Job>,
) -> impl Future<Output = Result<Texts, JobError>> + Send + use<> {
    let (shared, job) = (Arc::clone(shared), Arc::clone(job));
    let sources = guests.sources(job.kind).granted(shared.inputs.granted());
    async move {
        let room = INPUT_BYTES_MAX.saturating_sub(job.input_bytes());
        let texts = job.inputs.iter().enumerate().map(|(index, input)| {
            let (inputs, sources) = (&shared.inputs, &sources);
            async move {
                match &input.source {
                    InputSource::Text(text) => Ok(text.clone()),
                    _ => inputs
                        .fetch(input, sources, room)
                        .await
                        .map_err(|error| error.to_job_error(index)),
                }
            }
        });
        let texts = try_join_all(texts).await?;
        // Jobs may come the last one first: now those behind it are known.
        if let Err(Refusal::Invalid(why)) = check_jobs(&shared, &job) {
            return Err(JobError::Invalid(why));
        }
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        if bytes > INPUT_BYTES_MAX {
            return Err(JobError::Invalid(format!(
                "the inputs together: {}",
                FetchError::TooLarge(INPUT_BYTES_MAX)
            )));
        }
        Ok(texts.into())
    }
}
