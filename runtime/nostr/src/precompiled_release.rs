//! A release of machine code: an event like that of a [`release`](super::release), over the SHA-256
//! of precompiled code. Further tags are the component that it was compiled from (`component`,
//! SHA-256) and the engine (`engine`).

use super::release::{ReleaseError, digest, event, expiration, signed, tag};
use nostr_sdk::Keys;
use pylon_core::{Digest, PublicKey, UnixTime};

const MIME: &str = "application/octet-stream";

/// The signed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrecompiledClaim {
    /// SHA-256 of the precompiled code.
    pub digest: Digest,
    /// The size of the precompiled code in bytes.
    pub size: u64,
    /// SHA-256 of the component that it was compiled from.
    pub component: Digest,
    /// The engine that it was compiled for.
    pub engine: String,
}

/// A claim and its signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrecompiledRelease {
    /// The key that signed it.
    pub publisher: PublicKey,
    /// The statement.
    pub claim: PrecompiledClaim,
    /// When it expires.
    pub expires_at: Option<UnixTime>,
}

/// Signs a release of precompiled code with these keys, as JSON.
pub fn sign(
    keys: &Keys,
    claim: &PrecompiledClaim,
    at: UnixTime,
    expires_at: Option<UnixTime>,
) -> Result<String, ReleaseError> {
    let (size, digest, component) =
        (claim.size.to_string(), claim.digest.to_hex(), claim.component.to_hex());
    let facts = [
        ("x", &*digest),
        ("m", MIME),
        ("size", &size),
        ("component", &component),
        ("engine", &claim.engine),
    ];
    signed(keys, &facts, format!("{component} for {}", claim.engine), at, expires_at)
}

/// Verifies the release in this JSON for the precompiled code with this digest. The caller checks
/// the expiration.
pub fn verify(json: &str, code: Digest) -> Result<PrecompiledRelease, ReleaseError> {
    let event = event(json, MIME)?;
    let claim = PrecompiledClaim {
        digest: digest(&event, "x")?,
        size: tag(&event, "size")?.parse().map_err(|_| ReleaseError::Tag("size"))?,
        component: digest(&event, "component")?,
        engine: tag(&event, "engine")?.into(),
    };
    if claim.digest != code {
        return Err(ReleaseError::OtherDigest(claim.digest));
    }
    Ok(PrecompiledRelease {
        publisher: PublicKey::from_bytes(*event.pubkey.as_bytes()),
        claim,
        expires_at: expiration(&event)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::public_key;
    use crate::release;

    const NOW: UnixTime = UnixTime::new(1_700_000_000);

    /// Goal: a signed release is parsed as signed, and no other event is accepted. Method: one
    /// release, and similar ones.
    #[test]
    fn a_release_of_an_image_is_verified() {
        let (keys, digest) = (Keys::generate(), Digest::of(b"code"));
        let claim = PrecompiledClaim {
            digest,
            size: 5,
            component: Digest::of(b"component"),
            engine: "e".into(),
        };
        let json = sign(&keys, &claim, NOW, Some(NOW.plus(60))).unwrap();
        let release = PrecompiledRelease {
            publisher: public_key(&keys),
            claim,
            expires_at: Some(NOW.plus(60)),
        };
        assert_eq!(verify(&json, digest), Ok(release));
        assert_eq!(
            verify(&json, Digest::of(b"other")).map_err(|error| error.code()),
            Err("other-digest")
        );
        assert_eq!(verify(&json.replace("for e", "for f"), digest), Err(ReleaseError::Signature));
        let other = release::Claim { digest, size: 5, name: "a".into(), version: "1".into() };
        let of_a_component = release::sign(&keys, &other, NOW, None).unwrap();
        assert_eq!(
            verify(&of_a_component, digest),
            Err(ReleaseError::Tag("m")),
            "a release of a component is not one of machine code"
        );
        assert_eq!(release::verify(&json, digest, NOW).map_err(|error| error.code()), Err("tag"));
    }
}
