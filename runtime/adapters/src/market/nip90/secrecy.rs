//! Between two keys and nobody else: NIP-44, and NIP-04 for those who began with it. What was asked in one is answered in the same.
//!
//! A confidential request has the tag `encrypted` and as its content the encrypted JSON array of its other tags. The answer to it has the
//! tag `encrypted` and encrypted content: the text; then, for a result with attributes, the character U+001E and a JSON array of `["result",
//! key, value]` tags, which an open result has among its own (RFC 7464 puts that character before a JSON text). Who does not know this
//! reads the text with a line after it.

use super::AnswerTag;
use super::tags::name;
use nostr_sdk::nips::{nip04, nip44};
use nostr_sdk::{Event, Keys, PublicKey};
use pylon_core::work::Attribute;

/// Stands between the text and its attributes.
const SEPARATOR: char = '\u{1e}';
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
pub enum Scheme {
    /// The old one: still spoken, read and answered, never begun by us.
    Nip04,
    /// Version 2.
    Nip44,
}

impl Scheme {
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
        serde_json::from_str::<Request>(origin).map_or(Self::Nip44, |request| Self::of(&request.content))
    }

    /// Encrypts. An error is the library's word: the text is empty or too long, or a key is none.
    pub fn seal(self, ours: &Keys, theirs: &PublicKey, text: &str) -> Result<String, String> {
        match self {
            Self::Nip04 => nip04::encrypt(ours.secret_key(), theirs, text).map_err(|error| error.to_string()),
            Self::Nip44 => {
                let version = nip44::Version::V2;
                nip44::encrypt(ours.secret_key(), theirs, text, version).map_err(|error| error.to_string())
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
    let text = match Scheme::of(sealed) {
        Scheme::Nip04 => nip04::decrypt(ours.secret_key(), theirs, sealed).ok(),
        Scheme::Nip44 => nip44::decrypt(ours.secret_key(), theirs, sealed).ok(),
    };
    text.ok_or_else(|| "encrypted, and not to this key in NIP-04 or NIP-44".into())
}

/// Has the tag of what is confidential.
pub(super) fn is_encrypted(event: &Event) -> bool {
    event.tags.iter().any(|tag| tag.as_slice().first().is_some_and(|first| first == name::ENCRYPTED))
}

/// The tags in a confidential request's content.
pub(super) fn hidden_tags(event: &Event, ours: &Keys) -> Result<Vec<Vec<String>>, String> {
    let text = open(ours, &event.pubkey, &event.content)?;
    serde_json::from_str(&text).map_err(|_| "encrypted, and in it no JSON array of tags".into())
}

/// The text of a confidential result.
pub(super) fn with_attributes(text: &str, attributes: &[Attribute]) -> String {
    if attributes.is_empty() && !text.contains(SEPARATOR) {
        return text.to_owned();
    }
    let tags: Vec<_> = attributes.iter().map(|fact| AnswerTag::Result(fact.clone()).to_tag()).collect();
    let tags: Vec<_> = tags.iter().map(nostr_sdk::Tag::as_slice).collect();
    format!("{text}\n{SEPARATOR}{}", serde_json::json!(tags))
}

/// The way back.
pub(super) fn without_attributes(text: String) -> (String, Vec<Attribute>) {
    let Some((before, after)) = text.rsplit_once(SEPARATOR) else { return (text, Vec::new()) };
    let Ok(tags) = serde_json::from_str::<Vec<Vec<String>>>(after) else { return (text, Vec::new()) };
    let attributes = tags.iter().filter_map(|tag| match AnswerTag::parse(tag) {
        Some(AnswerTag::Result(fact)) => Some(fact),
        _ => None,
    });
    let attributes = attributes.collect();
    (before.strip_suffix('\n').unwrap_or(before).to_owned(), attributes)
}
