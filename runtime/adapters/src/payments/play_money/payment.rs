//! The result of a payment with play money.

use pylon_core::Msat;

/// The result of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// The payment is settled; the preimage proves it.
    Settled([u8; 32]),
    /// The payment is held until the provider claims or releases it.
    Held,
}

/// Why a payment failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// Not a BOLT-11 invoice with a valid signature.
    #[error("the invoice cannot be read: {0}")]
    Unreadable(String),
    /// Real money, or an invoice of another bank.
    #[error("not an invoice of this play-money bank")]
    NotOurs,
    /// The invoice cannot be paid any more.
    #[error("the invoice has expired or was cancelled")]
    NotPayable,
    /// An invoice is paid once.
    #[error("the invoice is already paid")]
    AlreadyPaid,
    /// Less than the amount of the invoice.
    #[error("the invoice asks for {0}")]
    TooLittle(Msat),
    /// More than the balance.
    #[error("the balance is {0}")]
    InsufficientFunds(Msat),
}
