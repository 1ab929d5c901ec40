//! Compiled code kept across starts. Whoever can write here could run anything in this process, so the folder is the node's alone and each file
//! carries a keyed hash over its name and its content. Any doubt is answered by compiling again.

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;
use wasmtime::component::Component;

type Seal = Hmac<Sha256>;

const SEAL_BYTES: usize = 32;
const KEY_FILE: &str = "key";
/// No component compiles to more.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// A folder of compiled components and the key that seals them.
pub(crate) struct Cache {
    dir: Dir,
    key: [u8; 32],
    written: AtomicU64,
}

impl Cache {
    /// Takes the folder over: closed to everyone else, with a key of its own.
    pub(crate) fn open(dir: Dir) -> io::Result<Self> {
        dir.set_permissions(".", Permissions::from_mode(0o700))?;
        let key = match read_key(&dir)? {
            Some(key) => key,
            None => write_key(&dir)?,
        };
        Ok(Self { dir, key, written: AtomicU64::new(0) })
    }

    /// The component under this name, if it is there and ours.
    pub(crate) fn load(&self, name: &str, engine: &Engine) -> Option<Component> {
        let file = self.dir.open(name).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
        let (seal, code) = bytes.split_at_checked(SEAL_BYTES)?;
        self.sealing(name, code)?.verify_slice(seal).ok()?;
        #[allow(unsafe_code, reason = "compiled code is machine code: the seal says that this very buffer was written by us")]
        // SAFETY: the bytes are those just verified, read once into memory that nothing else can write; their name, which the seal covers,
        // holds the engine's compatibility hash, and wasmtime checks its own version in them again.
        let component = unsafe { Component::deserialize(engine, code) };
        component.ok()
    }

    /// Keeps a component. That it cannot be kept is no reason not to use it.
    pub(crate) fn store(&self, name: &str, component: &Component) {
        let kept = component.serialize().map_err(io::Error::other).and_then(|code| self.write(name, &code));
        if let Err(error) = kept {
            tracing::warn!(%error, "compiled code cannot be kept: the next start compiles again");
        }
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let seal = self.sealing(name, code).ok_or_else(|| io::Error::other("the key has no use"))?.finalize().into_bytes();
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{name}.{}-{number}", std::process::id());
        let written = create(&self.dir, &unfinished).and_then(|mut file| {
            file.write_all(&seal)?;
            file.write_all(code)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| self.dir.rename(&unfinished, &self.dir, name));
        if renamed.is_err() {
            // Nothing else to be done about it: the name is never used again.
            let _ = self.dir.remove_file(&unfinished);
        }
        renamed
    }

    fn sealing(&self, name: &str, code: &[u8]) -> Option<Seal> {
        let seal = Seal::new_from_slice(&self.key).ok()?;
        Some(seal.chain_update(name.len().to_le_bytes()).chain_update(name).chain_update(code))
    }
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
