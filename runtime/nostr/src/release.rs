//! A release of a component: a NIP-94 event (kind 1063) over its SHA-256, signed by its author and
//! stored as JSON next to it. Pure: the installer handles files, trust and deletions.
//!
//! Tags: `x` is the SHA-256 in hex, `m` is `application/wasm`, `size` is in bytes, `name` and
//! `version` are those of the component, and NIP-40's `expiration` is optional.

use nostr_sdk::{Event, EventBuilder, JsonUtil, Keys, Kind, Tag, TagKind, Timestamp};
use pylon_core::{Digest, MessageId, PublicKey, UnixTime};

/// File metadata (NIP-94).
pub const KIND: u16 = 1063;
const MIME: &str = "application/wasm";
/// A release has a few lines.
pub const BYTES_MAX: usize = 16 << 10;

/// The statement of an author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the component.
    pub digest: Digest,
    /// The size of the component in bytes.
    pub size: u64,
    /// The component's own name.
    pub name: String,
    /// The component's own version.
    pub version: String,
}

/// A verified claim and its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The id of the event, which a deletion would name.
    pub id: MessageId,
    /// The key that signed it.
    pub publisher: PublicKey,
    /// The statement.
    pub claim: Claim,
    /// When it was signed, according to its author.
    pub signed_at: UnixTime,
    /// When it expires.
    pub expires_at: Option<UnixTime>,
}

/// Why a release is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Not a signed event.
    #[error("not a signed event: {0}")]
    Malformed(String),
    /// An event of another kind.
    #[error("an event of kind {0}: a release has kind {KIND}")]
    Kind(u16),
    /// A tag is missing, repeated or invalid.
    #[error("the tag `{0}` is missing or wrong")]
    Tag(&'static str),
    /// The id or the signature is wrong.
    #[error("the signature is not that of its author")]
    Signature,
    /// A valid signature over another component.
    #[error("for another component, sha256 {0}")]
    OtherDigest(Digest),
    /// The release has expired.
    #[error("expired")]
    Expired(UnixTime),
}

impl ReleaseError {
    /// The code in records and JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Kind(_) => "kind",
            Self::Tag(_) => "tag",
            Self::Signature => "invalid",
            Self::OtherDigest(_) => "other-digest",
            Self::Expired(_) => "expired",
        }
    }
}

/// Signs a release with the author's keys, as JSON.
pub fn sign(
    keys: &Keys,
    claim: &Claim,
    at: UnixTime,
    expires_at: Option<UnixTime>,
) -> Result<String, ReleaseError> {
    let size = claim.size.to_string();
    let digest = claim.digest.to_hex();
    let facts = [
        ("x", &*digest),
        ("m", MIME),
        ("size", &size),
        ("name", &claim.name),
        ("version", &claim.version),
    ];
    signed(keys, &facts, format!("{} {}", claim.name, claim.version), at, expires_at)
}

