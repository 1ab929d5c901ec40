//! What is said to a request: written by a provider, read by a buyer.

use super::tags::{AnswerTag, Standing, clipped, input_tag, name, tag};
use super::{FEEDBACK_KIND, REQUEST_KINDS, RESULT_OFFSET};
use nostr_sdk::{Event, EventBuilder, Kind, Tag, Timestamp};
use pylon_core::ports::market::{GuestStamp, MarketError, Message, Status};
use pylon_core::work::Attribute;
use pylon_core::{Job, JobId, Msat, PublicKey, UnixTime};
use std::borrow::Cow;

/// Words of an error.
pub(super) const MAX_WORDS: usize = 1000;
/// Feedback is of no use to anyone after this (NIP-40).
const FEEDBACK_SECONDS: u64 = 3600;

/// The event that says it, to be signed.
pub fn write(message: &Message<'_>, now: UnixTime) -> Result<EventBuilder, MarketError> {
    let (kind, content, tags) = match message {
        Message::Feedback { to, status } => {
            let (standing, words, content, due) = match status {
                Status::PaymentRequired { amount, bolt11 } => {
                    (Standing::PaymentRequired, None, Cow::Borrowed(""), Some((*amount, bolt11.clone())))
                }
                Status::Processing => (Standing::Processing, None, Cow::Borrowed(""), None),
                Status::Partial(text) => (Standing::Partial, None, Cow::Borrowed(text.as_str()), None),
                // Some clients show the content and nothing else.
                Status::Error(words) => {
                    let words = clipped(words, MAX_WORDS);
                    (Standing::Error, Some(words.to_owned()), Cow::Borrowed(words), None)
                }
            };
            let mut tags = vec![AnswerTag::Status(standing, words).to_tag()];
            tags.extend(due.map(|(amount, bolt11)| AnswerTag::Amount(amount, Some(bolt11)).to_tag()));
            tags.push(AnswerTag::Job(to.job).to_tag());
            tags.push(AnswerTag::Customer(to.customer).to_tag());
            tags.push(AnswerTag::Expiration(now.plus(FEEDBACK_SECONDS)).to_tag());
            (FEEDBACK_KIND, content, tags)
        }
        Message::Result { job, output, due, guests } => {
            if job.confidential {
                return Err(MarketError::Unpublishable("the request was confidential, and this market cannot encrypt".into()));
            }
            let kind = REQUEST_KINDS.contains(&job.kind).then(|| job.kind.saturating_add(RESULT_OFFSET));
            let kind = kind.ok_or_else(|| MarketError::Unpublishable(format!("kind {} is not a request", job.kind)))?;
            let mut tags = Vec::with_capacity(5 + job.inputs.len() + guests.len() + output.attributes.len());
            if !job.origin.is_empty() {
                tags.push(AnswerTag::Request(job.origin.clone()).to_tag());
            }
            tags.push(AnswerTag::Job(job.id).to_tag());
            tags.push(AnswerTag::Customer(job.customer).to_tag());
            tags.extend(original_inputs(job));
            tags.extend(due.as_ref().map(|(amount, bolt11)| AnswerTag::Amount(*amount, Some(bolt11.clone())).to_tag()));
            tags.extend(guests.iter().map(|guest| AnswerTag::Guest(guest.clone()).to_tag()));
            tags.extend(output.attributes.iter().map(|fact| AnswerTag::Result(fact.clone()).to_tag()));
            (kind, Cow::Borrowed(output.content.as_str()), tags)
        }
    };
    let event = EventBuilder::new(Kind::from_u16(kind), content).tags(tags).allow_self_tagging();
    Ok(event.custom_created_at(Timestamp::from_secs(now.get())))
}

/// The `i` tags exactly as the customer wrote them, or as we understood them where the request is not at hand.
fn original_inputs(job: &Job) -> Vec<Tag> {
    #[derive(serde::Deserialize)]
    struct Origin {
        tags: Vec<Vec<String>>,
    }
    let verbatim = serde_json::from_str::<Origin>(&job.origin).map(|origin| {
        let inputs = origin.tags.into_iter().filter(|tag| tag.first().is_some_and(|first| first == name::INPUT));
        inputs.map(|parts| tag(name::INPUT, parts.into_iter().skip(1))).collect()
    });
    verbatim.unwrap_or_else(|_| job.inputs.iter().map(|input| input_tag(input, None)).collect())
}

/// What a provider said about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Which.
    pub job: JobId,
    /// Who said it.
    pub provider: PublicKey,
    /// How it stands.
    pub standing: Standing,
    /// Words to it.
    pub words: String,
    /// A sample or a part of the answer.
    pub content: String,
    /// What is due, with its BOLT-11 invoice.
    pub due: Option<(Msat, Option<String>)>,
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
    /// The guests that took part.
    pub guests: Vec<GuestStamp>,
    /// Facts about the answer.
    pub attributes: Vec<Attribute>,
}

/// Reads feedback as its buyer does. `None` if it is none.
pub fn parse_feedback(event: &Event) -> Option<Feedback> {
    if event.kind.as_u16() != FEEDBACK_KIND {
        return None;
    }
    let (mut job, mut status, mut due) = (None, None, None);
    for tag in event.tags.iter() {
        match AnswerTag::parse(tag.as_slice()) {
            Some(AnswerTag::Job(id)) => job = job.or(Some(id)),
            Some(AnswerTag::Status(standing, words)) => status = status.or(Some((standing, words))),
            Some(AnswerTag::Amount(amount, bolt11)) => due = due.or(Some((amount, bolt11))),
            _ => {}
        }
    }
    let (standing, words) = status?;
    let provider = PublicKey::from_bytes(*event.pubkey.as_bytes());
    Some(Feedback { job: job?, provider, standing, words: words.unwrap_or_default(), content: event.content.clone(), due })
}

/// Reads a result as its buyer does. `None` if it is none.
pub fn parse_result(event: &Event) -> Option<Delivered> {
    let kind = event.kind.as_u16().checked_sub(RESULT_OFFSET).filter(|kind| REQUEST_KINDS.contains(kind))?;
    let (mut job, mut request, mut due) = (None, None, None);
    let (mut guests, mut attributes) = (Vec::new(), Vec::new());
    for tag in event.tags.iter() {
        match AnswerTag::parse(tag.as_slice()) {
            Some(AnswerTag::Job(id)) => job = job.or(Some(id)),
            Some(AnswerTag::Request(json)) => request = request.or(Some(json)),
            Some(AnswerTag::Amount(amount, bolt11)) => due = due.or(Some((amount, bolt11))),
            Some(AnswerTag::Guest(stamp)) => guests.push(stamp),
            Some(AnswerTag::Result(fact)) => attributes.push(fact),
            _ => {}
        }
    }
    let provider = PublicKey::from_bytes(*event.pubkey.as_bytes());
    Some(Delivered { job: job?, kind, provider, content: event.content.clone(), request, due, guests, attributes })
}
