//! Encrypts the text of confidential jobs with a key of the node (XChaCha20-Poly1305). The job's id
//! is authenticated, so a text cannot be moved to another job.

use crate::mac;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use pylon_core::JobId;
use pylon_core::decision::REDACTED;
use rand::TryRngCore;
use sha2::Sha256;

const NONCE_BYTES: usize = 24;

/// The keys of the journal. Without a key confidential texts are neither stored nor read.
#[derive(Clone, Default)]
pub struct TextCipher(Option<Keys>);

#[derive(Clone)]
struct Keys {
    cipher: XChaCha20Poly1305,
    /// Derived from the cipher's key, as is the next one.
    macs: mac::Key,
    digests: Hmac<Sha256>,
}

impl TextCipher {
    /// Uses this key, which must not be used for any other purpose.
    pub fn new(key: &[u8; 32]) -> Self {
        let derived = |purpose: &[u8]| {
            let mut derived = hmac(*key);
            derived.update(purpose);
            hmac(derived.finalize().into_bytes().into())
        };
        Self(Some(Keys {
            cipher: XChaCha20Poly1305::new(Key::from_slice(key)),
            macs: derived(b"macs"),
            digests: derived(b"digests"),
        }))
    }

    /// The key of the decisions' MACs.
    pub(super) fn mac_key(&self) -> Option<&mac::Key> {
        self.0.as_ref().map(|keys| &keys.macs)
    }

    /// A keyed digest that replaces a text of this job: a guess of the text cannot be confirmed
    /// from a copy of the database. Without a key it is a constant.
    pub(super) fn digest(&self, job: JobId, text: &str) -> String {
        let Some(Keys { digests, .. }) = &self.0 else { return REDACTED.into() };
        let mut mac = digests.clone();
        mac.update(job.as_bytes());
        mac.update(text.as_bytes());
        format!("hmac-sha256:{}", hex::encode(mac.finalize().into_bytes()))
    }

    /// Returns `None` without a key.
    pub(super) fn encrypt(&self, job: JobId, text: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        let Some(Keys { cipher, .. }) = &self.0 else { return Ok(None) };
        let failed = |cause: String| rusqlite::Error::ToSqlConversionFailure(cause.into());
        let mut encrypted = vec![0; NONCE_BYTES];
        rand::rngs::OsRng
            .try_fill_bytes(&mut encrypted)
            .map_err(|error| failed(error.to_string()))?;
        let payload = Payload { msg: text, aad: job.as_bytes() };
        let text = cipher
            .encrypt(XNonce::from_slice(&encrypted), payload)
            .map_err(|_| failed("a text cannot be encrypted".into()))?;
        encrypted.extend(text);
        Ok(Some(encrypted))
    }

    /// Returns `None` without the key that encrypted the text.
    pub(super) fn decrypt(&self, job: JobId, encrypted: &[u8]) -> Option<Vec<u8>> {
        let Keys { cipher, .. } = self.0.as_ref()?;
        let text = encrypted.split_at_checked(NONCE_BYTES).and_then(|(nonce, text)| {
            cipher
                .decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: job.as_bytes() })
                .ok()
        });
        if text.is_none() {
            tracing::error!(
                job = %job.short(),
                "the job's text was encrypted with another identity: restore that identity"
            );
        }
        text
    }
}

fn hmac(key: [u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeroes to the block size of the hash.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = byte);
    <Hmac<Sha256> as Mac>::new(&block.into())
}

impl std::fmt::Debug for TextCipher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "TextCipher(…)" } else { "TextCipher(no key)" })
    }
}
