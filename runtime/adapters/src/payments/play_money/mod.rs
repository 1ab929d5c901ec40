//! Play money for the demo and for tests: real BOLT-11 invoices, signatures and preimages without
//! value. It works only with relays on this machine, so that no remote customer is paid with it.
//! Nothing is stored.

mod invoice_signer;
mod ledger;
mod payment;
#[cfg(test)]
mod tests;

pub use payment::{Paid, PayError};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use invoice_signer::InvoiceSigner;
use ledger::Ledger;
use pylon_core::decision::Terms;
use pylon_core::payment::{Invoice, InvoiceRequest, InvoiceState, Receipt, WalletCapabilities};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::payments::{Wallet, WalletError};
use pylon_core::sync::lock;
use pylon_core::{Msat, PaymentHash};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use url::{Host, Url};

/// Amount of one invoice: 0.001 bitcoin.
const RECEIVABLE_MAX: Msat = Msat::new(100_000_000);
/// A slow subscriber loses receipts, which are only hints.
const RECEIPTS_MAX: usize = 1024;

/// A bank with a wallet for the provider and a balance for the customer.
#[derive(Clone)]
pub struct PlayBank(Arc<Bank>);

struct Bank {
    invoice_signer: InvoiceSigner,
    clock: Arc<dyn Clock>,
    ledger: Mutex<Ledger>,
    receipts: broadcast::Sender<Receipt>,
}

impl PlayBank {
    /// Opens a bank with this balance of the customer, unless a relay is on another machine.
    pub fn open(
        relays: &[String],
        customer_balance: Msat,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WalletError> {
        if let Some(far) = relays.iter().find(|relay| !is_loopback(relay)) {
            return Err(WalletError::Refused(format!(
                "play money stays on this machine, and relay {far} is not on it"
            )));
        }
        let (receipts, _) = broadcast::channel(RECEIPTS_MAX);
        Ok(Self(Arc::new(Bank {
            invoice_signer: InvoiceSigner::new(),
            clock,
            ledger: Mutex::new(Ledger::new(customer_balance)),
            receipts,
        })))
    }

    /// The provider's wallet.
    pub fn wallet(&self) -> PlayWallet {
        PlayWallet(self.0.clone())
    }

    /// Pays an invoice as the customer with the exact amount.
    pub fn pay(&self, bolt11: &str) -> Result<Paid, PayError> {
        self.pay_invoice(bolt11, None)
    }

    /// Pays an invoice as the customer with at least its amount.
    pub fn pay_amount(&self, bolt11: &str, amount: Msat) -> Result<Paid, PayError> {
        self.pay_invoice(bolt11, Some(amount))
    }

    /// The balance of the customer.
    pub fn customer_balance(&self) -> Msat {
        self.0.ledger().customer_balance
    }

    /// The earnings of the provider.
    pub fn earned(&self) -> Msat {
        self.0.ledger().earned
    }

    /// The customer's proof of a settled payment.
    pub fn preimage(&self, hash: PaymentHash) -> Option<[u8; 32]> {
        self.0.ledger().preimage(hash)
    }

    fn pay_invoice(&self, bolt11: &str, amount: Option<Msat>) -> Result<Paid, PayError> {
        let now = self.0.clock.now();
        let invoice = self.0.invoice_signer.read(bolt11)?;
        if invoice.expires_at < now {
            return Err(PayError::NotPayable);
        }
        let amount = amount.unwrap_or(invoice.amount);
        if amount < invoice.amount {
            return Err(PayError::TooLittle(invoice.amount));
        }
        let paid = self.0.ledger().pay(invoice.payment_hash, amount)?;
        self.0.announce(invoice.payment_hash);
        Ok(paid)
    }
}

impl Bank {
    /// The ledger is consistent between two calls, also after a panic in a test.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    fn announce(&self, payment_hash: PaymentHash) {
        // There may be no subscriber.
        let _ = self.receipts.send(Receipt { payment_hash });
    }
}

/// The provider's wallet.
#[derive(Clone)]
pub struct PlayWallet(Arc<Bank>);

#[async_trait]
impl Wallet for PlayWallet {
    fn capabilities(&self) -> WalletCapabilities {
        let terms = vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork, Terms::Hold];
        WalletCapabilities { terms, step: Msat::new(1), max_receivable: RECEIVABLE_MAX }
    }

    async fn invoice(&self, request: InvoiceRequest) -> Result<Invoice, WalletError> {
        if request.amount.is_zero() || request.amount > RECEIVABLE_MAX {
            return Err(WalletError::Refused(format!(
                "an invoice is for 1 msat to {RECEIVABLE_MAX}"
            )));
        }
        let now = self.0.clock.now();
        let mut ledger = self.0.ledger();
        if let Some(known) = ledger.find(&request)? {
            return Ok(known);
        }
        let (invoice, preimage) = self.0.invoice_signer.issue(&request, now)?;
        ledger.enter(request, invoice.clone(), preimage)?;
        Ok(invoice)
    }

    async fn look_up(&self, hash: PaymentHash) -> Result<InvoiceState, WalletError> {
        Ok(self.0.ledger().look_up(hash, self.0.clock.now()))
    }

    async fn claim(&self, hash: PaymentHash) -> Result<(), WalletError> {
        self.0.ledger().claim(hash)?;
        self.0.announce(hash);
        Ok(())
    }

    async fn release(&self, hash: PaymentHash) -> Result<(), WalletError> {
        self.0.ledger().release(hash)
    }

    fn receipts(&self) -> BoxStream<'static, Receipt> {
        BroadcastStream::new(self.0.receipts.subscribe())
            .filter_map(|receipt| async { receipt.ok() })
            .boxed()
    }
}

fn is_loopback(relay: &str) -> bool {
    let Ok(url) = Url::parse(relay) else { return false };
    matches!(url.scheme(), "ws" | "wss")
        && match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}
