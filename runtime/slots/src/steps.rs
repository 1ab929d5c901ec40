//! The way of a component into a slot, step by step: source and size (`source`), digest, signature, publisher, and then what the sandbox asks of it.
//! Each step has a word of its own, and nothing is at work, nor written, before the last.

use super::image::Image;
use super::record::GONE;
use super::source::{self, Found, Place};
use super::{Shelf, bounds, grants, shipped};
use crate::Config;
use anyhow::{Context, Result, anyhow, bail, ensure};
use pylon_core::installation::InstalledGuest as Record;
use pylon_core::slots::GuestConfig;
use pylon_core::{Digest, Param, PublicKey, UnixTime};
use pylon_egress::policy::EgressPolicy;
use pylon_nostr::deletion;
use pylon_nostr::identity::npub_of;
use pylon_nostr::release::{self, Release};
use pylon_sandbox::{
    ComponentInterface, Grants, InstallError, Installed, Limits, Sandbox, Setup, Slot,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const DELETED: &str = "deleted by its author";

/// The step that failed, and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The step in a word.
    pub code: &'static str,
    /// In a line.
    pub why: String,
}

impl Stop {
    pub(super) fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }
}

/// A guest that could be put to work.
pub(super) struct Ready {
    pub(super) guest: Arc<Installed>,
    pub(super) record: Record,
}

/// A guest that is not put to work, with what is known of it.
pub(super) struct Refused {
    pub(super) stop: Stop,
    pub(super) seen: Seen,
    /// It could be, if the operator agreed to these.
    pub(super) approval: Option<(Record, Vec<String>)>,
}

impl From<Stop> for Refused {
    fn from(stop: Stop) -> Self {
        Self { stop, seen: Seen::default(), approval: None }
    }
}

impl Refused {
    /// A guest of before that cannot be had any more.
    pub(super) fn gone(record: &Record, error: &anyhow::Error) -> Self {
        let seen = Seen { digest: Some(record.digest), publisher: record.publisher };
        Self { stop: Stop::new(GONE, format!("{error:#}")), seen, approval: None }
    }
}

/// What is known of a component, as far as it came.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) digest: Option<Digest>,
    pub(super) publisher: Option<PublicKey>,
}

/// What the steps need.
#[derive(Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) shelf: &'a Shelf,
    /// What holds for whoever comes into a slot, however it comes.
    pub(super) config: &'a Config,
    /// Where components may be downloaded from.
    pub(super) addresses: &'a EgressPolicy,
}

/// What is to be installed, where, and what the slot had before.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) slot: Slot,
    pub(super) guest: &'a GuestConfig,
    pub(super) had: Option<&'a Record>,
}

