//! Who vouches for machine code: an event as that of a [`release`](super::release), over the SHA-256 of an image. Its tags say which component it
//! was made of (`component`, SHA-256) and for which engine (`engine`).

use super::release::{ReleaseError, digest, event, expiration, signed, tag};
use nostr_sdk::Keys;
use pylon_core::{Digest, PublicKey, UnixTime};

const MIME: &str = "application/octet-stream";

/// What is vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageClaim {
    /// SHA-256 of the image.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of the component that it was made of.
    pub component: Digest,
    /// The engine that it is for.
    pub engine: String,
}

/// A claim and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRelease {
    /// Whose key signed it.
    pub publisher: PublicKey,
    /// What it is about.
    pub claim: ImageClaim,
    /// When it ends.
    pub expires_at: Option<UnixTime>,
}

/// A release of an image in the name of these keys, as JSON.
pub fn sign(
    keys: &Keys,
    claim: &ImageClaim,
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

/// The release in this JSON, if it is for the image with this digest. Whether its time is over is for the caller.
pub fn verify(json: &str, image: Digest) -> Result<ImageRelease, ReleaseError> {
    let event = event(json, MIME)?;
    let claim = ImageClaim {
        digest: digest(&event, "x")?,
        size: tag(&event, "size")?.parse().map_err(|_| ReleaseError::Tag("size"))?,
        component: digest(&event, "component")?,
        engine: tag(&event, "engine")?.into(),
    };
    if claim.digest != image {
        return Err(ReleaseError::OtherDigest(claim.digest));
    }
    Ok(ImageRelease {
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

    /// Goal: what is signed is what is read, and nothing else passes. Method: one release, and what comes near it.
    #[test]
    fn an_image_has_a_signer() {
        let (keys, image) = (Keys::generate(), Digest::of(b"image"));
        let claim = ImageClaim {
            digest: image,
            size: 5,
            component: Digest::of(b"component"),
            engine: "e".into(),
        };
        let json = sign(&keys, &claim, NOW, Some(NOW.plus(60))).unwrap();
        let release =
            ImageRelease { publisher: public_key(&keys), claim, expires_at: Some(NOW.plus(60)) };
        assert_eq!(verify(&json, image), Ok(release));
        assert_eq!(
            verify(&json, Digest::of(b"other")).map_err(|error| error.code()),
            Err("other-digest")
        );
        assert_eq!(verify(&json.replace("for e", "for f"), image), Err(ReleaseError::Signature));
        let other =
            release::Claim { digest: image, size: 5, name: "a".into(), version: "1".into() };
        let of_a_component = release::sign(&keys, &other, NOW, None).unwrap();
        assert_eq!(
            verify(&of_a_component, image),
            Err(ReleaseError::Tag("m")),
            "who signs a component does not sign machine code"
        );
        assert_eq!(release::verify(&json, image, NOW).map_err(|error| error.code()), Err("tag"));
    }
}
