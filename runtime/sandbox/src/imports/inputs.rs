//! `inputs`: the input texts of the job.

use crate::bindings::inputs::{Host, InputError};
use crate::handler_state::HandlerState;
use pylon_core::input::InputError as Error;
use wasmtime::Result;

impl Host for HandlerState {
    async fn read(&mut self, index: u32) -> Result<Result<String, InputError>> {
        Ok(self.host.read(index).await.map_err(|error| match error {
            Error::Denied => InputError::Denied,
            Error::Other(why) => InputError::Other(why),
        }))
    }
}
