//! Requests: read by a provider, written by a buyer.

use super::encryption::{self, Encryption};
use super::protocol::{CANCELLED_MAX, DELETION_KIND, REQUEST_BYTES_MAX, REQUEST_KINDS, TAGS_MAX};
use super::tags::{AnswerTag, RequestTag, name, tag};
use nostr_sdk::{Event, EventBuilder, JsonUtil, Keys, Kind, Tag};
use pylon_core::admission::is_timely;
use pylon_core::message::Incoming;
use pylon_core::{Input, Job, JobId, Msat, Param, PublicKey, UnixTime};

/// Why an event is ignored without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Neither a request nor a deletion.
    OtherKind,
    /// The node wrote it.
    Own,
    /// It names other providers.
    OtherProvider,
    /// Its date is too old or in the future.
    Untimely,
    /// It names no provider and is too large.
    TooLarge,
    /// A deletion that names no event.
    Nothing,
}

/// The parts of an event that are read before its tags are parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screened {
    /// It names the node.
    pub targeted: bool,
    /// Content and tags together.
    pub bytes: usize,
    /// It has a tag without even a name, which is left out in the event.
    pub has_empty_tag: bool,
}

/// Reads events for one node.
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

    /// Is the node's key in this text?
    pub fn is_named_in(&self, text: &str) -> bool {
        text.contains(&self.hex)
    }

    /// Is this event for the node? Allocates nothing.
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
        if !targeted && (bytes > REQUEST_BYTES_MAX || event.tags.len() > TAGS_MAX) {
            return Err(Ignored::TooLarge);
        }
        Ok(Screened { targeted, bytes, has_empty_tag: false })
    }

    /// Parses an event that passed [`Reader::screen`], decrypted with our keys if it is
    /// confidential.
    pub fn read(
        &self,
        event: &Event,
        screened: Screened,
        now: UnixTime,
        keys: &Keys,
    ) -> Result<Incoming, Ignored> {
        let customer = PublicKey::from_bytes(*event.pubkey.as_bytes());
        if event.kind.as_u16() == DELETION_KIND {
            let named = event.tags.iter().filter_map(|tag| match tag.as_slice() {
                [name, id, ..] if name == name::EVENT => JobId::from_hex(id),
                _ => None,
            });
            let jobs: Vec<JobId> = named.take(CANCELLED_MAX).collect();
            return if jobs.is_empty() || !may_delete_requests(event) {
                Err(Ignored::Nothing)
            } else {
                Ok(Incoming::Cancel { customer, jobs, targeted: screened.targeted })
            };
        }
        Ok(job(event, screened, now, keys).map_or_else(
            |Malformed { reason, confidential }| Incoming::Malformed {
                id: JobId::from_bytes(event.id.to_bytes()),
                kind: event.kind.as_u16(),
                customer,
                created_at: UnixTime::new(event.created_at.as_secs()),
                targeted: screened.targeted,
                reason,
                confidential: confidential.then(|| event.as_json()),
            },
            |job| Incoming::Job(Box::new(job)),
        ))
    }
}

/// A deletion may say which kinds it deletes.
fn may_delete_requests(deletion: &Event) -> bool {
    let mut kinds = deletion.tags.iter().filter_map(|tag| match tag.as_slice() {
        [name, kind, ..] if name == name::KIND => Some(kind.parse()),
        _ => None,
    });
    let is_request = |kind: Result<u16, _>| kind.is_ok_and(|kind| REQUEST_KINDS.contains(&kind));
    kinds.next().is_none_or(|first| is_request(first) || kinds.any(is_request))
}

/// Why a request is invalid.
struct Malformed {
    reason: String,
    /// The reason may quote encrypted text.
    confidential: bool,
}

