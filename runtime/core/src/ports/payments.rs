//! A wallet that receives. It never spends.

use crate::PaymentHash;
use crate::payment::{Invoice, InvoiceRequest, InvoiceState, Receipt, WalletCapabilities};
use async_trait::async_trait;
use futures::stream::BoxStream;

/// Why a wallet call failed, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The outcome is unknown: look it up, or repeat the call with the same id.
    #[error("the wallet does not answer: {0}")]
    Unknown(String),
    /// It was not done and will not be.
    #[error("the wallet refuses: {0}")]
    Refused(String),
}

/// Creates invoices and tracks them.
#[async_trait]
pub trait Wallet: Send + Sync {
    /// What it can do now.
    fn capabilities(&self) -> WalletCapabilities;

    /// Creates an invoice, or returns the one created for this id before.
    async fn invoice(&self, request: InvoiceRequest) -> Result<Invoice, WalletError>;

    /// The state of an invoice.
    async fn look_up(&self, hash: PaymentHash) -> Result<InvoiceState, WalletError>;

    /// Settles a held payment.
    async fn claim(&self, hash: PaymentHash) -> Result<(), WalletError>;

    /// Cancels an invoice: a held payment is returned, an open invoice can no longer be paid.
    async fn release(&self, hash: PaymentHash) -> Result<(), WalletError>;

    /// Every payment from now on. The stream may lose, repeat and reorder payments.
    fn receipts(&self) -> BoxStream<'static, Receipt>;
}
