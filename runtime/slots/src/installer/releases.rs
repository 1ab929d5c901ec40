//! Checks of releases: before an installation, and later, when the rules have changed or a release
//! has expired or was deleted by its publisher.

use super::Installer;
use crate::config::publishers;
use crate::failure::{InstallFailure, changed};
use crate::fetch::{self, FetchedComponent};
use crate::shipped;
use crate::source::ComponentSource;
use anyhow::{Result, anyhow, bail, ensure};
use pylon_core::installation::InstalledGuest;
use pylon_core::{Digest, PublicKey, UnixTime};
use pylon_nostr::deletion;
use pylon_nostr::identity::npub_of;
use pylon_nostr::release::{self, Release, ReleaseError};
use pylon_sandbox::Slot;

const EXPIRED: &str = "expired";
const DELETED: &str = "deleted by its author";

impl Installer<'_> {
    /// The publisher of a component, if it has a release and the rules accept it. An invalid
    /// release is an error even where none is required.
    pub(super) fn check_publisher(
        self,
        fetched: &FetchedComponent,
        digest: Digest,
        now: UnixTime,
    ) -> Result<Option<PublicKey>, InstallFailure> {
        let lockdown = &self.config.lockdown;
        let Some(release) = &fetched.release else {
            let message = "it is not signed, because it has no release next to it \
                           (COMPONENT.release.json), and `lockdown` requires one";
            return if lockdown.needs_release() {
                Err(InstallFailure::new("signature", message))
            } else {
                Ok(None)
            };
        };
        let invalid = |why: String| {
            let message = format!(
                "its release is invalid: {why}; sign it again, or remove COMPONENT.release.json"
            );
            InstallFailure::new("signature", message)
        };
        let release = release::verify(release, digest, now).map_err(|error| match error {
            ReleaseError::OtherDigest(_) => InstallFailure::new("signature", changed(&error)),
            error => invalid(error.to_string()),
        })?;
        let failed = |error: anyhow::Error| InstallFailure::store(&error);
        let known = self.store.deletion(release.id).map_err(failed)?;
        let mut deletions = [&known, &fetched.deletion].into_iter().flatten();
        if let Some(deletion) = deletions.find(|deletion| deletion::withdraws(deletion, &release)) {
            self.store.put_deletion(release.id, deletion).map_err(failed)?;
            return Err(invalid(DELETED.into()));
        }
        let trusted = publishers(lockdown);
        if !trusted.is_empty() && !trusted.contains(&release.publisher) {
            let signer = npub_of(release.publisher);
            let message = format!("its signer {signer} is not among `lockdown.trusted_publishers`");
            return Err(InstallFailure::new("publisher", message));
        }
        Ok(Some(release.publisher))
    }

    /// Whether the present rules accept a recorded guest.
    pub(crate) fn check_trusted(self, record: &InstalledGuest, now: UnixTime) -> Result<()> {
        if record.source.starts_with(shipped::PREFIX) {
            return Ok(());
        }
        let lockdown = &self.config.lockdown;
        let trusted = publishers(lockdown);
        match record.publisher {
            None if lockdown.needs_release() => {
                bail!("it has no release, and `lockdown` requires one: sign and install it again")
            }
            Some(publisher) if !trusted.is_empty() && !trusted.contains(&publisher) => {
                let signer = npub_of(publisher);
                bail!(
                    "its signer {signer} is not among `lockdown.trusted_publishers`: add that key, \
                     or roll the slot back"
                )
            }
            Some(publisher) if lockdown.needs_release() => {
                self.check_release(record, publisher, now)
            }
            _ => Ok(()),
        }
    }

    /// Whether the release of a recorded guest is still valid.
    pub(super) fn check_release(
        self,
        record: &InstalledGuest,
        publisher: PublicKey,
        now: UnixTime,
    ) -> Result<()> {
        let invalid = |why: String| anyhow!("its release is not valid any more: {why}");
        let release = self.store.release(record.digest, publisher)?;
        let release = release::verify(&release, record.digest, now)
            .map_err(|error| invalid(error.to_string()))?;
        ensure!(
            release.publisher == publisher,
            "the stored release has a different signer: install the guest again"
        );
        let deletions = [self.store.deletion(release.id)?, fetch::read_deletion(&record.source)];
        let is_deleted =
            deletions.iter().flatten().any(|deletion| deletion::withdraws(deletion, &release));
        if is_deleted { Err(invalid(DELETED.into())) } else { Ok(()) }
    }

    /// When the first required release of a guest and its precompiled code expires; `None`: never.
    pub(crate) fn expires_at(self, slot: Slot, record: &InstalledGuest) -> Option<UnixTime> {
        let component = self
            .required_publisher(record)
            .and_then(|publisher| self.store.release(record.digest, publisher).ok());
        let precompiled = self
            .precompiled_engine(slot)
            .and_then(|engine| self.store.precompiled_release(record.digest, &engine));
        [component, precompiled]
            .into_iter()
            .flatten()
            .filter_map(|release| release::ends_at(&release))
            .min()
    }

    /// Why a guest must not serve any more because of its releases. What cannot be read is no
    /// reason.
    pub(crate) fn expiry(
        self,
        slot: Slot,
        record: &InstalledGuest,
        now: UnixTime,
    ) -> Option<&'static str> {
        if self.expires_at(slot, record).is_some_and(|end| end <= now) {
            return Some(EXPIRED);
        }
        let release = self.valid_release(record, now)?;
        let deletion = self.store.deletion(release.id).ok()??;
        deletion::withdraws(&deletion, &release).then_some(DELETED)
    }

    /// Queries the URL that a guest came from for a deletion of its release, and stores it.
    pub(crate) async fn query_deletion(self, record: &InstalledGuest, now: UnixTime) -> Result<()> {
        let (Some(release), Ok(ComponentSource::Url(url))) =
            (self.valid_release(record, now), ComponentSource::parse(&record.source))
        else {
            return Ok(());
        };
        let deletion = fetch::download_deletion(&url, self.egress).await?;
        match deletion.filter(|deletion| deletion::withdraws(deletion, &release)) {
            Some(deletion) => self.store.put_deletion(release.id, &deletion),
            None => Ok(()),
        }
    }

    /// The required release of a guest, if it is valid.
    fn valid_release(self, record: &InstalledGuest, now: UnixTime) -> Option<Release> {
        let publisher = self.required_publisher(record)?;
        let release = self.store.release(record.digest, publisher).ok()?;
        release::verify(&release, record.digest, now).ok()
    }

    /// The publisher whose release is required; `None` for shipped guests, and where the rules
    /// require none.
    fn required_publisher(self, record: &InstalledGuest) -> Option<PublicKey> {
        record.publisher.filter(|_| {
            self.config.lockdown.needs_release() && !record.source.starts_with(shipped::PREFIX)
        })
    }
}
