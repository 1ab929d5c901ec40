//! One call of a handler: a permit, a new store with its limits, the call on a stack of its own,
//! and the CPU time that it used.

use crate::cpu_meter::CpuMeter;
use crate::epoch_ticker::EpochTicker;
use crate::fault::fault_of;
use crate::handler_pool::{Caller, HandlerPool};
use crate::handler_state::HandlerState;
use crate::job_log::JobLog;
use crate::limits::{Limits, size};
use crate::unmetered_host::UnmeteredHost;
use pylon_core::Job;
use pylon_core::guest::{Cost, Fault};
use pylon_core::ports::guests::HandlerHost;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Engine, Result, Store, UpdateDeadline};

/// The engine of all handlers, the permits for its pool, and its clock.
pub(crate) struct HandlerEngine {
    pub(crate) engine: Engine,
    pub(crate) pool: HandlerPool,
    pub(crate) ticker: EpochTicker,
}

/// One attempt at a job.
pub(crate) struct HandlerCall<'a> {
    pub(crate) job: &'a Job,
    pub(crate) limits: Limits,
    pub(crate) host: Arc<dyn HandlerHost>,
    pub(crate) caller: Caller,
}

impl HandlerEngine {
    /// Runs a call in a new store. The wall time limit also covers the wait for a permit and all
    /// host calls. When it is reached, or when the caller drops this future, the store is dropped,
    /// and the guest with it.
    pub(crate) async fn run<T, F>(
        &self,
        call: HandlerCall<'_>,
        function: impl FnOnce(Store<HandlerState>) -> F,
    ) -> (Result<T, Fault>, Cost)
    where
        F: Future<Output = Result<T>>,
    {
        let wall = Duration::from_millis(call.limits.wall_ms);
        let log = Arc::new(JobLog::new(Arc::clone(&call.host), call.limits.log_bytes));
        let meter = Arc::new(CpuMeter::default());
        let value = tokio::time::timeout(wall, async {
            let _permit = self.pool.acquire(call.caller).await;
            let store = self.store(&call, &log, &meter);
            // On the heap, so that a call that waits for a permit stays small.
            let running = Box::pin(function(store));
            meter.time(&self.ticker, running).await.map_err(|error| fault_of(&error))
        })
        .await
        .unwrap_or(Err(Fault::Wall));
        log.flush();
        (value, Cost::CpuUs(meter.cpu_us()))
    }

    fn store(
        &self,
        call: &HandlerCall<'_>,
        log: &Arc<JobLog>,
        meter: &Arc<CpuMeter>,
    ) -> Store<HandlerState> {
        let limits = &call.limits;
        let host = UnmeteredHost::new(Arc::clone(&call.host), Arc::clone(meter));
        let state = HandlerState::new(call.job, limits, Arc::new(host), Arc::clone(log));
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
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
