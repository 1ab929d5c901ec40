//! `log`: lines for the job's record.

use crate::bindings::log::{Host, Level};
use crate::handler_state::HandlerState;
use pylon_core::guest::LogLevel;
use wasmtime::Result;

impl Host for HandlerState {
    async fn write(&mut self, level: Level, message: String) -> Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        Ok(self.log.line(level, &message)?)
    }
}
