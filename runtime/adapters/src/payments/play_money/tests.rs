//! The bank as provider and customer use it, with a clock that the test moves.

use super::*;
use lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescriptionRef, Currency};
use proptest::prelude::*;
use pylon_core::UnixTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;

const START: u64 = 1_790_000_000;
const BALANCE: Msat = Msat::new(1_000_000);
/// An invoice on the main network: the first example of BOLT-11 with an amount.
const MAINNET: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";

struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::new(self.0.load(Ordering::Relaxed))
    }
}

fn open() -> (PlayBank, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock(AtomicU64::new(START)));
    (PlayBank::open(&["ws://127.0.0.1:7777".to_owned()], BALANCE, clock.clone()).unwrap(), clock)
}

fn request(id: &str, msat: u64, hold: bool) -> InvoiceRequest {
    let description = "job 1".to_owned();
    InvoiceRequest {
        id: id.to_owned(),
        amount: Msat::new(msat),
        description,
        expiry_seconds: 600,
        hold,
    }
}

/// A payment moves money once, gives a preimage, is announced, and is reported as settled.
#[tokio::test]
async fn a_payment_settles_once() {
    let (bank, _) = open();
    let wallet = bank.wallet();
    let mut receipts = wallet.receipts();
    let invoice = wallet.invoice(request("a", 21_000, false)).await.unwrap();
    assert!(invoice.bolt11.starts_with("lnbcrt210n1"), "{}", invoice.bolt11);
    assert_eq!(wallet.look_up(invoice.payment_hash).await.unwrap(), InvoiceState::Open);

    let Paid::Settled(preimage) = bank.pay(&invoice.bolt11).unwrap() else { panic!("held") };
    assert_eq!(PaymentHash::of_preimage(&preimage), invoice.payment_hash);
    assert_eq!(bank.preimage(invoice.payment_hash), Some(preimage));
    assert_eq!(
        wallet.look_up(invoice.payment_hash).await.unwrap(),
        InvoiceState::Settled(Msat::new(21_000))
    );
    let receipt = timeout(Duration::from_secs(5), receipts.next()).await.unwrap().unwrap();
    assert_eq!(receipt.payment_hash, invoice.payment_hash);

    assert_eq!(bank.pay(&invoice.bolt11), Err(PayError::AlreadyPaid));
    assert_eq!((bank.customer_balance().get(), bank.earned().get()), (979_000, 21_000));
    assert!(wallet.release(invoice.payment_hash).await.is_err());
}

/// Two requests with one id give one invoice, and an id cannot be used for two different requests.
#[tokio::test]
async fn one_id_is_one_invoice() {
    let (bank, clock) = open();
    let wallet = bank.wallet();
    let first = wallet.invoice(request("a", 5, false)).await.unwrap();
    clock.0.store(START + 60, Ordering::Relaxed);
    assert_eq!(wallet.invoice(request("a", 5, false)).await.unwrap(), first);
    assert!(matches!(wallet.invoice(request("a", 6, false)).await, Err(WalletError::Refused(_))));
    assert_ne!(
        wallet.invoice(request("b", 5, false)).await.unwrap().payment_hash,
        first.payment_hash
    );
}

/// A held payment belongs to no side until it is claimed, and is returned when it is released.
#[tokio::test]
async fn a_hold_is_claimed_or_released() {
    let (bank, _) = open();
    let wallet = bank.wallet();
    let taken = wallet.invoice(request("a", 300, true)).await.unwrap();
    let given_back = wallet.invoice(request("b", 500, true)).await.unwrap();
    assert!(wallet.claim(taken.payment_hash).await.is_err());
    for invoice in [&taken, &given_back] {
        assert_eq!(bank.pay(&invoice.bolt11), Ok(Paid::Held));
        assert_eq!(bank.preimage(invoice.payment_hash), None);
        assert_eq!(bank.pay(&invoice.bolt11), Err(PayError::AlreadyPaid));
    }
    assert_eq!((bank.customer_balance().get(), bank.earned().get()), (999_200, 0));
    assert_eq!(
        wallet.look_up(taken.payment_hash).await.unwrap(),
        InvoiceState::Held(Msat::new(300))
    );

    // Both calls are repeated after a crash and have no effect the second time.
    for _ in 0..2 {
        wallet.claim(taken.payment_hash).await.unwrap();
        wallet.release(given_back.payment_hash).await.unwrap();
    }
    assert!(bank.preimage(taken.payment_hash).is_some());
    assert!(wallet.claim(given_back.payment_hash).await.is_err());
    assert_eq!(wallet.look_up(given_back.payment_hash).await.unwrap(), InvoiceState::Closed);
    assert_eq!(bank.pay(&given_back.bolt11), Err(PayError::NotPayable));
    assert_eq!((bank.customer_balance().get(), bank.earned().get()), (999_700, 300));
}

