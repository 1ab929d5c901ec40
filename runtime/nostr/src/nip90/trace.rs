//! The job and the status of an event, for trace logs. Nothing confidential is in them.

use super::protocol::{DELETION_KIND, FEEDBACK_KIND, REQUEST_KINDS};
use super::tags::name;
use nostr_sdk::Event;

/// The id of the job that the event is about; empty if there is none.
pub fn job_id_of(event: &Event) -> String {
    if REQUEST_KINDS.contains(&event.kind.as_u16()) {
        event.id.to_hex()
    } else {
        value(event, name::EVENT).to_owned()
    }
}

/// The status of NIP-90, or another word for events without one.
pub fn status_of(event: &Event) -> &str {
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
