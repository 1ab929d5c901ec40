//! What is asked: read by a provider, written by a buyer.

use super::tags::{RequestTag, name, tag};
use super::{AnswerTag, DELETION_KIND, MAX_CANCELLED, MAX_REQUEST_BYTES, MAX_TAGS, REQUEST_KINDS};
use nostr_sdk::{Event, EventBuilder, Kind};
use pylon_core::admission::is_timely;
use pylon_core::ports::market::Incoming;
use pylon_core::{Job, JobId, Msat, PublicKey, UnixTime};

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
            Some(RequestTag::Input { input, .. }) => inputs.push(input),
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

/// A request to be signed: what a buyer writes.
pub fn request(kind: u16, tags: &[RequestTag]) -> EventBuilder {
    EventBuilder::new(Kind::from_u16(kind), "").tags(tags.iter().map(RequestTag::to_tag))
}

/// The withdrawal of a request, to be signed by its author (NIP-09).
pub fn cancellation(job: JobId, kind: u16) -> EventBuilder {
    let of_kind = tag("k", [kind.to_string()]);
    EventBuilder::new(Kind::from_u16(DELETION_KIND), "").tag(AnswerTag::Job(job).to_tag()).tag(of_kind)
}
