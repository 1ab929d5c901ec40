//! A host that answers at once, or after a permit.

use async_trait::async_trait;
use pylon_core::completion::{GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use tokio::sync::Semaphore;

pub(crate) struct Host {
    holds: bool,
    /// Signals that a handler waits for its input.
    waiting: Semaphore,
    /// Lets one handler continue.
    go: Semaphore,
}

impl Host {
    pub(crate) const fn at_once() -> Self {
        Self { holds: false, waiting: Semaphore::const_new(0), go: Semaphore::const_new(0) }
    }

    pub(crate) const fn held() -> Self {
        Self { holds: true, waiting: Semaphore::const_new(0), go: Semaphore::const_new(0) }
    }

    pub(crate) async fn until_waiting(&self, handlers: u32) {
        self.waiting.acquire_many(handlers).await.unwrap().forget();
    }

    pub(crate) fn release(&self, handlers: u32) {
        self.go.add_permits(handlers as usize);
    }
}

#[async_trait]
impl HandlerHost for Host {
    async fn generate(
        &self,
        _: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        Err(GuestInferenceError::NoBackend)
    }

    async fn partial(&self, _: String) -> bool {
        true
    }

    async fn report(&self, _: Option<u32>, _: String) -> bool {
        true
    }

    async fn read(&self, _: u32) -> Result<String, InputError> {
        if self.holds {
            self.waiting.add_permits(1);
            self.go.acquire().await.unwrap().forget();
        }
        Ok("text".into())
    }

    fn log(&self, _: LogLevel, _: &str) {}
}
