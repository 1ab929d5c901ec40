//! The cache of compiled code. Write access to it would mean code execution in this process, so the
//! directory is private and each file has a keyed hash of its name and content. A file that is not
//! valid is compiled again. A file is named after the digest of its component and the id of its
//! engine. Files for other engines are removed, and so are the oldest ones above the limits.

use crate::precompiled::{PRECOMPILED_BYTES_MAX, TrustedCode, tag};
use cap_std::fs::{Dir, Permissions, PermissionsExt};
use pylon_core::Digest;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

const KEY_FILE: &str = "key";
const KEY_BYTES: u64 = 32;
/// Compiled code and its tag.
const FILE_BYTES_MAX: u64 = PRECOMPILED_BYTES_MAX as u64 + 32;
/// The most recently used files stay.
const FILES_MAX: usize = 64;
const TOTAL_BYTES_MAX: u64 = 512 << 20;
/// An unfinished file that is older is left over from a crash.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(3600);

/// A directory of compiled components, and the key that authenticates them.
pub(crate) struct Cache {
    dir: Dir,
    key: [u8; 32],
    engines: [Arc<str>; 2],
    written: AtomicU64,
}

struct CachedFile {
    name: String,
    used: SystemTime,
    bytes: u64,
}

impl Cache {
    /// Makes the directory private, creates a key if there is none, and removes files for other
    /// engines.
    pub(crate) fn open(dir: Dir, engines: [Arc<str>; 2]) -> io::Result<Self> {
        dir.set_permissions(".", Permissions::from_mode(0o700))?;
        let key = match read_key(&dir)? {
            Some(key) => key,
            None => write_key(&dir)?,
        };
        let cache = Self { dir, key, engines, written: AtomicU64::new(0) };
        cache.prune();
        Ok(cache)
    }

    /// Loads a component, if its code is cached and authentic. The file is read once, and what was
    /// verified is loaded.
    pub(crate) fn load(
        &self,
        component: Digest,
        engine_id: &str,
        engine: &Engine,
    ) -> Option<Component> {
        let name = file_name(component, engine_id);
        let mut file = pylon_files::open_in(&self.dir, &name).ok()?;
        let mut bytes = Vec::with_capacity(
            usize::try_from(file.metadata().ok()?.len().min(FILE_BYTES_MAX)).ok()?,
        );
        io::Read::by_ref(&mut file).take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let loaded = TrustedCode::from_cache(&self.key, &name, &bytes)?.load(engine).ok()?;
        // Used files are pruned last. If this fails, the file is only pruned earlier.
        let _ = file.set_modified(SystemTime::now());
        Some(loaded)
    }

    /// Stores compiled code. A failure is only logged.
    pub(crate) fn store(&self, component: Digest, engine_id: &str, code: &[u8]) {
        if let Err(error) = self.write(&file_name(component, engine_id), code) {
            tracing::warn!(%error, "cannot store compiled code, the next start compiles again");
        }
        self.prune();
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let tag = tag(&self.key, name, code).ok_or_else(|| io::Error::other("invalid key"))?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{name}.{}-{number}", std::process::id());
        let written = create(&self.dir, &unfinished).and_then(|mut file| {
            file.write_all(&tag)?;
            file.write_all(code)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| self.dir.rename(&unfinished, &self.dir, name));
        if renamed.is_err() {
            // Best effort: the name is never used again.
            let _ = self.dir.remove_file(&unfinished);
        }
        renamed
    }

    /// Removes files for other engines, unfinished files, and the oldest files above the limits.
    /// Errors are ignored.
    fn prune(&self) {
        let Ok(entries) = self.dir.entries() else { return };
        let mut kept = Vec::new();
        for entry in entries.flatten() {
            let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata())
            else {
                continue;
            };
            let used = metadata
                .modified()
                .map_or(SystemTime::UNIX_EPOCH, cap_std::time::SystemTime::into_std);
            if self.is_current(&name) {
                kept.push(CachedFile { name, used, bytes: metadata.len() });
            } else if name != KEY_FILE
                && (!name.contains('.') || used.elapsed().is_ok_and(|age| age > UNFINISHED_AGE_MAX))
            {
                let _ = self.dir.remove_file(name);
            }
        }
        for name in above_limits(kept) {
            let _ = self.dir.remove_file(name);
        }
    }

    /// A finished file for one of the engines.
    fn is_current(&self, name: &str) -> bool {
        name.split_once('-')
            .is_some_and(|(_, engine)| self.engines.iter().any(|ours| **ours == *engine))
    }
}

/// The least recently used files above the limits of number and size.
fn above_limits(mut files: Vec<CachedFile>) -> impl Iterator<Item = String> {
    files.sort_by_key(|file| std::cmp::Reverse(file.used));
    let mut total: u64 = 0;
    files.into_iter().enumerate().filter_map(move |(place, file)| {
        total = total.saturating_add(file.bytes);
        (place >= FILES_MAX || total > TOTAL_BYTES_MAX).then_some(file.name)
    })
}

fn file_name(component: Digest, engine_id: &str) -> String {
    format!("{}-{engine_id}", component.to_hex())
}

/// `None` if there is no key, or if it is not valid: then all cached files are invalid too.
fn read_key(dir: &Dir) -> io::Result<Option<[u8; 32]>> {
    let file = match pylon_files::open_in(dir, KEY_FILE) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io::Error::new(error.kind(), format!("{KEY_FILE}: {error}"))),
    };
    let mut bytes = Vec::new();
    file.take(KEY_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

fn write_key(dir: &Dir) -> io::Result<[u8; 32]> {
    let key: [u8; 32] = rand::random();
    let unfinished = format!("{KEY_FILE}.{}", std::process::id());
    let mut file = create(dir, &unfinished)?;
    file.write_all(&key)?;
    file.sync_all()?;
    dir.rename(&unfinished, dir, KEY_FILE)?;
    Ok(key)
}

fn create(dir: &Dir, name: &str) -> io::Result<File> {
    let file = pylon_files::create_in(dir, name)?;
    file.set_len(0)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u64, bytes: u64) -> CachedFile {
        CachedFile {
            name: number.to_string(),
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(number),
            bytes,
        }
    }

    /// Goal: the cache is bounded. Method: one file above each limit; the oldest is removed.
    #[test]
    fn the_oldest_files_are_removed() {
        let removed = |files: Vec<CachedFile>| above_limits(files).collect::<Vec<_>>();
        assert_eq!(removed((0..=FILES_MAX as u64).map(|number| file(number, 1)).collect()), ["0"]);
        assert_eq!(
            removed((0..3).map(|number| file(number, TOTAL_BYTES_MAX / 2)).collect()),
            ["0"]
        );
        assert_eq!(removed((0..4).map(|number| file(number, 1)).collect()), [""; 0]);
    }
}
