//! NIP-90 as pure functions: events in, the core's words out, and back. Also what a buyer reads and writes.
//!
//! The one place that knows tag names. It never looks at a signature (the relay side did), a socket or a clock.

use nostr_sdk::{Event, EventBuilder, Kind, Tag, TagKind, Timestamp};
use pylon_core::admission::is_timely;
use pylon_core::ports::market::{GuestStamp, Incoming, MarketError, Message, Status};
use pylon_core::work::Attribute;
use pylon_core::{Digest, Input, InputSource, Job, JobId, MessageId, Msat, Param, PublicKey, UnixTime};
use std::borrow::Cow;
use std::ops::RangeInclusive;

#[cfg(test)]
mod tests;

/// Requests.
pub const REQUEST_KINDS: RangeInclusive<u16> = 5000..=5999;
/// A result is its request's kind plus this.
pub const RESULT_OFFSET: u16 = 1000;
/// How a job stands.
pub const FEEDBACK_KIND: u16 = 7000;
/// NIP-09.
pub const DELETION_KIND: u16 = 5;

/// Content and tags of a request together.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Tags of a request.
pub const MAX_TAGS: usize = 200;
/// Requests that one deletion may withdraw; the rest of it is not read.
pub const MAX_CANCELLED: usize = 100;
/// Words of an error.
const MAX_WORDS: usize = 1000;
/// Feedback is of no use to anyone after this (NIP-40).
const FEEDBACK_SECONDS: u64 = 3600;

mod name {
    pub(super) const INPUT: &str = "i";
    pub(super) const OUTPUT: &str = "output";
    pub(super) const PARAM: &str = "param";
    pub(super) const BID: &str = "bid";
    pub(super) const ENCRYPTED: &str = "encrypted";
    pub(super) const EXPIRATION: &str = "expiration";
    pub(super) const PUBLIC_KEY: &str = "p";
    pub(super) const EVENT: &str = "e";
    pub(super) const STATUS: &str = "status";
    pub(super) const AMOUNT: &str = "amount";
    pub(super) const REQUEST: &str = "request";
    pub(super) const GUEST: &str = "guest";
    pub(super) const RESULT: &str = "result";
}

/// Why an event is passed over in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Neither a request nor a deletion.
    OtherKind,
    /// We wrote it.
    Own,
    /// It names providers, and not us.
    OtherProvider,
    /// Too old, or from the future.
    Untimely,
    /// Nobody in particular is asked, and it is larger than we read.
    TooLarge,
    /// A deletion that names no event.
    Nothing,
}

/// What is known of an event before its tags are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screened {
    /// It names us.
    pub targeted: bool,
    /// Content and tags together.
    pub bytes: usize,
}

/// Reads the market's events for one node.
#[derive(Clone, Debug)]
pub struct Reader {
    us: PublicKey,
    hex: String,
}

impl Reader {
    /// For the node with this key.
    pub fn new(us: PublicKey) -> Self {
        Self { us, hex: us.to_hex() }
    }

    /// Is this for us at all? Costs no allocation.
    pub fn screen(&self, event: &Event, now: UnixTime) -> Result<Screened, Ignored> {
        let kind = event.kind.as_u16();
        if kind != DELETION_KIND && !REQUEST_KINDS.contains(&kind) {
            return Err(Ignored::OtherKind);
        }
        if event.pubkey.as_bytes() == self.us.as_bytes() {
            return Err(Ignored::Own);
        }
        if !is_timely(UnixTime::new(event.created_at.as_secs()), now) {
            return Err(Ignored::Untimely);
        }
        let (mut named, mut targeted, mut bytes) = (false, false, event.content.len());
        for tag in event.tags.iter() {
            let tag = tag.as_slice();
            bytes = tag.iter().fold(bytes, |sum, text| sum.saturating_add(text.len()));
            if let [name, value, ..] = tag
                && name == name::PUBLIC_KEY
                && !value.is_empty()
            {
                named = true;
                targeted = targeted || *value == self.hex;
            }
        }
        if kind != DELETION_KIND && named && !targeted {
            return Err(Ignored::OtherProvider);
        }
        if !targeted && (bytes > MAX_REQUEST_BYTES || event.tags.len() > MAX_TAGS) {
            return Err(Ignored::TooLarge);
        }
        Ok(Screened { targeted, bytes })
    }

    /// What it says. For an event that passed [`Reader::screen`].
    pub fn read(&self, event: &Event, screened: Screened, now: UnixTime) -> Result<Incoming, Ignored> {
        let customer = PublicKey::from_bytes(*event.pubkey.as_bytes());
        if event.kind.as_u16() == DELETION_KIND {
            let named = event.tags.iter().filter_map(|tag| match tag.as_slice() {
                [name, id, ..] if name == name::EVENT => JobId::from_hex(id),
                _ => None,
            });
            let jobs: Vec<JobId> = named.take(MAX_CANCELLED).collect();
            return if jobs.is_empty() { Err(Ignored::Nothing) } else { Ok(Incoming::Cancel { customer, jobs }) };
        }
        Ok(job(event, screened, now).map_or_else(
            |reason| Incoming::Unusable {
                id: JobId::from_bytes(event.id.to_bytes()),
                kind: event.kind.as_u16(),
                customer,
                created_at: UnixTime::new(event.created_at.as_secs()),
                targeted: screened.targeted,
                reason,
            },
            |job| Incoming::Job(Box::new(job)),
        ))
    }
}