fn job(event: &Event, screened: Screened, now: UnixTime, keys: &Keys) -> Result<Job, Malformed> {
    let plain = |reason| Malformed { reason, confidential: false };
    if screened.has_empty_tag {
        return Err(plain("a tag is empty".into()));
    }
    if screened.bytes > REQUEST_BYTES_MAX {
        return Err(plain(format!("{} bytes, {REQUEST_BYTES_MAX} are allowed", screened.bytes)));
    }
    let confidential = encryption::is_encrypted(event);
    let hidden = match confidential {
        // Without a named provider the request cannot be encrypted to us.
        true if !screened.targeted => {
            return Err(plain("encrypted, but no provider is named".into()));
        }
        true => encryption::hidden_tags(event, keys).map_err(plain)?,
        false => Vec::new(),
    };
    let count = event.tags.len().saturating_add(hidden.len());
    if count > TAGS_MAX {
        return Err(plain(format!("{count} tags, {TAGS_MAX} are allowed")));
    }
    let tags = event.tags.iter().map(Tag::as_slice).chain(hidden.iter().map(Vec::as_slice));
    let parsed =
        ParsedRequest::read(tags, now).map_err(|reason| Malformed { reason, confidential })?;
    Ok(Job {
        id: JobId::from_bytes(event.id.to_bytes()),
        kind: event.kind.as_u16(),
        customer: PublicKey::from_bytes(*event.pubkey.as_bytes()),
        created_at: UnixTime::new(event.created_at.as_secs()),
        inputs: parsed.inputs,
        params: parsed.params,
        output: parsed.output,
        bid: parsed.bid,
        targeted: screened.targeted,
        confidential,
        expires_at: parsed.expires_at,
        origin: event.as_json(),
    })
}

/// The content of the tags of a request.
#[derive(Default)]
struct ParsedRequest {
    inputs: Vec<Input>,
    params: Vec<Param>,
    output: Option<String>,
    bid: Option<Msat>,
    expires_at: Option<UnixTime>,
}

impl ParsedRequest {
    fn read<'a>(tags: impl Iterator<Item = &'a [String]>, now: UnixTime) -> Result<Self, String> {
        let mut parsed = Self::default();
        for tag in tags {
            match RequestTag::parse(tag)? {
                Some(RequestTag::Input { input, relay }) => {
                    parsed.inputs.push(Input { hint: relay, ..input })
                }
                Some(RequestTag::Param(param)) => parsed.params.push(param),
                Some(RequestTag::Output(mime)) => parsed.output = parsed.output.or(Some(mime)),
                // Of several bids the lowest counts.
                Some(RequestTag::Bid(most)) => {
                    parsed.bid = Some(parsed.bid.map_or(most, |other| other.min(most)))
                }
                Some(RequestTag::Expiration(at)) if at <= now => return Err("expired".into()),
                Some(RequestTag::Expiration(at)) => {
                    parsed.expires_at = Some(parsed.expires_at.map_or(at, |other| other.min(at)))
                }
                Some(RequestTag::Provider(_) | RequestTag::Encrypted) | None => {}
            }
        }
        if parsed.inputs.is_empty() { Err("no usable input".into()) } else { Ok(parsed) }
    }
}

/// A request of a buyer, to be signed.
pub fn request(kind: u16, tags: &[RequestTag]) -> EventBuilder {
    EventBuilder::new(Kind::from_u16(kind), "")
        .tags(tags.iter().map(RequestTag::to_tag))
        .allow_self_tagging()
}

/// A request that only the provider can read (NIP-44): all tags except the address are encrypted.
/// Must be signed with the same keys.
pub fn confidential_request(
    kind: u16,
    tags: &[RequestTag],
    keys: &Keys,
) -> Result<EventBuilder, String> {
    let mut providers = tags
        .iter()
        .filter_map(|tag| if let RequestTag::Provider(key) = tag { Some(key) } else { None });
    let (Some(provider), None) = (providers.next(), providers.next()) else {
        return Err("a confidential request needs exactly one provider: name it".into());
    };
    let provider = nostr_sdk::PublicKey::from_byte_array(*provider.as_bytes());
    let is_open =
        |tag: &&RequestTag| matches!(tag, RequestTag::Provider(_) | RequestTag::Expiration(_));
    let (open, hidden): (Vec<_>, Vec<_>) =
        tags.iter().filter(|tag| **tag != RequestTag::Encrypted).partition(is_open);
    let hidden: Vec<Tag> = hidden.into_iter().map(RequestTag::to_tag).collect();
    let hidden: Vec<&[String]> = hidden.iter().map(Tag::as_slice).collect();
    let content =
        Encryption::Nip44.encrypt(keys, &provider, &serde_json::json!(hidden).to_string())?;
    let open = open.into_iter().map(RequestTag::to_tag).chain([RequestTag::Encrypted.to_tag()]);
    Ok(EventBuilder::new(Kind::from_u16(kind), content).tags(open).allow_self_tagging())
}

/// The withdrawal of a request (NIP-09), to be signed by its author.
pub fn cancellation(job: JobId, kind: u16) -> EventBuilder {
    let of_kind = tag(name::KIND, [kind.to_string()]);
    EventBuilder::new(Kind::from_u16(DELETION_KIND), "")
        .tag(AnswerTag::Job(job).to_tag())
        .tag(of_kind)
}
