//! Precompiled code: a file next to its component, COMPONENT.ENGINE.cwasm, with a release next to
//! it. It runs if a trusted publisher signed it for this component and this engine.

use crate::failure::changed;
use pylon_core::{Digest, PublicKey, UnixTime};
use pylon_nostr::identity::npub_of;
use pylon_nostr::precompiled_release;
use pylon_nostr::release::ReleaseError;
use pylon_sandbox::SignedPrecompiled;

/// Precompiled code as it was found: untrusted.
pub(crate) struct Precompiled {
    pub(crate) bytes: Vec<u8>,
    pub(crate) release: Option<String>,
}

/// The end of its file name, after the name of its component.
pub fn suffix(engine: &str) -> String {
    format!(".{engine}.cwasm")
}

impl Precompiled {
    /// Checks the release. Without a time its expiry is not checked: it was valid at the
    /// installation.
    pub(crate) fn verify(
        &self,
        component: Digest,
        engine: &str,
        publishers: &[PublicKey],
        now: Option<UnixTime>,
    ) -> Result<SignedPrecompiled<'_>, String> {
        let digest = Digest::of(&self.bytes);
        let release = self.release.as_deref().ok_or(
            "it is not signed, because it has no release next to it (FILE.release.json): sign it \
             with `pylon guest sign`",
        )?;
        let release =
            precompiled_release::verify(release, digest).map_err(|error| match error {
                ReleaseError::OtherDigest(_) => changed(&error),
                error => format!("its release is invalid: {error}"),
            })?;
        if !publishers.contains(&release.publisher) {
            return Err(format!(
                "it is signed by {}, which is not among `lockdown.trusted_publishers`: add that \
                 key, or sign it with a trusted one",
                npub_of(release.publisher)
            ));
        }
        if release.claim.component != component {
            return Err(format!(
                "it was compiled from another component, sha256 {}",
                release.claim.component
            ));
        }
        if release.claim.engine != engine {
            return Err(format!(
                "it is for the engine {}, and this one is {engine}",
                release.claim.engine
            ));
        }
        match (release.expires_at, now) {
            (Some(end), Some(now)) if end <= now => Err("its release is expired".into()),
            _ => Ok(SignedPrecompiled { component, digest, bytes: &self.bytes }),
        }
    }
}
