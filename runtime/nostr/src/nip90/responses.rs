//! The messages of providers, as a buyer reads them, and prices, as any observer reads them.
//! Encrypted content is decrypted with the buyer's keys.

use super::encryption::{self, is_encrypted};
use super::parts::Parts;
use super::protocol::{FEEDBACK_KIND, REQUEST_KINDS, RESULT_OFFSET};
use super::tags::{AnswerTag, FeedbackStatus, name};
use nostr_sdk::{Event, Keys, Tag};
use pylon_core::guest::GuestRef;
use pylon_core::work::Attribute;
use pylon_core::{JobId, Msat, PublicKey, UnixTime};

/// The feedback of a provider about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The job.
    pub job: JobId,
    /// The provider.
    pub provider: PublicKey,
    /// The status of the job.
    pub status: FeedbackStatus,
    /// The message that explains the status.
    pub message: String,
    /// A sample or a part of the answer.
    pub content: String,
    /// The amount due, with its BOLT-11 invoice.
    pub due: Option<(Msat, Option<String>)>,
    /// There is an amount tag, but it is invalid.
    pub amount_invalid: bool,
    /// The content is encrypted: see [`Feedback::decrypt`].
    pub encrypted: bool,
}

impl Feedback {
    /// Decrypts the content if it is encrypted.
    pub fn decrypt(mut self, keys: &Keys) -> Result<Self, String> {
        if self.encrypted {
            let (message, content) =
                encryption::feedback_of_text(decrypt(keys, self.provider, &self.content)?);
            self.content = content;
            if !message.is_empty() {
                self.message = message;
            }
        }
        Ok(self.with_message_of_content())
    }

    /// Some providers explain the status in the content instead of the tag.
    fn with_message_of_content(mut self) -> Self {
        if self.message.is_empty() && self.status != FeedbackStatus::Partial {
            self.message.clone_from(&self.content);
        }
        self
    }
}

/// A result as its buyer reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The job.
    pub job: JobId,
    /// The request's kind.
    pub kind: u16,
    /// The provider.
    pub provider: PublicKey,
    /// The answer.
    pub content: String,
    /// The complete request.
    pub request: Option<String>,
    /// The amount due, with its BOLT-11 invoice.
    pub due: Option<(Msat, Option<String>)>,
    /// There is an amount tag, but it is invalid.
    pub amount_invalid: bool,
    /// The guests that took part.
    pub guests: Vec<GuestRef>,
    /// Facts about the answer.
    pub attributes: Vec<Attribute>,
    /// The content is encrypted: see [`Delivered::decrypt`].
    pub encrypted: bool,
    /// The answer is in parts, and the content only says so: see [`assemble`](super::assemble()).
    pub parts: Option<Parts>,
}

impl Delivered {
    /// Decrypts content and attributes if they are encrypted.
    pub fn decrypt(mut self, keys: &Keys) -> Result<Self, String> {
        if self.encrypted {
            self.content = decrypt(keys, self.provider, &self.content)?;
            let encrypted = self
                .attributes
                .iter()
                .position(|fact| fact.name == encryption::ENCRYPTED_ATTRIBUTES);
            if let Some(place) = encrypted {
                let encrypted = self.attributes.swap_remove(place);
                self.attributes.extend(encryption::attributes_of_text(&decrypt(
                    keys,
                    self.provider,
                    &encrypted.value,
                )?));
            }
        }
        Ok(self)
    }
}

/// The price that a provider asks for a job, visible to any observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedPrice {
    /// The job.
    pub job: JobId,
    /// The kind of the request; unknown for feedback.
    pub kind: Option<u16>,
    /// The provider.
    pub provider: PublicKey,
    /// The price.
    pub amount: Msat,
    /// The date of the event.
    pub at: UnixTime,
}

fn decrypt(keys: &Keys, provider: PublicKey, encrypted: &str) -> Result<String, String> {
    // An empty text is not encrypted.
    if encrypted.is_empty() {
        return Ok(String::new());
    }
    encryption::decrypt(
        keys,
        &nostr_sdk::PublicKey::from_byte_array(*provider.as_bytes()),
        encrypted,
    )
}

