//! Components by their digest: those that this program ships, and those that were installed here. What was ever installed stays, because jobs,
//! offers and decisions name it.

use super::image::{Image, suffix};
use anyhow::{Context, Result, anyhow, ensure};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use pylon_core::{Digest, MessageId, PublicKey};
use pylon_nostr::release;
use pylon_sandbox::{COMPONENT_BYTES_MAX, PRECOMPILED_BYTES_MAX};
use std::io::{ErrorKind, Read, Write};
use std::sync::{Mutex, PoisonError};

/// The folder of components.
pub struct Shelf {
    dir: Dir,
    /// Where it is, for people.
    place: String,
    /// One file is written after the other: unfinished ones have the same name.
    writing: Mutex<()>,
}

impl Shelf {
    /// Over this folder, which messages call `place`.
    pub fn new(dir: Dir, place: impl Into<String>) -> Self {
        Self { dir, place: place.into(), writing: Mutex::default() }
    }

    /// Where it is, for people.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Keeps a component and says under which name.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let name = file_name(digest);
        if self.read(&name, digest).is_ok() {
            return Ok(digest);
        }
        self.write(&name, bytes)
            .with_context(|| format!("the component {} cannot be kept", digest.short()))?;
        Ok(digest)
    }

    /// Keeps the release of a component by this author, as it was signed.
    pub fn put_release(&self, digest: Digest, publisher: PublicKey, release: &str) -> Result<()> {
        self.write(&release_name(&by(digest, publisher)), release.as_bytes())
            .with_context(|| format!("the release of {} cannot be kept", digest.short()))
    }

    /// The release that was put here.
    pub fn release(&self, digest: Digest, publisher: PublicKey) -> Result<String> {
        let read = self.bounded(&release_name(&by(digest, publisher)), release::BYTES_MAX);
        let read = read.and_then(|bytes| bytes.ok_or_else(|| ErrorKind::NotFound.into()));
        let bytes = read.with_context(|| {
            format!("the release of {} cannot be read: install it again", digest.short())
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Keeps the word of its author that this release is withdrawn.
    pub(super) fn put_deletion(&self, release: MessageId, deletion: &str) -> Result<()> {
        self.write(&deletion_name(release), deletion.as_bytes())
            .context("a deletion cannot be kept")
    }

    /// That word, if it was put here.
    pub(super) fn deletion(&self, release: MessageId) -> Result<Option<String>> {
        let bytes = self
            .bounded(&deletion_name(release), release::BYTES_MAX)
            .context("a deletion cannot be read")?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Keeps what was compiled elsewhere, with its release.
    pub(super) fn put_image(&self, component: Digest, engine: &str, image: &Image) -> Result<()> {
        let name = image_name(component, engine);
        let release = image
            .release
            .as_ref()
            .map_or(Ok(()), |release| self.write(&release_name(&name), release.as_bytes()));
        let written = release.and_then(|()| self.write(&name, &image.bytes));
        written.with_context(|| format!("the image of {} cannot be kept", component.short()))
    }

    /// What was compiled elsewhere, as it was put here by whoever it was: nothing is believed of it.
    pub(super) fn image(&self, component: Digest, engine: &str) -> Result<Option<Image>> {
        let name = image_name(component, engine);
        let read = self.bounded(&name, PRECOMPILED_BYTES_MAX).and_then(|bytes| {
            let release = self.bounded(&release_name(&name), release::BYTES_MAX)?;
            Ok(bytes.map(|bytes| Image {
                bytes,
                release: release.map(|text| String::from_utf8_lossy(&text).into_owned()),
            }))
        });
        read.with_context(|| format!("the image of {} cannot be read", component.short()))
    }

    /// The release of that image alone.
    pub(super) fn image_release(&self, component: Digest, engine: &str) -> Option<String> {
        let release = self
            .bounded(&release_name(&image_name(component, engine)), release::BYTES_MAX)
            .ok()??;
        Some(String::from_utf8_lossy(&release).into_owned())
    }

    fn bounded(&self, name: &str, bytes_max: usize) -> std::io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match self.dir.open(name) {
            Ok(file) => file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(bytes))
    }

    /// Either all of it is there or nothing.
    fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let unfinished = format!("{name}.{}", std::process::id());
        let written = self
            .dir
            .open_with(
                &unfinished,
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600),
            )
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| self.dir.rename(&unfinished, &self.dir, name));
        if written.is_err() {
            // Nothing else to be done about it: the next one overwrites it.
            let _ = self.dir.remove_file(&unfinished);
        }
        written
    }

    /// A component that was put here, the very same.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>> {
        self.read(&file_name(digest), digest)
    }

    fn read(&self, name: &str, digest: Digest) -> Result<Vec<u8>> {
        let read = self.bounded(name, COMPONENT_BYTES_MAX);
        let bytes =
            read.with_context(|| format!("the component {} cannot be read", digest.short()))?;
        let bytes = bytes.ok_or_else(|| anyhow!("the component {} is not here", digest.short()))?;
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

fn image_name(component: Digest, engine: &str) -> String {
    format!("{}{}", component.to_hex(), suffix(engine))
}

/// Several authors may sign one component.
fn by(component: Digest, publisher: PublicKey) -> String {
    format!("{}.{}", component.to_hex(), publisher.to_hex())
}

/// Several releases of one component may be withdrawn.
fn deletion_name(release: MessageId) -> String {
    format!("{}.deletion.json", release.to_hex())
}

fn release_name(of: &str) -> String {
    format!("{of}.release.json")
}
