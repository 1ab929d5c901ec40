//! `handler`: the work of a kind.

use super::{is_sentence, sane};
use crate::bindings::JobHandlerPre;
use crate::bindings::handler::JobError as Said;
use crate::convert;
use crate::handler::{HandlerState, HandlerTier, Work};
use crate::limits::Limits;
use pylon_core::guest::{Cost, Fault};
use pylon_core::job::JobError;
use pylon_core::work::Output;

const MAX_ATTRIBUTES: usize = 64;
const MAX_NAME_BYTES: usize = 64;
const MAX_MIME_BYTES: usize = 128;

pub(crate) async fn run(
    tier: &HandlerTier,
    handler: &JobHandlerPre<HandlerState>,
    work: Work<'_>,
    settings: &[crate::bindings::types::Param],
) -> (Result<Result<Output, JobError>, Fault>, Cost) {
    let (asked, deadline_ms, limits) = (convert::job(work.job), work.limits.wall_ms, work.limits);
    tier.run(work, |mut store| async move {
        let handler = handler.instantiate_async(&mut store).await?;
        let said = handler
            .pylon_provider_handler()
            .call_run(&mut store, &asked, settings, deadline_ms)
            .await?;
        match said {
            Ok(output) => {
                let output = convert::made(output);
                sane_output(&output, &limits)?;
                Ok(Ok(output))
            }
            Err(error) => Ok(Err(error_said(error)?)),
        }
    })
    .await
}

fn sane_output(output: &Output, limits: &Limits) -> Result<(), Fault> {
    let attributes: usize = output.attributes.iter().map(|it| it.name.len() + it.value.len()).sum();
    if (output.content.len() + output.mime.len() + attributes) as u64 > limits.output_bytes {
        return Err(Fault::HostCallBytes);
    }
    sane(output.mime.len() <= MAX_MIME_BYTES && !output.mime.chars().any(char::is_control))?;
    sane(output.attributes.len() <= MAX_ATTRIBUTES)?;
    sane(output.attributes.iter().all(|it| !it.name.is_empty() && it.name.len() <= MAX_NAME_BYTES))
}

fn error_said(error: Said) -> Result<JobError, Fault> {
    if let Said::Invalid(words) | Said::Failed(words) = &error {
        sane(is_sentence(words))?;
    }
    Ok(match error {
        Said::Invalid(words) => JobError::Invalid(words),
        Said::NoBackend => JobError::NoBackend,
        Said::Timeout => JobError::Timeout,
        Said::Failed(words) => JobError::Failed(words),
    })
}
