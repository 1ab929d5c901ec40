//! `pylon guest sign`: says in the author's name that a component is theirs.

use super::component;
use crate::cli::guest::SignArgs;
use crate::clock::SystemClock;
use crate::commands::block_on;
use crate::output::say;
use crate::secret_file;
use anyhow::{Context, Result, bail};
use pylon_adapters::market::identity;
use pylon_adapters::market::release::{self, Claim};
use pylon_core::Digest;
use pylon_core::ports::clock::Clock as _;
use std::io::Write as _;

const DAY_SECONDS: u64 = 24 * 3600;

/// Writes the release beside the component, in place of any that is there.
pub(super) fn run(args: &SignArgs) -> Result<()> {
    let Some(secret) = secret_file::read(&args.key, "put an nsec, 64 hex digits or a recovery phrase there")? else {
        bail!("{} is not there: give a file with an nsec, 64 hex digits or a recovery phrase", args.key.display());
    };
    let keys = identity::parse_secret(&secret).with_context(|| args.key.display().to_string())?;
    let bytes = component::read(&args.component)?;
    // What no node would run is not worth a name.
    let examined = block_on(async { Ok(component::sandbox(None)?.examine(&bytes).await?) });
    let about = examined.with_context(|| args.component.display().to_string())?.about;
    let claim = Claim { digest: Digest::of(&bytes), size: bytes.len() as u64, name: about.name, version: about.version };
    let now = SystemClock.now();
    let expires_at = args.expires.map(|days| now.plus(u64::from(days) * DAY_SECONDS));
    let signed = release::sign(&keys, &claim, now, expires_at)?;

    let path = component::release_file(&args.component);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(".".as_ref());
    // Whoever installs meanwhile finds the old release or the new one.
    let written = tempfile::Builder::new().permissions(public()).tempfile_in(dir).and_then(|mut file| {
        writeln!(file, "{signed}")?;
        file.persist(&path).map_err(|error| error.error)
    });
    written.with_context(|| format!("cannot write {}", path.display()))?;
    let publisher = identity::npub(&keys);
    say(&format!("{}  {} {} by {publisher}\n", path.display(), claim.name, claim.version))
}

/// A release is for everyone to read.
fn public() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}
