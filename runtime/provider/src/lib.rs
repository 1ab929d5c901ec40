//! The provider drives jobs: it takes requests from the market, runs them, and delivers and charges
//! their results. It knows ports and pure decisions, and no concrete adapter.
//!
//! Each job has a task that owns its row. Whatever happens to the job is delivered to the task as
//! an event, applied by the pure machine, committed, and only then acted on. Tasks share the
//! scheduler, the capacity and the outbox, and no state of a job.

mod admission;
mod backend;
mod backends;
mod bus;
mod capacity;
mod config;
mod delivery;
mod delivery_queue;
mod envelope;
mod executor;
mod inputs;
mod intake;
mod job_task;
mod outbox;
mod panics;
mod payments;
mod recorder;
mod refusals;
mod registry;
mod relay_refusals;
mod review;
mod scheduler;
mod withdrawals;

pub use backends::{BackendRegistry, Preference};
pub use bus::{Bus, JobStep, NodeEvent};
pub use config::Config;
pub use executor::LocalExecutor;
pub use panics::{Panicked, catch, catch_in_job, current_job};
pub use review::Drainer;
pub use scheduler::WorkQueue;

use admission::Admission;
use capacity::Capacity;
use delivery::DeliveryWorker;
use envelope::Envelope;
use inputs::InputFetcher;
use intake::JobIntake;
use job_task::Services;
use outbox::Outbox;
use panics::supervise;
use payments::Payments;
use pylon_core::machine::Event;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::decision_observer::DecisionObserver;
use pylon_core::ports::executor::Executor;
use pylon_core::ports::guests::GuestSets;
use pylon_core::ports::inputs::Inputs;
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::ports::market::Market;
use pylon_core::ports::payments::Wallet;
use pylon_core::{JobId, UnixTime};
use recorder::JobRecorder;
use refusals::Refusals;
use registry::Registry;
use scheduler::Scheduler;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the provider works with.
pub struct Ports {
    /// Where jobs come from and results go.
    pub market: Arc<dyn Market>,
    /// Durable storage.
    pub journal: Arc<dyn Journal>,
    /// Policies and handlers.
    pub guests: Arc<dyn GuestSets>,
    /// Is notified of every decision.
    pub observer: Arc<dyn DecisionObserver>,
    /// Runs the attempts.
    pub executor: Arc<dyn Executor>,
    /// Without one, jobs are free.
    pub wallet: Option<Arc<dyn Wallet>>,
    /// Fetches inputs that a request only refers to.
    pub inputs: Arc<dyn Inputs>,
    /// The candidates for routing.
    pub backends: Arc<BackendRegistry>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A running provider.
pub struct Provider {
    recorder: Arc<JobRecorder>,
    scheduler: Arc<Scheduler>,
    capacity: Arc<Capacity>,
    registry: Arc<Registry>,
    closing: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Provider {
    /// Resumes the jobs of the journal, then takes requests from the market.
    pub fn start(ports: Ports, config: &Config, bus: Bus) -> Result<Self, JournalError> {
        let Ports { market, journal, guests, observer, executor, wallet, inputs, backends, clock } =
            ports;
        let (outbox, outgoing) = Outbox::new();
        let recorder = Arc::new(JobRecorder {
            journal: Arc::clone(&journal),
            market: Arc::clone(&market),
            clock: Arc::clone(&clock),
            observer,
            bus,
            outbox: Arc::clone(&outbox),
            stopped: CancellationToken::new(),
        });
        let scheduler = Scheduler::new(config.limits(), Arc::clone(&clock));
        let capacity = Capacity::new(config.capacity());
        let inputs = Arc::new(InputFetcher { inputs, journal: Arc::clone(&journal) });
        let payments =
            Arc::new(Payments { wallet, journal: Arc::clone(&journal), clock: Arc::clone(&clock) });
        let services = Arc::new(Services {
            recorder: Arc::clone(&recorder),
            scheduler: Arc::clone(&scheduler),
            inputs: Arc::clone(&inputs),
            payments: Arc::clone(&payments),
            executor,
        });
        let registry = Registry::new(services, Arc::clone(&guests), Arc::clone(&capacity));
        for job in journal.unfinished()? {
            registry.resume(job);
        }
        let intake = JobIntake {
            recorder: Arc::clone(&recorder),
            payments: Arc::clone(&payments),
            refusals: Refusals::new(Arc::clone(&recorder), Arc::clone(&payments)),
            capacity: Arc::clone(&capacity),
            registry: Arc::clone(&registry),
            admission: Arc::new(Admission {
                recorder: Arc::clone(&recorder),
                guests,
                backends,
                inputs,
                payments: Arc::clone(&payments),
                scheduler: Arc::clone(&scheduler),
            }),
            withdrawn: Arc::default(),
        };
        let delivery = Arc::new(DeliveryWorker {
            market,
            journal,
            clock,
            outbox,
            registry: Arc::clone(&registry),
        });
        let (outgoing, closing) = (Arc::new(Mutex::new(outgoing)), CancellationToken::new());
        let (until, paid) = (closing.clone(), Arc::clone(&registry));
        let deliver = move || Arc::clone(&delivery).run(Arc::clone(&outgoing));
        let take_requests = move || intake.clone().run(until.clone());
        let watch = move || watch_payments(Arc::clone(&payments), Arc::clone(&paid));
        let journaling = Arc::clone(&recorder);
        let record_refusals = move || relay_refusals::record(Arc::clone(&journaling));
        let tasks = vec![
            tokio::spawn(supervise("delivery", deliver)),
            tokio::spawn(supervise("intake", take_requests)),
            tokio::spawn(supervise("payments", watch)),
            tokio::spawn(supervise("relay refusals", record_refusals)),
        ];
        Ok(Self { recorder, scheduler, capacity, registry, closing, tasks })
    }

    /// Applies other settings. Jobs that run or wait are kept, also above the new limits.
    pub fn apply(&self, config: &Config) {
        self.scheduler.set_limits(config.limits());
        self.capacity.resize(config.capacity());
    }

    /// The queue for workers.
    pub fn work_queue(&self) -> WorkQueue {
        WorkQueue(Arc::clone(&self.scheduler))
    }

    /// Ends jobs whose guests were replaced.
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.registry))
    }

    /// Accepts or rejects a result that waits for the operator.
    pub async fn review(&self, job: JobId, accept: bool, now: UnixTime) -> anyhow::Result<()> {
        review::review(&*self.recorder.journal, &self.registry, job, accept, now).await
    }

    /// Takes no further requests, and waits within the timeout for running jobs to end and for
    /// messages to be sent. The journal has what is left.
    pub async fn stop(self, drain_timeout: Duration) {
        self.closing.cancel();
        self.scheduler.close();
        let _ = tokio::time::timeout(drain_timeout, async {
            self.scheduler.drained().await;
            self.recorder.outbox.drained().await;
        })
        .await;
        self.recorder.stopped.cancel();
        self.registry.close_all();
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

async fn watch_payments(payments: Arc<Payments>, registry: Arc<Registry>) {
    let deliver = |job, event: Event| {
        let registry = &registry;
        async move { registry.deliver(job, Envelope::from(event)).await }
    };
    payments.watch(deliver).await;
}
