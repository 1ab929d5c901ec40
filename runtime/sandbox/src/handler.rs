//! One call of a handler: a place, a fresh store with its limits, the call on its own stack, and the CPU time it took.

use crate::admission::{Admission, Guest};
use crate::fault::{Ceiling, fault_of};
use crate::imports::wasi;
use crate::job_log::JobLog;
use crate::limits::{Limits, size};
use crate::meter::Meter;
use crate::ticker::Ticker;
use pylon_core::Job;
use pylon_core::guest::{Cost, Fault};
use pylon_core::ports::guests::HandlerHost;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Result, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The engine of all handlers, the places in its pool, and its clock.
pub(crate) struct HandlerTier {
    pub(crate) engine: Engine,
    pub(crate) admission: Admission,
    pub(crate) ticker: Ticker,
}

/// One attempt at a job.
pub(crate) struct Work<'a> {
    pub(crate) job: &'a Job,
    pub(crate) limits: Limits,
    pub(crate) host: Arc<dyn HandlerHost>,
    /// For whom it takes a place.
    pub(crate) guest: Guest,
}

/// What a handler's store holds.
pub(crate) struct HandlerState {
    pub(crate) host: Arc<dyn HandlerHost>,
    pub(crate) table: ResourceTable,
    pub(crate) log: Arc<JobLog>,
    wasi: WasiCtx,
    ceiling: Ceiling,
    emits_left: u64,
    emit_bytes_left: u64,
}

impl HandlerState {
    fn new(work: &Work<'_>, log: Arc<JobLog>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(size(work.limits.resources));
        Self {
            host: Arc::clone(&work.host),
            table,
            wasi: wasi::context(work.job, &log),
            log,
            ceiling: Ceiling::new(&work.limits),
            emits_left: work.limits.emit_count,
            emit_bytes_left: work.limits.emit_bytes,
        }
    }

    /// One more thing said to the customer.
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

impl HandlerTier {
    /// Has a guest that lives for this call alone do the work. The wall time is outside of everything, so it also cuts the wait for a place
    /// and whatever the host does for the guest; when it is up, or when the caller drops this future, the store goes and the guest with it.
    pub(crate) async fn run<T, F>(
        &self,
        work: Work<'_>,
        call: impl FnOnce(Store<HandlerState>) -> F,
    ) -> (Result<T, Fault>, Cost)
    where
        F: Future<Output = Result<T>>,
    {
        let wall = Duration::from_millis(work.limits.wall_ms);
        let log = Arc::new(JobLog::new(Arc::clone(&work.host), work.limits.log_bytes));
        let meter = Arc::new(Meter::default());
        let value = tokio::time::timeout(wall, async {
            let _place = self.admission.enter(work.guest).await;
            let store = self.store(&work, &log, &meter);
            // On the heap: whoever waits for a place shall not hold the room for a call as well.
            meter.time(&self.ticker, Box::pin(call(store))).await.map_err(|error| fault_of(&error))
        })
        .await
        .unwrap_or(Err(Fault::Wall));
        log.flush();
        (value, Cost::CpuUs(meter.micros()))
    }

    fn store(&self, work: &Work<'_>, log: &Arc<JobLog>, meter: &Arc<Meter>) -> Store<HandlerState> {
        let limits = &work.limits;
        let mut store = Store::new(&self.engine, HandlerState::new(work, Arc::clone(log)));
        store.limiter(|state| &mut state.ceiling);
        store.set_hostcall_fuel(size(limits.hostcall_bytes));
        store.set_max_component_handles(size(limits.resources));
        store.set_epoch_deadline(1);
        let (cpu, meter) = (Duration::from_millis(limits.cpu_ms), Arc::clone(meter));
        store.epoch_deadline_callback(move |_| {
            if meter.is_over(cpu) {
                return Err(Fault::Cpu.into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}
