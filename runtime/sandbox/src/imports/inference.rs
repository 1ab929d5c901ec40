//! `inference`: text on the routes of the job. A completion is the host's stream in the guest's table; when the guest drops it, or is dropped
//! itself, the stream goes and the backend stops.

use crate::bindings::inference::{
    Finish, Host, HostCompletion, InferenceError, Request, Role, Summary,
};
use crate::convert;
use crate::handler::HandlerState;
use pylon_core::completion::{
    ChatMessage, ChatRole as Speaker, CompletionSummary, GuestCompletionRequest,
    GuestInferenceError as Error,
};
use pylon_core::ports::guests::GuestStream;
use wasmtime::Result;
use wasmtime::component::Resource;

/// What a `completion` is on this side.
#[allow(unreachable_pub, reason = "the generated module re-exports it")]
pub struct Completion(Box<dyn GuestStream>);

impl Host for HandlerState {
    async fn generate(
        &mut self,
        request: Request,
    ) -> Result<Result<Resource<Completion>, InferenceError>> {
        match self.host.generate(generation(request)).await {
            Ok(stream) => Ok(Ok(self.table.push(Completion(stream))?)),
            Err(error) => Ok(Err(refusal(error))),
        }
    }
}

impl HostCompletion for HandlerState {
    async fn next(
        &mut self,
        completion: Resource<Completion>,
    ) -> Result<Result<Option<String>, InferenceError>> {
        Ok(self.table.get_mut(&completion)?.0.next().await.map_err(refusal))
    }

    async fn finish(
        &mut self,
        completion: Resource<Completion>,
    ) -> Result<Result<Summary, InferenceError>> {
        let summary = self.table.get(&completion)?.0.summary().map(summary);
        Ok(summary.ok_or_else(|| InferenceError::Other("not at its end".into())))
    }

    async fn drop(&mut self, completion: Resource<Completion>) -> Result<()> {
        self.table.delete(completion)?;
        Ok(())
    }
}

fn generation(request: Request) -> GuestCompletionRequest {
    let message = |message: crate::bindings::inference::Message| ChatMessage {
        role: match message.role {
            Role::System => Speaker::System,
            Role::User => Speaker::User,
            Role::Assistant => Speaker::Assistant,
        },
        content: message.content,
    };
    GuestCompletionRequest {
        messages: request.messages.into_iter().map(message).collect(),
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        frequency_penalty: request.frequency_penalty,
        stop: request.stop,
        seed: request.seed,
        schema: request.schema,
    }
}

fn summary(summary: CompletionSummary) -> Summary {
    Summary {
        finish: if summary.length { Finish::Length } else { Finish::Complete },
        model: summary.model,
        ignored_params: summary.ignored_params,
        usage: convert::usage(&summary.usage),
    }
}

fn refusal(error: Error) -> InferenceError {
    match error {
        Error::NoBackend => InferenceError::NoBackend,
        Error::TooLong(tokens) => InferenceError::TooLong(tokens),
        Error::Unsupported(what) => InferenceError::Unsupported(what),
        Error::Timeout => InferenceError::Timeout,
        Error::Cancelled => InferenceError::Cancelled,
        Error::Other(why) => InferenceError::Other(why),
    }
}
