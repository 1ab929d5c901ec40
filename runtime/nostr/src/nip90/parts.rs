//! Answers that are larger than a relay takes.
//!
//! Such an answer is cut into parts, each an event of kind 30078 (NIP-78) with these tags, and only then comes the result itself:
//!
//! - `["d", "<job>:<number>"]`, the job's id and the part's number, counted from 1; `["e", <job>]`, `["p", <customer>]`;
//! - `["x", <sha256>]` of its content as published, and `encrypted` if that is encrypted, which it is when the job was confidential.
//!
//! The result's content says so in words, and its tags say it to programs: `["part", <event id>, <sha256>]` for each part in order, and
//! `["whole", <sha256>, <bytes>]` of all their contents as published, one after the other. Who puts them together checks both.

use super::Delivered;
use super::encryption::{self, Encryption, is_encrypted};
use super::tags::{AnswerTag, name, tag};
use nostr_sdk::{Event, EventBuilder, JsonUtil, Keys, Kind, Tag, Timestamp};
use pylon_core::{Digest, JobId, MessageId, UnixTime};

/// Application data (NIP-78).
pub const PART_KIND: u16 = 30_078;
/// What every relay takes that does not say otherwise.
pub const EVENT_BYTES_DEFAULT: usize = 64 * 1024;
/// A relay that says it takes less than this is not believed: nothing could be sent.
pub const EVENT_BYTES_MIN: usize = 16 * 1024;
/// Parts of one answer.
pub const PARTS_MAX: usize = 1024;
/// Bytes of one answer, as a buyer takes it.
pub const WHOLE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Everything about a part but its content.
const PART_FRAME_BYTES: usize = 1024;
/// What is around an event on its way to a relay.
const EVENT_FRAME_BYTES: usize = "[\"EVENT\",]".len();

/// What one event may take, so that each of our relays takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    /// The message that carries the event.
    pub message_bytes: usize,
    /// The event's content.
    pub content_bytes: usize,
}

impl Default for SizeLimit {
    fn default() -> Self {
        Self { message_bytes: EVENT_BYTES_DEFAULT, content_bytes: EVENT_BYTES_DEFAULT }
    }
}

impl SizeLimit {
    /// The smaller of each.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            message_bytes: self.message_bytes.min(other.message_bytes),
            content_bytes: self.content_bytes.min(other.content_bytes),
        }
    }

    /// Is there room for this event?
    pub fn holds(self, event: &Event) -> bool {
        if event.content.len() > self.content_bytes {
            return false;
        }
        // No text grows more than sixfold as JSON: most events need not be written out to know.
        let text: usize =
            event.tags.iter().flat_map(|tag| tag.as_slice()).map(|text| text.len() * 6 + 4).sum();
        event.content.len() * 6 + text + PART_FRAME_BYTES <= self.message_bytes
            || event.as_json().len() + EVENT_FRAME_BYTES <= self.message_bytes
    }

    fn of_part(self) -> usize {
        self.message_bytes.saturating_sub(PART_FRAME_BYTES).min(self.content_bytes)
    }
}

/// What a result says of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Each part's event and the SHA-256 of its content, in order.
    pub list: Vec<(MessageId, Digest)>,
    /// SHA-256 of all contents, one after the other.
    pub whole: Digest,
    /// Their bytes.
    pub bytes: u64,
}

impl Parts {
    /// As long as what [`cut`] would make of this text, without its content.
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

    /// The words for people.
    pub(super) fn notice(&self) -> String {
        let (count, bytes) = (self.list.len(), self.bytes);
        format!(
            "This answer is too large for one event ({bytes} bytes). It is in {count} events of kind {PART_KIND}, which the `part` tags \
             name in order with their SHA-256; the tag `whole` has that of all of it."
        )
    }
}

/// Cuts a text and makes its parts. Not encrypted without a scheme.
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
            Some(scheme) => scheme.seal(keys, customer, piece)?,
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

/// Puts the parts together into the result that names them. The error says what is wrong with which; the keys are the buyer's.
pub fn assemble(mut result: Delivered, events: &[Event], keys: &Keys) -> Result<Delivered, String> {
    let Some(parts) = result.parts.take() else { return Ok(result) };
    let (count, provider) =
        (parts.list.len(), nostr_sdk::PublicKey::from_byte_array(*result.provider.as_bytes()));
    let (mut text, mut whole) = (String::new(), String::new());
    for ((id, digest), number) in parts.list.iter().zip(1_usize..) {
        let wrong = |what: &str| format!("part {number} of {count} {what}");
        let event = events
            .iter()
            .find(|event| event.id.as_bytes() == id.as_bytes())
            .ok_or_else(|| wrong("is missing"))?;
        if event.pubkey != provider || event.kind.as_u16() != PART_KIND {
            return Err(wrong("is not the provider's"));
        }
        if Digest::of(event.content.as_bytes()) != *digest {
            return Err(wrong("is not what the result names"));
        }
        // Before it is kept: a list may name one part again and again.
        if whole.len().saturating_add(event.content.len()) as u64 > parts.bytes {
            return Err(format!("the {count} parts together are larger than the result names"));
        }
        whole.push_str(&event.content);
        match is_encrypted(event) {
            true => text.push_str(
                &encryption::open(keys, &provider, &event.content).map_err(|why| wrong(&why))?,
            ),
            // Only what was encrypted to the customer is surely the provider's answer to it alone.
            false if result.encrypted => return Err(wrong("is not encrypted")),
            false => text.push_str(&event.content),
        }
    }
    if Digest::of(whole.as_bytes()) != parts.whole || whole.len() as u64 != parts.bytes {
        return Err(format!("the {count} parts together are not what the result names"));
    }
    result.content = text;
    Ok(result)
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

/// Cuts between characters so that each piece costs at most so much.
fn pieces(text: &str, most: usize, cost: fn(char) -> usize) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mut spent = 0;
        let end = rest.char_indices().find(|(_, character)| {
            spent += cost(*character);
            spent > most
        });
        // However little room there is, a piece has a character.
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
