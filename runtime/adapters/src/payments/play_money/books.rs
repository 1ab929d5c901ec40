//! Who has what: the purse, the earnings and every invoice. Pure bookkeeping: no keys, no clock, no listeners.

use super::{Paid, PayError};
use pylon_core::payment::{Invoice, InvoiceRequest, InvoiceState};
use pylon_core::ports::payments::WalletError;
use pylon_core::{Msat, PaymentHash, UnixTime};
use std::collections::HashMap;

/// A demo that needs more has become something else.
const INVOICES_MAX: usize = 100_000;

pub(super) struct Books {
    pub(super) purse: Msat,
    pub(super) earned: Msat,
    by_id: HashMap<String, PaymentHash>,
    entries: HashMap<PaymentHash, Entry>,
}

struct Entry {
    request: InvoiceRequest,
    invoice: Invoice,
    preimage: [u8; 32],
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Open,
    Held(Msat),
    Settled(Msat),
    Released,
}

impl Books {
    pub(super) fn new(purse: Msat) -> Self {
        Self { purse, earned: Msat::ZERO, by_id: HashMap::new(), entries: HashMap::new() }
    }

    /// The invoice made for this request before. One id cannot ask for two things.
    pub(super) fn find(&self, request: &InvoiceRequest) -> Result<Option<Invoice>, WalletError> {
        match self.by_id.get(&request.id).and_then(|hash| self.entries.get(hash)) {
            Some(entry) if entry.request == *request => Ok(Some(entry.invoice.clone())),
            Some(_) => Err(refused("this id has asked for something else")),
            None => Ok(None),
        }
    }

    pub(super) fn enter(
        &mut self,
        request: InvoiceRequest,
        invoice: Invoice,
        preimage: [u8; 32],
    ) -> Result<(), WalletError> {
        if self.entries.len() >= INVOICES_MAX {
            return Err(refused("the books are full"));
        }
        let hash = invoice.payment_hash;
        self.by_id.insert(request.id.clone(), hash);
        self.entries.insert(hash, Entry { request, invoice, preimage, state: State::Open });
        Ok(())
    }

    pub(super) fn pay(&mut self, hash: PaymentHash, amount: Msat) -> Result<Paid, PayError> {
        let entry = self.entries.get_mut(&hash).ok_or(PayError::NotOurs)?;
        match entry.state {
            State::Open => {}
            State::Held(_) | State::Settled(_) => return Err(PayError::AlreadyPaid),
            State::Released => return Err(PayError::Gone),
        }
        if amount > self.purse {
            return Err(PayError::Poor(self.purse));
        }
        self.purse = self.purse.saturating_sub(amount);
        if entry.request.hold {
            entry.state = State::Held(amount);
            return Ok(Paid::Held);
        }
        entry.state = State::Settled(amount);
        self.earned = self.earned.saturating_add(amount);
        Ok(Paid::Settled(entry.preimage))
    }

    /// What nobody here remembers can no longer be paid: the money of an earlier run went with it.
    pub(super) fn look_up(&self, hash: PaymentHash, now: UnixTime) -> InvoiceState {
        match self.entries.get(&hash) {
            Some(Entry { state: State::Open, invoice, .. }) if invoice.expires_at >= now => {
                InvoiceState::Open
            }
            Some(Entry { state: State::Held(amount), .. }) => InvoiceState::Held(*amount),
            Some(Entry { state: State::Settled(amount), .. }) => InvoiceState::Settled(*amount),
            Some(Entry { state: State::Open | State::Released, .. }) | None => InvoiceState::Closed,
        }
    }

    pub(super) fn claim(&mut self, hash: PaymentHash) -> Result<(), WalletError> {
        let entry = self.entries.get_mut(&hash).ok_or_else(|| refused("no such invoice"))?;
        match entry.state {
            State::Held(amount) => {
                entry.state = State::Settled(amount);
                self.earned = self.earned.saturating_add(amount);
                Ok(())
            }
            State::Settled(_) => Ok(()),
            State::Open | State::Released => Err(refused("nothing is held for this invoice")),
        }
    }

    pub(super) fn release(&mut self, hash: PaymentHash) -> Result<(), WalletError> {
        let entry = self.entries.get_mut(&hash).ok_or_else(|| refused("no such invoice"))?;
        match entry.state {
            State::Held(amount) => self.purse = self.purse.saturating_add(amount),
            State::Open | State::Released => {}
            State::Settled(_) => return Err(refused("what is settled is kept")),
        }
        entry.state = State::Released;
        Ok(())
    }

    pub(super) fn preimage(&self, hash: PaymentHash) -> Option<[u8; 32]> {
        self.entries
            .get(&hash)
            .filter(|entry| matches!(entry.state, State::Settled(_)))
            .map(|entry| entry.preimage)
    }
}

fn refused(why: &str) -> WalletError {
    WalletError::Refused(why.to_owned())
}
