//! The provider: takes what the market brings through the way of one job. It knows ports and pure decisions, no concrete part.
//!
//! Each live job is one task that owns its row: whatever happens to the job comes to it as a note, is stepped by the pure machine,
//! committed, and only then acted on. Nothing but the line for a worker is shared between jobs.

mod admit;
mod attempt;
mod backends;
mod bus;
mod commit;
mod config;
mod errands;
mod gather;
mod generation;
mod intake;
mod line;
mod listener;
mod live;
mod outbox;
mod places;
mod record;
mod registry;
mod review;
mod till;

pub use backends::{Backends, Preference};
pub use bus::{Bus, Observation, Step};
pub use config::Config;
pub use review::Drainer;

use line::Line;
use outbox::Outbox;
use places::Places;
use pylon_core::PublicKey;
use pylon_core::payment::WalletCapabilities;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::decision_observer::DecisionObserver;
use pylon_core::ports::guests::GuestSets;
use pylon_core::ports::inputs::Inputs;
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::ports::market::Market;
use pylon_core::ports::payments::Wallet;
use pylon_core::refusal_limit::RefusalRateLimiter;
use pylon_core::rows::{DecisionContext, DecisionRow, Row};
use registry::Registry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The world, as the provider knows it.
pub struct Ports {
    /// Where jobs come from.
    pub market: Arc<dyn Market>,
    /// What must not be forgotten.
    pub journal: Arc<dyn Journal>,
    /// Who decides and who does the work.
    pub guests: Arc<dyn GuestSets>,
    /// Who hears of what they decide.
    pub observer: Arc<dyn DecisionObserver>,
    /// Without one, jobs are free.
    pub wallet: Option<Arc<dyn Wallet>>,
    /// What the customer only pointed to.
    pub inputs: Arc<dyn Inputs>,
    /// Who generates text.
    pub backends: Arc<Backends>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Bytes of input of one job, fetched or not.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// What every part of the provider shares.
struct Shared {
    market: Arc<dyn Market>,
    journal: Arc<dyn Journal>,
    guests: Arc<dyn GuestSets>,
    observer: Arc<dyn DecisionObserver>,
    wallet: Option<Arc<dyn Wallet>>,
    inputs: Arc<dyn Inputs>,
    clock: Arc<dyn Clock>,
    backends: Arc<Backends>,
    bus: Bus,
    line: Arc<Line>,
    outbox: Outbox,
    registry: Registry,
    places: Arc<Places>,
    refusal_limiter: Mutex<RefusalRateLimiter>,
    /// Taken while a refusal is written.
    refusals: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Shared {
    fn capabilities(&self) -> WalletCapabilities {
        self.wallet.as_ref().map_or_else(WalletCapabilities::none, |wallet| wallet.capabilities())
    }

    /// No stranger: has paid us lately. Where nobody can pay, nobody is one.
    fn has_paid(&self, customer: PublicKey) -> bool {
        let history = || self.journal.customer_history(customer, self.clock.now());
        self.wallet.is_none() || history().is_ok_and(|history| !history.recent_paid.is_zero())
    }

    /// The decisions among these rows are written.
    fn decided(&self, rows: &[Row], about: DecisionContext<'_>) {
        for row in rows {
            if let Row::Decision(decision) = row {
                let DecisionRow { job, guest, function, output, wall_us: micros, .. } = &**decision;
                let (job, fault) = (job.short(), output.as_ref().err());
                tracing::debug!(
                    job,
                    guest = guest.name.as_str(),
                    %function,
                    micros,
                    ?fault,
                    "a guest was asked"
                );
                self.observer.on_decision(decision, about);
            }
        }
    }

    fn refusal_limiter(&self) -> MutexGuard<'_, RefusalRateLimiter> {
        self.refusal_limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider at work.
pub struct Provider {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Provider {
    /// Goes on with what the journal holds, then takes what the market brings.
    pub fn start(ports: Ports, config: &Config, bus: Bus) -> Result<Self, JournalError> {
        let closing = CancellationToken::new();
        let (outbox, outbox_queue) = Outbox::new();
        let shared = Arc::new(Shared {
            market: ports.market,
            journal: ports.journal,
            guests: ports.guests,
            observer: ports.observer,
            wallet: ports.wallet,
            inputs: ports.inputs,
            backends: ports.backends,
            bus,
            line: Line::new(config.limits(), Arc::clone(&ports.clock)),
            clock: ports.clock,
            outbox,
            registry: Registry::default(),
            places: Places::new(config.capacity()),
            refusal_limiter: Mutex::default(),
            refusals: Arc::new(Semaphore::new(admit::REFUSALS)),
            closing: closing.clone(),
        });
        for state in shared.journal.unfinished()? {
            registry::resume(&shared, state);
        }
        let mut tasks = vec![
            tokio::spawn(outbox::run(Arc::clone(&shared), outbox_queue)),
            tokio::spawn(intake::run(Arc::clone(&shared))),
        ];
        if let Some(wallet) = shared.wallet.clone() {
            tasks.push(tokio::spawn(till::run(Arc::clone(&shared), wallet)));
        }
        Ok(Self { shared, tasks })
    }

    /// Works by these from now on. What is at work or waits stays, even where there are more than there may be.
    pub fn set(&self, config: &Config) {
        self.shared.line.limit(config.limits());
        self.shared.places.resize(config.capacity());
    }

    /// Takes nothing new, lets what is at work end within the deadline, and sends what waits. What is not done then is in the journal.
    pub async fn stop(self, deadline: Duration) {
        self.shared.closing.cancel();
        self.shared.line.close();
        let _ = tokio::time::timeout(deadline, async {
            self.shared.line.drained().await;
            self.shared.outbox.drained().await;
        })
        .await;
        self.shared.registry.close();
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}
