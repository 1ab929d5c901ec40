//! The component that is named on the command line, and its release.

use crate::subprocess_compiler::subprocess_compiler;
use anyhow::{Context, Result, anyhow, bail};
use pylon_core::text::without_bom;
use pylon_nostr::release;
use pylon_sandbox::{Config, Sandbox};
use pylon_slots as guests;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Larger than any component that a node accepts.
const BYTES_MAX: u64 = 64 << 20;

/// The path of a component: a file, or the only one in a folder, such as the folder of a built
/// crate.
pub(super) fn at(path: &Path) -> Result<PathBuf> {
    guests::find_component(path).map_err(|failure| anyhow!(failure.message))
}

/// A guest that comes with pylon, or the component at a path. The second value is its path.
pub(super) fn named(name: &Path) -> Result<(Vec<u8>, Option<PathBuf>)> {
    let text = name.to_string_lossy();
    if let Some(bytes) = guests::component(&text) {
        return Ok((bytes.to_vec(), None));
    }
    if !name.exists() {
        bail!("{}", guests::not_found_message(&text, name));
    }
    let file = at(name)?;
    Ok((read(&file)?, Some(file)))
}

/// The bytes of a component.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    read_limited(path, BYTES_MAX)
}

/// The bytes of a file, up to a limit.
pub(super) fn read_limited(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut bytes = Vec::new();
    let length = file
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if length as u64 > bytes_max {
        bail!("{} is larger than a node accepts: at most {bytes_max} bytes", path.display());
    }
    Ok(bytes)
}

/// The path of the release of a component.
pub(super) fn release_file(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".release.json");
    name.into()
}

/// The unparsed release of a component; `None` if there is none.
pub(super) fn release(component: &Path) -> Result<Option<String>> {
    let path = release_file(component);
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut text = Vec::new();
    file.take(release::BYTES_MAX as u64 + 1)
        .read_to_end(&mut text)
        .with_context(|| path.display().to_string())?;
    Ok(Some(without_bom(&String::from_utf8_lossy(&text)).to_owned()))
}

/// Writes a public file atomically.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let public = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let written =
        tempfile::Builder::new().permissions(public).tempfile_in(dir).and_then(|mut file| {
            file.write_all(bytes)?;
            file.persist(path).map_err(|error| error.error)
        });
    written.map(drop).with_context(|| format!("cannot write {}", path.display()))
}

/// The engines of a node, for one guest at a time. Compiled code is stored in `cache`.
pub(super) fn sandbox(cache: Option<&Path>) -> Result<Sandbox> {
    let open = |dir: &Path| cap_std::fs::Dir::open_ambient_dir(dir, cap_std::ambient_authority());
    let cache = cache.map(open).transpose().context("cannot open the folder for compiled code")?;
    Ok(Sandbox::open(Config {
        cache,
        compilation: subprocess_compiler()?,
        policy_instances: 2,
        handler_instances: 2,
        ..Config::default()
    })?)
}
