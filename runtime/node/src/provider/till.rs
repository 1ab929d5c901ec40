//! Watches the wallet. Its stream is a hint that makes things quick; what is right comes from looking up every open invoice again and again.

use super::Shared;
use super::registry::{self, Note};
use futures::StreamExt;
use pylon_core::machine::{Event, Invoicing, Settlement};
use pylon_core::ports::payments::{InvoiceState, Wallet};
use pylon_core::{JobId, PaymentHash};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at the open invoices.
const LOOK_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(shared: Arc<Shared>, wallet: Arc<dyn Wallet>) {
    let mut receipts = wallet.receipts();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            Some(receipt) = receipts.next() => match shared.journal.job_of_payment(receipt.payment_hash) {
                Ok(Some(state)) => look_up(&shared, &*wallet, state.job.id, receipt.payment_hash).await,
                Ok(None) => tracing::warn!("the wallet was paid for something that no job asked for, or not yet"),
                Err(error) => tracing::error!(%error, "a payment waits for the journal"),
            },
            _ = tick.tick() => look_at_all(&shared, &*wallet).await,
        }
    }
}

async fn look_at_all(shared: &Arc<Shared>, wallet: &dyn Wallet) {
    let jobs = match shared.journal.unfinished() {
        Ok(jobs) => jobs,
        Err(error) => return tracing::error!(%error, "cannot look for open invoices"),
    };
    for state in jobs {
        if state.invoicing == Invoicing::Open
            && matches!(state.settlement, Settlement::Pending | Settlement::Held)
            && let Some(hash) = state.payment_hash()
        {
            look_up(shared, wallet, state.job.id, hash).await;
        }
    }
}

/// Asks the wallet what became of an invoice, and tells the job.
pub(super) async fn look_up(shared: &Arc<Shared>, wallet: &dyn Wallet, job: JobId, hash: PaymentHash) {
    if let Some(event) = outcome(wallet, hash).await {
        registry::tell(shared, job, Note { event, rows: Vec::new() }).await;
    }
}

/// What the wallet says has become of an invoice, if anything has.
pub(super) async fn outcome(wallet: &dyn Wallet, hash: PaymentHash) -> Option<Event> {
    match wallet.look_up(hash).await {
        Ok(InvoiceState::Settled(amount)) => Some(Event::Paid(hash, amount)),
        Ok(InvoiceState::Held(amount)) => Some(Event::Held(hash, amount)),
        Ok(InvoiceState::Gone) => Some(Event::Lapsed(hash)),
        Ok(InvoiceState::Open) => None,
        // Not an answer: it is asked again.
        Err(error) => {
            tracing::warn!(%error, "an invoice cannot be looked up");
            None
        }
    }
}
