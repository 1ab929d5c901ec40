//! The components that were installed on this node, by digest, with their releases, deletions and
//! precompiled code. Nothing is removed, because jobs, offers and decisions name components.

use crate::precompiled::{self, Precompiled};
use anyhow::{Context, Result, anyhow, ensure};
use cap_std::fs::Dir;
use pylon_core::sync::lock;
use pylon_core::{Digest, MessageId, PublicKey};
use pylon_nostr::release;
use pylon_sandbox::{COMPONENT_BYTES_MAX, PRECOMPILED_BYTES_MAX};
use std::io::{ErrorKind, Read, Write};
use std::sync::Mutex;

/// The folder of components.
pub struct ComponentStore {
    dir: Dir,
    /// Its path, for messages.
    path: String,
    /// Held while a file is written, because temporary files share a name.
    writing: Mutex<()>,
}

impl ComponentStore {
    /// A store in this folder, whose path in messages is `path`.
    pub fn new(dir: Dir, path: impl Into<String>) -> Self {
        Self { dir, path: path.into(), writing: Mutex::default() }
    }

    /// Its path, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Stores a component.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if self.get(digest).is_ok() {
            return Ok(digest);
        }
        self.write(&component_name(digest), bytes)
            .with_context(|| format!("cannot store the component {}", digest.short()))?;
        Ok(digest)
    }

    /// The component of this digest.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>> {
        let short = digest.short();
        let bytes = self
            .read(&component_name(digest), COMPONENT_BYTES_MAX)
            .with_context(|| format!("cannot read the component {short}"))?
            .ok_or_else(|| anyhow!("the component {short} is not in {}", self.path))?;
        ensure!(
            Digest::of(&bytes) == digest,
            "the file of the component {short} has changed: remove it"
        );
        Ok(bytes)
    }

    /// Stores the release of a component by this publisher.
    pub fn put_release(&self, digest: Digest, publisher: PublicKey, release: &str) -> Result<()> {
        self.write(&release_name(&component_by(digest, publisher)), release.as_bytes())
            .with_context(|| format!("cannot store the release of {}", digest.short()))
    }

    /// The release of a component by this publisher.
    pub fn release(&self, digest: Digest, publisher: PublicKey) -> Result<String> {
        let read = self.read_text(&release_name(&component_by(digest, publisher)));
        read.and_then(|release| release.ok_or_else(|| ErrorKind::NotFound.into())).with_context(
            || format!("cannot read the release of {}: install it again", digest.short()),
        )
    }

    /// Stores the publisher's deletion of a release.
    pub(crate) fn put_deletion(&self, release: MessageId, deletion: &str) -> Result<()> {
        self.write(&deletion_name(release), deletion.as_bytes()).context("cannot store a deletion")
    }

    /// The publisher's deletion of a release, if one is known.
    pub(crate) fn deletion(&self, release: MessageId) -> Result<Option<String>> {
        self.read_text(&deletion_name(release)).context("cannot read a deletion")
    }

    /// Stores precompiled code of a component, with its release.
    pub(crate) fn put_precompiled(
        &self,
        component: Digest,
        engine: &str,
        code: &Precompiled,
    ) -> Result<()> {
        let name = precompiled_name(component, engine);
        let release = code
            .release
            .as_ref()
            .map_or(Ok(()), |release| self.write(&release_name(&name), release.as_bytes()));
        release
            .and_then(|()| self.write(&name, &code.bytes))
            .with_context(|| format!("cannot store the precompiled code of {}", component.short()))
    }

    /// Precompiled code of a component: untrusted.
    pub(crate) fn precompiled(
        &self,
        component: Digest,
        engine: &str,
    ) -> Result<Option<Precompiled>> {
        let name = precompiled_name(component, engine);
        let read = self.read(&name, PRECOMPILED_BYTES_MAX).and_then(|bytes| {
            let release = self.read_text(&release_name(&name))?;
            Ok(bytes.map(|bytes| Precompiled { bytes, release }))
        });
        read.with_context(|| format!("cannot read the precompiled code of {}", component.short()))
    }

    /// The file and folder of the precompiled code of a component, for messages.
    pub(crate) fn precompiled_place(&self, component: Digest, engine: &str) -> String {
        format!("{} in {}", precompiled_name(component, engine), self.path)
    }

    /// The release of precompiled code.
    pub(crate) fn precompiled_release(&self, component: Digest, engine: &str) -> Option<String> {
        self.read_text(&release_name(&precompiled_name(component, engine))).ok()?
    }

    /// A release or a deletion.
    fn read_text(&self, name: &str) -> std::io::Result<Option<String>> {
        let bytes = self.read(name, release::BYTES_MAX)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn read(&self, name: &str, bytes_max: usize) -> std::io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match pylon_files::open_in(&self.dir, name) {
            Ok(file) => file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(bytes))
    }

    /// Writes a file atomically.
    fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let _writing = lock(&self.writing);
        let temporary = format!("{name}.{}", std::process::id());
        let written = pylon_files::create_in(&self.dir, &temporary)
            .and_then(|mut file| {
                file.set_len(0)?;
                file.write_all(bytes)?;
                file.sync_all()
            })
            .and_then(|()| self.dir.rename(&temporary, &self.dir, name));
        if written.is_err() {
            // If this fails, too, the next write replaces it.
            let _ = self.dir.remove_file(&temporary);
        }
        written
    }
}

fn component_name(digest: Digest) -> String {
    format!("{}.wasm", digest.to_hex())
}

fn precompiled_name(component: Digest, engine: &str) -> String {
    format!("{}{}", component.to_hex(), precompiled::suffix(engine))
}

/// Several publishers may sign one component.
fn component_by(component: Digest, publisher: PublicKey) -> String {
    format!("{}.{}", component.to_hex(), publisher.to_hex())
}

/// Several releases of one component may be deleted.
fn deletion_name(release: MessageId) -> String {
    format!("{}.deletion.json", release.to_hex())
}

fn release_name(of: &str) -> String {
    format!("{of}.release.json")
}
