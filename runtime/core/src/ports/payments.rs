//! A wallet that is paid. It never spends.

use crate::decision::Terms;
use crate::{Msat, PaymentHash, UnixTime};
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

/// What a wallet can do at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Always with `free`.
    pub terms: Vec<Terms>,
    /// The smallest difference between two invoices.
    pub step: Msat,
    /// The largest invoice it can take.
    pub max_receivable: Msat,
}

impl Capabilities {
    /// Of a node without a wallet.
    pub fn none() -> Self {
        Self { terms: vec![Terms::Free], step: Msat::new(1), max_receivable: Msat::ZERO }
    }
}

/// What to ask a customer for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceRequest {
    /// Ours. Asked twice under one id, a wallet answers with one invoice.
    pub id: String,
    /// Exactly this.
    pub amount: Msat,
    /// Shown to the payer.
    pub description: String,
    /// Seconds until it can no longer be paid.
    pub expiry_seconds: u32,
    /// Locked when paid, taken by [`Wallet::claim`].
    pub hold: bool,
}

/// Something a customer can pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// The request itself (BOLT-11).
    pub bolt11: String,
    /// Its name.
    pub payment_hash: PaymentHash,
    /// Exactly as asked.
    pub amount: Msat,
    /// When it can no longer be paid.
    pub expires_at: UnixTime,
}

/// What the wallet knows of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoiceState {
    /// Not paid yet.
    Open,
    /// Locked for us, not ours yet.
    Held(Msat),
    /// Ours.
    Settled(Msat),
    /// Can no longer be paid.
    Gone,
}

/// The wallet has seen money. A hint: what counts is [`Wallet::look_up`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which invoice.
    pub payment_hash: PaymentHash,
}

/// What to do about a wallet that did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// It may have been done or not: look it up or ask again under the same id.
    #[error("the wallet does not answer: {0}")]
    Unknown(String),
    /// It was not done and will not be.
    #[error("the wallet refuses: {0}")]
    Refused(String),
}

/// Invoices, and what became of them.
#[async_trait]
pub trait Wallet: Send + Sync {
    /// What it can do now.
    fn capabilities(&self) -> Capabilities;

    /// Makes an invoice, or finds the one made under this id.
    async fn invoice(&self, request: InvoiceRequest) -> Result<Invoice, WalletError>;

    /// What became of an invoice.
    async fn look_up(&self, hash: PaymentHash) -> Result<InvoiceState, WalletError>;

    /// Takes what is held.
    async fn claim(&self, hash: PaymentHash) -> Result<(), WalletError>;

    /// Gives up an invoice: what is held goes back, what is open can no longer be paid.
    async fn release(&self, hash: PaymentHash) -> Result<(), WalletError>;

    /// Every payment from now on, as the wallet sees it. May lose, repeat and reorder.
    fn receipts(&self) -> BoxStream<'static, Receipt>;
}
