//! What a message is about and how that stands, in a word each, for traces: nothing in them was to be read by one side only.

use super::tags::name;
use super::{DELETION_KIND, FEEDBACK_KIND, REQUEST_KINDS};
use nostr_sdk::Event;

/// The job, by the event that asked for it; empty if there is none.
pub fn about(event: &Event) -> String {
    if REQUEST_KINDS.contains(&event.kind.as_u16()) {
        event.id.to_hex()
    } else {
        value(event, name::EVENT).to_owned()
    }
}

/// The word of NIP-90, or what there is instead of one.
pub fn status(event: &Event) -> &str {
    match event.kind.as_u16() {
        kind if REQUEST_KINDS.contains(&kind) => "request",
        DELETION_KIND => "cancel",
        FEEDBACK_KIND => value(event, name::STATUS),
        _ => "result",
    }
}

fn value<'a>(event: &'a Event, wanted: &str) -> &'a str {
    let found = event.tags.iter().find_map(|tag| match tag.as_slice() {
        [name, value, ..] if name == wanted => Some(value.as_str()),
        _ => None,
    });
    found.unwrap_or_default()
}
