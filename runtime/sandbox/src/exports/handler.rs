//! `handler`: does the work of a job kind.

use super::validate::{ensure, is_message};
use crate::bindings::handler::JobError as WitError;
use crate::bindings::{JobHandlerPre, types};
use crate::convert;
use crate::handler_engine::{HandlerCall, HandlerEngine};
use crate::handler_state::HandlerState;
use crate::limits::Limits;
use pylon_core::guest::{Cost, Fault};
use pylon_core::job::JobError;
use pylon_core::work::Output;

const ATTRIBUTES_MAX: usize = 64;
const ATTRIBUTE_NAME_BYTES_MAX: usize = 64;
const MIME_BYTES_MAX: usize = 128;

pub(crate) async fn run(
    engine: &HandlerEngine,
    handler: &JobHandlerPre<HandlerState>,
    call: HandlerCall<'_>,
    settings: &[types::Param],
) -> (Result<Result<Output, JobError>, Fault>, Cost) {
    let (job, deadline_ms, limits) = (convert::job(call.job), call.limits.wall_ms, call.limits);
    engine
        .run(call, |mut store| async move {
            let handler = handler.instantiate_async(&mut store).await?;
            let answer = handler
                .pylon_provider_handler()
                .call_run(&mut store, &job, settings, deadline_ms)
                .await?;
            match answer {
                Ok(output) => {
                    let output = convert::output_from_wit(output);
                    validate_output(&output, &limits)?;
                    Ok(Ok(output))
                }
                Err(error) => Ok(Err(job_error(error)?)),
            }
        })
        .await
}

fn validate_output(output: &Output, limits: &Limits) -> Result<(), Fault> {
    let attributes: usize = output.attributes.iter().map(|it| it.name.len() + it.value.len()).sum();
    if (output.content.len() + output.mime.len() + attributes) as u64 > limits.output_bytes {
        return Err(Fault::HostCallBytes);
    }
    ensure(output.mime.len() <= MIME_BYTES_MAX && !output.mime.chars().any(char::is_control))?;
    ensure(output.attributes.len() <= ATTRIBUTES_MAX)?;
    ensure(
        output
            .attributes
            .iter()
            .all(|it| !it.name.is_empty() && it.name.len() <= ATTRIBUTE_NAME_BYTES_MAX),
    )
}

fn job_error(error: WitError) -> Result<JobError, Fault> {
    if let WitError::Invalid(text) | WitError::Failed(text) | WitError::InvalidSetting(text) =
        &error
    {
        ensure(is_message(text))?;
    }
    Ok(match error {
        WitError::Invalid(text) => JobError::Invalid(text),
        WitError::NoBackend => JobError::NoBackend,
        WitError::Timeout => JobError::Timeout,
        WitError::Failed(text) => JobError::Failed(text),
        WitError::InvalidSetting(name) => JobError::InvalidSetting(name),
    })
}
