//! Where the text of confidential jobs is kept: sealed with a key of the node (XChaCha20-Poly1305), each under its job's id, so that no
//! text can be put in another's place.

use super::seal;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use pylon_core::JobId;
use pylon_core::decision::WITHHELD;
use rand::TryRngCore;
use sha2::Sha256;

const NONCE_BYTES: usize = 24;

/// The keys to the texts, or none: then they are neither kept nor read.
#[derive(Clone, Default)]
pub struct Safe(Option<Keys>);

#[derive(Clone)]
struct Keys {
    cipher: XChaCha20Poly1305,
    seals: seal::Key,
    /// HMAC-SHA-256 under a key that was made of the cipher's.
    digests: Hmac<Sha256>,
}

impl Safe {
    /// With this key, which must not be used for anything else.
    pub fn new(key: &[u8; 32]) -> Self {
        let own = |purpose: &[u8]| {
            let mut own = hmac(*key);
            own.update(purpose);
            hmac(own.finalize().into_bytes().into())
        };
        Self(Some(Keys {
            cipher: XChaCha20Poly1305::new(Key::from_slice(key)),
            seals: own(b"seals"),
            digests: own(b"digests"),
        }))
    }

    /// What decisions are sealed with.
    pub(super) fn seals(&self) -> Option<&seal::Key> {
        self.0.as_ref().map(|keys| &keys.seals)
    }

    /// Stands for a text of this job. Who has a copy of the database and guesses the text cannot tell; without a key, nobody can.
    pub(super) fn digest(&self, job: JobId, text: &str) -> String {
        let Some(Keys { digests, .. }) = &self.0 else { return WITHHELD.into() };
        let mut mac = digests.clone();
        mac.update(job.as_bytes());
        mac.update(text.as_bytes());
        format!("hmac-sha256:{}", hex::encode(mac.finalize().into_bytes()))
    }

    /// `None` without a key.
    pub(super) fn seal(&self, job: JobId, text: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        let Some(Keys { cipher, .. }) = &self.0 else { return Ok(None) };
        let failed = |why: String| rusqlite::Error::ToSqlConversionFailure(why.into());
        let mut sealed = vec![0; NONCE_BYTES];
        rand::rngs::OsRng.try_fill_bytes(&mut sealed).map_err(|error| failed(error.to_string()))?;
        let payload = Payload { msg: text, aad: job.as_bytes() };
        let text = cipher
            .encrypt(XNonce::from_slice(&sealed), payload)
            .map_err(|_| failed("a text cannot be sealed".into()))?;
        sealed.extend(text);
        Ok(Some(sealed))
    }

    /// `None` without the key that sealed it.
    pub(super) fn open(&self, job: JobId, sealed: &[u8]) -> Option<Vec<u8>> {
        let Keys { cipher, .. } = self.0.as_ref()?;
        let text = sealed.split_at_checked(NONCE_BYTES).and_then(|(nonce, text)| {
            cipher
                .decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: job.as_bytes() })
                .ok()
        });
        if text.is_none() {
            tracing::error!(job = %job.short(), "its text was sealed with another identity and cannot be read: bring that identity back");
        }
        text
    }
}

fn hmac(key: [u8; 32]) -> Hmac<Sha256> {
    // Its key is a block of its hash, filled up with zeroes.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = byte);
    <Hmac<Sha256> as Mac>::new(&block.into())
}

impl std::fmt::Debug for Safe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "Safe(…)" } else { "Safe(no key)" })
    }
}