/// Signs an event with these tags, as JSON.
pub(super) fn signed(
    keys: &Keys,
    facts: &[(&'static str, &str)],
    content: String,
    at: UnixTime,
    expires_at: Option<UnixTime>,
) -> Result<String, ReleaseError> {
    let mut tags: Vec<_> =
        facts.iter().map(|(name, value)| Tag::custom(TagKind::custom(*name), [*value])).collect();
    tags.extend(expires_at.map(|at| Tag::expiration(Timestamp::from(at.get()))));
    let event = EventBuilder::new(Kind::from_u16(KIND), content)
        .tags(tags)
        .custom_created_at(Timestamp::from(at.get()));
    let event =
        event.sign_with_keys(keys).map_err(|error| ReleaseError::Malformed(error.to_string()))?;
    Ok(event.as_json())
}

/// Verifies the release in this JSON for the component with this digest.
pub fn verify(json: &str, digest: Digest, now: UnixTime) -> Result<Release, ReleaseError> {
    let release = read(json)?;
    if release.claim.digest != digest {
        return Err(ReleaseError::OtherDigest(release.claim.digest));
    }
    match release.expires_at {
        Some(end) if end <= now => Err(ReleaseError::Expired(end)),
        _ => Ok(release),
    }
}

/// When an already verified release, of a component or of precompiled code, expires. `None`: never.
pub fn ends_at(json: &str) -> Option<UnixTime> {
    expiration(&Event::from_json(json).ok()?).ok()?
}

/// Verifies the signature and reads the claim.
fn read(json: &str) -> Result<Release, ReleaseError> {
    let event = event(json, MIME)?;
    let expires_at = expiration(&event)?;
    Ok(Release {
        id: MessageId::from_bytes(*event.id.as_bytes()),
        publisher: PublicKey::from_bytes(*event.pubkey.as_bytes()),
        claim: Claim {
            digest: digest(&event, "x")?,
            size: tag(&event, "size")?.parse().map_err(|_| ReleaseError::Tag("size"))?,
            name: tag(&event, "name")?.into(),
            version: tag(&event, "version")?.into(),
        },
        signed_at: UnixTime::new(event.created_at.as_secs()),
        expires_at,
    })
}

/// A signed event about a file of this type.
pub(super) fn event(json: &str, mime: &str) -> Result<Event, ReleaseError> {
    if json.len() > BYTES_MAX {
        return Err(ReleaseError::Malformed(format!("more than {BYTES_MAX} bytes")));
    }
    let event =
        Event::from_json(json).map_err(|error| ReleaseError::Malformed(error.to_string()))?;
    if event.kind.as_u16() != KIND {
        return Err(ReleaseError::Kind(event.kind.as_u16()));
    }
    event.verify().map_err(|_| ReleaseError::Signature)?;
    if tag(&event, "m")? != mime {
        return Err(ReleaseError::Tag("m"));
    }
    Ok(event)
}

/// When it expires.
pub(super) fn expiration(event: &Event) -> Result<Option<UnixTime>, ReleaseError> {
    match tag(event, "expiration") {
        Ok(at) => Ok(Some(UnixTime::new(at.parse().map_err(|_| ReleaseError::Tag("expiration"))?))),
        Err(_) if values(event, "expiration").next().is_none() => Ok(None),
        Err(wrong) => Err(wrong),
    }
}

pub(super) fn digest(event: &Event, name: &'static str) -> Result<Digest, ReleaseError> {
    Digest::from_hex(tag(event, name)?).ok_or(ReleaseError::Tag(name))
}

/// The value of a tag that must not be repeated: readers could differ in which of two they use.
pub(super) fn tag<'a>(event: &'a Event, name: &'static str) -> Result<&'a str, ReleaseError> {
    let mut found = values(event, name);
    match (found.next(), found.next()) {
        (Some(Some(value)), None) => Ok(value),
        _ => Err(ReleaseError::Tag(name)),
    }
}

fn values<'a>(event: &'a Event, name: &'static str) -> impl Iterator<Item = Option<&'a str>> {
    let named = event
        .tags
        .iter()
        .map(Tag::as_slice)
        .filter(move |tag| tag.first().is_some_and(|first| first == name));
    named.map(|tag| tag.get(1).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::super::identity::public_key;
    use super::*;
    use serde_json::{Value, json};

    const NOW: UnixTime = UnixTime::new(1_700_000_000);

    fn claim() -> Claim {
        Claim {
            digest: Digest::of(b"component"),
            size: 9,
            name: "happy-hours".into(),
            version: "1.0.0".into(),
        }
    }

    fn event(change: impl FnOnce(&mut Vec<Vec<String>>), kind: u16) -> String {
        let mut tags: Vec<Vec<String>> =
            Event::from_json(sign(&Keys::generate(), &claim(), NOW, None).unwrap())
                .unwrap()
                .tags
                .iter()
                .map(|tag| tag.as_slice().to_vec())
                .collect();
        change(&mut tags);
        let tags: Vec<_> = tags.into_iter().map(|tag| Tag::parse(tag).unwrap()).collect();
        let event = EventBuilder::new(Kind::from_u16(kind), "")
            .tags(tags)
            .sign_with_keys(&Keys::generate())
            .unwrap();
        event.as_json()
    }

    fn set(tags: &mut Vec<Vec<String>>, name: &str, value: &str) {
        tags.retain(|tag| tag[0] != name);
        tags.push(vec![name.into(), value.into()]);
    }

    /// A signed release is verified, and is an event that other Nostr programs can verify.
    #[test]
    fn a_release_is_verified() {
        let keys = Keys::generate();
        let json = sign(&keys, &claim(), NOW, Some(NOW.plus(60))).unwrap();
        let release = verify(&json, claim().digest, NOW).unwrap();
        assert_eq!(
            (release.publisher, release.claim, release.signed_at),
            (public_key(&keys), claim(), NOW)
        );
        assert_eq!((release.expires_at, ends_at(&json)), (Some(NOW.plus(60)), Some(NOW.plus(60))));
        assert_eq!(ends_at(&sign(&keys, &claim(), NOW, None).unwrap()), None);
        let event: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(event["kind"], json!(1063));
        assert_eq!(event["tags"][0], json!(["x", Digest::of(b"component").to_hex()]));
        assert_eq!(event["tags"][5], json!(["expiration", "1700000060"]));
    }

    /// Each error has its own case. One row each.
    #[test]
    fn each_error_has_its_case() {
        let keys = Keys::generate();
        let good = sign(&keys, &claim(), NOW, Some(NOW.plus(60))).unwrap();
        let check = |json: &str, digest: Digest, now: UnixTime, expected: &str| {
            assert_eq!(
                verify(json, digest, now).map_err(|error| error.code()),
                Err(expected),
                "{json}"
            );
        };
        let ours = claim().digest;
        check("", ours, NOW, "malformed");
        check("{}", ours, NOW, "malformed");
        check(&" ".repeat(BYTES_MAX + 1), ours, NOW, "malformed");
        check(&good.replace("happy-hours", "other-hours"), ours, NOW, "invalid");
        check(
            &good.replacen("\"sig\":\"", "\"sig\":\"0", 1).replacen("\"}", "", 1),
            ours,
            NOW,
            "malformed",
        );
        check(&good, Digest::of(b"other"), NOW, "other-digest");
        check(&good, ours, NOW.plus(60), "expired");
        check(&event(|_| {}, 1), ours, NOW, "kind");
        for name in ["x", "m", "size", "name", "version"] {
            check(&event(|tags| tags.retain(|tag| tag[0] != name), KIND), ours, NOW, "tag");
            check(&event(|tags| tags.push(vec![name.into(), "1".into()]), KIND), ours, NOW, "tag");
        }
        for (name, value) in
            [("x", "00"), ("m", "text/plain"), ("size", "-1"), ("expiration", "soon")]
        {
            check(&event(|tags| set(tags, name, value), KIND), ours, NOW, "tag");
        }
    }
}
