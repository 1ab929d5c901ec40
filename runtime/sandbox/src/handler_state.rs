//! The data of a handler's store.

use crate::fault::StoreLimiter;
use crate::job_log::JobLog;
use crate::limits::{Limits, size};
use crate::wasi_context;
use pylon_core::Job;
use pylon_core::guest::Fault;
use pylon_core::ports::guests::HandlerHost;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

pub(crate) struct HandlerState {
    pub(crate) host: Arc<dyn HandlerHost>,
    pub(crate) table: ResourceTable,
    pub(crate) log: Arc<JobLog>,
    pub(crate) limiter: StoreLimiter,
    wasi: WasiCtx,
    emits_left: u64,
    emit_bytes_left: u64,
}

impl HandlerState {
    pub(crate) fn new(
        job: &Job,
        limits: &Limits,
        host: Arc<dyn HandlerHost>,
        log: Arc<JobLog>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(size(limits.resources));
        Self {
            host,
            table,
            wasi: wasi_context::new(job, &log),
            log,
            limiter: StoreLimiter::new(limits),
            emits_left: limits.emit_count,
            emit_bytes_left: limits.emit_bytes,
        }
    }

    /// Counts one progress message or partial output.
    pub(crate) fn emit(&mut self, text: &str) -> Result<(), Fault> {
        self.emits_left = self.emits_left.checked_sub(1).ok_or(Fault::HostCallBytes)?;
        self.emit_bytes_left =
            self.emit_bytes_left.checked_sub(text.len() as u64).ok_or(Fault::HostCallBytes)?;
        Ok(())
    }
}

impl WasiView for HandlerState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
