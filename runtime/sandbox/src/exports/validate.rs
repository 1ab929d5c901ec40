//! Validation that several interfaces share.

use pylon_core::Msat;
use pylon_core::decision::Refusal;
use pylon_core::guest::Fault;

/// Upper limit of notes, reasons and messages.
const MESSAGE_BYTES_MAX: usize = 4096;
/// 21 million bitcoin.
pub(super) const SUPPLY_MSAT: u64 = 21_000_000 * 100_000_000 * 1000;

pub(super) fn ensure(is_valid: bool) -> Result<(), Fault> {
    if is_valid { Ok(()) } else { Err(Fault::InvalidOutput) }
}

pub(super) fn is_message(text: &str) -> bool {
    text.len() <= MESSAGE_BYTES_MAX
}

/// The amount is not more than the total supply.
pub(super) fn is_amount(amount: Msat) -> bool {
    amount.get() <= SUPPLY_MSAT
}

pub(super) fn refusal(refusal: &Refusal) -> Result<(), Fault> {
    match refusal {
        Refusal::Unsupported(text)
        | Refusal::Invalid(text)
        | Refusal::Other(text)
        | Refusal::InvalidSetting(text) => ensure(is_message(text)),
        Refusal::BidTooLow(price) => ensure(is_amount(*price)),
        Refusal::NoBackend | Refusal::Busy(_) | Refusal::Blocked => Ok(()),
    }
}
