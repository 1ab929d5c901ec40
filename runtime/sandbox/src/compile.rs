//! From a component's bytes to code that runs, through the cache.

use crate::cache::Cache;
use pylon_core::Digest;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// Where compiled code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Made now.
    Compiled,
    /// Made before, by this node.
    Cached,
}

/// Slow (tenths of a second) unless cached.
pub(crate) fn compile(cache: Option<&Cache>, engine: &Engine, digest: Digest, bytes: &[u8]) -> Result<(Component, Loaded)> {
    let name = format!("{}-{}", digest.to_hex(), engine_id(engine));
    if let Some(component) = cache.and_then(|cache| cache.load(&name, engine)) {
        return Ok((component, Loaded::Cached));
    }
    let component = Component::from_binary(engine, bytes)?;
    if let Some(cache) = cache {
        cache.store(&name, &component);
    }
    Ok((component, Loaded::Compiled))
}

/// The same for engines whose compiled code is interchangeable: version, settings and CPU.
pub(crate) fn engine_id(engine: &Engine) -> String {
    struct Sha(Sha256);

    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let digest = hasher.0.finalize();
    hex::encode(digest.split_at(16).0)
}
