//! Everything that calls the wallet. The stream of receipts is a hint that makes payments fast; the
//! states of invoices come from regular lookups.

use crate::panics::{catch, catch_in_job};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use pylon_core::backoff::Backoff;
use pylon_core::machine::Event;
use pylon_core::payment::{Invoice, InvoiceRequest, InvoiceState, Receipt, WalletCapabilities};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::payments::{Wallet, WalletError};
use pylon_core::rows::OpenInvoice;
use pylon_core::{JobId, PaymentHash, PublicKey};
use std::sync::Arc;
use std::time::Duration;

/// Between two lookups of all open invoices.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(10);
const LOOKUP_CONCURRENCY: usize = 8;
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Of all tries to create an invoice. After that the job fails.
const INVOICE_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two tries.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// A call to the wallet and the event that it leads to; `None`: a later lookup repeats it.
pub(crate) type WalletCall = BoxFuture<'static, Option<Event>>;

/// The wallet of the node. Without one, jobs are free.
pub(crate) struct Payments {
    pub(crate) wallet: Option<Arc<dyn Wallet>>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Payments {
    /// What can be offered to customers now.
    pub(crate) fn capabilities(&self) -> WalletCapabilities {
        self.wallet.as_ref().map_or_else(WalletCapabilities::none, |wallet| wallet.capabilities())
    }

    /// Whether the customer has paid recently. Without a wallet each customer counts as one that
    /// has.
    pub(crate) fn has_paid(&self, customer: PublicKey) -> bool {
        let history = || self.journal.customer_history(customer, self.clock.now());
        self.wallet.is_none() || history().is_ok_and(|history| !history.recent_paid.is_zero())
    }

    /// Creates an invoice.
    pub(crate) fn create_invoice(&self, request: InvoiceRequest) -> WalletCall {
        let wallet = self.wallet.clone();
        let created = async move {
            let Some(wallet) = wallet else { return Some(Event::InvoiceFailed) };
            match with_timeout(INVOICE_TIMEOUT, create_until_answered(&*wallet, &request)).await {
                Ok(invoice) => Some(Event::Invoiced(invoice)),
                Err(error) => {
                    tracing::error!(job = request.id, %error, "no invoice");
                    Some(Event::InvoiceFailed)
                }
            }
        };
        Box::pin(catch(created).map(|event| event.unwrap_or(Some(Event::Panicked))))
    }

    /// Settles a held payment.
    pub(crate) fn settle_hold(&self, hash: PaymentHash) -> WalletCall {
        self.call(hash, "held payment not settled, will retry", move |wallet| wallet.claim(hash))
    }

    /// Cancels an invoice: returns what is held, closes what is open.
    pub(crate) fn cancel_invoice(&self, hash: PaymentHash) -> WalletCall {
        self.call(hash, "invoice not cancelled, will retry", move |wallet| wallet.release(hash))
    }

    /// Calls the wallet about an invoice, and looks up whether it was done.
    fn call<C>(&self, hash: PaymentHash, failure: &'static str, call: C) -> WalletCall
    where
        C: for<'a> FnOnce(&'a dyn Wallet) -> BoxFuture<'a, Result<(), WalletError>>
            + Send
            + 'static,
    {
        let wallet = self.wallet.clone();
        let called = async move {
            let wallet = wallet?;
            if let Err(error) = with_timeout(CALL_TIMEOUT, call(&*wallet)).await {
                tracing::warn!(%error, "{failure}");
            }
            confirm(&*wallet, hash).await
        };
        Box::pin(catch(called).map(|event| event.unwrap_or(None)))
    }

    /// Watches the wallet and reports what happened to the invoices of jobs.
    pub(crate) async fn watch<R, F>(&self, report: R)
    where
        R: Fn(JobId, Event) -> F,
        F: Future<Output = ()>,
    {
        let Some(wallet) = &self.wallet else { return };
        let mut receipts = wallet.receipts();
        let mut tick = tokio::time::interval(LOOKUP_INTERVAL);
        loop {
            let invoices = tokio::select! {
                Some(receipt) = receipts.next() => Vec::from_iter(self.invoice_of(&receipt)),
                _ = tick.tick() => self.journal.open_invoices().unwrap_or_else(|error| {
                    tracing::error!(%error, "cannot read open invoices");
                    Vec::new()
                }),
            };
            let lookups = futures::stream::iter(invoices).map(async |invoice| {
                let looked_up = async {
                    match state_of(&**wallet, invoice.payment_hash).await {
                        None => {}
                        // An invoice that can still be paid is not news.
                        Some(Event::InvoiceOpen(_)) if !invoice.cancelled => {}
                        Some(event) => report(invoice.job, event).await,
                    }
                };
                // The other invoices are looked up nevertheless, and this one with the next tick.
                let _ = catch_in_job(invoice.job, looked_up).await;
            });
            lookups.buffer_unordered(LOOKUP_CONCURRENCY).collect::<()>().await;
        }
    }

    fn invoice_of(&self, receipt: &Receipt) -> Option<OpenInvoice> {
        let payment_hash = receipt.payment_hash;
        match self.journal.job_of_payment(payment_hash) {
            Ok(Some(job)) => Some(OpenInvoice { job, payment_hash, cancelled: false }),
            Ok(None) => {
                tracing::warn!("the wallet reports a payment for an unknown invoice");
                None
            }
            Err(error) => {
                tracing::error!(%error, "cannot find the job of a payment, will retry");
                None
            }
        }
    }
}

/// Repeats the call, which the wallet recognizes by the request's id.
async fn create_until_answered(
    wallet: &dyn Wallet,
    request: &InvoiceRequest,
) -> Result<Invoice, WalletError> {
    let mut backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
    loop {
        match wallet.invoice(request.clone()).await {
            Err(WalletError::Unknown(why)) => {
                tracing::warn!(job = request.id, why, "the wallet does not answer, retrying");
            }
            answer => return answer,
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
}

/// The new state of an invoice that was settled or cancelled, unless it has not changed.
async fn confirm(wallet: &dyn Wallet, hash: PaymentHash) -> Option<Event> {
    state_of(wallet, hash)
        .await
        .filter(|event| !matches!(event, Event::Held(..) | Event::InvoiceOpen(_)))
}

/// The state of an invoice; `None` if the wallet does not answer.
async fn state_of(wallet: &dyn Wallet, hash: PaymentHash) -> Option<Event> {
    match with_timeout(CALL_TIMEOUT, wallet.look_up(hash)).await {
        Ok(InvoiceState::Settled(amount)) => Some(Event::Paid(hash, amount)),
        Ok(InvoiceState::Held(amount)) => Some(Event::Held(hash, amount)),
        Ok(InvoiceState::Closed) => Some(Event::InvoiceExpired(hash)),
        Ok(InvoiceState::Open) => Some(Event::InvoiceOpen(hash)),
        Err(error) => {
            tracing::warn!(%error, "cannot look up an invoice, will retry");
            None
        }
    }
}

/// The wallet's answer within a time limit.
async fn with_timeout<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, WalletError>>,
) -> Result<T, WalletError> {
    let silent = |_| Err(WalletError::Unknown(format!("no answer within {} s", limit.as_secs())));
    tokio::time::timeout(limit, call).await.unwrap_or_else(silent)
}
