//! The file for the text of a result.

use anyhow::{Context, Result};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::{Builder, NamedTempFile};

/// Written to a new file in the same folder, which replaces the path at the end. So a wrong path
/// is known before anything is sent, and the path never has a part of a text.
pub(super) struct OutputFile<'a> {
    path: &'a Path,
    part: NamedTempFile,
}

impl<'a> OutputFile<'a> {
    pub(super) fn create(path: &'a Path) -> Result<Self> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(".".as_ref());
        let part = Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(dir);
        let part = part.with_context(|| {
            format!("cannot write to the folder of {}; nothing was sent", path.display())
        })?;
        Ok(Self { path, part })
    }

    pub(super) fn write(mut self, text: &str) -> Result<()> {
        let written = self.part.write_all(text.as_bytes());
        let path = self.path;
        written
            .and_then(|()| self.part.persist(path).map_err(|error| error.error))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }
}
