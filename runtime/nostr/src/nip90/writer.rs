//! Writes the answers of a provider.

use super::encryption::{self, Encryption};
use super::parts::{self, Parts, SizeLimit};
use super::protocol::{FEEDBACK_KIND, REQUEST_KINDS, RESULT_OFFSET};
use super::tags::{AnswerTag, FeedbackStatus, clipped, input_tag, name, tag};
use nostr_sdk::{Event, EventBuilder, Keys, Kind, Tag, Timestamp};
use pylon_core::guest::GuestRef;
use pylon_core::message::{JobStatus, Message, ReplyTo};
use pylon_core::ports::market::MarketError;
use pylon_core::text::sanitize_line;
use pylon_core::work::{Attribute, Output};
use pylon_core::{Job, Msat, PublicKey, UnixTime};
use std::borrow::Cow;

/// Bytes of an error message.
pub(super) const ERROR_BYTES_MAX: usize = 1000;
/// Feedback expires after this time (NIP-40).
const FEEDBACK_SECONDS: u64 = 3600;
/// The bytes of a result besides its output and its list of parts: the invoice, about 1 KiB, and
/// the guests, about 200 bytes each.
const REST_BYTES: usize = 4096;
/// The tags for these.
const REST_TAGS: usize = 8;
/// The tags of a result besides its attributes and its list of parts.
const FIXED_TAGS: usize = 16;
/// A text grows at most this much: six times as JSON, encrypted once more as JSON, and as base64.
const WRITTEN_BYTES_PER_TEXT_BYTE: usize = 12;

/// The signed events of a message, in the order in which they are published: each must be accepted
/// by the relays before the next is sent. The last one is the answer itself; those before are its
/// [parts](super::parts).
///
/// Confidential answers are [encrypted](super::encryption). An error is final: the message cannot
/// be sent.
pub fn write(
    message: &Message<'_>,
    now: UnixTime,
    keys: &Keys,
    room: SizeLimit,
) -> Result<Vec<Event>, MarketError> {
    let pen = EventWriter { now, keys, room };
    let events = match message {
        Message::Feedback { to, status } => pen.feedback(to, status).map(|event| vec![event]),
        Message::Result { job, output, due, guests } => {
            pen.result(job, output, due.as_ref(), guests)
        }
    };
    events.map_err(MarketError::Unpublishable)
}

/// Could [`write()`] publish this result with any invoice and any guests? Signs at most one event,
/// and none for most results.
pub fn check(
    job: &Job,
    output: &Output,
    now: UnixTime,
    keys: &Keys,
    room: SizeLimit,
) -> Result<(), MarketError> {
    let attributes = &output.attributes;
    let text = output.content.len() + attributes.iter().map(text_bytes).sum::<usize>();
    let tags = FIXED_TAGS.saturating_add(attributes.len());
    if text.saturating_mul(WRITTEN_BYTES_PER_TEXT_BYTE) + REST_BYTES
        < room.content_bytes.min(room.message_bytes)
        && tags <= room.tags
    {
        return Ok(());
    }
    let scheme = job.confidential.then(|| Encryption::of_request(&job.origin));
    let draft = ResultDraft {
        kind: job.kind.saturating_add(RESULT_OFFSET),
        job,
        output,
        due: None,
        guests: &[],
        scheme,
    };
    let pen = EventWriter {
        now,
        keys,
        room: SizeLimit {
            message_bytes: room.message_bytes.saturating_sub(REST_BYTES),
            tags: room.tags.saturating_sub(REST_TAGS),
            ..room
        },
    };
    let checked = pen.in_one(&draft, RequestEcho::Nothing).and_then(|event| match event {
        Some(_) if pen.is_small(&output.content) => Ok(()),
        _ => {
            let parts = Parts::expected(&output.content, scheme, room)?;
            pen.naming(&draft, &parts).map(drop)
        }
    });
    checked.map_err(MarketError::Unpublishable)
}

fn text_bytes(attribute: &Attribute) -> usize {
    attribute.name.len() + attribute.value.len()
}

/// How much of the request a result repeats.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RequestEcho {
    /// The request, and its inputs again.
    RequestAndInputs,
    /// The request, which contains the inputs.
    Request,
    /// Only its id.
    Nothing,
}

