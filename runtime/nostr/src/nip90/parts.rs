//! Answers that are larger than the events that relays accept.
//!
//! Such an answer is split into parts, each an event of kind 30078 (NIP-78) with these tags, which
//! are published before the result:
//!
//! - `["d", "<job>:<number>"]`, the job's id and the part's number, counted from 1; `["e", <job>]`,
//!   `["p", <customer>]`;
//! - `["x", <sha256>]` of its content as published, and `encrypted` if that is encrypted, as it is
//!   for a confidential job.
//!
//! The content of the result explains this to people. Its tags are `["part", <event id>, <sha256>]`
//! for each part in order, and `["whole", <sha256>, <bytes>]` of all their contents as published,
//! concatenated. The reader checks both.

use super::encryption::Encryption;
use super::tags::{AnswerTag, name, tag};
use nostr_sdk::{Event, EventBuilder, JsonUtil, Keys, Kind, Tag, Timestamp};
use pylon_core::{Digest, JobId, MessageId, UnixTime};

/// Application data (NIP-78).
pub const PART_KIND: u16 = 30_078;
/// The size that a relay without a declared limit accepts.
pub const EVENT_BYTES_DEFAULT: usize = 64 * 1024;
/// A smaller declared limit is ignored: nothing could be sent.
pub const EVENT_BYTES_MIN: usize = 16 * 1024;
/// A smaller declared number of tags is ignored as well.
pub const EVENT_TAGS_MIN: usize = 32;
/// Parts of one answer.
pub const PARTS_MAX: usize = 1024;
/// Bytes of one answer that a buyer accepts.
pub const WHOLE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The size of a part without its content.
const PART_FRAME_BYTES: usize = 1024;
/// The message around an event.
const EVENT_FRAME_BYTES: usize = "[\"EVENT\",]".len();

/// The maximum size of an event that all of our relays accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    /// Bytes of the message that contains the event.
    pub message_bytes: usize,
    /// Bytes of the event's content.
    pub content_bytes: usize,
    /// Tags of the event.
    pub tags: usize,
}

impl Default for SizeLimit {
    fn default() -> Self {
        Self {
            message_bytes: EVENT_BYTES_DEFAULT,
            content_bytes: EVENT_BYTES_DEFAULT,
            tags: usize::MAX,
        }
    }
}

impl SizeLimit {
    /// The smaller of both limits.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            message_bytes: self.message_bytes.min(other.message_bytes),
            content_bytes: self.content_bytes.min(other.content_bytes),
            tags: self.tags.min(other.tags),
        }
    }

    /// Is this event within the limit?
    pub fn holds(self, event: &Event) -> bool {
        if event.content.len() > self.content_bytes || event.tags.len() > self.tags {
            return false;
        }
        // JSON escapes make a text at most six times longer: most events need not be serialized to
        // know.
        let text: usize =
            event.tags.iter().flat_map(|tag| tag.as_slice()).map(|text| text.len() * 6 + 4).sum();
        event.content.len() * 6 + text + PART_FRAME_BYTES <= self.message_bytes
            || frame_bytes(event) <= self.message_bytes
    }

    fn of_part(self) -> usize {
        self.message_bytes.saturating_sub(PART_FRAME_BYTES).min(self.content_bytes)
    }
}

/// The size of the message that publishes this event.
pub(crate) fn frame_bytes(event: &Event) -> usize {
    event.as_json().len() + EVENT_FRAME_BYTES
}

/// The parts of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The event of each part and the SHA-256 of its content, in order.
    pub list: Vec<(MessageId, Digest)>,
    /// SHA-256 of all contents, concatenated.
    pub whole: Digest,
    /// The bytes of all contents.
    pub bytes: u64,
}

impl Parts {
    /// The list of parts of the same length as [`cut`] gives for this text, without ids and
    /// digests.
    pub(super) fn expected(
        text: &str,
        scheme: Option<Encryption>,
        room: SizeLimit,
    ) -> Result<Self, String> {
        let (nothing, count) = (Digest::of(b""), pieces_of(text, scheme, room)?.len());
        let list = vec![(MessageId::from_bytes([0; 32]), nothing); count];
        Ok(Self { list, whole: nothing, bytes: u64::MAX })
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = Tag> {
        let parts = self.list.iter().map(|(id, digest)| AnswerTag::Part(*id, *digest).to_tag());
        parts.chain([AnswerTag::Whole(self.whole, self.bytes).to_tag()])
    }

    /// The text for people.
    pub(super) fn notice(&self) -> String {
        let (count, bytes) = (self.list.len(), self.bytes);
        format!(
            "This answer is too large for one event ({bytes} bytes). It is in {count} events of kind \
             {PART_KIND}, which the `part` tags list in order with their SHA-256. The tag `whole` \
             contains the SHA-256 of all parts together."
        )
    }
}

/// Splits a text and signs its parts, encrypted if there is a scheme.
pub(super) fn cut(
    text: &str,
    to: (JobId, &nostr_sdk::PublicKey),
    scheme: Option<Encryption>,
    room: SizeLimit,
    now: UnixTime,
    keys: &Keys,
) -> Result<(Vec<Event>, Parts), String> {
    let (job, customer) = to;
    let pieces = pieces_of(text, scheme, room)?;
    let (mut events, mut list, mut whole) =
        (Vec::with_capacity(pieces.len()), Vec::with_capacity(pieces.len()), String::new());
    for (piece, number) in pieces.into_iter().zip(1..) {
        let content = match scheme {
            Some(scheme) => scheme.encrypt(keys, customer, piece)?,
            None => piece.to_owned(),
        };
        let digest = Digest::of(content.as_bytes());
        whole.push_str(&content);
        let mut tags = vec![
            tag("d", [format!("{job}:{number}")]),
            tag(name::EVENT, [job.to_hex()]),
            tag(name::PUBLIC_KEY, [customer.to_hex()]),
            tag("x", [digest.to_hex()]),
        ];
        tags.extend(scheme.map(|_| tag::<[&str; 0]>(name::ENCRYPTED, [])));
        let event =
            EventBuilder::new(Kind::from_u16(PART_KIND), content).tags(tags).allow_self_tagging();
        let event = event.custom_created_at(Timestamp::from_secs(now.get())).sign_with_keys(keys);
        let event = event.map_err(|error| error.to_string())?;
        list.push((MessageId::from_bytes(event.id.to_bytes()), digest));
        events.push(event);
    }
    let parts = Parts { list, whole: Digest::of(whole.as_bytes()), bytes: whole.len() as u64 };
    Ok((events, parts))
}

/// The text of each part.
fn pieces_of(text: &str, scheme: Option<Encryption>, room: SizeLimit) -> Result<Vec<&str>, String> {
    let room = room.of_part();
    let pieces = match scheme {
        Some(scheme) => pieces(text, scheme.text_bytes(room), char::len_utf8),
        None => pieces(text, room, json_bytes),
    };
    match pieces.len() {
        count if count > PARTS_MAX => {
            Err(format!("it would take {count} parts, {PARTS_MAX} are allowed"))
        }
        _ => Ok(pieces),
    }
}

/// Splits between characters so that each piece has at most this cost.
fn pieces(text: &str, most: usize, cost: fn(char) -> usize) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mut spent = 0;
        let end = rest.char_indices().find(|(_, character)| {
            spent += cost(*character);
            spent > most
        });
        // A piece has at least one character, whatever the limit.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at.max(first)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Bytes of a character in a JSON string.
fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}
