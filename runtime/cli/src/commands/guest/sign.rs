//! `pylon guest sign`: says in the author's name that a component, or an image of one, is theirs.

use super::component;
use crate::args::guest::SignArgs;
use crate::commands::block_on;
use crate::output::say;
use anyhow::{Context, Result, bail};
use pylon_core::Digest;
use pylon_core::ports::clock::Clock as _;
use pylon_node::clock::SystemClock;
use pylon_node::secret_file;
use pylon_nostr::identity;
use pylon_nostr::image_release::{self, ImageClaim};
use pylon_nostr::release::{self, Claim, ReleaseError};
use pylon_sandbox::PRECOMPILED_BYTES_MAX;
use std::path::{Path, PathBuf};

const DAY_SECONDS: u64 = 24 * 3600;

/// Writes the release beside the file, in place of any that is there.
pub(super) fn run(args: &SignArgs) -> Result<()> {
    let Some(secret) =
        secret_file::read(&args.key, "put an nsec, 64 hex digits or a recovery phrase there")?
    else {
        bail!(
            "{} is not there: give a file with an nsec, 64 hex digits or a recovery phrase",
            args.key.display()
        );
    };
    let keys = identity::parse_secret(&secret).with_context(|| args.key.display().to_string())?;
    let now = SystemClock.now();
    let expires_at = args.expires.map(|days| now.plus(u64::from(days) * DAY_SECONDS));
    let file = component::at(&args.file)?;
    let (what, signed) = match image_name(&file) {
        Some((component, engine)) => image(&file, component, engine, |claim| {
            image_release::sign(&keys, claim, now, expires_at)
        }),
        None => guest(&file, |claim| release::sign(&keys, claim, now, expires_at)),
    }
    .with_context(|| file.display().to_string())?;
    let path = component::release_file(&file);
    component::write(&path, format!("{signed}\n").as_bytes())?;
    say(&format!("{}  {what} by {}\n", path.display(), identity::npub(&keys)))
}

/// What a component says of itself. What no node would run is not worth a name.
fn guest(
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
fn image_name(file: &Path) -> Option<(PathBuf, &str)> {
    let (component, engine) =
        file.file_name()?.to_str()?.strip_suffix(".cwasm")?.rsplit_once('.')?;
    Some((file.with_file_name(component), engine))
}

/// Its component is the file beside it, or what its name says where that is a digest.
fn image(
    file: &Path,
    component: PathBuf,
    engine: &str,
    sign: impl Fn(&ImageClaim) -> Result<String, ReleaseError>,
) -> Result<(String, String)> {
    let named = component.file_name().and_then(|name| Digest::from_hex(name.to_str()?));
    let component = match named {
        Some(digest) => digest,
        None => Digest::of(
            &component::read(&component).context("an image is signed beside its component")?,
        ),
    };
    let bytes = component::read_most(file, PRECOMPILED_BYTES_MAX as u64)?;
    let (digest, size, engine) = (Digest::of(&bytes), bytes.len() as u64, engine.to_owned());
    let claim = ImageClaim { digest, size, component, engine };
    Ok((format!("image of {} for {}", component.short(), claim.engine), sign(&claim)?))
}
