//! A file that holds a secret: only its owner may read it, and it is short. Its text leaves as a return value, and no error repeats any of it.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// More than the longest phrase or key needs.
const BYTES_MAX: u64 = 4096;

/// Its text; `None` if there is no such file. `what` it holds, and what to do if it does not, is for the error.
pub fn read(path: &Path, what: &str) -> Result<Option<String>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let about = file.metadata().with_context(|| path.display().to_string())?;
    if !about.is_file() {
        bail!("{} is not a file: move it away, {what}", path.display());
    }
    if about.permissions().mode() & 0o077 != 0 {
        bail!("{} is open to other users: run `chmod 600 '{}'`", path.display(), path.display());
    }
    let mut text = String::new();
    match file.take(BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(read) if read as u64 <= BYTES_MAX => Ok(Some(text)),
        Err(error) if error.kind() != ErrorKind::InvalidData => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => bail!("{} is not a secret: {what}", path.display()),
    }
}
