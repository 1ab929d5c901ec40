//! Between two keys and nobody else: NIP-44, and NIP-04 for those who began with it. What was asked in one is answered in the same.
//!
//! A confidential request has the tag `encrypted` and as its content the encrypted JSON array of its other tags. What is said to it has the tag
//! `encrypted`, too, and encrypted content, in the form that other customers read: of feedback a JSON array of tags, `["status", word, words]`
//! and `["content", text]`; of a result the text alone. The attributes of a result, which an open one has as `["result", key, value]` tags,
//! are together in one more tag: `["result", "encrypted", <encrypted JSON array of [key, value]>]`.

use super::tags::{name, tag};
use nostr_sdk::nips::{nip04, nip44};
use nostr_sdk::{Event, Keys, PublicKey, Tag};
use pylon_core::work::Attribute;

/// Text of one event: what every library that speaks NIP-44 takes.
const TEXT_BYTES: usize = 65_408;
/// What NIP-44 adds before its base64: version, nonce, length, authentication.
const NIP44_FRAME_BYTES: usize = 67;
/// The vector and the words around it, and a whole block of padding.
const NIP04_FRAME_BYTES: usize = 28 + 24;
/// Encrypted text of others that is looked at.
const SEALED_BYTES: usize = 1024 * 1024;

/// How a text is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The old one: still spoken, read and answered, never begun by us.
    Nip04,
    /// Version 2.
    Nip44,
}

impl Encryption {
    /// Of an encrypted text. Only the old one has a `?`.
    pub fn of(sealed: &str) -> Self {
        if sealed.contains("?iv=") { Self::Nip04 } else { Self::Nip44 }
    }

    /// Of a request, as it came.
    pub fn of_request(origin: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Request {
            content: String,
        }
        serde_json::from_str::<Request>(origin)
            .map_or(Self::Nip44, |request| Self::of(&request.content))
    }

    /// Encrypts. An error is the library's word: the text is empty or too long, or a key is none.
    pub fn seal(self, ours: &Keys, theirs: &PublicKey, text: &str) -> Result<String, String> {
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

    /// Bytes of text that certainly fit into so many encrypted ones.
    pub const fn text_bytes(self, sealed_bytes: usize) -> usize {
        let raw = sealed_bytes / 4 * 3;
        let text = match self {
            Self::Nip04 => raw.saturating_sub(NIP04_FRAME_BYTES),
            // Padding takes up to a quarter of the text, and never less than 32 bytes.
            Self::Nip44 => raw.saturating_sub(NIP44_FRAME_BYTES + 32) / 5 * 4,
        };
        if text < TEXT_BYTES { text } else { TEXT_BYTES }
    }
}

/// Decrypts. The error is for who sent it, and says nothing of what was in it.
pub(super) fn open(ours: &Keys, theirs: &PublicKey, sealed: &str) -> Result<String, String> {
    if sealed.len() > SEALED_BYTES {
        return Err(format!("encrypted: {} bytes, {SEALED_BYTES} are allowed", sealed.len()));
    }
    let text = match Encryption::of(sealed) {
        Encryption::Nip04 => nip04::decrypt(ours.secret_key(), theirs, sealed).ok(),
        Encryption::Nip44 => nip44::decrypt(ours.secret_key(), theirs, sealed).ok(),
    };
    text.ok_or_else(|| "encrypted, and not to this key in NIP-04 or NIP-44".into())
}

/// Has the tag of what is confidential.
pub fn is_encrypted(event: &Event) -> bool {
    event
        .tags
        .iter()
        .any(|tag| tag.as_slice().first().is_some_and(|first| first == name::ENCRYPTED))
}

/// The tags in a confidential request's content.
pub(super) fn hidden_tags(event: &Event, ours: &Keys) -> Result<Vec<Vec<String>>, String> {
    let text = open(ours, &event.pubkey, &event.content)?;
    serde_json::from_str(&text).map_err(|_| "encrypted, and in it no JSON array of tags".into())
}

/// Under this name a confidential result has all of its attributes.
pub(super) const SEALED_ATTRIBUTES: &str = "encrypted";

/// All attributes of a confidential result in one, to be encrypted.
pub(super) fn attributes_to_text(attributes: &[Attribute]) -> String {
    let pairs: Vec<_> = attributes.iter().map(|fact| (&fact.name, &fact.value)).collect();
    serde_json::json!(pairs).to_string()
}

/// The way back; what is no such list has none.
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

/// Words and content of confidential feedback. What is no list of tags is the content.
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
