//! Invoices and their state in the wallet.

use crate::decision::Terms;
use crate::{Msat, PaymentHash, UnixTime};
use serde::{Deserialize, Serialize};

/// What the wallet can do at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletCapabilities {
    /// Always with `free`.
    pub terms: Vec<Terms>,
    /// The smallest unit of an invoice.
    pub step: Msat,
    /// The largest invoice that can be received.
    pub max_receivable: Msat,
}

impl WalletCapabilities {
    /// The capabilities of a node without a wallet.
    pub fn none() -> Self {
        Self { terms: vec![Terms::Free], step: Msat::new(1), max_receivable: Msat::ZERO }
    }
}

/// An invoice to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceRequest {
    /// Idempotency key: the wallet returns the same invoice for the same id.
    pub id: String,
    /// The exact amount.
    pub amount: Msat,
    /// Shown to the payer.
    pub description: String,
    /// Seconds until the invoice expires.
    pub expiry_seconds: u32,
    /// A hold invoice, settled by [`claim`](crate::ports::payments::Wallet::claim).
    pub hold: bool,
}

/// An invoice that a customer can pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// BOLT-11.
    pub bolt11: String,
    /// Identifies the payment.
    pub payment_hash: PaymentHash,
    /// As requested.
    pub amount: Msat,
    /// After this it cannot be paid.
    pub expires_at: UnixTime,
}

/// The state of an invoice in the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoiceState {
    /// Not paid yet.
    Open,
    /// Paid to a hold invoice, not settled yet.
    Held(Msat),
    /// Settled: the money is ours.
    Settled(Msat),
    /// Expired or cancelled.
    Closed,
}

/// A notification that money arrived. It is a hint: only
/// [`look_up`](crate::ports::payments::Wallet::look_up) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The invoice.
    pub payment_hash: PaymentHash,
}
