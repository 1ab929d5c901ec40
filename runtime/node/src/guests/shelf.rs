//! Components by their digest: those that this program ships, and those that were installed here. What was ever installed stays, because jobs,
//! offers and decisions name it.

use super::shipped;
use anyhow::{Context, Result, anyhow, ensure};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use pylon_core::Digest;
use std::io::{ErrorKind, Read, Write};

/// What the sandbox takes at most; a larger file is none that we wrote.
const COMPONENT_BYTES_MAX: u64 = 32 << 20;

/// The folder of components.
pub struct Shelf {
    dir: Dir,
}

impl Shelf {
    /// Over the folder of this node.
    pub fn new(dir: Dir) -> Self {
        Self { dir }
    }

    /// Keeps a component and says under which name.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let name = file_name(digest);
        if self.read(&name, digest).is_ok() {
            return Ok(digest);
        }
        let unfinished = format!("{name}.{}", std::process::id());
        let written = self
            .dir
            .open_with(&unfinished, OpenOptions::new().write(true).create(true).truncate(true).mode(0o600))
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| self.dir.rename(&unfinished, &self.dir, &name));
        if written.is_err() {
            // Nothing else to be done about it: the next one overwrites it.
            let _ = self.dir.remove_file(&unfinished);
        }
        written.with_context(|| format!("the component {} cannot be kept", digest.short()))?;
        Ok(digest)
    }

    /// A component that was put here, the very same.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>> {
        self.read(&file_name(digest), digest)
    }

    fn read(&self, name: &str, digest: Digest) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.dir.open(name) {
            Ok(file) => file.take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(anyhow!("the component {} is not here", digest.short()));
            }
            Err(error) => return Err(error).with_context(|| format!("the component {} cannot be read", digest.short())),
        };
        ensure!(
            Digest::of(&bytes) == digest,
            "the file of the component {} is not what was put there: remove it",
            digest.short()
        );
        Ok(bytes)
    }
}

fn file_name(digest: Digest) -> String {
    format!("{}.wasm", digest.to_hex())
}

/// A component of this program by name.
pub(super) fn shipped_bytes(name: &str) -> Result<&'static [u8]> {
    shipped::component(name).ok_or_else(|| anyhow!("`{name}` is not among the guests of this program"))
}