/// An invoice can be paid until its last second.
#[tokio::test]
async fn an_expired_invoice_cannot_be_paid() {
    let (bank, clock) = open();
    let wallet = bank.wallet();
    let (last, late) = (
        wallet.invoice(request("a", 1, false)).await.unwrap(),
        wallet.invoice(request("b", 1, false)).await.unwrap(),
    );
    assert_eq!(last.expires_at, UnixTime::new(START + 600));
    clock.0.store(START + 600, Ordering::Relaxed);
    assert!(bank.pay(&last.bolt11).is_ok());
    clock.0.store(START + 601, Ordering::Relaxed);
    assert_eq!(bank.pay(&late.bolt11), Err(PayError::NotPayable));
    assert_eq!(wallet.look_up(late.payment_hash).await.unwrap(), InvoiceState::Closed);
    assert!(matches!(wallet.look_up(last.payment_hash).await.unwrap(), InvoiceState::Settled(_)));
}

/// More than the amount may be paid, but not less, and not more than the balance.
#[tokio::test]
async fn the_amount_is_a_minimum() {
    let (bank, _) = open();
    let wallet = bank.wallet();
    let invoice = wallet.invoice(request("a", 1000, false)).await.unwrap();
    assert_eq!(
        bank.pay_amount(&invoice.bolt11, Msat::new(999)),
        Err(PayError::TooLittle(Msat::new(1000)))
    );
    assert_eq!(
        bank.pay_amount(&invoice.bolt11, Msat::new(1_000_001)),
        Err(PayError::InsufficientFunds(BALANCE))
    );
    assert!(bank.pay_amount(&invoice.bolt11, Msat::new(1500)).is_ok());
    assert_eq!(
        wallet.look_up(invoice.payment_hash).await.unwrap(),
        InvoiceState::Settled(Msat::new(1500))
    );
    for msat in [0, RECEIVABLE_MAX.get() + 1] {
        assert!(matches!(
            wallet.invoice(request("x", msat, false)).await,
            Err(WalletError::Refused(_))
        ));
    }
    let long = InvoiceRequest { description: "x".repeat(640), ..request("y", 1, false) };
    assert!(matches!(wallet.invoice(long).await, Err(WalletError::Refused(_))));
}

/// Real money, another bank's invoice and a forged one are refused.
#[tokio::test]
async fn foreign_invoices_are_not_paid() {
    let (bank, _) = open();
    assert_eq!(MAINNET.parse::<Bolt11Invoice>().unwrap().currency(), Currency::Bitcoin);
    assert_eq!(bank.pay(MAINNET), Err(PayError::NotOurs));
    let theirs = open().0.wallet().invoice(request("a", 5, false)).await.unwrap();
    assert_eq!(bank.pay(&theirs.bolt11), Err(PayError::NotOurs));
    let ours = bank.wallet().invoice(request("a", 5, false)).await.unwrap();
    let forged = ours.bolt11.replacen("lnbcrt50p", "lnbcrt10p", 1);
    assert!(matches!(bank.pay(&forged), Err(PayError::Unreadable(_))), "{forged}");
    assert!(matches!(bank.pay("lightning"), Err(PayError::Unreadable(_))));
    assert_eq!(bank.customer_balance(), BALANCE);
    let unknown = PaymentHash::from_bytes([7; 32]);
    assert_eq!(bank.wallet().look_up(unknown).await.unwrap(), InvoiceState::Closed);
}

/// A single remote relay is refused.
#[test]
fn play_money_stays_on_this_machine() {
    let clock = open().1;
    let opens = |relays: &[&str]| {
        let relays: Vec<_> = relays.iter().map(|relay| (*relay).to_owned()).collect();
        PlayBank::open(&relays, BALANCE, clock.clone()).map(|_| ())
    };
    assert!(
        opens(&["ws://127.0.0.1:1", "ws://[::1]:2", "ws://localhost:3/path", "wss://127.9.9.9"])
            .is_ok()
    );
    for far in [
        "wss://relay.example.com",
        "ws://10.0.0.1:1",
        "ws://0.0.0.0:1",
        "ws://localhost.example.com",
        "ws://localhost@example.com",
        "ws://[::ffff:1.2.3.4]:1",
        "http://127.0.0.1",
        "127.0.0.1:7777",
        "",
    ] {
        let error = opens(&["ws://127.0.0.1:1", far]).unwrap_err().to_string();
        assert!(error.contains("stays on this machine"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An invoice contains exactly what was requested.
    #[test]
    fn an_invoice_contains_what_was_requested(
        msat in 1..=RECEIVABLE_MAX.get(),
        expiry in 1..=1_000_000_u32,
        description in "\\PC{0,100}",
        hold: bool,
    ) {
        let (bank, _) = open();
        let asked = InvoiceRequest { description, expiry_seconds: expiry, ..request("a", msat, hold) };
        let made = futures::FutureExt::now_or_never(bank.wallet().invoice(asked.clone())).unwrap().unwrap();
        let read: Bolt11Invoice = made.bolt11.parse().unwrap();
        prop_assert_eq!(read.amount_milli_satoshis(), Some(msat));
        prop_assert_eq!(AsRef::<[u8]>::as_ref(read.payment_hash()), &made.payment_hash.as_bytes()[..]);
        prop_assert_eq!(read.expires_at().unwrap().as_secs(), made.expires_at.get());
        prop_assert_eq!(made.expires_at.get(), START + u64::from(expiry));
        prop_assert_eq!(read.currency(), Currency::Regtest);
        let Bolt11InvoiceDescriptionRef::Direct(description) = read.description() else { panic!("hashed") };
        prop_assert_eq!(&description.as_inner().0, &asked.description);
    }
}
