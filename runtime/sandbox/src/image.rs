//! Compiled code, and how it becomes a component that runs: the only place where machine code enters the process. An [`Authentic`] image is the
//! proof that these very bytes may: they were made here just now, or sealed by this node, or named by a digest that the operator trusts.

use hmac::{Hmac, Mac};
use pylon_core::Digest;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

type Seal = Hmac<Sha256>;

/// No component compiles to more.
pub const IMAGE_BYTES_MAX: usize = 256 << 20;
/// In front of an image in the cache.
const SEAL_BYTES: usize = 32;

/// Where compiled code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Made now.
    Compiled,
    /// Made before, by this node.
    Cached,
    /// Made elsewhere, and signed.
    Signed,
}

/// Code that somebody else compiled. The caller has verified a signature over `digest`, by a key that the operator trusts to make machine code.
#[derive(Clone, Copy, Debug)]
pub struct SignedImage<'a> {
    /// SHA-256 of the component that it was made of.
    pub component: Digest,
    /// SHA-256 of the image: what is signed.
    pub digest: Digest,
    /// The image, in memory that nothing changes meanwhile.
    pub bytes: &'a [u8],
}

/// Bytes that may become code. They stay borrowed until they have, so that what was checked is what runs.
pub(crate) struct Authentic<'a>(&'a [u8]);

impl<'a> Authentic<'a> {
    /// Fresh from the compiler.
    pub(crate) const fn made(image: &'a [u8]) -> Self {
        Self(image)
    }

    /// From a file of the cache: sealed with this key under this name.
    pub(crate) fn sealed(key: &[u8; 32], name: &str, file: &'a [u8]) -> Option<Self> {
        let (seal, image) = file.split_at_checked(SEAL_BYTES)?;
        sealing(key, name, image)?.verify_slice(seal).ok()?;
        Some(Self(image))
    }

    /// From outside, with the digest that was signed.
    pub(crate) fn signed(image: &SignedImage<'a>) -> Option<Self> {
        let digest = Digest::from_bytes(Sha256::digest(image.bytes).into());
        (digest == image.digest).then_some(Self(image.bytes))
    }

    pub(crate) fn load(&self, engine: &Engine) -> Result<Component> {
        #[allow(
            unsafe_code,
            reason = "compiled code is machine code: the type says who vouches for these very bytes"
        )]
        // SAFETY: each constructor is one way to know that the bytes come from our compiler or from a key that the operator trusts; they are read
        // once, into memory that nothing else can write, and wasmtime checks its own version and the engine's settings in them again.
        unsafe {
            Component::deserialize(engine, self.0)
        }
    }
}

/// What stands in front of an image in the cache.
pub(crate) fn seal(key: &[u8; 32], name: &str, image: &[u8]) -> Option<[u8; SEAL_BYTES]> {
    Some(sealing(key, name, image)?.finalize().into_bytes().into())
}

fn sealing(key: &[u8; 32], name: &str, image: &[u8]) -> Option<Seal> {
    let seal = Seal::new_from_slice(key).ok()?;
    Some(seal.chain_update(name.len().to_le_bytes()).chain_update(name).chain_update(image))
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
