//! Checks a component step by step before it is installed: source and size (`fetch`), digest,
//! signature, publisher, and then what the sandbox checks. Each step has a code of its own, and
//! nothing is changed or recorded before the last one has passed.

mod releases;

use crate::config::{self, Config};
use crate::failure::{InstallFailure, UNAVAILABLE};
use crate::fetch::{self, FetchedComponent};
use crate::precompiled::{self, Precompiled};
use crate::source::{ComponentSource, find_component};
use crate::store::ComponentStore;
use crate::{grants, limits, shipped};
use anyhow::{Context, Result, anyhow};
use pylon_core::installation::InstalledGuest;
use pylon_core::slots::GuestConfig;
use pylon_core::{Digest, Param, PublicKey, UnixTime};
use pylon_egress::policy::EgressPolicy;
use pylon_sandbox::{
    ComponentInterface, Grants, InstallError, Installed, Limits, Sandbox, Setup, Slot,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A guest that can be installed.
pub(crate) struct Prepared {
    pub(crate) guest: Arc<Installed>,
    pub(crate) record: InstalledGuest,
}

/// A guest that cannot be installed.
pub(crate) struct Rejected {
    pub(crate) failure: InstallFailure,
    pub(crate) provenance: Provenance,
    /// The guest and its additional grants, if it only needs approval.
    pub(crate) approval: Option<(InstalledGuest, Vec<String>)>,
}

impl From<InstallFailure> for Rejected {
    fn from(failure: InstallFailure) -> Self {
        Self { failure, provenance: Provenance::default(), approval: None }
    }
}

impl Rejected {
    /// A recorded guest that cannot be loaded any more.
    pub(crate) fn unavailable(record: &InstalledGuest, error: &anyhow::Error) -> Self {
        let failure = InstallFailure::new(UNAVAILABLE, format!("{error:#}"));
        let provenance = Provenance { digest: Some(record.digest), publisher: record.publisher };
        Self { failure, provenance, approval: None }
    }
}

/// What the steps that passed have found out about a component.
#[derive(Default)]
pub(crate) struct Provenance {
    pub(crate) digest: Option<Digest>,
    pub(crate) publisher: Option<PublicKey>,
}

/// What the steps need.
#[derive(Clone, Copy)]
pub(crate) struct Installer<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) store: &'a ComponentStore,
    /// Its limits, grants and rules apply however a guest is installed.
    pub(crate) config: &'a Config,
    /// Where components may be downloaded from.
    pub(crate) egress: &'a EgressPolicy,
}

/// Which guest to install in which slot.
#[derive(Clone, Copy)]
pub(crate) struct InstallRequest<'a> {
    pub(crate) slot: Slot,
    pub(crate) guest: &'a GuestConfig,
    /// The serving guest. One that requests more than it had needs approval.
    pub(crate) current: Option<&'a InstalledGuest>,
}

