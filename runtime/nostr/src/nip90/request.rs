//! What is asked: read by a provider, written by a buyer.

use super::encryption::{self, Encryption};
use super::tags::{RequestTag, name, tag};
use super::{AnswerTag, CANCELLED_MAX, DELETION_KIND, REQUEST_BYTES_MAX, REQUEST_KINDS, TAGS_MAX};
use nostr_sdk::{Event, EventBuilder, JsonUtil, Keys, Kind, Tag};
use pylon_core::admission::is_timely;
use pylon_core::message::Incoming;
use pylon_core::{Input, Job, JobId, Msat, Param, PublicKey, UnixTime};

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
        if !targeted && (bytes > REQUEST_BYTES_MAX || event.tags.len() > TAGS_MAX) {
            return Err(Ignored::TooLarge);
        }
        Ok(Screened { targeted, bytes })
    }

    /// What it says, decrypted with our keys if it is confidential. For an event that passed [`Reader::screen`].
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
            return if jobs.is_empty() {
                Err(Ignored::Nothing)
            } else {
                Ok(Incoming::Cancel { customer, jobs })
            };
        }
        Ok(job(event, screened, now, keys).map_or_else(
            |Unusable { reason, confidential }| Incoming::Malformed {
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

/// Why a request is of no use.
struct Unusable {
    reason: String,
    /// The reason may quote what was encrypted.
    confidential: bool,
}

fn job(event: &Event, screened: Screened, now: UnixTime, keys: &Keys) -> Result<Job, Unusable> {
    let in_clear = |reason| Unusable { reason, confidential: false };
    if screened.bytes > REQUEST_BYTES_MAX {
        return Err(in_clear(format!("{} bytes, {REQUEST_BYTES_MAX} are allowed", screened.bytes)));
    }
    let confidential = encryption::is_encrypted(event);
    let hidden = match confidential {
        // Nobody can encrypt to whoever answers.
        true if !screened.targeted => return Err(in_clear("encrypted, and to nobody".into())),
        true => encryption::hidden_tags(event, keys).map_err(in_clear)?,
        false => Vec::new(),
    };
    let count = event.tags.len().saturating_add(hidden.len());
    if count > TAGS_MAX {
        return Err(in_clear(format!("{count} tags, {TAGS_MAX} are allowed")));
    }
    let tags = event.tags.iter().map(Tag::as_slice).chain(hidden.iter().map(Vec::as_slice));
    let asked = Asked::read(tags, now).map_err(|reason| Unusable { reason, confidential })?;
    Ok(Job {
        id: JobId::from_bytes(event.id.to_bytes()),
        kind: event.kind.as_u16(),
        customer: PublicKey::from_bytes(*event.pubkey.as_bytes()),
        created_at: UnixTime::new(event.created_at.as_secs()),
        inputs: asked.inputs,
        params: asked.params,
        output: asked.output,
        bid: asked.bid,
        targeted: screened.targeted,
        confidential,
        expires_at: asked.expires_at,
        origin: event.as_json(),
    })
}

/// What the tags of a request ask for.
#[derive(Default)]
struct Asked {
    inputs: Vec<Input>,
    params: Vec<Param>,
    output: Option<String>,
    bid: Option<Msat>,
    expires_at: Option<UnixTime>,
}

impl Asked {
    fn read<'a>(tags: impl Iterator<Item = &'a [String]>, now: UnixTime) -> Result<Self, String> {
        let mut asked = Self::default();
        for tag in tags {
            match RequestTag::parse(tag)? {
                Some(RequestTag::Input { input, relay }) => {
                    asked.inputs.push(Input { hint: relay, ..input })
                }
                Some(RequestTag::Param(param)) => asked.params.push(param),
                Some(RequestTag::Output(mime)) => asked.output = asked.output.or(Some(mime)),
                // The customer never pays above any bid that was named.
                Some(RequestTag::Bid(most)) => {
                    asked.bid = Some(asked.bid.map_or(most, |other| other.min(most)))
                }
                Some(RequestTag::Expiration(at)) if at <= now => return Err("expired".into()),
                Some(RequestTag::Expiration(at)) => {
                    asked.expires_at = Some(asked.expires_at.map_or(at, |other| other.min(at)))
                }
                Some(RequestTag::Provider(_) | RequestTag::Encrypted) | None => {}
            }
        }
        if asked.inputs.is_empty() { Err("no usable input".into()) } else { Ok(asked) }
    }
}

/// A request to be signed: what a buyer writes.
pub fn request(kind: u16, tags: &[RequestTag]) -> EventBuilder {
    EventBuilder::new(Kind::from_u16(kind), "")
        .tags(tags.iter().map(RequestTag::to_tag))
        .allow_self_tagging()
}

/// A request that only the provider can read (NIP-44): everything but its address is encrypted. To be signed with the same keys.
pub fn confidential_request(
    kind: u16,
    tags: &[RequestTag],
    keys: &Keys,
) -> Result<EventBuilder, String> {
    let mut providers = tags
        .iter()
        .filter_map(|tag| if let RequestTag::Provider(key) = tag { Some(key) } else { None });
    let (Some(provider), None) = (providers.next(), providers.next()) else {
        return Err("a confidential request is for one provider: name it".into());
    };
    let provider = nostr_sdk::PublicKey::from_byte_array(*provider.as_bytes());
    let is_open =
        |tag: &&RequestTag| matches!(tag, RequestTag::Provider(_) | RequestTag::Expiration(_));
    let (open, hidden): (Vec<_>, Vec<_>) =
        tags.iter().filter(|tag| **tag != RequestTag::Encrypted).partition(is_open);
    let hidden: Vec<Tag> = hidden.into_iter().map(RequestTag::to_tag).collect();
    let hidden: Vec<&[String]> = hidden.iter().map(Tag::as_slice).collect();
    let content =
        Encryption::Nip44.seal(keys, &provider, &serde_json::json!(hidden).to_string())?;
    let open = open.into_iter().map(RequestTag::to_tag).chain([RequestTag::Encrypted.to_tag()]);
    Ok(EventBuilder::new(Kind::from_u16(kind), content).tags(open).allow_self_tagging())
}

/// The withdrawal of a request, to be signed by its author (NIP-09).
pub fn cancellation(job: JobId, kind: u16) -> EventBuilder {
    let of_kind = tag("k", [kind.to_string()]);
    EventBuilder::new(Kind::from_u16(DELETION_KIND), "")
        .tag(AnswerTag::Job(job).to_tag())
        .tag(of_kind)
}