fn job(event: &Event, screened: Screened, now: UnixTime) -> Result<Job, String> {
    if screened.bytes > MAX_REQUEST_BYTES {
        return Err(format!("{} bytes, {MAX_REQUEST_BYTES} are allowed", screened.bytes));
    }
    if event.tags.len() > MAX_TAGS {
        return Err(format!("{} tags, {MAX_TAGS} are allowed", event.tags.len()));
    }
    let (mut inputs, mut params, mut output, mut bid) = (Vec::new(), Vec::new(), None, None);
    for tag in event.tags.iter() {
        match RequestTag::parse(tag.as_slice())? {
            Some(RequestTag::Input { input, relay }) => inputs.push(Input { hint: relay, ..input }),
            Some(RequestTag::Param(param)) => params.push(param),
            Some(RequestTag::Output(mime)) => output = output.or(Some(mime)),
            // The customer never pays above any bid that was named.
            Some(RequestTag::Bid(most)) => bid = Some(bid.map_or(most, |other: Msat| other.min(most))),
            Some(RequestTag::Encrypted) => return Err("encrypted requests are not accepted: send it in the clear".into()),
            Some(RequestTag::Expiration(at)) if at <= now => return Err("expired".into()),
            Some(RequestTag::Expiration(_) | RequestTag::Provider(_)) | None => {}
        }
    }
    if inputs.is_empty() {
        return Err("no usable input".into());
    }
    Ok(Job {
        id: JobId::from_bytes(event.id.to_bytes()),
        kind: event.kind.as_u16(),
        customer: PublicKey::from_bytes(*event.pubkey.as_bytes()),
        created_at: UnixTime::new(event.created_at.as_secs()),
        inputs,
        params,
        output,
        bid,
        targeted: screened.targeted,
        confidential: false,
        origin: nostr_sdk::JsonUtil::as_json(event),
    })
}

/// A tag of a request that means something to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTag {
    /// Something to work on.
    Input {
        /// It.
        input: Input,
        /// Where its event may be found.
        relay: Option<String>,
    },
    /// The MIME type wanted.
    Output(String),
    /// A setting.
    Param(Param),
    /// The most that will be paid.
    Bid(Msat),
    /// A provider that is wanted.
    Provider(PublicKey),
    /// Inputs and params are in the content, for the provider's eyes only.
    Encrypted,
    /// No answer is wanted after this.
    Expiration(UnixTime),
}

impl RequestTag {
    /// `None` for tags that we do not know; an error for those that we know and cannot read.
    pub fn parse(tag: &[String]) -> Result<Option<Self>, String> {
        let Some((name, values)) = tag.split_first() else { return Ok(None) };
        let first = values.first().map(String::as_str).filter(|value| !value.is_empty());
        Ok(match name.as_str() {
            name::INPUT => Some(input(values)?),
            name::OUTPUT => first.map(|mime| Self::Output(mime.to_owned())),
            name::PARAM => Some(Self::Param(param(values)?)),
            name::BID => {
                let text = first.ok_or("bid has no value")?;
                Some(Self::Bid(msat(text).ok_or_else(|| format!("bid `{}` is not a number of msat", excerpt(text)))?))
            }
            name::PUBLIC_KEY => first.and_then(PublicKey::from_hex).map(Self::Provider),
            name::ENCRYPTED => Some(Self::Encrypted),
            name::EXPIRATION => first.and_then(decimal).map(|at| Self::Expiration(UnixTime::new(at))),
            _ => None,
        })
    }