impl Bench<'_> {
    /// What is to come into a slot, from wherever that is. It may take a while, and nothing of it runs.
    pub(super) async fn find(self, slot: Slot, guest: &GuestConfig) -> Result<Found, Stop> {
        source::find(slot, guest, self.image_engine(slot).as_deref(), self.addresses).await
    }

    /// All steps, with what was found where the wish says. The component is on the shelf afterwards.
    pub(super) async fn prepare(
        self,
        wish: Wish<'_>,
        found: &Result<Found, Stop>,
        now: UnixTime,
    ) -> Result<Ready, Refused> {
        let mut seen = Seen::default();
        let refused = |stop, seen| Refused { stop, seen, approval: None };
        let checked = found.as_ref().map_err(Stop::clone).and_then(|found| {
            self.check(wish, &mut seen, found, now)?;
            Ok((found, self.image_of_ours(wish.slot, found)?))
        });
        let (found, ours) = match checked {
            Ok(checked) => checked,
            Err(stop) => return Err(refused(stop, seen)),
        };
        let (installed, beyond) =
            match self.load(wish, found, ours.as_ref().or(found.image.as_ref()), now).await {
                Ok(loaded) => loaded,
                Err(stop) => return Err(refused(stop, seen)),
            };
        let kept = self.shelf.put(&found.bytes).and_then(|digest| {
            match (&found.release, seen.publisher) {
                (Some(release), Some(publisher)) => {
                    self.shelf.put_release(digest, publisher, release).map(|()| digest)
                }
                _ => Ok(digest),
            }
        });
        let kept = kept.and_then(|digest| match &found.image {
            Some(image) => self.shelf.put_image(digest, &self.engine(wish.slot), image),
            None => Ok(()),
        });
        let record = kept.map(|()| {
            record(&installed, found.place.name(), wish.guest.settings.clone(), seen.publisher)
        });
        match record {
            Err(error) => Err(refused(Stop::new("shelf", format!("{error:#}")), seen)),
            Ok(record) if beyond.is_empty() => Ok(Ready { guest: installed, record }),
            Ok(record) => {
                let why = format!(
                    "{} {} wants more than the slot had: {}",
                    record.name,
                    record.version,
                    beyond.join(", ")
                );
                let todo = format!(
                    "see it with `pylon guest list`, and let it with `pylon guest approve {}`",
                    wish.slot
                );
                let stop = Stop::new("grant", format!("{why}; {todo}"));
                Err(Refused { stop, seen, approval: Some((record, beyond)) })
            }
        }
    }

    /// What runs nothing: digest, signature, publisher.
    fn check(
        self,
        wish: Wish<'_>,
        seen: &mut Seen,
        found: &Found,
        now: UnixTime,
    ) -> Result<(), Stop> {
        let (named, digest) = (wish.guest.digest.as_str(), Digest::of(&found.bytes));
        seen.digest = Some(digest);
        if !named.is_empty() && Digest::from_hex(named) != Some(digest) {
            return Err(Stop::new(
                "digest",
                format!("the component has the SHA-256 {digest}, not {named}"),
            ));
        }
        if !matches!(found.place, Place::Shipped(_)) {
            seen.publisher = self.publisher(found, digest, now)?;
        }
        Ok(())
    }

    /// The image of what this program ships is on the shelf.
    fn image_of_ours(self, slot: Slot, found: &Found) -> Result<Option<Image>, Stop> {
        let (Place::Shipped(_), Some(engine)) = (&found.place, self.image_engine(slot)) else {
            return Ok(None);
        };
        self.shelf
            .image(Digest::of(&found.bytes), &engine)
            .map_err(|error| Stop::new("precompiled", format!("{error:#}")))
    }

    /// Who signed it, if anybody has, and whether that is enough. A release that does not hold is never passed over.
    fn publisher(
        self,
        found: &Found,
        digest: Digest,
        now: UnixTime,
    ) -> Result<Option<PublicKey>, Stop> {
        let rules = &self.config.lockdown;
        let Some(release) = &found.release else {
            let why =
                "it has no release beside it (COMPONENT.release.json), and `lockdown` asks for one";
            return if rules.needs_release() { Err(Stop::new("signature", why)) } else { Ok(None) };
        };
        let wrong = |why: String| {
            Stop::new(
                "signature",
                format!("its release does not hold: {why}; sign it again, or remove that file"),
            )
        };
        let release =
            release::verify(release, digest, now).map_err(|error| wrong(error.to_string()))?;
        let unread = |error: anyhow::Error| Stop::new("shelf", format!("{error:#}"));
        let known = self.shelf.deletion(release.id).map_err(unread)?;
        let mut deletions = [&known, &found.deletion].into_iter().flatten();
        if let Some(deletion) = deletions.find(|deletion| deletion::withdraws(deletion, &release)) {
            // From now on it is known here, too.
            self.shelf.put_deletion(release.id, deletion).map_err(unread)?;
            return Err(wrong(DELETED.into()));
        }
        let trusted = crate::publishers(rules);
        if !trusted.is_empty() && !trusted.contains(&release.publisher) {
            let why = format!(
                "signed by {}, who is not among `lockdown.trusted_publishers`",
                npub_of(release.publisher)
            );
            return Err(Stop::new("publisher", why));
        }
        Ok(Some(release.publisher))
    }

    /// What the sandbox asks. A guest that wants more than the slot had comes back with what that is, and is to wait.
    async fn load(
        self,
        wish: Wish<'_>,
        found: &Found,
        image: Option<&Image>,
        now: UnixTime,
    ) -> Result<(Arc<Installed>, Vec<String>), Stop> {
        let limits = self
            .limits(wish.slot, &wish.guest.bounds)
            .map_err(|name| Stop::new("setting", format!("no limit `{name}`")))?;
        let with = |grants: Grants, drop_ungranted| {
            let setup = Setup {
                limits: Some(limits),
                grants,
                drop_ungranted,
                ..setup(&wish.guest.settings)
            };
            async move { self.make(wish.slot, &found.bytes, image, setup, Some(now)).await }
        };
        let stop = |error: InstallError| {
            Stop::new(
                error.code(),
                format!("{} {error}", found.place.name().trim_start_matches(shipped::PREFIX)),
            )
        };
        let named = wish.guest.grants.as_deref();
        let is_said =
            named.is_some() || self.table(wish.slot).is_some_and(|table| table.grants.is_some());
        let ours = matches!(found.place, Place::Shipped(_));
        let Some(had) = wish.had.filter(|_| !ours && !is_said).map(|had| had.grants.as_slice())
        else {
            return Ok((
                with(self.grants(wish.slot, named), true).await.map_err(stop)?,
                Vec::new(),
            ));
        };
        match with(self.grants(wish.slot, Some(had)), false).await {
            Ok(installed) => Ok((installed, Vec::new())),
            Err(InstallError::NotGranted(_)) => {
                let installed = with(self.grants(wish.slot, None), true).await.map_err(stop)?;
                let mut beyond = grants::names(installed.granted());
                beyond.retain(|name| !had.contains(name));
                Ok((installed, beyond))
            }
            Err(error) => Err(stop(error)),
        }
    }

    /// A guest of this component: compiled here, or from an image where nothing is compiled.
    async fn make(
        self,
        slot: Slot,
        bytes: &[u8],
        image: Option<&Image>,
        setup: Setup,
        now: Option<UnixTime>,
    ) -> Result<Arc<Installed>, InstallError> {
        if self.config.lockdown.allow_compile {
            return self.sandbox.load(slot, bytes, setup).await;
        }
        ComponentInterface::read_guest(bytes)?.check_role(slot.role())?;
        let (component, engine) = (Digest::of(bytes), self.engine(slot));
        let image = image.ok_or_else(|| {
            let (name, place) = match shipped::name_of(bytes) {
                Some(name) => (format!(" {name}"), format!("in {}", self.shelf.place())),
                None => (String::new(), "beside the component".into()),
            };
            let todo = format!("`pylon guest compile{name}` makes it on such a machine, `pylon guest sign` its release");
            InstallError::Precompiled(format!(
                "nothing is compiled here, and there is none of {component} for the engine {engine} {place}: {todo}"
            ))
        })?;
        let signed = image
            .signed(component, &engine, &self.config.lockdown, now)
            .map_err(InstallError::Precompiled)?;
        self.sandbox.load_precompiled(slot, signed, setup).await
    }

    /// Where nothing is compiled, an image for this engine has to come along.
    fn image_engine(self, slot: Slot) -> Option<String> {
        (!self.config.lockdown.allow_compile).then(|| self.engine(slot))
    }

    fn engine(self, slot: Slot) -> String {
        self.sandbox.engine_id(slot.role())
    }

    /// A guest as the history has it, as far as the settings let it now; without a time, for who only asks it what was asked before.
    pub(super) async fn again(
        self,
        slot: Slot,
        record: &Record,
        now: Option<UnixTime>,
    ) -> Result<Arc<Installed>> {
        let what = || format!("{} {} in slot {slot}", record.name, record.version);
        if let Some(now) = now {
            self.is_trusted(record, now).with_context(what)?;
        }
        let ours = record.source.strip_prefix(shipped::PREFIX).and_then(shipped::component);
        let ours = ours.filter(|bytes| Digest::of(bytes) == record.digest);
        let bytes = ours
            .map_or_else(|| self.shelf.get(record.digest), |bytes| Ok(bytes.to_vec()))
            .with_context(what)?;
        let setup = Setup {
            limits: Some(
                self.limits(slot, &record.limits).map_err(|name| anyhow!("no limit `{name}`"))?,
            ),
            grants: self.grants(slot, Some(&record.grants)),
            drop_ungranted: true,
            skip_self_test: true,
            ..setup(&record.settings)
        };
        let image = if self.config.lockdown.allow_compile {
            None
        } else {
            self.shelf.image(record.digest, &self.engine(slot))?
        };
        self.make(slot, &bytes, image.as_ref(), setup, now).await.with_context(what)
    }

    /// The same for one that does not serve now: its release must still hold, whatever the rules.
    pub(super) async fn back(
        self,
        slot: Slot,
        record: &Record,
        now: UnixTime,
    ) -> Result<Arc<Installed>> {
        if let Some(publisher) = record.publisher {
            self.is_released(record, publisher, now)
                .with_context(|| format!("{} {}", record.name, record.version))?;
        }
        self.again(slot, record, Some(now)).await
    }

    /// The rules may have changed since it was installed, and its release may be over.
    pub(super) fn is_trusted(self, record: &Record, now: UnixTime) -> Result<()> {
        if record.source.starts_with(shipped::PREFIX) {
            return Ok(());
        }
        let rules = &self.config.lockdown;
        let trusted = crate::publishers(rules);
        match record.publisher {
            None if rules.needs_release() => {
                bail!("has no release, and `lockdown` asks for one: sign and install it again")
            }
            Some(publisher) if !trusted.is_empty() && !trusted.contains(&publisher) => {
                let who = npub_of(publisher);
                bail!(
                    "was signed by {who}, who is not among `lockdown.trusted_publishers`: add that key, or roll the slot back"
                )
            }
            Some(publisher) if rules.needs_release() => self.is_released(record, publisher, now),
            _ => Ok(()),
        }
    }

    /// What was signed when it was installed holds now.
    fn is_released(self, record: &Record, publisher: PublicKey, now: UnixTime) -> Result<()> {
        let wrong = |why: String| anyhow!("its release does not hold any more: {why}");
        let release = self.shelf.release(record.digest, publisher)?;
        let release = release::verify(&release, record.digest, now)
            .map_err(|error| wrong(error.to_string()))?;
        ensure!(
            release.publisher == publisher,
            "it was not signed by who signs its release: install it again"
        );
        let deletions = [self.shelf.deletion(release.id)?, source::deletion(&record.source)];
        let is_deleted =
            deletions.iter().flatten().any(|deletion| deletion::withdraws(deletion, &release));
        if is_deleted { Err(wrong(DELETED.into())) } else { Ok(()) }
    }

    /// When the first of the releases ends without which the rules let nobody serve; `None`: never.
    pub(super) fn ends_at(self, slot: Slot, record: &Record) -> Option<UnixTime> {
        let component = self
            .asked_for(record)
            .and_then(|publisher| self.shelf.release(record.digest, publisher).ok());
        let image = self
            .image_engine(slot)
            .and_then(|engine| self.shelf.image_release(record.digest, &engine));
        [component, image]
            .into_iter()
            .flatten()
            .filter_map(|release| release::ends_at(&release))
            .min()
    }

    /// Why one that serves may not serve on under the rules, by what has become of its releases since. What cannot be read says nothing.
    pub(super) fn is_over(
        self,
        slot: Slot,
        record: &Record,
        now: UnixTime,
    ) -> Option<&'static str> {
        if self.ends_at(slot, record).is_some_and(|end| end <= now) {
            return Some("expired");
        }
        let release = self.held(record, now)?;
        let deletion = self.shelf.deletion(release.id).ok()??;
        deletion::withdraws(&deletion, &release).then_some(DELETED)
    }

    /// Asks where it came from whether its release is withdrawn: from then on it is known here.
    pub(super) async fn ask(self, record: &Record, now: UnixTime) -> Result<()> {
        let (Some(release), Ok(Place::Web(url))) =
            (self.held(record, now), Place::parse(&record.source))
        else {
            return Ok(());
        };
        let deletion = source::withdrawn(&url, self.addresses).await?;
        match deletion.filter(|deletion| deletion::withdraws(deletion, &release)) {
            Some(deletion) => self.shelf.put_deletion(release.id, &deletion),
            None => Ok(()),
        }
    }

    /// The release that the rules ask for, if it holds.
    fn held(self, record: &Record, now: UnixTime) -> Option<Release> {
        let release = self.shelf.release(record.digest, self.asked_for(record)?).ok()?;
        release::verify(&release, record.digest, now).ok()
    }

    /// By whom a release must be there; of nobody for what this program ships, and where nobody asks.
    fn asked_for(self, record: &Record) -> Option<PublicKey> {
        record.publisher.filter(|_| {
            self.config.lockdown.needs_release() && !record.source.starts_with(shipped::PREFIX)
        })
    }

    /// What a guest in this slot gets at most: of these, where they are named, what its table and the rules leave.
    pub(super) fn grants(self, slot: Slot, named: Option<&[String]>) -> Grants {
        let table = self.table(slot).and_then(|table| table.grants.as_deref());
        let most = self.config.lockdown.max_grants.get(&slot.to_string()).map(Vec::as_slice);
        grants::least(&[named, table, most])
    }

    /// Likewise its limits. The error is a name that is none.
    fn limits(self, slot: Slot, named: &BTreeMap<String, u64>) -> Result<Limits, String> {
        let table = self.table(slot).map(|table| bounds::limits(&table.bounds)).transpose()?;
        let named = bounds::limits(named)?;
        Ok(table.map_or(named, |table| table.min(named)))
    }

    fn table(&self, slot: Slot) -> Option<&GuestConfig> {
        self.config.guests.get(&slot.to_string())
    }
}

fn setup(settings: &BTreeMap<String, String>) -> Setup {
    let settings = settings
        .iter()
        .map(|(name, value)| Param { name: name.clone(), values: vec![value.clone()] })
        .collect();
    Setup { settings, ..Setup::default() }
}

fn record(
    installed: &Installed,
    source: String,
    settings: BTreeMap<String, String>,
    publisher: Option<PublicKey>,
) -> Record {
    let guest_ref = installed.guest_ref();
    Record {
        digest: guest_ref.digest,
        name: guest_ref.name.clone(),
        version: guest_ref.version.clone(),
        source,
        settings,
        grants: grants::names(installed.granted()),
        limits: bounds::by_name(installed.limits()),
        publisher,
    }
}