/// Is it an amount tag, valid or not?
fn is_amount(tag: &Tag) -> bool {
    tag.as_slice().first().is_some_and(|first| first == name::AMOUNT)
}

/// Parses feedback. `None` for other events.
pub fn parse_feedback(event: &Event) -> Option<Feedback> {
    if event.kind.as_u16() != FEEDBACK_KIND {
        return None;
    }
    let (mut job, mut status, mut due, mut invalid) = (None, None, None, false);
    for tag in event.tags.iter() {
        match AnswerTag::parse(tag.as_slice()) {
            Some(AnswerTag::Job(id)) => job = job.or(Some(id)),
            Some(AnswerTag::Status(found, text)) => status = status.or(Some((found, text))),
            Some(AnswerTag::Amount(amount, bolt11)) => due = due.or(Some((amount, bolt11))),
            None if is_amount(tag) => invalid = true,
            _ => {}
        }
    }
    let (status, message) = status?;
    let provider = PublicKey::from_bytes(*event.pubkey.as_bytes());
    let (message, content, encrypted) =
        (message.unwrap_or_default(), event.content.clone(), is_encrypted(event));
    let amount_invalid = due.is_none() && invalid;
    Some(Feedback { job: job?, provider, status, message, content, due, amount_invalid, encrypted })
}

/// Parses a result. `None` for other events.
pub fn parse_result(event: &Event) -> Option<Delivered> {
    let kind = event
        .kind
        .as_u16()
        .checked_sub(RESULT_OFFSET)
        .filter(|kind| REQUEST_KINDS.contains(kind))?;
    let (mut job, mut request, mut due, mut invalid) = (None, None, None, false);
    let (mut guests, mut attributes, mut list, mut whole) =
        (Vec::new(), Vec::new(), Vec::new(), None);
    for tag in event.tags.iter() {
        match AnswerTag::parse(tag.as_slice()) {
            Some(AnswerTag::Job(id)) => job = job.or(Some(id)),
            Some(AnswerTag::Request(json)) => request = request.or(Some(json)),
            Some(AnswerTag::Amount(amount, bolt11)) => due = due.or(Some((amount, bolt11))),
            None if is_amount(tag) => invalid = true,
            Some(AnswerTag::Guest(guest_ref)) => guests.push(guest_ref),
            Some(AnswerTag::Result(fact)) => attributes.push(fact),
            Some(AnswerTag::Part(id, digest)) => list.push((id, digest)),
            Some(AnswerTag::Whole(digest, bytes)) => whole = whole.or(Some((digest, bytes))),
            _ => {}
        }
    }
    let provider = PublicKey::from_bytes(*event.pubkey.as_bytes());
    let (job, content, encrypted) = (job?, event.content.clone(), is_encrypted(event));
    let parts =
        whole.filter(|_| !list.is_empty()).map(|(whole, bytes)| Parts { list, whole, bytes });
    let amount_invalid = due.is_none() && invalid;
    Some(Delivered {
        job,
        kind,
        provider,
        content,
        request,
        due,
        amount_invalid,
        guests,
        attributes,
        encrypted,
        parts,
    })
}

/// Parses the price of a job: the amount of a result, or of feedback that requires a payment.
/// `None` without an amount.
pub fn parse_price(event: &Event) -> Option<QuotedPrice> {
    let (job, kind, due) = if event.kind.as_u16() == FEEDBACK_KIND {
        let feedback = parse_feedback(event)
            .filter(|feedback| feedback.status == FeedbackStatus::PaymentRequired)?;
        (feedback.job, None, feedback.due)
    } else {
        let result = parse_result(event)?;
        (result.job, Some(result.kind), result.due)
    };
    let provider = PublicKey::from_bytes(*event.pubkey.as_bytes());
    Some(QuotedPrice {
        job,
        kind,
        provider,
        amount: due?.0,
        at: UnixTime::new(event.created_at.as_secs()),
    })
}
