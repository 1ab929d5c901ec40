//! The ledger: the customer's balance, the earnings and every invoice. Pure bookkeeping without
//! keys, clock or subscribers.

use super::payment::{Paid, PayError};
use pylon_core::payment::{Invoice, InvoiceRequest, InvoiceState};
use pylon_core::ports::payments::WalletError;
use pylon_core::{Msat, PaymentHash, UnixTime};
use std::collections::HashMap;

/// More than any demo needs.
const INVOICES_MAX: usize = 100_000;

pub(super) struct Ledger {
    pub(super) customer_balance: Msat,
    pub(super) earned: Msat,
    by_id: HashMap<String, PaymentHash>,
    entries: HashMap<PaymentHash, LedgerEntry>,
}

struct LedgerEntry {
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

impl Ledger {
    pub(super) fn new(customer_balance: Msat) -> Self {
        Self {
            customer_balance,
            earned: Msat::ZERO,
            by_id: HashMap::new(),
            entries: HashMap::new(),
        }
    }

    /// The existing invoice for this request. One id cannot be used for two requests.
    pub(super) fn find(&self, request: &InvoiceRequest) -> Result<Option<Invoice>, WalletError> {
        match self.by_id.get(&request.id).and_then(|hash| self.entries.get(hash)) {
            Some(entry) if entry.request == *request => Ok(Some(entry.invoice.clone())),
            Some(_) => Err(refused("this id is used for another request")),
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
            return Err(refused("too many invoices"));
        }
        let hash = invoice.payment_hash;
        self.by_id.insert(request.id.clone(), hash);
        self.entries.insert(hash, LedgerEntry { request, invoice, preimage, state: State::Open });
        Ok(())
    }

    pub(super) fn pay(&mut self, hash: PaymentHash, amount: Msat) -> Result<Paid, PayError> {
        let entry = self.entries.get_mut(&hash).ok_or(PayError::NotOurs)?;
        match entry.state {
            State::Open => {}
            State::Held(_) | State::Settled(_) => return Err(PayError::AlreadyPaid),
            State::Released => return Err(PayError::NotPayable),
        }
        if amount > self.customer_balance {
            return Err(PayError::InsufficientFunds(self.customer_balance));
        }
        self.customer_balance = self.customer_balance.saturating_sub(amount);
        if entry.request.hold {
            entry.state = State::Held(amount);
            return Ok(Paid::Held);
        }
        entry.state = State::Settled(amount);
        self.earned = self.earned.saturating_add(amount);
        Ok(Paid::Settled(entry.preimage))
    }

    /// An unknown invoice can no longer be paid: it is from an earlier run, whose money is gone.
    pub(super) fn look_up(&self, hash: PaymentHash, now: UnixTime) -> InvoiceState {
        match self.entries.get(&hash) {
            Some(LedgerEntry { state: State::Open, invoice, .. }) if invoice.expires_at >= now => {
                InvoiceState::Open
            }
            Some(LedgerEntry { state: State::Held(amount), .. }) => InvoiceState::Held(*amount),
            Some(LedgerEntry { state: State::Settled(amount), .. }) => {
                InvoiceState::Settled(*amount)
            }
            Some(LedgerEntry { state: State::Open | State::Released, .. }) | None => {
                InvoiceState::Closed
            }
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
            State::Held(amount) => {
                self.customer_balance = self.customer_balance.saturating_add(amount)
            }
            State::Open | State::Released => {}
            State::Settled(_) => return Err(refused("a settled payment cannot be released")),
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
