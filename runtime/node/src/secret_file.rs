//! Reads a file with a secret, which must be short and accessible only to its owner. Errors contain
//! none of its text.

use anyhow::{Context, Result, bail};
use pylon_core::text::without_bom;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// More than the longest phrase or key needs.
const BYTES_MAX: u64 = 4096;

/// Its text; `None` if the file does not exist. `hint` says in errors what to write there.
pub fn read(path: &Path, hint: &str) -> Result<Option<String>> {
    let file = match pylon_files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let metadata = file.metadata().with_context(|| path.display().to_string())?;
    if metadata.permissions().mode() & 0o077 != 0 {
        bail!(
            "{} is accessible to other users: run `chmod 600 '{}'`",
            path.display(),
            path.display()
        );
    }
    let mut text = String::new();
    match file.take(BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(read) if read as u64 <= BYTES_MAX => Ok(Some(without_bom(&text).to_owned())),
        Err(error) if error.kind() != ErrorKind::InvalidData => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => bail!("{} is not a secret: {hint}", path.display()),
    }
}
