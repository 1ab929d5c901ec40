//! A host whose work does not count as CPU time of the guest: what a backend sends is no fault of
//! the guest that reads it. Log lines count: their number is the guest's choice.

use crate::cpu_meter::CpuMeter;
use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use std::sync::Arc;

pub(crate) struct UnmeteredHost {
    host: Arc<dyn HandlerHost>,
    meter: Arc<CpuMeter>,
}

impl UnmeteredHost {
    pub(crate) fn new(host: Arc<dyn HandlerHost>, meter: Arc<CpuMeter>) -> Self {
        Self { host, meter }
    }
}

#[async_trait]
impl HandlerHost for UnmeteredHost {
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        let stream = self.meter.exclude(self.host.generate(request)).await?;
        Ok(Box::new(UnmeteredStream { stream, meter: Arc::clone(&self.meter) }))
    }

    async fn partial(&self, text: String) -> bool {
        self.meter.exclude(self.host.partial(text)).await
    }

    async fn report(&self, permille: Option<u32>, note: String) -> bool {
        self.meter.exclude(self.host.report(permille, note)).await
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        self.meter.exclude(self.host.read(index)).await
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }
}

struct UnmeteredStream {
    stream: Box<dyn GuestStream>,
    meter: Arc<CpuMeter>,
}

#[async_trait]
impl GuestStream for UnmeteredStream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        self.meter.exclude(self.stream.next()).await
    }

    fn summary(&self) -> Option<CompletionSummary> {
        self.stream.summary()
    }
}
