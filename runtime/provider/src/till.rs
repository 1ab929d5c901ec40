//! Watches the wallet. Its stream is a hint that makes things quick; what is right comes from looking up every open invoice again and again.

use super::Shared;
use super::registry;
use futures::StreamExt;
use pylon_core::PaymentHash;
use pylon_core::machine::Event;
use pylon_core::payment::InvoiceState;
use pylon_core::ports::payments::{Wallet, WalletError};
use pylon_core::rows::OpenInvoice;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at the open invoices.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Invoices looked up at once.
const AT_ONCE: usize = 8;
/// A wallet that takes longer has not answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn run(shared: Arc<Shared>, wallet: Arc<dyn Wallet>) {
    let mut receipts = wallet.receipts();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            Some(receipt) = receipts.next() => match shared.journal.job_of_payment(receipt.payment_hash) {
                Ok(Some(job)) => {
                    let payment_hash = receipt.payment_hash;
                    look_up(&shared, &*wallet, OpenInvoice { job, payment_hash, cancelled: false }).await;
                }
                Ok(None) => tracing::warn!("the wallet was paid for something that no job asked for, or not yet"),
                Err(error) => tracing::error!(%error, "a payment waits for the journal"),
            },
            _ = tick.tick() => look_at_all(&shared, &*wallet).await,
        }
    }
}

async fn look_at_all(shared: &Arc<Shared>, wallet: &dyn Wallet) {
    match shared.journal.open_invoices() {
        Ok(open) => {
            let looks = futures::stream::iter(open).map(|invoice| look_up(shared, wallet, invoice));
            looks.buffer_unordered(AT_ONCE).collect::<()>().await;
        }
        Err(error) => tracing::error!(%error, "cannot look for open invoices"),
    }
}

/// Asks the wallet what became of an invoice, and tells the job.
async fn look_up(shared: &Arc<Shared>, wallet: &dyn Wallet, invoice: OpenInvoice) {
    match outcome(wallet, invoice.payment_hash).await {
        None => {}
        // What waits to be paid is no news.
        Some(Event::InvoiceOpen(_)) if !invoice.cancelled => {}
        Some(event) => registry::tell(shared, invoice.job, event.into()).await,
    }
}

/// What has become of an invoice that was just claimed or released, unless that is to be tried again at the next look.
pub(super) async fn aftermath(wallet: &dyn Wallet, hash: PaymentHash) -> Option<Event> {
    outcome(wallet, hash)
        .await
        .filter(|event| !matches!(event, Event::Held(..) | Event::InvoiceOpen(_)))
}

/// What the wallet says of an invoice.
async fn outcome(wallet: &dyn Wallet, hash: PaymentHash) -> Option<Event> {
    match answered(wallet.look_up(hash)).await {
        Ok(InvoiceState::Settled(amount)) => Some(Event::Paid(hash, amount)),
        Ok(InvoiceState::Held(amount)) => Some(Event::Held(hash, amount)),
        Ok(InvoiceState::Closed) => Some(Event::InvoiceExpired(hash)),
        Ok(InvoiceState::Open) => Some(Event::InvoiceOpen(hash)),
        // Not an answer: it is asked again.
        Err(error) => {
            tracing::warn!(%error, "an invoice cannot be looked up");
            None
        }
    }
}

/// What the wallet says, unless it says nothing for too long.
pub(super) async fn answered<T>(
    question: impl Future<Output = Result<T, WalletError>>,
) -> Result<T, WalletError> {
    let silent = |_| Err(WalletError::Unknown(format!("silent for {} s", ANSWER_WITHIN.as_secs())));
    tokio::time::timeout(ANSWER_WITHIN, question).await.unwrap_or_else(silent)
}
