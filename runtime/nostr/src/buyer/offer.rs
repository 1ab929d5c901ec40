//! What a provider wants for a job: the amount in its message, checked against its invoice.

use crate::nip90::{Delivered, Feedback};
use lightning_invoice::{Bolt11Invoice, Currency};
use nostr_sdk::Url;
use pylon_core::units::ago;
use pylon_core::{Msat, UnixTime};
use std::fmt;
use std::net::IpAddr;

/// The network on which a customer pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network(Currency);

impl Network {
    /// Bitcoin, or regtest if all relays are on this machine: play money is never paid elsewhere.
    pub fn expected_on(relays: &[String]) -> Self {
        let is_local = !relays.is_empty() && relays.iter().all(|relay| is_loopback(relay));
        Self(if is_local { Currency::Regtest } else { Currency::Bitcoin })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Currency::Bitcoin => "bitcoin",
            Currency::BitcoinTestnet => "testnet",
            Currency::Regtest => "regtest",
            Currency::Simnet => "simnet",
            Currency::Signet => "signet",
        })
    }
}

/// The amount due, its invoice, and why it must not be paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The amount in the message of the provider.
    pub amount: Option<Msat>,
    /// The BOLT-11 invoice.
    pub bolt11: Option<String>,
    /// The first problem.
    pub problem: Option<OfferProblem>,
}

/// Why an offer must not be paid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferProblem {
    /// The tag has no number.
    #[error("the amount due is not a number: ask the provider before you pay")]
    Amount,
    /// Not an invoice, or its signature or payee is wrong.
    #[error("the invoice is not valid ({0}): do not pay it")]
    Unreadable(String),
    /// Another network than the customer's.
    #[error("the invoice is for {found}, not for {expected}: do not pay it")]
    Network {
        /// The invoice's.
        found: Network,
        /// The customer's.
        expected: Network,
    },
    /// The payer would choose the amount.
    #[error("the invoice names no amount: do not pay it")]
    NoAmount,
    /// The message and its invoice differ.
    #[error("the invoice is for {invoice}, not for {message}: do not pay it")]
    OtherAmount {
        /// The invoice's.
        invoice: Msat,
        /// The message's.
        message: Msat,
    },
    /// The invoice can no longer be paid.
    #[error("the invoice expired {} ago", ago(*.0))]
    Expired(u64),
}

impl Offer {
    /// The offer in feedback.
    pub fn of_feedback(feedback: &Feedback, network: &Network, now: UnixTime) -> Self {
        Self::check(feedback.due.as_ref(), feedback.amount_invalid, network, now)
    }

    /// The offer in a result.
    pub fn of_result(result: &Delivered, network: &Network, now: UnixTime) -> Self {
        Self::check(result.due.as_ref(), result.amount_invalid, network, now)
    }

    fn check(
        due: Option<&(Msat, Option<String>)>,
        amount_invalid: bool,
        network: &Network,
        now: UnixTime,
    ) -> Self {
        let Some((amount, bolt11)) = due else {
            let problem = amount_invalid.then_some(OfferProblem::Amount);
            return Self { problem, ..Self::default() };
        };
        let problem = bolt11.as_deref().and_then(|text| problem(text, *amount, network, now));
        Self { amount: Some(*amount), bolt11: bolt11.clone(), problem }
    }

    /// Is its invoice free of problems? `None` without an invoice.
    pub fn is_invoice_valid(&self) -> Option<bool> {
        self.bolt11.as_ref().map(|_| self.problem.is_none())
    }
}

/// The library has checked the signature, and the payee if the invoice names it.
fn problem(bolt11: &str, amount: Msat, network: &Network, now: UnixTime) -> Option<OfferProblem> {
    let invoice: Bolt11Invoice = match bolt11.parse() {
        Ok(invoice) => invoice,
        Err(error) => return Some(OfferProblem::Unreadable(error.to_string())),
    };
    let found = Network(invoice.currency());
    if found != *network {
        return Some(OfferProblem::Network { found, expected: network.clone() });
    }
    match invoice.amount_milli_satoshis().map(Msat::new) {
        None => return Some(OfferProblem::NoAmount),
        Some(invoice) if invoice != amount => {
            return Some(OfferProblem::OtherAmount { invoice, message: amount });
        }
        Some(_) => {}
    }
    let expires_at = UnixTime::new(invoice.expires_at().map_or(u64::MAX, |at| at.as_secs()));
    (expires_at < now).then(|| OfferProblem::Expired(now.since(expires_at)))
}