struct EventWriter<'a> {
    now: UnixTime,
    keys: &'a Keys,
    room: SizeLimit,
}

impl EventWriter<'_> {
    fn feedback(&self, to: &ReplyTo<'_>, status: &JobStatus) -> Result<Event, String> {
        // An error may quote a model server.
        let error = match status {
            JobStatus::Error(message) => sanitize_line(message),
            _ => String::new(),
        };
        let (status, message, text, due) = match status {
            JobStatus::PaymentRequired { amount, bolt11 } => {
                (FeedbackStatus::PaymentRequired, None, "", Some((*amount, Some(bolt11.clone()))))
            }
            JobStatus::Processing => (FeedbackStatus::Processing, None, "", None),
            JobStatus::Partial(text) => (FeedbackStatus::Partial, None, text.as_str(), None),
            // Some clients show only the content.
            JobStatus::Error(_) => {
                let message = clipped(&error, ERROR_BYTES_MAX);
                (FeedbackStatus::Error, Some(message.to_owned()), message, None)
            }
        };
        let scheme = to.confidential.map(Encryption::of_request);
        let (message, content) = match scheme {
            Some(scheme) => {
                let hidden = encryption::feedback_to_text(
                    &AnswerTag::Status(status, message).to_tag(),
                    text,
                );
                (None, Cow::Owned(scheme.encrypt(self.keys, &key(to.customer), &hidden)?))
            }
            None => (message, Cow::Borrowed(text)),
        };
        let mut tags = vec![AnswerTag::Status(status, message)];
        tags.extend(due.map(|(amount, bolt11)| AnswerTag::Amount(amount, bolt11)));
        tags.extend([AnswerTag::Job(to.job), AnswerTag::Customer(to.customer)]);
        tags.push(AnswerTag::Expiration(self.now.plus(FEEDBACK_SECONDS)));
        tags.extend(scheme.map(|_| AnswerTag::Encrypted));
        let event =
            self.sign(FEEDBACK_KIND, content, tags.iter().map(AnswerTag::to_tag).collect())?;
        if self.room.holds(&event) {
            Ok(event)
        } else {
            Err("it is larger than the relays accept".into())
        }
    }

    fn result(
        &self,
        job: &Job,
        output: &Output,
        due: Option<&(Msat, String)>,
        guests: &[GuestRef],
    ) -> Result<Vec<Event>, String> {
        let kind =
            REQUEST_KINDS.contains(&job.kind).then(|| job.kind.saturating_add(RESULT_OFFSET));
        let kind = kind.ok_or_else(|| format!("kind {} is not a request", job.kind))?;
        let scheme = job.confidential.then(|| Encryption::of_request(&job.origin));
        let draft = ResultDraft { kind, job, output, due, guests, scheme };
        let is_small = self.is_small(&output.content);
        for echo in [RequestEcho::RequestAndInputs, RequestEcho::Request, RequestEcho::Nothing] {
            if (echo != RequestEcho::Nothing || is_small)
                && let Some(event) = self.in_one(&draft, echo)?
            {
                return Ok(vec![event]);
            }
        }
        let (mut events, parts) = parts::cut(
            &output.content,
            (job.id, &key(job.customer)),
            scheme,
            self.room,
            self.now,
            self.keys,
        )?;
        events.push(self.naming(&draft, &parts)?);
        Ok(events)
    }

    /// A small text is rather sent without the request than in parts.
    fn is_small(&self, text: &str) -> bool {
        text.len() * 2 < self.room.content_bytes.min(self.room.message_bytes)
    }

    /// The result that lists its parts.
    fn naming(&self, draft: &ResultDraft<'_>, parts: &Parts) -> Result<Event, String> {
        for echo in [RequestEcho::RequestAndInputs, RequestEcho::Request, RequestEcho::Nothing] {
            let event = self.fill(draft, echo, &parts.notice(), Some(parts))?;
            if self.room.holds(&event) {
                return Ok(event);
            }
        }
        // Neither the list of parts nor the attributes can be shortened.
        let Output { content, attributes, .. } = draft.output;
        let (bytes, count) = (content.len(), attributes.len());
        let attribute_bytes: usize = attributes.iter().map(text_bytes).sum();
        Err(format!(
            "the result of {bytes} bytes, with {count} attributes of {attribute_bytes} bytes, is \
             larger than the relays accept, even in parts: request less"
        ))
    }

    /// Returns `None` if it does not fit in one event.
    fn in_one(&self, draft: &ResultDraft<'_>, echo: RequestEcho) -> Result<Option<Event>, String> {
        if let Some(scheme) = draft.scheme
            && draft.output.content.len() > scheme.text_bytes(self.room.content_bytes)
        {
            return Ok(None);
        }
        self.fill(draft, echo, &draft.output.content, None)
            .map(|event| Some(event).filter(|event| self.room.holds(event)))
    }

    fn fill(
        &self,
        draft: &ResultDraft<'_>,
        echo: RequestEcho,
        text: &str,
        parts: Option<&Parts>,
    ) -> Result<Event, String> {
        let (job, attributes) = (draft.job, &draft.output.attributes);
        let mut tags =
            Vec::with_capacity(5 + job.inputs.len() + draft.guests.len() + attributes.len());
        if echo != RequestEcho::Nothing && !job.origin.is_empty() {
            tags.push(AnswerTag::Request(job.origin.clone()).to_tag());
        }
        tags.push(AnswerTag::Job(job.id).to_tag());
        tags.push(AnswerTag::Customer(job.customer).to_tag());
        if echo == RequestEcho::RequestAndInputs && draft.scheme.is_none() {
            tags.extend(original_inputs(job));
        }
        tags.extend(
            draft
                .due
                .map(|(amount, bolt11)| AnswerTag::Amount(*amount, Some(bolt11.clone())).to_tag()),
        );
        tags.extend(draft.guests.iter().map(|guest| AnswerTag::Guest(guest.clone()).to_tag()));
        tags.extend(parts.into_iter().flat_map(Parts::tags));
        let content = match draft.scheme {
            Some(scheme) => {
                let seal = |text: &str| scheme.encrypt(self.keys, &key(job.customer), text);
                if !attributes.is_empty() {
                    let value = seal(&encryption::attributes_to_text(attributes))?;
                    tags.push(
                        AnswerTag::Result(Attribute {
                            name: encryption::ENCRYPTED_ATTRIBUTES.into(),
                            value,
                        })
                        .to_tag(),
                    );
                }
                tags.push(AnswerTag::Encrypted.to_tag());
                // An empty text cannot be encrypted.
                if text.is_empty() { Cow::Borrowed("") } else { Cow::Owned(seal(text)?) }
            }
            None => {
                tags.extend(attributes.iter().map(|fact| AnswerTag::Result(fact.clone()).to_tag()));
                Cow::Borrowed(text)
            }
        };
        self.sign(draft.kind, content, tags)
    }

    fn sign(&self, kind: u16, content: Cow<'_, str>, tags: Vec<Tag>) -> Result<Event, String> {
        let event =
            EventBuilder::new(Kind::from_u16(kind), content).tags(tags).allow_self_tagging();
        let event =
            event.custom_created_at(Timestamp::from_secs(self.now.get())).sign_with_keys(self.keys);
        event.map_err(|error| error.to_string())
    }
}

/// The content of a result.
struct ResultDraft<'a> {
    kind: u16,
    job: &'a Job,
    output: &'a Output,
    due: Option<&'a (Msat, String)>,
    guests: &'a [GuestRef],
    /// The scheme of a confidential job.
    scheme: Option<Encryption>,
}

fn key(of: PublicKey) -> nostr_sdk::PublicKey {
    nostr_sdk::PublicKey::from_byte_array(*of.as_bytes())
}

/// The `i` tags exactly as the customer wrote them, or as parsed if the original request is not
/// available.
fn original_inputs(job: &Job) -> Vec<Tag> {
    #[derive(serde::Deserialize)]
    struct Origin {
        tags: Vec<Vec<String>>,
    }
    let verbatim = serde_json::from_str::<Origin>(&job.origin).map(|origin| {
        let inputs = origin
            .tags
            .into_iter()
            .filter(|tag| tag.first().is_some_and(|first| first == name::INPUT));
        inputs.map(|parts| tag(name::INPUT, parts.into_iter().skip(1))).collect()
    });
    verbatim.unwrap_or_else(|_| job.inputs.iter().map(|input| input_tag(input, None)).collect())
}
