//! The tags of requests and answers, each a case of an enum, so that writing and parsing match.

use nostr_sdk::{Tag, TagKind};
use pylon_core::guest::GuestRef;
use pylon_core::work::Attribute;
use pylon_core::{Digest, Input, InputSource, JobId, MessageId, Msat, Param, PublicKey, UnixTime};
use std::borrow::Cow;

pub(super) mod name {
    pub(in crate::nip90) const INPUT: &str = "i";
    pub(in crate::nip90) const OUTPUT: &str = "output";
    pub(in crate::nip90) const PARAM: &str = "param";
    pub(in crate::nip90) const BID: &str = "bid";
    pub(in crate::nip90) const ENCRYPTED: &str = "encrypted";
    pub(in crate::nip90) const EXPIRATION: &str = "expiration";
    pub(in crate::nip90) const PUBLIC_KEY: &str = "p";
    pub(in crate::nip90) const EVENT: &str = "e";
    pub(in crate::nip90) const KIND: &str = "k";
    pub(in crate::nip90) const STATUS: &str = "status";
    pub(in crate::nip90) const AMOUNT: &str = "amount";
    pub(in crate::nip90) const CONTENT: &str = "content";
    pub(in crate::nip90) const REQUEST: &str = "request";
    pub(in crate::nip90) const GUEST: &str = "guest";
    pub(in crate::nip90) const RESULT: &str = "result";
    pub(in crate::nip90) const PART: &str = "part";
    pub(in crate::nip90) const WHOLE: &str = "whole";
}

/// A tag of a request with a known meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTag {
    /// An input.
    Input {
        /// The input itself.
        input: Input,
        /// The relay where its event may be found.
        relay: Option<String>,
    },
    /// The requested MIME type.
    Output(String),
    /// A parameter.
    Param(Param),
    /// The maximum price.
    Bid(Msat),
    /// A requested provider.
    Provider(PublicKey),
    /// Inputs and parameters are encrypted in the content.
    Encrypted,
    /// The request expires at this time.
    Expiration(UnixTime),
}

impl RequestTag {
    /// Parses a tag. `None` for unknown tags; an error for invalid ones.
    pub fn parse(tag: &[String]) -> Result<Option<Self>, String> {
        let Some((name, values)) = tag.split_first() else { return Ok(None) };
        let first = values.first().map(String::as_str).filter(|value| !value.is_empty());
        Ok(match name.as_str() {
            name::INPUT => Some(input(values)?),
            name::OUTPUT => first.map(|mime| Self::Output(mime.to_owned())),
            name::PARAM => Some(Self::Param(param(values)?)),
            // An empty one is no bid.
            name::BID => first
                .map(|text| {
                    let invalid = || format!("bid `{}` is not a number of msat", excerpt(text));
                    msat(text).map(Self::Bid).ok_or_else(invalid)
                })
                .transpose()?,
            name::PUBLIC_KEY => first.and_then(PublicKey::from_hex).map(Self::Provider),
            name::ENCRYPTED => Some(Self::Encrypted),
            name::EXPIRATION => {
                first.and_then(decimal).map(|at| Self::Expiration(UnixTime::new(at)))
            }
            _ => None,
        })
    }

    /// The tag in the form of an event.
    pub fn to_tag(&self) -> Tag {
        match self {
            Self::Input { input, relay } => input_tag(input, relay.as_deref()),
            Self::Output(mime) => tag(name::OUTPUT, [mime]),
            Self::Param(param) => {
                tag(name::PARAM, std::iter::once(&param.name).chain(&param.values))
            }
            Self::Bid(most) => tag(name::BID, [most.get().to_string()]),
            Self::Provider(key) => tag(name::PUBLIC_KEY, [key.to_hex()]),
            Self::Encrypted => tag::<[&str; 0]>(name::ENCRYPTED, []),
            Self::Expiration(at) => tag(name::EXPIRATION, [at.get().to_string()]),
        }
    }
}

/// A tag of feedback or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerTag {
    /// The request that is answered.
    Job(JobId),
    /// The customer.
    Customer(PublicKey),
    /// The status, and a message that explains it.
    Status(FeedbackStatus, Option<String>),
    /// The amount due, with its BOLT-11 invoice.
    Amount(Msat, Option<String>),
    /// The complete request.
    Request(String),
    /// A guest that took part.
    Guest(GuestRef),
    /// A fact about the output.
    Result(Attribute),
    /// The event expires at this time.
    Expiration(UnixTime),
    /// The content is encrypted to the customer.
    Encrypted,
    /// A part of a large answer: its event, and the SHA-256 of its content.
    Part(MessageId, Digest),
    /// All parts together: SHA-256 and bytes.
    Whole(Digest, u64),
}