impl Installer<'_> {
    /// Fetches a component. This may take long, and runs nothing.
    pub(crate) async fn fetch(
        self,
        slot: Slot,
        guest: &GuestConfig,
    ) -> Result<FetchedComponent, InstallFailure> {
        fetch::fetch(slot, guest, self.precompiled_engine(slot).as_deref(), self.egress).await
    }

    /// All further steps. Afterwards the component is in the store.
    pub(crate) async fn prepare(
        self,
        request: InstallRequest<'_>,
        fetched: &Result<FetchedComponent, InstallFailure>,
        now: UnixTime,
    ) -> Result<Prepared, Rejected> {
        let fetched = fetched.as_ref().map_err(InstallFailure::clone)?;
        let mut provenance = Provenance::default();
        let loaded = self.check_and_load(request, fetched, &mut provenance, now).await;
        let (guest, extra_grants) = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => return Err(Rejected { failure, provenance, approval: None }),
        };
        if let Err(error) = self.store_files(request.slot, fetched, provenance.publisher) {
            let failure = InstallFailure::store(&error);
            return Err(Rejected { failure, provenance, approval: None });
        }
        let settings = request.guest.settings.clone();
        let record = record(&guest, fetched.source.name(), settings, provenance.publisher);
        if extra_grants.is_empty() {
            return Ok(Prepared { guest, record });
        }
        let message = format!(
            "{} {} requests more than the slot had: {}; see it with `pylon guest list`, and grant \
             it with `pylon guest approve {}`",
            record.name,
            record.version,
            extra_grants.join(", "),
            request.slot
        );
        let failure = InstallFailure::new("grant", message);
        Err(Rejected { failure, provenance, approval: Some((record, extra_grants)) })
    }

    /// The loaded guest, and its grants that the slot did not have.
    async fn check_and_load(
        self,
        request: InstallRequest<'_>,
        fetched: &FetchedComponent,
        provenance: &mut Provenance,
        now: UnixTime,
    ) -> Result<(Arc<Installed>, Vec<String>), InstallFailure> {
        let (expected, digest) = (request.guest.digest.as_str(), Digest::of(&fetched.bytes));
        provenance.digest = Some(digest);
        if !expected.is_empty() && Digest::from_hex(expected) != Some(digest) {
            let message = format!("the component has the SHA-256 {digest}, not {expected}");
            return Err(InstallFailure::new("digest", message));
        }
        let is_shipped = matches!(fetched.source, ComponentSource::Shipped(_));
        if !is_shipped {
            provenance.publisher = self.check_publisher(fetched, digest, now)?;
        }
        // Precompiled code of a shipped guest is in the store.
        let stored = match self.precompiled_engine(request.slot).filter(|_| is_shipped) {
            Some(engine) => self
                .store
                .precompiled(digest, &engine)
                .map_err(|error| InstallFailure::new("precompiled", format!("{error:#}")))?,
            None => None,
        };
        let precompiled = stored.as_ref().or(fetched.precompiled.as_ref());
        self.load(request, fetched, precompiled, now).await
    }

    /// Stores the component with its release and precompiled code.
    fn store_files(
        self,
        slot: Slot,
        fetched: &FetchedComponent,
        publisher: Option<PublicKey>,
    ) -> Result<()> {
        let digest = self.store.put(&fetched.bytes)?;
        if let (Some(release), Some(publisher)) = (&fetched.release, publisher) {
            self.store.put_release(digest, publisher, release)?;
        }
        if let Some(code) = &fetched.precompiled {
            self.store.put_precompiled(digest, &self.engine(slot), code)?;
        }
        Ok(())
    }

    /// The steps of the sandbox. A guest that requests more than the slot had is loaded with all of
    /// it, for approval.
    async fn load(
        self,
        request: InstallRequest<'_>,
        fetched: &FetchedComponent,
        precompiled: Option<&Precompiled>,
        now: UnixTime,
    ) -> Result<(Arc<Installed>, Vec<String>), InstallFailure> {
        let InstallRequest { slot, guest, current } = request;
        let limits = self
            .limits(slot, &guest.limits)
            .map_err(|name| InstallFailure::new("setting", format!("no limit `{name}`")))?;
        let load = |grants: Grants, drop_ungranted| {
            let setup =
                Setup { limits: Some(limits), grants, drop_ungranted, ..setup(&guest.settings) };
            let code = (precompiled, self.precompiled_place(slot, fetched));
            async move { self.load_code(slot, &fetched.bytes, code, setup, Some(now)).await }
        };
        let source = fetched.source.name();
        let source = source.trim_start_matches(shipped::PREFIX);
        let failure =
            |error: InstallError| InstallFailure::new(error.code(), format!("{source} {error}"));
        let grants = guest.grants.as_deref();
        let is_configured =
            grants.is_some() || self.table(slot).is_some_and(|table| table.grants.is_some());
        let is_shipped = matches!(fetched.source, ComponentSource::Shipped(_));
        let Some(had) = current
            .filter(|_| !is_shipped && !is_configured)
            .map(|current| current.grants.as_slice())
        else {
            let guest = load(self.grants(slot, grants), true).await.map_err(failure)?;
            return Ok((guest, Vec::new()));
        };
        match load(self.grants(slot, Some(had)), false).await {
            Ok(guest) => Ok((guest, Vec::new())),
            Err(InstallError::NotGranted(_)) => {
                let guest = load(self.grants(slot, None), true).await.map_err(failure)?;
                let mut extra_grants = grants::names(guest.granted());
                extra_grants.retain(|name| !had.contains(name));
                Ok((guest, extra_grants))
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// Compiles the component, or loads its precompiled code, which was looked for at a place,
    /// where compilation is disabled.
    async fn load_code(
        self,
        slot: Slot,
        bytes: &[u8],
        (precompiled, place): (Option<&Precompiled>, String),
        setup: Setup,
        now: Option<UnixTime>,
    ) -> Result<Arc<Installed>, InstallError> {
        let lockdown = &self.config.lockdown;
        if lockdown.allow_compile {
            return self.sandbox.load(slot, bytes, setup).await;
        }
        ComponentInterface::read_guest(bytes)?.check_role(slot.role())?;
        let (component, engine) = (Digest::of(bytes), self.engine(slot));
        let precompiled = precompiled.ok_or_else(|| {
            let name = shipped::name_of(bytes).map(|name| format!(" {name}")).unwrap_or_default();
            InstallError::Precompiled(format!(
                "compilation is disabled, and there is no file {place}: make it with `pylon guest \
                 compile{name}` on a machine that compiles, sign it with `pylon guest sign`, and \
                 copy both files there"
            ))
        })?;
        let code = precompiled
            .verify(component, &engine, &config::publishers(lockdown), now)
            .map_err(|why| InstallError::Precompiled(format!("{place}: {why}")))?;
        self.sandbox.load_precompiled(slot, code, setup).await
    }

    /// The file and folder of the precompiled code of a fetched component.
    fn precompiled_place(self, slot: Slot, fetched: &FetchedComponent) -> String {
        let suffix = precompiled::suffix(&self.engine(slot));
        match &fetched.source {
            ComponentSource::File(path) => {
                let path = find_component(path).unwrap_or_else(|_| path.clone());
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let folder = path.parent().unwrap_or(&path).display();
                format!("{name}{suffix} in {folder}")
            }
            ComponentSource::Url(url) => format!("{suffix} next to {url}"),
            ComponentSource::Shipped(_) | ComponentSource::Default => {
                self.store.precompiled_place(Digest::of(&fetched.bytes), &self.engine(slot))
            }
        }
    }

    /// The engine that precompiled code is needed for, where compilation is disabled.
    fn precompiled_engine(self, slot: Slot) -> Option<String> {
        (!self.config.lockdown.allow_compile).then(|| self.engine(slot))
    }

    fn engine(self, slot: Slot) -> String {
        self.sandbox.engine_id(slot.role())
    }

    /// Loads a recorded guest, with the limits and grants that the settings leave it. Without a
    /// time, only to repeat recorded decisions, its release is not checked.
    pub(crate) async fn reload(
        self,
        slot: Slot,
        record: &InstalledGuest,
        now: Option<UnixTime>,
    ) -> Result<Arc<Installed>> {
        let guest = || format!("{} {} in slot {slot}", record.name, record.version);
        if let Some(now) = now {
            self.check_trusted(record, now).with_context(guest)?;
        }
        let shipped = record.source.strip_prefix(shipped::PREFIX).and_then(shipped::component);
        let bytes = match shipped.filter(|bytes| Digest::of(bytes) == record.digest) {
            Some(bytes) => bytes.to_vec(),
            None => self.store.get(record.digest).with_context(guest)?,
        };
        let limits = self.limits(slot, &record.limits);
        let setup = Setup {
            limits: Some(limits.map_err(|name| anyhow!("no limit `{name}`"))?),
            grants: self.grants(slot, Some(&record.grants)),
            drop_ungranted: true,
            skip_self_test: true,
            ..setup(&record.settings)
        };
        let precompiled = match self.precompiled_engine(slot) {
            Some(engine) => self.store.precompiled(record.digest, &engine)?,
            None => None,
        };
        let place = self.store.precompiled_place(record.digest, &self.engine(slot));
        let code = (precompiled.as_ref(), place);
        self.load_code(slot, &bytes, code, setup, now).await.with_context(guest)
    }

    /// Loads a recorded guest that does not serve now: if it has a release, that must be valid,
    /// even where the rules do not require one.
    pub(crate) async fn load_predecessor(
        self,
        slot: Slot,
        record: &InstalledGuest,
        now: UnixTime,
    ) -> Result<Arc<Installed>> {
        if let Some(publisher) = record.publisher {
            self.check_release(record, publisher, now)
                .with_context(|| format!("{} {}", record.name, record.version))?;
        }
        self.reload(slot, record, Some(now)).await
    }

    /// The most that a guest in this slot is granted: what `names`, the settings of the slot and
    /// `max_grants` all allow.
    pub(crate) fn grants(self, slot: Slot, names: Option<&[String]>) -> Grants {
        let table = self.table(slot).and_then(|table| table.grants.as_deref());
        let max = self.config.lockdown.max_grants.get(&slot.to_string()).map(Vec::as_slice);
        grants::intersection(&[names, table, max])
    }

    /// The limits of a guest in this slot. The error is an unknown name.
    fn limits(self, slot: Slot, values: &BTreeMap<String, u64>) -> Result<Limits, String> {
        let table = self.table(slot).map(|table| limits::parse(&table.limits)).transpose()?;
        let limits = limits::parse(values)?;
        Ok(table.map_or(limits, |table| table.min(limits)))
    }

    /// The settings of this slot.
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
    guest: &Installed,
    source: String,
    settings: BTreeMap<String, String>,
    publisher: Option<PublicKey>,
) -> InstalledGuest {
    let guest_ref = guest.guest_ref();
    InstalledGuest {
        digest: guest_ref.digest,
        name: guest_ref.name.clone(),
        version: guest_ref.version.clone(),
        source,
        settings,
        grants: grants::names(guest.granted()),
        limits: limits::by_name(guest.limits()),
        publisher,
    }
}