fn is_loopback(relay: &str) -> bool {
    let Ok(url) = Url::parse(relay) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::{Hash as _, sha256};
    use bitcoin::secp256k1::{Secp256k1, SecretKey};
    use lightning_invoice::{InvoiceBuilder, PaymentSecret};
    use std::time::Duration;

    const ISSUED_AT: u64 = 1_700_000_000;

    /// An invoice that expires after a minute. With `payee`, it names that key's owner as payee.
    fn invoice(currency: Currency, msat: Option<u64>, payee: Option<SecretKey>) -> String {
        let (secp, key) = (Secp256k1::new(), SecretKey::from_slice(&[7; 32]).unwrap());
        let builder = InvoiceBuilder::new(currency)
            .description("a job".into())
            .payment_hash(sha256::Hash::from_byte_array([1; 32]))
            .payment_secret(PaymentSecret([2; 32]))
            .duration_since_epoch(Duration::from_secs(ISSUED_AT))
            .min_final_cltv_expiry_delta(18)
            .expiry_time(Duration::from_secs(60));
        let builder =
            if let Some(msat) = msat { builder.amount_milli_satoshis(msat) } else { builder };
        let builder = if let Some(payee) = payee {
            builder.payee_pub_key(payee.public_key(&secp))
        } else {
            builder
        };
        let raw = builder.build_raw().unwrap();
        let sign = |digest: &_| Ok::<_, ()>(secp.sign_ecdsa_recoverable(digest, &key));
        raw.sign(sign).unwrap().to_string()
    }

    /// Goal: only an invoice of exactly the amount in the message, for the customer's network, is
    /// free of problems. Method: such a one, then one change per row.
    #[test]
    fn invoice_must_match_the_message() {
        let good = invoice(Currency::Regtest, Some(1000), None);
        let other = SecretKey::from_slice(&[8; 32]).unwrap();
        let mut typo = good.clone();
        typo.replace_range(40..41, if &typo[40..41] == "q" { "p" } else { "q" });
        for (bolt11, msat, at, expected) in [
            (good.clone(), 1000, 59, None),
            (good.to_uppercase(), 1000, 0, None),
            (good.clone(), 999, 0, Some("is for 1000 msat, not for 999 msat")),
            (good, 1000, 3660, Some("expired 1 hours ago")),
            (typo, 1000, 0, Some("is not valid")),
            (String::new(), 1000, 0, Some("is not valid")),
            ("lnbc1".repeat(2000), 1000, 0, Some("is not valid")),
            (invoice(Currency::Regtest, None, None), 1000, 0, Some("names no amount")),
            (
                invoice(Currency::Bitcoin, Some(1000), None),
                1000,
                0,
                Some("is for bitcoin, not for regtest"),
            ),
            (invoice(Currency::BitcoinTestnet, Some(1000), None), 1000, 0, Some("is for testnet")),
            (invoice(Currency::Regtest, Some(1000), Some(other)), 1000, 0, Some("is not valid")),
        ] {
            let due = (Msat::new(msat), Some(bolt11.clone()));
            let now = UnixTime::new(ISSUED_AT + at);
            let local = Network::expected_on(&["ws://127.0.0.1:7777".into()]);
            let offer = Offer::check(Some(&due), false, &local, now);
            let problem = offer.problem.as_ref().map(ToString::to_string);
            assert!(
                match (&problem, expected) {
                    (Some(problem), Some(part)) => problem.contains(part),
                    (None, None) => true,
                    _ => false,
                },
                "{bolt11}: {problem:?}, expected {expected:?}"
            );
            assert_eq!(offer.is_invoice_valid(), Some(expected.is_none()), "{bolt11}");
        }
        let none = Offer::check(None, true, &Network(Currency::Bitcoin), UnixTime::new(0));
        assert_eq!((none.problem, none.bolt11), (Some(OfferProblem::Amount), None));
    }

    /// Goal: play money is expected only if nobody on another machine could send it. Method: lists
    /// of relays.
    #[test]
    fn regtest_is_expected_only_on_this_machine() {
        for (relays, expected) in [
            (&["ws://127.0.0.1:1", "ws://localhost", "ws://[::1]:7"][..], "regtest"),
            (&["ws://127.0.0.1:1", "wss://relay.example"], "bitcoin"),
            (&["wss://127.0.0.1.example"], "bitcoin"),
            (&[], "bitcoin"),
        ] {
            let relays: Vec<_> = relays.iter().map(ToString::to_string).collect();
            assert_eq!(Network::expected_on(&relays).to_string(), expected, "{relays:?}");
        }
    }
}
