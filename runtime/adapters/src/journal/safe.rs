//! Where the text of confidential jobs is kept: sealed with a key of the node (XChaCha20-Poly1305), each under its job's id, so that no
//! text can be put in another's place.

use super::seal;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use pylon_core::JobId;
use rand::TryRngCore;

const NONCE_BYTES: usize = 24;

/// The keys to the texts, or none: then they are neither kept nor read.
#[derive(Clone, Default)]
pub struct Safe(Option<Keys>);

#[derive(Clone)]
struct Keys {
    cipher: XChaCha20Poly1305,
    seals: seal::Key,
}

impl Safe {
    /// With this key, which must not be used for anything else.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Some(Keys { cipher: XChaCha20Poly1305::new(Key::from_slice(key)), seals: seal::key(key) }))
    }

    /// What decisions are sealed with.
    pub(super) fn seals(&self) -> Option<&seal::Key> {
        self.0.as_ref().map(|keys| &keys.seals)
    }

    /// `None` without a key.
    pub(super) fn seal(&self, job: JobId, text: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        let Some(Keys { cipher, .. }) = &self.0 else { return Ok(None) };
        let failed = |why: String| rusqlite::Error::ToSqlConversionFailure(why.into());
        let mut sealed = vec![0; NONCE_BYTES];
        rand::rngs::OsRng.try_fill_bytes(&mut sealed).map_err(|error| failed(error.to_string()))?;
        let payload = Payload { msg: text, aad: job.as_bytes() };
        let text = cipher.encrypt(XNonce::from_slice(&sealed), payload).map_err(|_| failed("a text cannot be sealed".into()))?;
        sealed.extend(text);
        Ok(Some(sealed))
    }

    /// `None` without the key that sealed it.
    pub(super) fn open(&self, job: JobId, sealed: &[u8]) -> Option<Vec<u8>> {
        let Keys { cipher, .. } = self.0.as_ref()?;
        let text = sealed
            .split_at_checked(NONCE_BYTES)
            .and_then(|(nonce, text)| cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: job.as_bytes() }).ok());
        if text.is_none() {
            tracing::error!(job = %job.short(), "its text was sealed with another identity and cannot be read: bring that identity back");
        }
        text
    }
}

impl std::fmt::Debug for Safe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "Safe(…)" } else { "Safe(no key)" })
    }
}
