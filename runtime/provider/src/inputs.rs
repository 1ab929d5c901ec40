//! Inputs that the request only refers to: checked before admission, fetched before the job waits
//! for a worker.

use futures::future::try_join_all;
use pylon_core::decision::Refusal;
use pylon_core::job::JobError;
use pylon_core::ports::guests::GuestSet;
use pylon_core::ports::inputs::{FetchError, Inputs};
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::sources::{Sources, check_chain, jobs_of};
use pylon_core::{InputSource, Job};
use std::sync::Arc;

/// Bytes of all inputs of one job, in the request or fetched.
pub(crate) const INPUT_BYTES_MAX: u64 = 64 * 1024;
/// A customer may try again after this if the journal cannot be read.
const RETRY_SECONDS: u32 = 30;

/// The text of each input.
pub(crate) type Texts = Arc<[String]>;

/// Checks and fetches inputs.
pub(crate) struct InputFetcher {
    pub(crate) inputs: Arc<dyn Inputs>,
    pub(crate) journal: Arc<dyn Journal>,
}

impl InputFetcher {
    /// The sources that both the handler of this kind and the operator accept.
    pub(crate) fn sources(&self, guests: &dyn GuestSet, kind: u16) -> Sources {
        guests.sources(kind).granted(self.inputs.granted())
    }

    /// Refuses addresses that are never fetched, and chains that are too long or have a cycle. Does
    /// no network I/O.
    pub(crate) fn check(&self, job: &Job, sources: &Sources) -> Result<(), Refusal> {
        for (index, input) in job.inputs.iter().enumerate() {
            self.inputs
                .check(input, sources)
                .map_err(|error| Refusal::Invalid(error.message_for(index)))?;
        }
        self.check_chain(job)
    }

    /// Follows the chain as far as its jobs are known.
    fn check_chain(&self, job: &Job) -> Result<(), Refusal> {
        let known = |id| -> Result<_, JournalError> {
            Ok(self.journal.job(id)?.map(|state| jobs_of(&state.job)).unwrap_or_default())
        };
        match check_chain(job, known) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Refusal::Invalid(why.to_string())),
            Err(error) => {
                tracing::error!(%error, "cannot follow a chain of jobs");
                Err(Refusal::Busy(RETRY_SECONDS))
            }
        }
    }

    /// Fetches the inputs that are not in the request. The limit is that of the request.
    pub(crate) async fn fetch_inputs(
        self: Arc<Self>,
        job: Arc<Job>,
        sources: Sources,
    ) -> Result<Texts, JobError> {
        let bytes_left = INPUT_BYTES_MAX.saturating_sub(job.input_bytes());
        let fetches = job.inputs.iter().enumerate().map(|(index, input)| {
            let (inputs, sources) = (&self.inputs, &sources);
            async move {
                match &input.source {
                    InputSource::Text(text) => Ok(text.clone()),
                    _ => inputs
                        .fetch(input, sources, bytes_left)
                        .await
                        .map_err(|error| error.to_job_error(index)),
                }
            }
        });
        let texts = try_join_all(fetches).await?;
        // The jobs of a chain may arrive last first: by now the others are known.
        if let Err(Refusal::Invalid(why)) = self.check_chain(&job) {
            return Err(JobError::Invalid(why));
        }
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        if bytes > INPUT_BYTES_MAX {
            let error = FetchError::TooLarge(INPUT_BYTES_MAX);
            return Err(JobError::Invalid(format!("the inputs together: {error}")));
        }
        Ok(texts.into())
    }
}
