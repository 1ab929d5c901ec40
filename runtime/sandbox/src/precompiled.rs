//! Compiled code, and how it becomes a component. This is the only place where machine code enters
//! the process: the constructors of [`TrustedCode`] are the ways to trust it.

use hmac::{Hmac, Mac};
use pylon_core::Digest;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

type Tag = Hmac<Sha256>;

/// Upper limit of a compiled component.
pub const PRECOMPILED_BYTES_MAX: usize = 256 << 20;
/// Length of the tag before the code in a cache file.
const TAG_BYTES: usize = 32;

/// Where compiled code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOrigin {
    /// Compiled now.
    Compiled,
    /// Read from this node's cache.
    Cached,
    /// Compiled elsewhere and signed.
    Signed,
}

/// Code that was compiled elsewhere. The caller has verified a signature over `digest` by a key
/// that the operator trusts to provide machine code.
#[derive(Clone, Copy, Debug)]
pub struct SignedPrecompiled<'a> {
    /// SHA-256 of the component that was compiled.
    pub component: Digest,
    /// SHA-256 of the code: the signed value.
    pub digest: Digest,
    /// The code, in memory that does not change.
    pub bytes: &'a [u8],
}

/// Code that can be loaded. It borrows the bytes until then, so that what was verified is loaded.
pub(crate) struct TrustedCode<'a>(&'a [u8]);

impl<'a> TrustedCode<'a> {
    /// From this node's compiler, just now.
    pub(crate) const fn from_compiler(code: &'a [u8]) -> Self {
        Self(code)
    }

    /// From a file of the cache that is authenticated with this key under this name.
    pub(crate) fn from_cache(key: &[u8; 32], name: &str, file: &'a [u8]) -> Option<Self> {
        let (tag, code) = file.split_at_checked(TAG_BYTES)?;
        mac(key, name, code)?.verify_slice(tag).ok()?;
        Some(Self(code))
    }

    /// From outside, if it has the signed digest.
    pub(crate) fn from_signed(code: &SignedPrecompiled<'a>) -> Option<Self> {
        let digest = Digest::from_bytes(Sha256::digest(code.bytes).into());
        (digest == code.digest).then_some(Self(code.bytes))
    }

    pub(crate) fn load(&self, engine: &Engine) -> Result<Component> {
        #[allow(
            unsafe_code,
            reason = "compiled code is machine code: the type states why these bytes are trusted"
        )]
        // SAFETY: each constructor proves that the bytes come from our compiler or from a key that
        // the operator trusts. They are read once, into memory that nothing else can write, and
        // wasmtime checks its version and the engine's settings in them again.
        unsafe {
            Component::deserialize(engine, self.0)
        }
    }
}

/// The authentication tag of a cache file.
pub(crate) fn tag(key: &[u8; 32], name: &str, code: &[u8]) -> Option<[u8; TAG_BYTES]> {
    Some(mac(key, name, code)?.finalize().into_bytes().into())
}

fn mac(key: &[u8; 32], name: &str, code: &[u8]) -> Option<Tag> {
    let mac = Tag::new_from_slice(key).ok()?;
    Some(mac.chain_update(name.len().to_le_bytes()).chain_update(name).chain_update(code))
}

/// Equal for engines whose compiled code is interchangeable: same version, settings and CPU.
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
