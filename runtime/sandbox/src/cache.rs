//! Compiled code kept across starts. Whoever can write here could run anything in this process, so the folder is the node's alone and each file
//! carries a keyed hash over its name and its content. Any doubt is answered by compiling again. A file is named by the digest of its component
//! and the engine that it is for; what no engine here can use is thrown away, and so is the oldest of too much.

use crate::image::{Authentic, IMAGE_BYTES_MAX, seal};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use pylon_core::Digest;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

const KEY_FILE: &str = "key";
/// An image and what seals it.
const MAX_FILE_BYTES: u64 = IMAGE_BYTES_MAX as u64 + 32;
/// What stays, the latest used first.
const MAX_FILES: usize = 64;
const MAX_TOTAL_BYTES: u64 = 512 << 20;
/// A file that is being written is not older than this.
const UNFINISHED_FOR: Duration = Duration::from_secs(3600);

/// A folder of compiled components and the key that seals them.
pub(crate) struct Cache {
    dir: Dir,
    key: [u8; 32],
    engines: [Arc<str>; 2],
    written: AtomicU64,
}

struct Kept {
    name: String,
    used: SystemTime,
    bytes: u64,
}

impl Cache {
    /// Takes the folder over: closed to everyone else, with a key of its own, and with nothing in it but code for these engines.
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

    /// The component, if its code is there and ours: read once, and loaded from the bytes that were verified.
    pub(crate) fn load(
        &self,
        component: Digest,
        engine_id: &str,
        engine: &Engine,
    ) -> Option<Component> {
        let name = file_name(component, engine_id);
        let mut file = self.dir.open(&name).ok()?;
        let mut bytes = Vec::with_capacity(
            usize::try_from(file.metadata().ok()?.len().min(MAX_FILE_BYTES)).ok()?,
        );
        io::Read::by_ref(&mut file).take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
        let loaded = Authentic::sealed(&self.key, &name, &bytes)?.load(engine).ok()?;
        // So that what is in use is pruned last. Where the time cannot be set, it is pruned earlier.
        let _ = file.into_std().set_modified(SystemTime::now());
        Some(loaded)
    }

    /// Keeps an image. That it cannot be kept is no reason not to use it.
    pub(crate) fn store(&self, component: Digest, engine_id: &str, image: &[u8]) {
        if let Err(error) = self.write(&file_name(component, engine_id), image) {
            tracing::warn!(%error, "compiled code cannot be kept: the next start compiles again");
        }
        self.prune();
    }

    fn write(&self, name: &str, image: &[u8]) -> io::Result<()> {
        let seal =
            seal(&self.key, name, image).ok_or_else(|| io::Error::other("the key has no use"))?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{name}.{}-{number}", std::process::id());
        let written = create(&self.dir, &unfinished).and_then(|mut file| {
            file.write_all(&seal)?;
            file.write_all(image)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| self.dir.rename(&unfinished, &self.dir, name));
        if renamed.is_err() {
            // Nothing else to be done about it: the name is never used again.
            let _ = self.dir.remove_file(&unfinished);
        }
        renamed
    }

    /// Throws away what is for no engine here, what nobody goes on writing, and the oldest of what is too much. What cannot be thrown away stays.
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
            if self.is_ours(&name) {
                kept.push(Kept { name, used, bytes: metadata.len() });
            } else if name != KEY_FILE
                && (!name.contains('.') || used.elapsed().is_ok_and(|age| age > UNFINISHED_FOR))
            {
                let _ = self.dir.remove_file(name);
            }
        }
        for name in too_much(kept) {
            let _ = self.dir.remove_file(name);
        }
    }

    /// Whole, and for an engine that is here.
    fn is_ours(&self, name: &str) -> bool {
        name.split_once('-')
            .is_some_and(|(_, engine)| self.engines.iter().any(|ours| **ours == *engine))
    }
}

/// All but the latest, within both bounds.
fn too_much(mut files: Vec<Kept>) -> impl Iterator<Item = String> {
    files.sort_by_key(|file| std::cmp::Reverse(file.used));
    let mut total: u64 = 0;
    files.into_iter().enumerate().filter_map(move |(place, file)| {
        total = total.saturating_add(file.bytes);
        (place >= MAX_FILES || total > MAX_TOTAL_BYTES).then_some(file.name)
    })
}

fn file_name(component: Digest, engine_id: &str) -> String {
    format!("{}-{engine_id}", component.to_hex())
}

/// `None` where there is none, or none of ours: then all that it sealed is void.
fn read_key(dir: &Dir) -> io::Result<Option<[u8; 32]>> {
    match dir.read(KEY_FILE) {
        Ok(bytes) => Ok(bytes.try_into().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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

fn create(dir: &Dir, name: &str) -> io::Result<cap_std::fs::File> {
    dir.open_with(name, OpenOptions::new().write(true).create(true).truncate(true).mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u64, bytes: u64) -> Kept {
        Kept {
            name: number.to_string(),
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(number),
            bytes,
        }
    }

    /// Goal: the folder has an end. Method: one file over each bound; the oldest goes.
    #[test]
    fn the_oldest_go_first() {
        let gone = |files: Vec<Kept>| too_much(files).collect::<Vec<_>>();
        assert_eq!(gone((0..=MAX_FILES as u64).map(|number| file(number, 1)).collect()), ["0"]);
        assert_eq!(gone((0..3).map(|number| file(number, MAX_TOTAL_BYTES / 2)).collect()), ["0"]);
        assert_eq!(gone((0..4).map(|number| file(number, 1)).collect()), [""; 0]);
    }
}
