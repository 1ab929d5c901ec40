//! Makes, signs and reads BOLT-11 invoices like a Lightning node, on regtest.

use super::payment::PayError;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey, SignOnly};
use lightning_invoice::{Bolt11Invoice, Currency, InvoiceBuilder, PaymentSecret};
use pylon_core::payment::{Invoice, InvoiceRequest};
use pylon_core::ports::payments::WalletError;
use pylon_core::{Msat, PaymentHash, UnixTime};
use rand::RngCore as _;
use std::time::Duration;

/// The minimum that BOLT-11 requires.
const FINAL_CLTV_BLOCKS: u64 = 18;

/// The bank's key, new at every start.
pub(super) struct InvoiceSigner {
    secp: Secp256k1<SignOnly>,
    key: SecretKey,
    node: PublicKey,
}

/// The content of an invoice.
pub(super) struct DecodedInvoice {
    pub(super) payment_hash: PaymentHash,
    pub(super) amount: Msat,
    pub(super) expires_at: UnixTime,
}

impl InvoiceSigner {
    pub(super) fn new() -> Self {
        let secp = Secp256k1::signing_only();
        let key = loop {
            // One in 2^128 byte strings is not a valid key.
            if let Ok(key) = SecretKey::from_slice(&random()) {
                break key;
            }
        };
        let node = key.public_key(&secp);
        Self { secp, key, node }
    }

    /// Makes a new invoice and the preimage that settles it.
    pub(super) fn issue(
        &self,
        request: &InvoiceRequest,
        now: UnixTime,
    ) -> Result<(Invoice, [u8; 32]), WalletError> {
        let preimage = random();
        let payment_hash = PaymentHash::of_preimage(&preimage);
        let built = InvoiceBuilder::new(Currency::Regtest)
            .description(request.description.clone())
            .payment_hash(sha256::Hash::from_byte_array(*payment_hash.as_bytes()))
            .payment_secret(PaymentSecret(random()))
            .duration_since_epoch(Duration::from_secs(now.get()))
            .min_final_cltv_expiry_delta(FINAL_CLTV_BLOCKS)
            .amount_milli_satoshis(request.amount.get())
            .expiry_time(Duration::from_secs(request.expiry_seconds.into()))
            .basic_mpp()
            .build_signed(|digest| self.secp.sign_ecdsa_recoverable(digest, &self.key))
            .map_err(|error| WalletError::Refused(format!("an invoice cannot be made: {error}")))?;
        let expires_at = now.plus(request.expiry_seconds.into());
        Ok((
            Invoice { bolt11: built.to_string(), payment_hash, amount: request.amount, expires_at },
            preimage,
        ))
    }

    /// Reads an invoice, if it is signed with our key for our network.
    pub(super) fn read(&self, bolt11: &str) -> Result<DecodedInvoice, PayError> {
        let read: Bolt11Invoice =
            bolt11.parse().map_err(|error| PayError::Unreadable(format!("{error}")))?;
        if read.currency() != Currency::Regtest || read.get_payee_pub_key() != self.node {
            return Err(PayError::NotOurs);
        }
        let amount = read.amount_milli_satoshis().map(Msat::new).ok_or(PayError::NotOurs)?;
        let expires_at = UnixTime::new(read.expires_at().map_or(u64::MAX, |at| at.as_secs()));
        Ok(DecodedInvoice {
            payment_hash: PaymentHash::from_bytes(read.payment_hash().to_byte_array()),
            amount,
            expires_at,
        })
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
