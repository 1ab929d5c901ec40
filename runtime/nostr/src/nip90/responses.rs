//! What a buyer hears of its job, and what everybody hears of prices. Everything is read from the event alone; what is encrypted is opened with the buyer's keys.

use super::encryption::{self, is_encrypted};
use super::parts::Parts;
use super::tags::{AnswerTag, FeedbackStatus, name};
use super::{FEEDBACK_KIND, REQUEST_KINDS, RESULT_OFFSET};
use nostr_sdk::{Event, Keys, Tag};
use pylon_core::guest::GuestRef;
use pylon_core::work::Attribute;
use pylon_core::{JobId, Msat, PublicKey, UnixTime};

/// What a provider said about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Which.
    pub job: JobId,
    /// Who said it.
    pub provider: PublicKey,
    /// How it stands.
    pub status: FeedbackStatus,
    /// Words to it.
    pub message: String,
    /// A sample or a part of the answer.
    pub content: String,
    /// What is due, with its BOLT-11 invoice.
    pub due: Option<(Msat, Option<String>)>,
    /// Something is said to be due, and nobody can read how much.
    pub amount_invalid: bool,
    /// The content came encrypted: [`Feedback::open`] it.
    pub encrypted: bool,
}

impl Feedback {
    /// With the content decrypted, if it is encrypted. The error says why it cannot be.
    pub fn open(mut self, keys: &Keys) -> Result<Self, String> {
        if self.encrypted {
            let (message, content) =
                encryption::feedback_of_text(open(keys, self.provider, &self.content)?);
            self.content = content;
            // The words stand where they can, but who only has a text has it here.
            if !message.is_empty() {
                self.message = message;
            } else if self.status == FeedbackStatus::Error && self.message.is_empty() {
                self.message.clone_from(&self.content);
            }
        }
        Ok(self)
    }
}

/// A result as its buyer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Of which request.
    pub job: JobId,
    /// The request's kind.
    pub kind: u16,
    /// Who made it.
    pub provider: PublicKey,
    /// The answer.
    pub content: String,
    /// The request in full.
    pub request: Option<String>,
    /// What is due, with its BOLT-11 invoice.
    pub due: Option<(Msat, Option<String>)>,
    /// Something is said to be due, and nobody can read how much.
    pub amount_invalid: bool,
    /// The guests that took part.
    pub guests: Vec<GuestRef>,
    /// Facts about the answer.
    pub attributes: Vec<Attribute>,
    /// The content came encrypted: [`Delivered::open`] it.
    pub encrypted: bool,
    /// The answer is elsewhere, and the content only says so: [`super::assemble`] it.
    pub parts: Option<Parts>,
}

impl Delivered {
    /// With the content decrypted and the attributes in it found, if it is encrypted. The error says why it cannot be.
    pub fn open(mut self, keys: &Keys) -> Result<Self, String> {
        if self.encrypted {
            self.content = open(keys, self.provider, &self.content)?;
            let sealed =
                self.attributes.iter().position(|fact| fact.name == encryption::SEALED_ATTRIBUTES);
            if let Some(place) = sealed {
                let sealed = self.attributes.swap_remove(place);
                self.attributes.extend(encryption::attributes_of_text(&open(
                    keys,
                    self.provider,
                    &sealed.value,
                )?));
            }
        }
        Ok(self)
    }
}

/// What a provider asked, as anybody can hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// For which job.
    pub job: JobId,
    /// The kind of the request; feedback does not tell it.
    pub kind: Option<u16>,
    /// Who asked.
    pub provider: PublicKey,
    /// How much.
    pub amount: Msat,
    /// As the provider dates it.
    pub at: UnixTime,
}

fn open(keys: &Keys, provider: PublicKey, sealed: &str) -> Result<String, String> {
    // Nothing is encrypted to nothing.
    if sealed.is_empty() {
        return Ok(String::new());
    }
    encryption::open(keys, &nostr_sdk::PublicKey::from_byte_array(*provider.as_bytes()), sealed)
}

/// An amount, whether it can be read or not.
fn is_amount(tag: &Tag) -> bool {
    tag.as_slice().first().is_some_and(|first| first == name::AMOUNT)
}

/// Reads feedback as its buyer does. `None` if it is none.
pub fn parse_feedback(event: &Event) -> Option<Feedback> {
    if event.kind.as_u16() != FEEDBACK_KIND {
        return None;
    }
    let (mut job, mut status, mut due, mut unread) = (None, None, None, false);
    for tag in event.tags.iter() {
        match AnswerTag::parse(tag.as_slice()) {
            Some(AnswerTag::Job(id)) => job = job.or(Some(id)),
            Some(AnswerTag::Status(found, text)) => status = status.or(Some((found, text))),
            Some(AnswerTag::Amount(amount, bolt11)) => due = due.or(Some((amount, bolt11))),
            None if is_amount(tag) => unread = true,
            _ => {}
        }
    }
    let (status, message) = status?;
    let provider = PublicKey::from_bytes(*event.pubkey.as_bytes());
    let (message, content, encrypted) =
        (message.unwrap_or_default(), event.content.clone(), is_encrypted(event));
    let amount_invalid = due.is_none() && unread;
    Some(Feedback { job: job?, provider, status, message, content, due, amount_invalid, encrypted })
}

/// Reads a result as its buyer does. `None` if it is none.
pub fn parse_result(event: &Event) -> Option<Delivered> {
    let kind = event
        .kind
        .as_u16()
        .checked_sub(RESULT_OFFSET)
        .filter(|kind| REQUEST_KINDS.contains(kind))?;
    let (mut job, mut request, mut due, mut unread) = (None, None, None, false);
    let (mut guests, mut attributes, mut list, mut whole) =
        (Vec::new(), Vec::new(), Vec::new(), None);
    for tag in event.tags.iter() {
        match AnswerTag::parse(tag.as_slice()) {
            Some(AnswerTag::Job(id)) => job = job.or(Some(id)),
            Some(AnswerTag::Request(json)) => request = request.or(Some(json)),
            Some(AnswerTag::Amount(amount, bolt11)) => due = due.or(Some((amount, bolt11))),
            None if is_amount(tag) => unread = true,
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
    let amount_invalid = due.is_none() && unread;
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

/// Reads what is asked for a job: the amount on a result, or on feedback that says that nothing happens before it is paid. `None` if nothing is.
pub fn parse_price(event: &Event) -> Option<Asked> {
    let (job, kind, due) = if event.kind.as_u16() == FEEDBACK_KIND {
        let feedback = parse_feedback(event)
            .filter(|feedback| feedback.status == FeedbackStatus::PaymentRequired)?;
        (feedback.job, None, feedback.due)
    } else {
        let result = parse_result(event)?;
        (result.job, Some(result.kind), result.due)
    };
    let provider = PublicKey::from_bytes(*event.pubkey.as_bytes());
    Some(Asked {
        job,
        kind,
        provider,
        amount: due?.0,
        at: UnixTime::new(event.created_at.as_secs()),
    })
}
