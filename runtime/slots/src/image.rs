//! Code that was compiled elsewhere: a file beside its component, COMPONENT.ENGINE.cwasm, and its release beside that. It is believed if one of the
//! publishers has signed it, for this component and this engine.

use pylon_core::slots::Lockdown;
use pylon_core::{Digest, UnixTime};
use pylon_nostr::identity::npub_of;
use pylon_nostr::image_release;
use pylon_sandbox::SignedPrecompiled;

/// As it was found.
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) release: Option<String>,
}

/// What its file is called, after the name of its component.
pub fn suffix(engine: &str) -> String {
    format!(".{engine}.cwasm")
}

impl Image {
    /// Ready to be loaded, or why not. Where no time is given, its time may be over: it was not when it was installed.
    pub(super) fn signed(
        &self,
        component: Digest,
        engine: &str,
        rules: &Lockdown,
        now: Option<UnixTime>,
    ) -> Result<SignedPrecompiled<'_>, String> {
        let digest = Digest::of(&self.bytes);
        let release = self
            .release
            .as_deref()
            .ok_or("it has no release beside it: sign it with `pylon guest sign`")?;
        let release = image_release::verify(release, digest)
            .map_err(|error| format!("its release does not hold: {error}"))?;
        if !crate::publishers(rules).contains(&release.publisher) {
            return Err(format!(
                "signed by {}, who is not among `lockdown.trusted_publishers`",
                npub_of(release.publisher)
            ));
        }
        if release.claim.component != component {
            return Err(format!(
                "it was made of another component, sha256 {}",
                release.claim.component
            ));
        }
        if release.claim.engine != engine {
            return Err(format!(
                "it is for the engine {}, and this is {engine}",
                release.claim.engine
            ));
        }
        match (release.expires_at, now) {
            (Some(end), Some(now)) if end <= now => Err("its release is expired".into()),
            _ => Ok(SignedPrecompiled { component, digest, bytes: &self.bytes }),
        }
    }
}
