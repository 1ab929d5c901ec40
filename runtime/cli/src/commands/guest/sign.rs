//! `pylon guest sign`: signs a component or a precompiled file with the author's key.

use super::component;
use crate::args::guest::SignArgs;
use crate::commands::block_on;
use crate::output::print;
use anyhow::{Context, Result, bail};
use pylon_core::Digest;
use pylon_core::ports::clock::Clock as _;
use pylon_node::clock::SystemClock;
use pylon_node::secret_file;
use pylon_nostr::identity;
use pylon_nostr::precompiled_release::{self, PrecompiledClaim};
use pylon_nostr::release::{self, Claim, ReleaseError};
use pylon_sandbox::PRECOMPILED_BYTES_MAX;
use std::path::{Path, PathBuf};

const DAY_SECONDS: u64 = 24 * 3600;

/// Writes the release to the folder of the file, and replaces an existing one.
pub(super) fn run(args: &SignArgs) -> Result<()> {
    let Some(secret) =
        secret_file::read(&args.key, "write an nsec, 64 hex digits or a recovery phrase to it")?
    else {
        bail!(
            "{} does not exist: give a file with an nsec, 64 hex digits or a recovery phrase",
            args.key.display()
        );
    };
    let keys = identity::parse_secret(&secret).with_context(|| args.key.display().to_string())?;
    let now = SystemClock.now();
    let expires_at = args.expires.map(|days| now.plus(u64::from(days) * DAY_SECONDS));
    let file = component::at(&args.file)?;
    let (subject, signed) = match precompiled_name(&file) {
        Some((component, engine)) => sign_precompiled(&file, component, engine, |claim| {
            precompiled_release::sign(&keys, claim, now, expires_at)
        }),
        None => sign_component(&file, |claim| release::sign(&keys, claim, now, expires_at)),
    }
    .with_context(|| file.display().to_string())?;
    let path = component::release_file(&file);
    component::write(&path, format!("{signed}\n").as_bytes())?;
    print(&format!("{}  {subject} by {}\n", path.display(), identity::npub(&keys)))
}

/// Signs a component. One that no node can run is refused.
fn sign_component(
    file: &Path,
    sign: impl Fn(&Claim) -> Result<String, ReleaseError>,
) -> Result<(String, String)> {
    let bytes = component::read(file)?;
    let about = block_on(async { Ok(component::sandbox(None)?.inspect(&bytes).await?) })?.manifest;
    let claim = Claim {
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        name: about.name,
        version: about.version,
    };
    Ok((format!("{} {}", claim.name, claim.version), sign(&claim)?))
}

/// COMPONENT and ENGINE of COMPONENT.ENGINE.cwasm.
fn precompiled_name(file: &Path) -> Option<(PathBuf, &str)> {
    let (component, engine) =
        file.file_name()?.to_str()?.strip_suffix(".cwasm")?.rsplit_once('.')?;
    Some((file.with_file_name(component), engine))
}

/// Signs a precompiled file. Its component is the file in the same folder, or the digest in its
/// name.
fn sign_precompiled(
    file: &Path,
    component: PathBuf,
    engine: &str,
    sign: impl Fn(&PrecompiledClaim) -> Result<String, ReleaseError>,
) -> Result<(String, String)> {
    let named = component.file_name().and_then(|name| Digest::from_hex(name.to_str()?));
    let component = match named {
        Some(digest) => digest,
        None => Digest::of(
            &component::read(&component).context("the component must be in the same folder")?,
        ),
    };
    let bytes = component::read_limited(file, PRECOMPILED_BYTES_MAX as u64)?;
    let (digest, size, engine) = (Digest::of(&bytes), bytes.len() as u64, engine.to_owned());
    let claim = PrecompiledClaim { digest, size, component, engine };
    Ok((format!("code of {} for {}", component.short(), claim.engine), sign(&claim)?))
}
