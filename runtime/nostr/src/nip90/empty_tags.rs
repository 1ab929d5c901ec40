//! Events with empty tags, which the library cannot parse. Their authors get an answer, too.

use nostr_sdk::secp256k1::schnorr::Signature;
use nostr_sdk::{Event, EventId, Kind, PublicKey, Tag, Timestamp};
use pylon_core::Digest;
use serde::Deserialize;

/// An event as it is written.
#[derive(Deserialize)]
struct WrittenEvent {
    id: String,
    pubkey: String,
    created_at: u64,
    kind: u16,
    tags: Vec<Vec<String>>,
    content: String,
    sig: Signature,
}

/// The event in this EVENT message of a relay, without its empty tags. `None` if it has none, or if
/// its id is not that of the event as it is written. The signature is not checked.
pub(crate) fn without_empty_tags(message: &str) -> Option<Event> {
    let (label, _, event): (String, String, WrittenEvent) = serde_json::from_str(message).ok()?;
    if label != "EVENT" || !event.tags.iter().any(Vec::is_empty) {
        return None;
    }
    let WrittenEvent { id, pubkey, created_at, kind, tags, content, sig } = event;
    let written = serde_json::to_string(&(0, &pubkey, created_at, kind, &tags, &content)).ok()?;
    if Digest::of(written.as_bytes()).to_hex() != id {
        return None;
    }
    Some(Event::new(
        EventId::from_hex(&id).ok()?,
        PublicKey::from_hex(&pubkey).ok()?,
        Timestamp::from_secs(created_at),
        Kind::from_u16(kind),
        tags.into_iter().filter_map(|tag| Tag::parse(tag).ok()),
        content,
        sig,
    ))
}
