//! Play money, for the demo and for tests: real BOLT-11 strings, signatures and preimages, and nothing of worth. It opens
//! only on relays of this machine, so that no stranger is ever paid with it. Nothing survives the program.

mod books;
mod mint;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use books::Books;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use mint::Mint;
use pylon_core::decision::Terms;
use pylon_core::payment::{Invoice, InvoiceRequest, InvoiceState, Receipt, WalletCapabilities};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::payments::{Wallet, WalletError};
use pylon_core::{Msat, PaymentHash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use url::{Host, Url};

/// One invoice: a thousandth of a bitcoin.
const RECEIVABLE_MAX: Msat = Msat::new(100_000_000);
/// A slow listener loses receipts, which are only hints.
const RECEIPTS_MAX: usize = 1024;

/// What a payment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// It arrived; the preimage proves it.
    Settled([u8; 32]),
    /// It is locked until the provider claims or releases it.
    Held,
}

/// Why a payment did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// No BOLT-11 string with a valid signature.
    #[error("the invoice cannot be read: {0}")]
    Unreadable(String),
    /// Real money, or another bank's.
    #[error("not an invoice of this play-money bank")]
    NotOurs,
    /// Too late.
    #[error("the invoice has expired or was withdrawn")]
    Gone,
    /// Once is enough.
    #[error("the invoice is already paid")]
    AlreadyPaid,
    /// Less than asked for.
    #[error("the invoice asks for {0}")]
    TooLittle(Msat),
    /// More than there is.
    #[error("the balance is {0}")]
    Poor(Msat),
}

/// Both sides of the counter: a wallet for the provider and a purse for the customer.
#[derive(Clone)]
pub struct PlayBank(Arc<Bank>);

struct Bank {
    mint: Mint,
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
    receipts: broadcast::Sender<Receipt>,
}

impl PlayBank {
    /// Opens with so much in the customer's purse, unless one of the relays is on another machine.
    pub fn open(
        relays: &[String],
        purse: Msat,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WalletError> {
        if let Some(far) = relays.iter().find(|relay| !is_loopback(relay)) {
            return Err(WalletError::Refused(format!(
                "play money stays on this machine, and relay {far} is not on it"
            )));
        }
        let (receipts, _) = broadcast::channel(RECEIPTS_MAX);
        Ok(Self(Arc::new(Bank {
            mint: Mint::new(),
            clock,
            books: Mutex::new(Books::new(purse)),
            receipts,
        })))
    }

    /// The provider's wallet.
    pub fn wallet(&self) -> PlayWallet {
        PlayWallet(self.0.clone())
    }

    /// Pays an invoice as the customer, exactly.
    pub fn pay(&self, bolt11: &str) -> Result<Paid, PayError> {
        self.settle(bolt11, None)
    }

    /// Pays an invoice as the customer, with at least what it asks for.
    pub fn pay_amount(&self, bolt11: &str, amount: Msat) -> Result<Paid, PayError> {
        self.settle(bolt11, Some(amount))
    }

    /// What the customer has left.
    pub fn purse(&self) -> Msat {
        self.0.books().purse
    }

    /// What the provider has earned.
    pub fn earned(&self) -> Msat {
        self.0.books().earned
    }

    /// The customer's proof of a payment, once the provider has taken it.
    pub fn preimage(&self, hash: PaymentHash) -> Option<[u8; 32]> {
        self.0.books().preimage(hash)
    }

    fn settle(&self, bolt11: &str, amount: Option<Msat>) -> Result<Paid, PayError> {
        let now = self.0.clock.now();
        let asked = self.0.mint.read(bolt11)?;
        if asked.expires_at < now {
            return Err(PayError::Gone);
        }
        let amount = amount.unwrap_or(asked.amount);
        if amount < asked.amount {
            return Err(PayError::TooLittle(asked.amount));
        }
        let paid = self.0.books().pay(asked.payment_hash, amount)?;
        self.0.announce(asked.payment_hash);
        Ok(paid)
    }
}

impl Bank {
    /// The books are whole between two calls, also after a panic in a test.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, payment_hash: PaymentHash) {
        // Nobody listening is fine.
        let _ = self.receipts.send(Receipt { payment_hash });
    }
}

/// The provider's side.
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
        let mut books = self.0.books();
        if let Some(known) = books.find(&request)? {
            return Ok(known);
        }
        let (invoice, preimage) = self.0.mint.issue(&request, now)?;
        books.enter(request, invoice.clone(), preimage)?;
        Ok(invoice)
    }

    async fn look_up(&self, hash: PaymentHash) -> Result<InvoiceState, WalletError> {
        Ok(self.0.books().look_up(hash, self.0.clock.now()))
    }

    async fn claim(&self, hash: PaymentHash) -> Result<(), WalletError> {
        self.0.books().claim(hash)?;
        self.0.announce(hash);
        Ok(())
    }

    async fn release(&self, hash: PaymentHash) -> Result<(), WalletError> {
        self.0.books().release(hash)
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
