//! `inference`: text generation on the routes of the job.

use crate::bindings::inference::{
    Finish, Host, HostCompletion, InferenceError, Request, Role, Summary,
};
use crate::completion::Completion;
use crate::convert;
use crate::handler_state::HandlerState;
use pylon_core::completion::{
    ChatMessage, ChatRole, CompletionSummary, GuestCompletionRequest, GuestInferenceError as Error,
};
use wasmtime::Result;
use wasmtime::component::Resource;

impl Host for HandlerState {
    async fn generate(
        &mut self,
        request: Request,
    ) -> Result<Result<Resource<Completion>, InferenceError>> {
        match self.host.generate(completion_request(request)).await {
            Ok(stream) => Ok(Ok(self.table.push(Completion(stream))?)),
            Err(error) => Ok(Err(inference_error(error))),
        }
    }
}

impl HostCompletion for HandlerState {
    async fn next(
        &mut self,
        completion: Resource<Completion>,
    ) -> Result<Result<Option<String>, InferenceError>> {
        Ok(self.table.get_mut(&completion)?.0.next().await.map_err(inference_error))
    }

    async fn finish(
        &mut self,
        completion: Resource<Completion>,
    ) -> Result<Result<Summary, InferenceError>> {
        let summary = self.table.get(&completion)?.0.summary().map(summary);
        Ok(summary.ok_or_else(|| InferenceError::Other("the completion is still running".into())))
    }

    async fn drop(&mut self, completion: Resource<Completion>) -> Result<()> {
        self.table.delete(completion)?;
        Ok(())
    }
}

fn completion_request(request: Request) -> GuestCompletionRequest {
    let message = |message: crate::bindings::inference::Message| ChatMessage {
        role: match message.role {
            Role::System => ChatRole::System,
            Role::User => ChatRole::User,
            Role::Assistant => ChatRole::Assistant,
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

fn inference_error(error: Error) -> InferenceError {
    match error {
        Error::NoBackend => InferenceError::NoBackend,
        Error::TooLong(tokens) => InferenceError::TooLong(tokens),
        Error::Unsupported(what) => InferenceError::Unsupported(what),
        Error::Timeout => InferenceError::Timeout,
        Error::Cancelled => InferenceError::Cancelled,
        Error::Other(why) => InferenceError::Other(why),
    }
}
