//! Calls into guests: one file for each WIT interface, with what its answers must not say.

pub(crate) mod description;
pub(crate) mod handler;
pub(crate) mod pricing;
pub(crate) mod routing;
pub(crate) mod verification;

use pylon_core::decision::Refusal;
use pylon_core::guest::Fault;

/// Notes, reasons, words for a customer: whatever is longer is no sentence.
const MAX_WORDS_BYTES: usize = 4096;

/// `Nonsense` unless it holds.
fn sane(holds: bool) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::InvalidOutput) }
}

fn is_sentence(text: &str) -> bool {
    text.len() <= MAX_WORDS_BYTES
}

fn sane_refusal(refusal: &Refusal) -> Result<(), Fault> {
    match refusal {
        Refusal::Unsupported(words) | Refusal::Invalid(words) | Refusal::Other(words) => {
            sane(is_sentence(words))
        }
        Refusal::BidTooLow(price) => sane(pricing::exists(*price)),
        Refusal::NoBackend | Refusal::Busy(_) | Refusal::Blocked => Ok(()),
    }
}
