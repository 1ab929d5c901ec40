//! Encryption between two keys: NIP-44, and NIP-04 for requests that use it. The answer uses the
//! same scheme as the request.
//!
//! A confidential request has the tag `encrypted`, and its content is the encrypted JSON array of
//! its other tags. The answers have the tag `encrypted` and encrypted content, too, in the form
//! that other customers read: for feedback a JSON array of the tags `["status", status, message]`
//! and `["content", text]`; for a result only the text. The attributes of a result, which are
//! `["result", key, value]` tags otherwise, are in one tag: `["result", "encrypted", <encrypted
//! JSON array of [key, value]>]`.

use super::tags::{name, tag};
use nostr_sdk::nips::{nip04, nip44};
use nostr_sdk::{Event, Keys, PublicKey, Tag};
use pylon_core::work::Attribute;

/// Text of one event: the maximum that every NIP-44 library accepts.
const TEXT_BYTES_MAX: usize = 65_408;
/// The bytes that NIP-44 adds before base64: version, nonce, length, authentication.
const NIP44_FRAME_BYTES: usize = 67;
/// The vector with its parameter name, and a whole block of padding.
const NIP04_FRAME_BYTES: usize = 28 + 24;
/// Encrypted text of others that is decrypted.
const ENCRYPTED_BYTES_MAX: usize = 1024 * 1024;

/// The encryption scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The old scheme: read and answered, but never used first by us.
    Nip04,
    /// NIP-44 version 2.
    Nip44,
}

impl Encryption {
    /// The scheme of an encrypted text. Only NIP-04 contains a `?`.
    pub fn of(encrypted: &str) -> Self {
        if encrypted.contains("?iv=") { Self::Nip04 } else { Self::Nip44 }
    }

    /// The scheme of a request.
    pub fn of_request(origin: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Request {
            content: String,
        }
        serde_json::from_str::<Request>(origin)
            .map_or(Self::Nip44, |request| Self::of(&request.content))
    }

    /// Encrypts. Errors are those of the library: the text is empty or too long, or a key is
    /// invalid.
    pub fn encrypt(self, ours: &Keys, theirs: &PublicKey, text: &str) -> Result<String, String> {
        match self {
            Self::Nip04 => {
                nip04::encrypt(ours.secret_key(), theirs, text).map_err(|error| error.to_string())
            }
            Self::Nip44 => {
                let version = nip44::Version::V2;
                nip44::encrypt(ours.secret_key(), theirs, text, version)
                    .map_err(|error| error.to_string())
            }
        }
    }

    /// Bytes of text that certainly fit into this many encrypted bytes.
    pub const fn text_bytes(self, encrypted_bytes: usize) -> usize {
        let raw = encrypted_bytes / 4 * 3;
        let text = match self {
            Self::Nip04 => raw.saturating_sub(NIP04_FRAME_BYTES),
            // Padding adds up to a quarter of the text, at least 32 bytes.
            Self::Nip44 => raw.saturating_sub(NIP44_FRAME_BYTES + 32) / 5 * 4,
        };
        if text < TEXT_BYTES_MAX { text } else { TEXT_BYTES_MAX }
    }
}

/// Decrypts. The error goes to the sender and contains nothing of the text.
pub(super) fn decrypt(ours: &Keys, theirs: &PublicKey, encrypted: &str) -> Result<String, String> {
    if encrypted.len() > ENCRYPTED_BYTES_MAX {
        return Err(format!(
            "encrypted: {} bytes, {ENCRYPTED_BYTES_MAX} are allowed",
            encrypted.len()
        ));
    }
    let text = match Encryption::of(encrypted) {
        Encryption::Nip04 => nip04::decrypt(ours.secret_key(), theirs, encrypted).ok(),
        Encryption::Nip44 => nip44::decrypt(ours.secret_key(), theirs, encrypted).ok(),
    };
    text.ok_or_else(|| "encrypted, but not to this key with NIP-04 or NIP-44".into())
}

/// Does the event have the tag `encrypted`?
pub fn is_encrypted(event: &Event) -> bool {
    event
        .tags
        .iter()
        .any(|tag| tag.as_slice().first().is_some_and(|first| first == name::ENCRYPTED))
}

/// The tags in the content of a confidential request.
pub(super) fn hidden_tags(event: &Event, ours: &Keys) -> Result<Vec<Vec<String>>, String> {
    let text = decrypt(ours, &event.pubkey, &event.content)?;
    serde_json::from_str(&text)
        .map_err(|_| "encrypted, but the content is not a JSON array of tags".into())
}

/// The name of the attribute that contains all attributes of a confidential result.
pub(super) const ENCRYPTED_ATTRIBUTES: &str = "encrypted";

/// All attributes of a confidential result as one text, to be encrypted.
pub(super) fn attributes_to_text(attributes: &[Attribute]) -> String {
    let pairs: Vec<_> = attributes.iter().map(|fact| (&fact.name, &fact.value)).collect();
    serde_json::json!(pairs).to_string()
}

/// Parses it; an invalid text has no attributes.
pub(super) fn attributes_of_text(text: &str) -> Vec<Attribute> {
    let pairs = serde_json::from_str::<Vec<(String, String)>>(text).unwrap_or_default();
    pairs.into_iter().map(|(name, value)| Attribute { name, value }).collect()
}

/// The content of confidential feedback, to be encrypted.
pub(super) fn feedback_to_text(status: &Tag, text: &str) -> String {
    let content = tag(name::CONTENT, [text]);
    let tags: Vec<_> = [status, &content]
        .into_iter()
        .take(if text.is_empty() { 1 } else { 2 })
        .map(Tag::as_slice)
        .collect();
    serde_json::json!(tags).to_string()
}

/// The message and the content of confidential feedback. A text that is not a list of tags is the
/// content.
pub(super) fn feedback_of_text(text: String) -> (String, String) {
    let Ok(tags) = serde_json::from_str::<Vec<Vec<String>>>(&text) else {
        return (String::new(), text);
    };
    let (mut message, mut content) = (String::new(), String::new());
    for tag in tags {
        match tag.as_slice() {
            [first, value, ..] if first == name::CONTENT => content.clone_from(value),
            [first, _, more, ..] if first == name::STATUS => message.clone_from(more),
            _ => {}
        }
    }
    (message, content)
}