    /// As it stands in an event.
    pub fn to_tag(&self) -> Tag {
        match self {
            Self::Input { input, relay } => input_tag(input, relay.as_deref()),
            Self::Output(mime) => tag(name::OUTPUT, [mime]),
            Self::Param(param) => tag(name::PARAM, std::iter::once(&param.name).chain(&param.values)),
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
    /// Who asked.
    Customer(PublicKey),
    /// How it stands, and words to it.
    Status(Standing, Option<String>),
    /// What is due, with its BOLT-11 invoice.
    Amount(Msat, Option<String>),
    /// The request in full.
    Request(String),
    /// A guest that took part.
    Guest(GuestStamp),
    /// A fact about the output.
    Result(Attribute),
    /// Of no use after this.
    Expiration(UnixTime),
}

impl AnswerTag {
    /// `None` for tags that we do not know or cannot read: a buyer takes what is there.
    pub fn parse(tag: &[String]) -> Option<Self> {
        let (name, values) = tag.split_first()?;
        let value = |at: usize| values.get(at).map(String::as_str);
        let text = |at: usize| value(at).filter(|text| !text.is_empty()).map(str::to_owned);
        match name.as_str() {
            name::EVENT => JobId::from_hex(value(0)?).map(Self::Job),
            name::PUBLIC_KEY => PublicKey::from_hex(value(0)?).map(Self::Customer),
            name::STATUS => Some(Self::Status(Standing::parse(value(0)?)?, text(1))),
            // Others write fractions of an msat: the whole part counts.
            name::AMOUNT => Some(Self::Amount(msat(value(0)?.split('.').next()?)?, text(1))),
            name::REQUEST => Some(Self::Request(value(0)?.to_owned())),
            name::GUEST => Some(Self::Guest(GuestStamp {
                slot: value(0)?.to_owned(),
                name: value(1)?.to_owned(),
                version: value(2)?.to_owned(),
                digest: Digest::from_hex(value(3)?)?,
            })),
            name::RESULT => Some(Self::Result(Attribute { name: value(0)?.to_owned(), value: value(1)?.to_owned() })),
            name::EXPIRATION => decimal(value(0)?).map(|at| Self::Expiration(UnixTime::new(at))),
            _ => None,
        }
    }

    /// As it stands in an event.
    pub fn to_tag(&self) -> Tag {
        match self {
            Self::Job(id) => tag(name::EVENT, [id.to_hex()]),
            Self::Customer(key) => tag(name::PUBLIC_KEY, [key.to_hex()]),
            Self::Status(standing, words) => tag(name::STATUS, std::iter::once(standing.word()).chain(words.as_deref())),
            Self::Amount(due, bolt11) => tag(name::AMOUNT, std::iter::once(due.get().to_string()).chain(bolt11.clone())),
            Self::Request(json) => tag(name::REQUEST, [json]),
            Self::Guest(stamp) => {
                tag(name::GUEST, [stamp.slot.clone(), stamp.name.clone(), stamp.version.clone(), stamp.digest.to_hex()])
            }
            Self::Result(fact) => tag(name::RESULT, [&fact.name, &fact.value]),
            Self::Expiration(at) => tag(name::EXPIRATION, [at.get().to_string()]),
        }
    }
}

/// The word of a feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the protocol's")]
pub enum Standing {
    PaymentRequired,
    Processing,
    Partial,
    Success,
    Error,
}

impl Standing {
    const ALL: [Self; 5] = [Self::PaymentRequired, Self::Processing, Self::Partial, Self::Success, Self::Error];

    /// As it stands in an event.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PaymentRequired => "payment-required",
            Self::Processing => "processing",
            Self::Partial => "partial",
            Self::Success => "success",
            Self::Error => "error",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.word() == word)
    }
}

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

/// A request to be signed: what a buyer writes.
pub fn request(kind: u16, tags: &[RequestTag]) -> EventBuilder {
    EventBuilder::new(Kind::from_u16(kind), "").tags(tags.iter().map(RequestTag::to_tag))
}

/// The withdrawal of a request, to be signed by its author (NIP-09).
pub fn cancellation(job: JobId, kind: u16) -> EventBuilder {
    let of_kind = tag("k", [kind.to_string()]);
    EventBuilder::new(Kind::from_u16(DELETION_KIND), "").tag(AnswerTag::Job(job).to_tag()).tag(of_kind)
}

fn input(values: &[String]) -> Result<RequestTag, String> {
    let value = |at: usize| values.get(at).map(String::as_str).filter(|value| !value.is_empty());
    let data = values.first().ok_or("an input has no data")?;
    let source = match value(1).unwrap_or("text") {
        // The registry's own example says `prompt`.
        "text" | "prompt" => InputSource::Text(data.clone()),
        "url" => InputSource::Url(data.clone()),
        "event" => InputSource::Event(MessageId::from_hex(data).ok_or("an input of type `event` is not an event id")?),
        "job" => InputSource::Job(JobId::from_hex(data).ok_or("an input of type `job` is not an event id")?),
        other => return Err(format!("input type `{}` is not one of text, url, event, job", excerpt(other))),
    };
    let input = Input { source, hint: None, marker: value(3).map(str::to_owned) };
    Ok(RequestTag::Input { input, relay: value(2).map(str::to_owned) })
}

fn input_tag(input: &Input, relay: Option<&str>) -> Tag {
    let (data, kind) = match &input.source {
        InputSource::Text(text) => (Cow::Borrowed(text.as_str()), "text"),
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

/// Digits and nothing else: no sign, no space, no exponent.
fn decimal(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Enough of a stranger's text to recognise it.
fn excerpt(text: &str) -> &str {
    clipped(text, 40)
}

fn clipped(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

fn tag<I>(name: &'static str, values: I) -> Tag
where
    I: IntoIterator<Item: Into<String>>,
{
    Tag::custom(TagKind::Custom(Cow::Borrowed(name)), values)
}