impl AnswerTag {
    /// Parses a tag. `None` for unknown and invalid tags: a buyer ignores them.
    pub fn parse(tag: &[String]) -> Option<Self> {
        let (name, values) = tag.split_first()?;
        let value = |at: usize| values.get(at).map(String::as_str);
        let text = |at: usize| value(at).filter(|text| !text.is_empty()).map(str::to_owned);
        match name.as_str() {
            name::EVENT => JobId::from_hex(value(0)?).map(Self::Job),
            name::PUBLIC_KEY => PublicKey::from_hex(value(0)?).map(Self::Customer),
            name::STATUS => Some(Self::Status(FeedbackStatus::parse(value(0)?)?, text(1))),
            // Other providers write fractions of a msat; they are rounded down.
            name::AMOUNT => Some(Self::Amount(msat(value(0)?.split('.').next()?)?, text(1))),
            name::REQUEST => Some(Self::Request(value(0)?.to_owned())),
            name::GUEST => Some(Self::Guest(GuestRef {
                slot: value(0)?.to_owned(),
                name: value(1)?.to_owned(),
                version: value(2)?.to_owned(),
                digest: Digest::from_hex(value(3)?)?,
            })),
            name::RESULT => Some(Self::Result(Attribute {
                name: value(0)?.to_owned(),
                value: value(1)?.to_owned(),
            })),
            name::EXPIRATION => decimal(value(0)?).map(|at| Self::Expiration(UnixTime::new(at))),
            name::ENCRYPTED => Some(Self::Encrypted),
            name::PART => {
                Some(Self::Part(MessageId::from_hex(value(0)?)?, Digest::from_hex(value(1)?)?))
            }
            name::WHOLE => Some(Self::Whole(Digest::from_hex(value(0)?)?, decimal(value(1)?)?)),
            _ => None,
        }
    }

    /// The tag in the form of an event.
    pub fn to_tag(&self) -> Tag {
        match self {
            Self::Job(id) => tag(name::EVENT, [id.to_hex()]),
            Self::Customer(key) => tag(name::PUBLIC_KEY, [key.to_hex()]),
            Self::Status(status, message) => {
                tag(name::STATUS, std::iter::once(status.as_str()).chain(message.as_deref()))
            }
            Self::Amount(due, bolt11) => {
                tag(name::AMOUNT, std::iter::once(due.get().to_string()).chain(bolt11.clone()))
            }
            Self::Request(json) => tag(name::REQUEST, [json]),
            Self::Guest(guest_ref) => tag(
                name::GUEST,
                [
                    guest_ref.slot.clone(),
                    guest_ref.name.clone(),
                    guest_ref.version.clone(),
                    guest_ref.digest.to_hex(),
                ],
            ),
            Self::Result(fact) => tag(name::RESULT, [&fact.name, &fact.value]),
            Self::Expiration(at) => tag(name::EXPIRATION, [at.get().to_string()]),
            Self::Encrypted => tag::<[&str; 0]>(name::ENCRYPTED, []),
            Self::Part(id, digest) => tag(name::PART, [id.to_hex(), digest.to_hex()]),
            Self::Whole(digest, bytes) => tag(name::WHOLE, [digest.to_hex(), bytes.to_string()]),
        }
    }
}

/// The status in feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum FeedbackStatus {
    PaymentRequired,
    Processing,
    Partial,
    Success,
    Error,
}

impl FeedbackStatus {
    pub(super) const ALL: [Self; 5] =
        [Self::PaymentRequired, Self::Processing, Self::Partial, Self::Success, Self::Error];

    /// The status in the form of an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentRequired => "payment-required",
            Self::Processing => "processing",
            Self::Partial => "partial",
            Self::Success => "success",
            Self::Error => "error",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

fn input(values: &[String]) -> Result<RequestTag, String> {
    let value = |at: usize| values.get(at).map(String::as_str).filter(|value| !value.is_empty());
    let data = values.first().ok_or("an input has no data")?;
    let source = match value(1).unwrap_or("text") {
        // The registry's own example uses `prompt`.
        "text" | "prompt" => InputSource::Text(data.clone()),
        "url" => InputSource::Url(data.clone()),
        "event" => InputSource::Event(
            MessageId::from_hex(data).ok_or("an input of type `event` is not an event id")?,
        ),
        "job" => InputSource::Job(
            JobId::from_hex(data).ok_or("an input of type `job` is not an event id")?,
        ),
        other => {
            return Err(format!(
                "input type `{}` is not one of text, url, event, job",
                excerpt(other)
            ));
        }
    };
    let input = Input { source, hint: None, marker: value(3).map(str::to_owned) };
    Ok(RequestTag::Input { input, relay: value(2).map(str::to_owned) })
}

pub(super) fn input_tag(input: &Input, relay: Option<&str>) -> Tag {
    let (data, kind) = match &input.source {
        InputSource::Text(text) => (Cow::Borrowed(text.as_str()), "text"),
        InputSource::Purged(_) => (Cow::Borrowed(""), "text"),
        InputSource::Url(url) => (Cow::Borrowed(url.as_str()), "url"),
        InputSource::Event(id) => (Cow::Owned(id.to_hex()), "event"),
        InputSource::Job(id) => (Cow::Owned(id.to_hex()), "job"),
    };
    let hint = relay.or(input.hint.as_deref()).or(input.marker.as_ref().map(|_| ""));
    tag(name::INPUT, [&*data, kind].into_iter().chain(hint).chain(input.marker.as_deref()))
}

fn param(values: &[String]) -> Result<Param, String> {
    match values.split_first() {
        None => Err("a param has no name".into()),
        Some((name, [])) => Err(format!("param `{}` has no value", excerpt(name))),
        Some((name, values)) => Ok(Param { name: name.clone(), values: values.to_vec() }),
    }
}

fn msat(text: &str) -> Option<Msat> {
    decimal(text).map(Msat::new)
}

/// Digits only: no sign, no space, no exponent.
fn decimal(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Shortens a customer's text for an error message.
fn excerpt(text: &str) -> &str {
    clipped(text, 40)
}

pub(super) fn clipped(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

pub(super) fn tag<I>(name: &'static str, values: I) -> Tag
where
    I: IntoIterator<Item: Into<String>>,
{
    Tag::custom(TagKind::Custom(Cow::Borrowed(name)), values)
}
